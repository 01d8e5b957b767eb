/* SPDX-License-Identifier: MIT
 * image.c - encoded bytes to 8-bit pixels
 *
 * What a file is, its first bytes say, never its name.  Stated results of unusual pictures, which
 * are Pillow's unless said otherwise:
 *
 *     animated GIF, WebP     the first frame, on the whole canvas
 *     16 bits a channel      the high byte (Pillow clips 16-bit grey instead)
 *     palette, 1 bit         RGB or grey pixels; `mode` keeps the file's, because Pillow resizes
 *                            such pictures without interpolation
 *     CMYK JPEG              four channels, 0 is no ink; image_to_rgb multiplies them out
 *     EXIF orientation       not applied; no original pipeline applies it
 *
 * Damaged pictures are errors, also where other programs would show a part of them.
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "image/codec.h"

static const struct codec *const codecs[] = {
    &codec_jpeg, &codec_png, &codec_webp, &codec_gif,
    &codec_bmp,  &codec_pnm, &codec_psd,  &codec_tga, /* has no magic number, so it comes last */
};

/* Known, but not read: the message names them. */
static const struct {
    const char *name;
    size_t offset, size;
    const char *magic;
} strangers[] = {
    { "TIFF", 0, 4, "II*\0" },
    { "TIFF", 0, 4, "MM\0*" },
    { "AVIF", 4, 8, "ftypavif" },
    { "AVIF", 4, 8, "ftypavis" },
    { "HEIF", 4, 8, "ftypheic" },
    { "HEIF", 4, 8, "ftypheix" },
    { "HEIF", 4, 8, "ftypmif1" },
    { "HEIF", 4, 8, "ftypmsf1" },
    { "JPEG XL", 0, 2, "\xff\x0a" },
    { "JPEG XL", 0, 8, "\0\0\0\x0cJXL " },
    { "JPEG 2000", 0, 8, "\0\0\0\x0cjP  " },
    { "JPEG 2000", 0, 4, "\xff\x4f\xff\x51" },
    { "PAM", 0, 3, "P7\n" },
    { "ICO", 0, 4, "\0\0\x01\0" },
};

static const struct codec *codec_of(struct bytes b)
{
    for (int i = 0; i < COUNT(codecs); i++)
        if (codecs[i]->knows(b))
            return codecs[i];
    return NULL;
}

const char *image_format(const void *head, size_t size)
{
    const struct codec *c = codec_of((struct bytes){ head, size });

    return c ? c->name : NULL;
}

static const struct codec *probe(struct bytes b, struct image_info *info)
{
    const struct codec *c;

    *info = (struct image_info){ 0 };
    if (b.size == 0) {
        fail_as("empty", "empty file");
        return NULL;
    }
    if (!(c = codec_of(b))) {
        for (int i = 0; i < COUNT(strangers); i++)
            if (bytes_have(b, strangers[i].offset, strangers[i].size) &&
                !memcmp(b.data + strangers[i].offset, strangers[i].magic, strangers[i].size)) {
                fail_as("unsupported", "%s is not supported", strangers[i].name);
                return NULL;
            }
        fail_as("unknown_format", "not an image in a known format");
        return NULL;
    }
    if (c->probe(b, info) < 0)
        return NULL;
    info->format = c->name;
    if (info->width <= 0 || info->height <= 0) {
        fail_as("zero_sized", "%s of %ld x %ld pixels", c->name, info->width, info->height);
        return NULL;
    }
    return c;
}

int image_probe(const void *bytes, size_t size, struct image_info *info)
{
    return probe((struct bytes){ bytes, size }, info) ? 0 : -1;
}

int image_decode(const void *bytes, size_t size, long max_pixels, struct image *image)
{
    const long hard = INT_MAX / 4, side = 1 << 24; /* what stb_image takes */
    struct bytes b = { bytes, size };
    struct image_info info;
    const struct codec *c = probe(b, &info);

    *image = (struct image){ 0 };
    if (!c)
        return -1;
    if (max_pixels <= 0 || max_pixels > hard)
        max_pixels = hard;
    if (info.width > side || info.height > side)
        return fail_as("too_large", "%s of %ld x %ld pixels is over the limit of %ld a side",
                       c->name, info.width, info.height, side);
    if (info.width > max_pixels / info.height)
        return fail_as("too_large", "%s of %ld x %ld pixels is over the limit of %ld pixels",
                       c->name, info.width, info.height, max_pixels);
    if (c->decode(b, &info, image) < 0) {
        image_free(image);
        return -1;
    }
    assert(image->pixels && image->width == info.width && image->height == info.height);
    return 0;
}

void image_new(struct image *image, int width, int height, int channels, enum image_mode mode)
{
    image->width = width;
    image->height = height;
    image->channels = channels;
    image->mode = mode;
    image->pixels = xresize(NULL, (size_t)width * (size_t)height, (size_t)channels);
}

void image_free(struct image *image)
{
    free(image->pixels);
    *image = (struct image){ 0 };
}

/* a * b / 255, rounded */
static unsigned char product(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;

    return (unsigned char)((t + (t >> 8)) >> 8);
}

void image_to_rgb(struct image *image)
{
    size_t count = (size_t)image->width * (size_t)image->height;
    const unsigned char *in = image->pixels;
    struct image rgb;
    unsigned char *out;

    if (image->channels != 3) {
        image_new(&rgb, image->width, image->height, 3, MODE_RGB);
        out = rgb.pixels;
        for (size_t i = 0; i < count; i++, in += image->channels, out += 3)
            if (image->channels < 3) {
                out[0] = out[1] = out[2] = in[0];
            } else if (image->mode == MODE_CMYK) {
                unsigned white = 255 - in[3];

                for (int c = 0; c < 3; c++)
                    out[c] = (unsigned char)(white - product(in[c], white));
            } else {
                memcpy(out, in, 3);
            }
        free(image->pixels);
        image->pixels = rgb.pixels;
    }
    image->channels = 3;
    image->mode = MODE_RGB;
}
