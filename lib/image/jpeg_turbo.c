/* SPDX-License-Identifier: MIT
 * jpeg_turbo.c - JPEG by libjpeg-turbo, where it is there
 *
 * Its slow integer DCT and smooth ("fancy") upsampling, which are its defaults, give Pillow's
 * bytes. Its DCT scaling is left alone: a picture decoded to half its size and then resized has
 * other pixels than the same picture resized once, by several grey levels at edges, and entropy
 * decoding, which no scaling avoids, takes most of the time.
 */
#ifdef HAVE_LIBJPEG
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
#include <jerror.h>
#include "base/error.h"
#include "image/codec.h"

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    jmp_buf stop;
    long most_scans;
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
        jpeg_truncated();
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

    if (d->jpeg.input_scan_number <= d->most_scans)
        return;
    fail_as("corrupt", "bad JPEG: more than %ld scans", d->most_scans);
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

int jpeg_decode(struct bytes b, const struct image_info *info, struct image *image)
{
    static const J_COLOR_SPACE spaces[] = { [1] = JCS_GRAYSCALE, [3] = JCS_RGB, [4] = JCS_CMYK };
    int channels = info->mode == MODE_L ? 1 : info->mode == MODE_RGB ? 3 : 4;
    long shrink = info->shrink > 1 ? info->shrink : 1; /* done on the coefficients: it saves time */
    long width = (info->width + shrink - 1) / shrink, height = (info->height + shrink - 1) / shrink;
    struct decoder d = { .most_scans = jpeg_scan_limit(b, info) };

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
    d.jpeg.scale_num = 1;
    d.jpeg.scale_denom = (unsigned)shrink;
    jpeg_start_decompress(&d.jpeg);
    if (d.jpeg.output_width != (JDIMENSION)width || d.jpeg.output_height != (JDIMENSION)height ||
        d.jpeg.output_components != channels)
        ERREXIT(&d.jpeg, JERR_SOF_DUPLICATE);
    image_new(image, (int)width, (int)height, channels, info->mode);
    read_rows(&d, image);
    jpeg_destroy_decompress(&d.jpeg); /* not finished: what follows the last row is no matter */
    if (channels == 4)                /* Adobe's CMYK is upside down */
        for (size_t i = 0; i < 4 * (size_t)image->width * (size_t)image->height; i++)
            image->pixels[i] = (unsigned char)(255 - image->pixels[i]);
    return 0;
}
#endif
