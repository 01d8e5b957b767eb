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
 *     CMYK                   four channels, 0 is no ink; image_to_rgb multiplies them out
 *     transparency           a last channel; image_to_rgb drops it, image_lay_on uses it
 *     EXIF orientation       given in image.orientation; image_orient turns the picture
 *
 * What decoding takes is bounded by the header, the header by max_pixels and by the file's size:
 * vlm-formats(7) lists all of it for users.
 *
 * Damaged pictures are errors, also where other programs would show a part of them.
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "image/codec.h"

enum { SMALL = 1 << 20 }; /* pixels that are never too many for a file */

static const struct codec *const codecs[PICTURE_COUNT] = { /* NULL: known, but not read */
#define ROW(constant, file, ...) [PICTURE_##constant] = &codec_##file,
                                                           PICTURES(ROW)
#undef ROW
};

const char *image_format(const void *head, size_t size)
{
    enum picture_type picture = picture_of(head, size);

    return picture == PICTURE_NONE || !codecs[picture] ? NULL : picture_formats[picture].name;
}

static bool is_tar(struct bytes b)
{
    return b.size >= 512 && !memcmp((const char *)b.data + 257, "ustar", 5);
}

static const struct codec *probe(struct bytes b, struct image_info *info)
{
    enum picture_type picture = b.size ? picture_of(b.data, b.size) : PICTURE_NONE;
    const struct codec *c = picture == PICTURE_NONE ? NULL : codecs[picture];

    *info = (struct image_info){ 0 };
    if (!b.size)
        fail_as("empty", "empty file");
    else if (picture == PICTURE_NONE && is_tar(b))
        fail_as("unknown_format", "a tar archive, not an image; --from=list reads a list of them");
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

/* The picture's header, within all limits; NULL after fail_as(). */
static const struct codec *probe_within(struct bytes b, long max_pixels, struct image_info *info)
{
    const long hard = INT_MAX / 4, side = 1 << 24; /* what stb_image takes */
    const struct codec *c = probe(b, info);
    long area;

    if (!c)
        return NULL;
    if (max_pixels <= 0 || max_pixels > hard)
        max_pixels = hard;
    if (info->width > side || info->height > side) {
        fail_as("too_large", "%s of %ld x %ld pixels is over the limit of %ld a side", info->format,
                info->width, info->height, side);
        return NULL;
    }
    if (info->width > max_pixels / info->height) {
        fail_as("too_large", "%s of %ld x %ld pixels is over the limit of %ld pixels", info->format,
                info->width, info->height, max_pixels);
        return NULL;
    }
    area = info->width * info->height;
    if (c->most_per_byte && area > SMALL && (size_t)(area / c->most_per_byte) > b.size) {
        fail_as("truncated", "%s of %ld x %ld pixels in %zu bytes, which cannot hold them",
                info->format, info->width, info->height, b.size);
        return NULL;
    }
    return c;
}

/* The largest shrinking of a JPEG's blocks of eight after which a side is still `longest`. */
static int shrinking(const struct image_info *info, int longest)
{
    long side = info->width > info->height ? info->width : info->height;
    int shrink = 8;

    while (shrink > 1 && side / shrink < longest)
        shrink /= 2;
    return longest > 0 ? shrink : 1;
}

int image_decode(const void *bytes, size_t size, long max_pixels, struct image *image)
{
    return image_decode_small(bytes, size, max_pixels, 0, image);
}

int image_decode_small(const void *bytes, size_t size, long max_pixels, int longest,
                       struct image *image)
{
    struct bytes b = { bytes, size };
    struct image_info info;
    const struct codec *c = probe_within(b, max_pixels, &info);

    *image = (struct image){ 0 };
    if (!c)
        return -1;
    info.shrink = shrinking(&info, longest);
    if (c->decode(b, &info, image) < 0) {
        image_free(image);
        return -1;
    }
    assert(image->pixels);
    assert(longest || (image->width == info.width && image->height == info.height));
    image->orientation = info.orientation;
    return 0;
}

size_t image_memory(const void *bytes, size_t size, long max_pixels)
{
    struct image_info info;
    size_t area, pixels, sides, decoding, resizing;

    if (!probe_within((struct bytes){ bytes, size }, max_pixels, &info))
        return 0;
    area = (size_t)info.width * (size_t)info.height;
    sides = (size_t)info.width + (size_t)info.height;
    pixels = area * (size_t)info.channels;
    decoding = pixels + info.scratch;
    if (info.orientation > 1)
        decoding += pixels > info.scratch ? pixels - info.scratch : 0;
    /* resize: a filter's weights, up to 24 bytes a row and column, and what the first of its passes
     * makes, which is less than the picture.  image_to_rgb makes no second picture. */
    resizing = (info.channels < 3 ? 3 * area : pixels) + 24 * sides;
    resizing += pixels < 2048 * sides ? pixels : 2048 * sides;
    return decoding > resizing ? decoding : resizing;
}

void image_new(struct image *image, int width, int height, int channels, enum image_mode mode)
{
    image->width = width;
    image->height = height;
    image->channels = channels;
    image->mode = mode;
    image->pixels = xresize(NULL, (size_t)width * (size_t)height, (size_t)channels);
    image->orientation = 0;
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

/* In place: a picture of four channels becomes smaller from its first pixel on, one of one or two
 * larger from its last. */
void image_to_rgb(struct image *image)
{
    size_t count = (size_t)image->width * (size_t)image->height, channels = (size_t)image->channels;
    const unsigned char *in;
    unsigned char *out;

    if (channels < 3) {
        image->pixels = xresize(image->pixels, count, 3);
        in = image->pixels + channels * count;
        out = image->pixels + 3 * count;
        while (count--) {
            in -= channels;
            out -= 3;
            out[2] = out[1] = out[0] = in[0];
        }
    } else if (channels == 4) {
        in = out = image->pixels;
        for (; count--; in += 4, out += 3) {
            unsigned white = 255u - in[3];

            for (int c = 0; c < 3; c++)
                out[c] = image->mode == MODE_CMYK ? (unsigned char)(white - product(in[c], white))
                                                  : in[c];
        }
    }
    image->channels = 3;
    image->mode = MODE_RGB;
}
