/* SPDX-License-Identifier: MIT
 * png.c - pixels to a PNG file
 *
 *     signature, then chunks of  length | type | data | CRC-32 of type and data
 *     IHDR  width, height, 8 bits, colour type, 0, 0, 0
 *     IDAT  zlib's stream of rows, each behind the number of its filter
 *     IEND
 *
 * Each row takes the filter whose bytes, as signed numbers, have the least sum.  Source: RFC 2083.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "draw/draw.h"
#include "image/image.h"

static void put32(unsigned char *to, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(x >> (24 - 8 * i));
}

static void chunk(struct buffer *out, const char *type, const void *data, size_t size)
{
    unsigned char four[4];
    uLong crc = crc32(0, (const Bytef *)type, 4);

    put32(four, (uint32_t)size);
    buffer_add(out, four, 4);
    buffer_add(out, type, 4);
    if (size) {
        buffer_add(out, data, size);
        crc = crc32_z(crc, data, size);
    }
    put32(four, (uint32_t)crc);
    buffer_add(out, four, 4);
}

/* The neighbour, of left, up and both, that is closest to left + up - both. */
static int paeth(int left, int up, int both)
{
    int to_left = abs(up - both), to_up = abs(left - both), to_both = abs(left + up - 2 * both);

    return to_left <= to_up && to_left <= to_both ? left : to_up <= to_both ? up : both;
}

static unsigned char filtered(int filter, const unsigned char *row, const unsigned char *before,
                              long i, int step)
{
    int left = i >= step ? row[i - step] : 0, up = before ? before[i] : 0;
    int both = before && i >= step ? before[i - step] : 0;
    const int guess[] = { 0, left, up, (left + up) / 2, paeth(left, up, both) };

    return (unsigned char)(row[i] - guess[filter]);
}

static void filter_row(unsigned char *to, const unsigned char *row, const unsigned char *before,
                       long size, int step)
{
    long least = 0;
    int best = 0;

    for (int filter = 0; filter < 5; filter++) {
        long sum = 0;

        for (long i = 0; i < size; i++)
            sum += abs((signed char)filtered(filter, row, before, i, step));
        if (!filter || sum < least) {
            least = sum;
            best = filter;
        }
    }
    *to++ = (unsigned char)best;
    for (long i = 0; i < size; i++)
        to[i] = filtered(best, row, before, i, step);
}

void png_write(struct buffer *out, const struct image *image)
{
    static const unsigned char signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    long size = (long)image->width * image->channels;
    size_t all = (size_t)(size + 1) * (size_t)image->height;
    unsigned char head[13] = { 0 }, *rows = xalloc(all, 1), *packed;
    uLongf length = compressBound(all);

    put32(head, (uint32_t)image->width);
    put32(head + 4, (uint32_t)image->height);
    head[8] = 8;
    head[9] = image->channels == 3 ? 2 : 0;
    for (long y = 0; y < image->height; y++) {
        const unsigned char *row = image->pixels + y * size;

        filter_row(rows + y * (size + 1), row, y ? row - size : NULL, size, image->channels);
    }
    packed = xalloc(length, 1);
    compress2(packed, &length, rows, all, 6);
    buffer_add(out, signature, sizeof signature);
    chunk(out, "IHDR", head, sizeof head);
    chunk(out, "IDAT", packed, length);
    chunk(out, "IEND", NULL, 0);
    free(packed);
    free(rows);
}
