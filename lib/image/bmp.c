/* SPDX-License-Identifier: MIT
 * bmp.c - Windows and OS/2 bitmaps, also without their file header, as an icon holds them
 *
 *     "BM" size32 0 pixels32  { header-size32 width32 height32 planes16 bits16 compression32 ... }
 *     "BM" size32 0 pixels32  { 12            width16 height16 planes16 bits16 }           (OS/2)
 *
 * Behind the header stand the masks, if it has 40 bytes and compression is 3, and the palette.
 * Source: python-pillow/Pillow src/PIL/BmpImagePlugin.py, whose readings of what the format leaves
 * open these are:
 *
 *   - A palette of equal steps from black to white is none: the picture is grey or of one bit.
 *   - An index behind the end of the palette is black.
 *   - The fourth byte of 32 bits is alpha only where a mask says so.
 *   - In run-length coding a line end at the start of a row does nothing, and a picture whose code
 *     ends before its last pixel is damaged.
 *
 * A mask that Pillow refuses is read here: its bits are stretched to eight.
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/error.h"
#include "image/codec.h"

enum { RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, FILE_HEADER = 14 };

static int truncated(void)
{
    return fail_as("truncated", "premature end of BMP");
}

/* Which bits of a pixel are red, green, blue and alpha; 0 for alpha: there is none. */
static int read_masks(struct bytes b, struct dib *d, size_t at)
{
    static const uint32_t five[] = { 0x7c00, 0x3e0, 0x1f, 0 };
    static const uint32_t eight[] = { 0xff0000, 0xff00, 0xff, 0 };
    int count = d->header >= 56 ? 4 : 3;

    memcpy(d->mask, d->bits == 16 ? five : eight, sizeof d->mask);
    if (d->compression != BITFIELDS)
        return 0;
    if (!bytes_have(b, at + 40, 4 * (size_t)count))
        return truncated();
    for (int i = 0; i < count; i++)
        d->mask[i] = little32(b.data + at + 40 + 4 * (size_t)i);
    if (d->header == 40)
        d->palette += 12;
    if (d->bits == 32 && !(d->mask[0] | d->mask[1] | d->mask[2] | d->mask[3])) {
        memcpy(d->mask, eight, sizeof d->mask);
        d->mask[3] = 0xff000000u;
    }
    return 0;
}

int dib_header(struct bytes b, size_t at, size_t pixels, struct dib *d)
{
    const unsigned char *p = b.data + at;

    *d = (struct dib){ 0 };
    if (!bytes_have(b, at, 12) || !bytes_have(b, at, little32(p)))
        return truncated();
    d->header = little32(p);
    if (d->header == 12) {
        d->width = (long)little16(p + 4);
        d->height = (long)little16(p + 6);
        d->bits = (int)little16(p + 10);
    } else if (d->header >= 40) {
        d->width = (int32_t)little32(p + 4);
        d->height = (int32_t)little32(p + 8);
        d->top_down = d->height < 0;
        d->height = labs(d->height);
        d->bits = (int)little16(p + 14);
        d->compression = little32(p + 16);
        d->colours = little32(p + 32);
    } else {
        return fail_as("corrupt", "bad BMP: a header of %zu bytes", d->header);
    }
    if (d->bits <= 8 && d->colours == 0)
        d->colours = 1u << (d->bits & 15);
    if (d->width < 0)
        return fail_as("corrupt", "bad BMP: %ld pixels wide", d->width);
    if (d->compression > BITFIELDS || (d->compression == RLE8 && d->bits != 8) ||
        (d->compression == RLE4 && d->bits != 4) ||
        (d->compression == BITFIELDS && d->bits != 16 && d->bits != 24 && d->bits != 32))
        return fail_as("unsupported", "BMP with compression %lu and %d bits a pixel",
                       (unsigned long)d->compression, d->bits);
    if (d->bits != 1 && d->bits != 4 && d->bits != 8 && d->bits != 16 && d->bits != 24 &&
        d->bits != 32)
        return fail_as("unsupported", "BMP with %d bits a pixel", d->bits);
    if (d->bits <= 8 && d->colours > 65536)
        return fail_as("corrupt", "bad BMP: a palette of %lu colours", (unsigned long)d->colours);
    d->entry = d->header == 12 ? 3 : 4;
    d->palette = at + d->header;
    if (read_masks(b, d, at) < 0)
        return -1;
    d->pixels = pixels;
    if (d->bits <= 8 && (!pixels || pixels == at + d->header))
        d->pixels = d->palette + d->entry * d->colours;
    else if (!pixels)
        d->pixels = d->palette;
    return 0;
}

