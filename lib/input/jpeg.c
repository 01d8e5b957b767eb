/* SPDX-License-Identifier: MIT
 * jpeg.c - JPEG, by libjpeg-turbo where it is there, else by stb_image
 *
 *     FF D8  { FF marker length16 body }*  FF DA length16 header  entropy-coded data ...  FF D9
 *
 * libjpeg decodes with its slow integer DCT and smooth ("fancy") upsampling, which gives Pillow's
 * bytes.  Its DCT scaling is left alone: a picture decoded to half its size and then resized has
 * other pixels than the same picture resized once, by several grey levels at edges, and entropy
 * decoding, which no scaling avoids, takes most of the time.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include "input/codec.h"

static bool knows(struct bytes b)
{
    return b.size >= 3 && b.data[0] == 0xff && b.data[1] == 0xd8 && b.data[2] == 0xff;
}

static int truncated(void)
{
    return fail_as("truncated", "premature end of JPEG");
}

/* The next marker at or behind *at; *at moves behind it.  -1: the file ends. */
static int next_marker(struct bytes b, size_t *at)
{
    for (; *at + 1 < b.size; ++*at)
        if (b.data[*at] == 0xff && b.data[*at + 1] != 0xff && b.data[*at + 1] != 0) {
            *at += 2;
            return b.data[*at - 1];
        }
    return -1;
}

static int read_frame(const unsigned char *p, size_t length, struct image_info *info)
{
    if (length < 8)
        return fail_as("corrupt", "bad JPEG: short frame header");
    info->height = (long)big16(p + 3);
    info->width = (long)big16(p + 5);
    if (p[2] != 8)
        return fail_as("unsupported", "JPEG with %d bits a sample", p[2]);
    if (p[7] != 1 && p[7] != 3 && p[7] != 4)
        return fail_as("unsupported", "JPEG with %d channels", p[7]);
    info->mode = p[7] == 1 ? MODE_L : p[7] == 3 ? MODE_RGB : MODE_CMYK;
    return 0;
}

static int probe(struct bytes b, struct image_info *info)
{
    size_t at = 2;

    for (;;) {
        int marker = next_marker(b, &at);
        size_t length;

        if (marker < 0)
            return truncated();
        if ((marker >= 0xd0 && marker <= 0xd8) || marker == 0x01)
            continue; /* stands alone */
        if (marker == 0xd9 || marker == 0xda)
            return fail_as("corrupt", "bad JPEG: no frame header");
        if (!bytes_have(b, at, 2))
            return truncated();
        length = big16(b.data + at);
        if (length < 2)
            return fail_as("corrupt", "bad JPEG: a segment of %zu bytes", length);
        if (!bytes_have(b, at, length))
            return truncated();
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
            return read_frame(b.data + at, length, info);
        at += length;
    }
}

#ifdef HAVE_LIBJPEG
#include <jpeglib.h>
#include <jerror.h>

enum { MOST_SCANS = 500 }; /* a few bytes a scan could keep a processor busy for hours */

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    jmp_buf stop;
};

static _Noreturn void stop(struct decoder *d, const char *code)
{
    char message[JMSG_LENGTH_MAX];

    d->error.format_message((j_common_ptr)&d->jpeg, message);
    fail_as(code, "bad JPEG: %s", message);
    longjmp(d->stop, 1);
}

static void on_error(j_common_ptr jpeg)
{
    int code = jpeg->err->msg_code;

    stop(jpeg->client_data, code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED ||
                                    code == JERR_CONVERSION_NOTIMPL || code == JERR_NOT_COMPILED ||
                                    code == JERR_ARITH_NOTIMPL || code == JERR_CCIR601_NOTIMPL
                                ? "unsupported"
                                : "corrupt");
}

/* Warnings that tell of lost pixels are errors; the others (stray bytes between segments, odd
 * version numbers) are not worth a word. */
static void on_message(j_common_ptr jpeg, int level)
{
    struct decoder *d = jpeg->client_data;

    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
        truncated();
        longjmp(d->stop, 1);
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        stop(d, "corrupt");
    }
}

static void on_progress(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;

    if (d->jpeg.input_scan_number <= MOST_SCANS)
        return;
    fail_as("corrupt", "bad JPEG: more than %d scans", MOST_SCANS);
    longjmp(d->stop, 1);
}

static void read_rows(struct decoder *d, const struct image *image)
{
    size_t stride = (size_t)image->width * (size_t)image->channels;

    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        JSAMPROW rows[4]; /* of an upsampled JPEG two or four rows are made at once */
        JDIMENSION first = d->jpeg.output_scanline;

        for (int i = 0; i < COUNT(rows); i++) {
            JDIMENSION y = first + (JDIMENSION)i;

            rows[i] = image->pixels +
                      stride * (y < d->jpeg.output_height ? y : d->jpeg.output_height - 1);
        }
        jpeg_read_scanlines(&d->jpeg, rows, COUNT(rows));
    }
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    static const J_COLOR_SPACE spaces[] = { [1] = JCS_GRAYSCALE, [3] = JCS_RGB, [4] = JCS_CMYK };
    int channels = info->mode == MODE_L ? 1 : info->mode == MODE_RGB ? 3 : 4;
    struct decoder d = { 0 };

    d.jpeg.err = jpeg_std_error(&d.error);
    d.error.error_exit = on_error;
    d.error.emit_message = on_message;
    d.progress.progress_monitor = on_progress;
    if (setjmp(d.stop)) { /* what changes after this lives behind pointers */
        jpeg_destroy_decompress(&d.jpeg);
        return -1;
    }
    d.jpeg.client_data = &d;
    jpeg_create_decompress(&d.jpeg);
    d.jpeg.client_data = &d;
    d.jpeg.progress = &d.progress;
    jpeg_mem_src(&d.jpeg, b.data, b.size);
    jpeg_read_header(&d.jpeg, TRUE);
    d.jpeg.out_color_space = spaces[channels];
    jpeg_start_decompress(&d.jpeg);
    if (d.jpeg.output_width != (JDIMENSION)info->width ||
        d.jpeg.output_height != (JDIMENSION)info->height || d.jpeg.output_components != channels)
        ERREXIT(&d.jpeg, JERR_SOF_DUPLICATE);
    image_new(image, (int)info->width, (int)info->height, channels, info->mode);
    read_rows(&d, image);
    jpeg_destroy_decompress(&d.jpeg); /* not finished: what follows the last row is no matter */
    if (channels == 4)                /* Adobe's CMYK is upside down */
        for (size_t i = 0; i < 4 * (size_t)image->width * (size_t)image->height; i++)
            image->pixels[i] = (unsigned char)(255 - image->pixels[i]);
    return 0;
}
#else
/* stb_image takes a missing end for zeros: walk to the end marker. */
static int check_end(struct bytes b)
{
    size_t at = 2;
    int marker;

    while ((marker = next_marker(b, &at)) != 0xd9) {
        if (marker < 0)
            return truncated();
        if ((marker >= 0xd0 && marker <= 0xd8) || marker == 0x01)
            continue;
        if (!bytes_have(b, at, 2) || !bytes_have(b, at, big16(b.data + at)))
            return truncated();
        at += big16(b.data + at);
    }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct image_info rgb = *info;

    if (check_end(b) < 0)
        return -1;
    if (info->mode == MODE_CMYK)
        rgb.mode = MODE_RGB; /* stb_image multiplies the inks out */
    return stb_decode(b, &rgb, info->mode == MODE_L ? 1 : 3, image);
}
#endif

const struct codec codec_jpeg = { "jpeg", knows, probe, decode };
