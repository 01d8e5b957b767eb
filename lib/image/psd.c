/* SPDX-License-Identifier: MIT
 * psd.c - the merged picture of a Photoshop file: grey, palette, RGB or CMYK, of 8 or 16 bits
 *
 *     "8BPS" version16 0[6] channels16 height32 width32 depth16 mode16
 *     3 x { length32 body }  compression16  pixels
 *
 * The first body of a palette picture is its palette: 256 reds, 256 greens, 256 blues.  The pixels
 * are the first channel whole, then the second.  Compressed (1), they begin with the packed
 * length16 of each row of each channel, and a row is PackBits: n < 128 and n + 1 bytes, or n > 128
 * and a byte that stands 257 - n times.  Source: Adobe Photoshop File Formats Specification;
 * python-pillow/Pillow src/PIL/PsdImagePlugin.py, for which an RGB picture of just four channels
 * has alpha, and others none.
 */
#include <string.h>
#include "base/error.h"
#include "image/codec.h"

enum { HEADER = 26, GREY = 1, PALETTE = 2, RGB = 3, CMYK = 4, DUOTONE = 8 };

static int truncated(void)
{
    return fail_as("truncated", "premature end of PSD");
}

static int probe(struct bytes b, struct image_info *info)
{
    const unsigned char *p = b.data;
    unsigned channels, depth, kind;

    if (b.size < HEADER)
        return truncated();
    channels = big16(p + 12);
    depth = big16(p + 22);
    kind = big16(p + 24);
    if (big16(p + 4) != 1)
        return fail_as("unsupported", "PSD of version %u", big16(p + 4));
    info->height = (long)big32(p + 14);
    info->width = (long)big32(p + 18);
    info->alpha = kind == RGB && channels == 4;
    info->mode = kind == RGB       ? info->alpha ? MODE_RGBA : MODE_RGB
                 : kind == CMYK    ? MODE_CMYK
                 : kind == PALETTE ? MODE_P
                                   : MODE_L;
    info->channels = info->mode == MODE_L ? 1 : info->alpha || info->mode == MODE_CMYK ? 4 : 3;
    if ((depth != 8 && depth != 16) || (kind == PALETTE && depth != 8) ||
        (kind != GREY && kind != PALETTE && kind != RGB && kind != CMYK && kind != DUOTONE))
        return fail_as("unsupported", "PSD of colour mode %u with %u bits", kind, depth);
    if (channels > 56 || (int)channels < (kind == PALETTE ? 1 : info->channels))
        return fail_as("unsupported", "PSD with %u channels", channels);
    return 0;
}

/* Where the compression stands, behind the three sections; 0 after fail_as(). */
static size_t find_pixels(struct bytes b)
{
    size_t at = HEADER;

    for (int section = 0; section < 3; section++) {
        if (!bytes_have(b, at, 4) || !bytes_have(b, at + 4, big32(b.data + at)))
            return truncated(), 0;
        at += 4 + (size_t)big32(b.data + at);
    }
    if (!bytes_have(b, at, 2))
        return truncated(), 0;
    return at;
}

/* A packed row; its pixels are `step` bytes apart. */
static int unpack_row(struct bytes b, unsigned char *out, size_t count, size_t step)
{
    size_t at = 0;

    while (count > 0) {
        size_t n = at < b.size ? b.data[at] : 128, run = n < 128 ? n + 1 : n > 128 ? 257 - n : 0;

        if (at >= b.size || (run && !bytes_have(b, at + 1, n < 128 ? run : 1)))
            return fail_as("corrupt", "bad PSD: a row ends too early");
        at++;
        for (size_t i = 0; i < run && count > 0; i++, count--, out += step)
            *out = b.data[at + (n < 128 ? i : 0)];
        at += n < 128 ? run : run > 0;
    }
    return 0;
}

/* One channel, `size` bytes a sample, of which the first is taken, into every step-th byte. */
static int read_channel(struct bytes b, size_t at, const struct image *image, int channel,
                        size_t size)
{
    size_t width = (size_t)image->width, height = (size_t)image->height;
    size_t step = (size_t)image->channels, rows = big16(b.data + 12) * height;
    bool packed = big16(b.data + at) == 1;
    unsigned char *out = image->pixels + (image->mode == MODE_P ? 0 : channel);

    at += 2;
    if (packed) {
        const unsigned char *lengths = b.data + at;
        size_t row = at + 2 * rows;

        for (size_t i = 0; i < (size_t)channel * height; i++)
            row += big16(lengths + 2 * i);
        for (size_t y = 0; y < height; y++, out += width * step) {
            size_t length = big16(lengths + 2 * ((size_t)channel * height + y));

            if (!bytes_have(b, row, length))
                return truncated();
            if (unpack_row((struct bytes){ b.data + row, length }, out, width, step) < 0)
                return -1;
            row += length;
        }
        return 0;
    }
    at += (size_t)channel * height * width * size;
    for (size_t i = 0; i < width * height; i++)
        out[i * step] = b.data[at + i * size];
    return 0;
}

/* Indices become colours, bytes of light become ink. */
static void finish(struct bytes b, struct image *image)
{
    const unsigned char *palette = b.data + HEADER + 4;
    size_t colours = big32(b.data + HEADER) / 3;
    size_t count = (size_t)image->width * (size_t)image->height;
    unsigned char *p = image->pixels;

    for (size_t i = 0; i < count && image->mode == MODE_P; i++, p += 3) {
        size_t index = p[0];

        for (size_t c = 0; c < 3; c++)
            p[c] = index < colours ? palette[c * colours + index] : 0;
    }
    for (size_t i = 0; i < 4 * count && image->mode == MODE_CMYK; i++)
        p[i] = (unsigned char)(255 - p[i]);
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    size_t at = find_pixels(b), size = big16(b.data + 22) / 8;
    size_t rows = (size_t)big16(b.data + 12) * (size_t)info->height;
    unsigned compression = at ? big16(b.data + at) : 0;

    if (!at)
        return -1;
    if (compression > 1 || (compression == 1 && size != 1))
        return fail_as("unsupported", "PSD with compression %u", compression);
    if (!bytes_have(b, at + 2, compression ? 2 * rows : rows * (size_t)info->width * size))
        return truncated();
    image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
    for (int c = 0; c < (info->mode == MODE_P ? 1 : info->channels); c++)
        if (read_channel(b, at, image, c, size) < 0)
            return -1;
    finish(b, image);
    return 0;
}

/* Two bytes of PackBits make 128 pixels of a channel. */
const struct codec codec_psd = { probe, decode, 64 };