/* By what Pillow resizes it as. */
enum image_mode dib_mode(struct bytes b, const struct dib *d)
{
    if (d->bits > 8)
        return d->bits == 32 && d->mask[3] ? MODE_RGBA : MODE_RGB;
    for (size_t i = 0; i < d->colours; i++) {
        size_t at = d->palette + d->entry * i;
        int grey = d->colours == 2 && i ? 255 : (int)(i & 255);

        if (!bytes_have(b, at, 3) || b.data[at] != grey || b.data[at + 1] != grey ||
            b.data[at + 2] != grey)
            return MODE_P;
    }
    return d->colours <= 2 ? MODE_1 : MODE_L;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct dib d;

    if (dib_header(b, FILE_HEADER, little32(b.data + 10), &d) < 0)
        return -1;
    info->width = d.width;
    info->height = d.height;
    info->mode = dib_mode(b, &d);
    info->alpha = info->mode == MODE_RGBA;
    info->channels = info->alpha ? 4 : info->mode == MODE_L || info->mode == MODE_1 ? 1 : 3;
    info->scratch = d.compression == RLE8 || d.compression == RLE4
                        ? (size_t)info->width * (size_t)info->height
                        : 0;
    return 0;
}

/* The masked bits, stretched to eight: v 255 / most, rounded down. */
static unsigned char masked(uint32_t pixel, uint32_t mask)
{
    uint64_t value = pixel & mask, most = mask;

    if (!mask)
        return 0;
    while (!(most & 1)) {
        value >>= 1;
        most >>= 1;
    }
    return (unsigned char)(value * 255 / most);
}

static uint32_t pixel_at(const unsigned char *row, int x, int bits)
{
    const unsigned char *p = row + (size_t)x * (size_t)bits / 8;

    switch (bits) {
    case 16:
        return little16(p);
    case 24:
        return little16(p) | (uint32_t)p[2] << 16;
    case 32:
        return little32(p);
    default:
        return *p >> (8 - bits - x * bits % 8) & ((1 << bits) - 1);
    }
}

/* What an index stands for: black where the palette has no such colour. */
static void put_index(struct bytes b, const struct dib *d, uint32_t index, unsigned char *to,
                      enum image_mode mode)
{
    size_t at = d->palette + d->entry * index;
    bool known = index < d->colours && bytes_have(b, at, 3);

    if (mode == MODE_L || mode == MODE_1) {
        *to = mode == MODE_L ? (unsigned char)index : index ? 255 : 0;
        return;
    }
    for (int c = 0; c < 3; c++)
        to[c] = known ? b.data[at + 2 - (size_t)c] : 0;
}

static unsigned char *row_of(const struct dib *d, const struct image *image, int y)
{
    size_t row = (size_t)(d->top_down ? y : image->height - 1 - y);

    return image->pixels + row * (size_t)image->width * (size_t)image->channels;
}

/* Run-length code, a linear run of indices as Pillow sees it; -1 after fail_as().
 *
 *     n > 0, v    n pixels of v; of 4 bits the two halves of v take turns
 *     0, 0        to the next row        0, 1    the end        0, 2, right, up    move
 *     0, n > 2    n pixels as they are, padded to an even place in the file */
