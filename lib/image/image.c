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

static const struct codec *const codecs[PICTURE_COUNT] = { /* NULL: known, but not read */
#define ROW(constant, file, ...) [PICTURE_##constant] = &codec_##file,
                                                           PICTURES(ROW)
#undef ROW
};

const char *image_format(const void *head, size_t size)
{
    enum picture picture = picture_of(head, size);

    return picture == PICTURE_NONE || !codecs[picture] ? NULL : picture_formats[picture].name;
}

static const struct codec *probe(struct bytes b, struct image_info *info)
{
    enum picture picture = b.size ? picture_of(b.data, b.size) : PICTURE_NONE;
    const struct codec *c = picture == PICTURE_NONE ? NULL : codecs[picture];

    *info = (struct image_info){ 0 };
    if (!b.size)
        fail_as("empty", "empty file");
    else if (picture == PICTURE_NONE)
        fail_as("unknown_format", "not an image in a known format");
    else if (!c)
        fail_as("unsupported", "%s is not supported", picture_formats[picture].name);
    if (!c || c->probe(b, info) < 0)
        return NULL;
    info->format = picture_formats[picture].name;
    if (info->width <= 0 || info->height <= 0) {
        fail_as("zero_sized", "%s of %ld x %ld pixels", info->format, info->width, info->height);
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
                       info.format, info.width, info.height, side);
    if (info.width > max_pixels / info.height)
        return fail_as("too_large", "%s of %ld x %ld pixels is over the limit of %ld pixels",
                       info.format, info.width, info.height, max_pixels);
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