static int unpack_runs(struct bytes b, const struct dib *d, unsigned char *out, size_t width,
                       size_t count)
{
    size_t at = d->pixels, done = 0, x = 0;
    bool four = d->compression == RLE4;

    while (done < count) {
        size_t n, stored, value;

        if (!bytes_have(b, at, 2))
            return truncated();
        n = b.data[at];
        value = b.data[at + 1];
        at += 2;
        if (n > 0) {
            n = x + n > width ? (x < width ? width - x : 0) : n;
            for (size_t i = 0; i < n && done < count; i++)
                out[done++] = (unsigned char)(!four ? value : i % 2 ? value & 15 : value >> 4);
            x += n;
        } else if (value == 0) {
            done += (width - done % width) % width;
            x = 0;
        } else if (value == 1) {
            return fail_as("corrupt", "bad BMP: pixels are missing");
        } else if (value == 2) {
            if (!bytes_have(b, at, 2))
                return truncated();
            n = b.data[at] + b.data[at + 1] * width;
            done += n < count - done ? n : count - done;
            x = done % width;
            at += 2;
        } else {
            n = value < count - done ? value : count - done;
            stored = four ? (n + 1) / 2 : n;
            if (!bytes_have(b, at, stored))
                return truncated();
            for (size_t i = 0; i < n; i++)
                out[done++] = (unsigned char)(!four   ? b.data[at + i]
                                              : i % 2 ? b.data[at + i / 2] & 15
                                                      : b.data[at + i / 2] >> 4);
            x += value;
            at += stored;
            at += at % 2;
        }
    }
    return 0;
}

static int decode_runs(struct bytes b, const struct dib *d, struct image *image)
{
    size_t width = (size_t)image->width, count = width * (size_t)image->height;
    unsigned char *indices = xalloc(count, 1);
    int result = unpack_runs(b, d, indices, width, count);

    for (int y = 0; result == 0 && y < image->height; y++) {
        unsigned char *out = row_of(d, image, y);

        for (int x = 0; x < image->width; x++, out += image->channels)
            put_index(b, d, indices[(size_t)y * width + (size_t)x], out, image->mode);
    }
    free(indices);
    return result;
}

/* Rows are padded to four bytes; the bottom one comes first unless the height is negative. */
int dib_decode(struct bytes b, const struct dib *d, struct image *image)
{
    size_t stride = ((size_t)image->width * (size_t)d->bits + 31) / 32 * 4;
    bool bytes = d->bits >= 24 && d->mask[0] == 0xff0000 && d->mask[1] == 0xff00 &&
                 d->mask[2] == 0xff && (!d->mask[3] || d->mask[3] == 0xff000000u);
    int channels = image->channels, size = d->bits / 8;

    if (d->compression == RLE8 || d->compression == RLE4)
        return decode_runs(b, d, image);
    if (d->pixels > b.size || (b.size - d->pixels) / stride < (size_t)image->height)
        return truncated();
    for (int y = 0; y < image->height; y++) {
        const unsigned char *row = b.data + d->pixels + (size_t)y * stride;
        unsigned char *out = row_of(d, image, y);

        for (int x = 0; bytes && x < image->width; x++, row += size, out += channels) {
            out[0] = row[2]; /* what nearly all files are: no mask to look at */
            out[1] = row[1];
            out[2] = row[0];
            if (channels == 4)
                out[3] = row[3];
        }
        for (int x = 0; !bytes && x < image->width; x++, out += channels) {
            uint32_t pixel = pixel_at(row, x, d->bits);

            if (d->bits <= 8)
                put_index(b, d, pixel, out, image->mode);
            else
                for (int c = 0; c < channels; c++)
                    out[c] = masked(pixel, d->mask[c]);
        }
    }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct dib d;

    if (dib_header(b, FILE_HEADER, little32(b.data + 10), &d) < 0)
        return -1;
    image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
    return dib_decode(b, &d, image);
}

/* A run makes 128 pixels of a byte, a move far more; but no writer moves over thousands. */
const struct codec codec_bmp = { probe, decode, 4096 };
