/* SPDX-License-Identifier: MIT
 * bmp.c - Windows bitmaps by stb_image, their size checked before; run-length coding is not read
 *
 *     "BM" size32 0 pixels32  { header-size32 width32 height32 planes16 bits16 compression32 ... }
 *     "BM" size32 0 pixels32  { 12            width16 height16 planes16 bits16 }           (OS/2)
 */
#include <stdlib.h>
#include <string.h>
#include "image/codec.h"

enum { RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };
struct header {
    uint32_t pixels, size, compression; /* of pixels: where they begin */
    int bits, colours;                  /* colours: of the palette */
    long width, height;
};

static int read_header(struct bytes b, struct header *h)
{
    const unsigned char *p = b.data + 14;

    *h = (struct header){ .pixels = little32(b.data + 10), .size = little32(p) };
    if (!bytes_have(b, 14, h->size))
        return fail_as("truncated", "premature end of BMP");
    if (h->size == 12) {
        h->width = (long)little16(p + 4);
        h->height = (long)little16(p + 6);
        h->bits = (int)little16(p + 10);
    } else {
        h->width = (int32_t)little32(p + 4);
        h->height = labs((long)(int32_t)little32(p + 8)); /* negative: the top row comes first */
        h->bits = (int)little16(p + 14);
        h->compression = little32(p + 16);
        h->colours = (int)(little32(p + 32) & 0xffff);
    }
    if (h->bits <= 8 && h->colours == 0)
        h->colours = 1 << h->bits;
    if (h->width < 0)
        return fail_as("corrupt", "bad BMP: %ld pixels wide", h->width);
    if (h->compression == RLE8 || h->compression == RLE4)
        return fail_as("unsupported", "BMP with run-length coding");
    if (h->compression != RAW && h->compression != BITFIELDS)
        return fail_as("unsupported", "BMP with compression %lu", (unsigned long)h->compression);
    if (h->bits != 1 && h->bits != 4 && h->bits != 8 && h->bits != 16 && h->bits != 24 &&
        h->bits != 32)
        return fail_as("unsupported", "BMP with %d bits a pixel", h->bits);
    return 0;
}

/* As Pillow names it: a palette of equal steps from black to white is none. */
static enum image_mode mode_of(struct bytes b, const struct header *h)
{
    size_t at = 14 + h->size, entry = h->size == 12 ? 3 : 4;

    if (h->bits > 8)
        return h->bits == 32 && h->compression == BITFIELDS && h->size >= 108 &&
                       little32(b.data + 14 + 52)
                   ? MODE_RGBA
                   : MODE_RGB;
    for (int i = 0; i < h->colours; i++) {
        int grey = h->colours == 2 ? 255 * i : i;

        if (!bytes_have(b, at + entry * (size_t)i, 3))
            return MODE_P;
        for (int c = 0; c < 3; c++)
            if (b.data[at + entry * (size_t)i + (size_t)c] != grey)
                return MODE_P;
    }
    return h->colours <= 2 ? MODE_1 : MODE_L;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct header h;

    if (read_header(b, &h) < 0)
        return -1;
    info->width = h.width;
    info->height = h.height;
    info->mode = mode_of(b, &h);
    info->alpha = info->mode == MODE_RGBA;
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct header h;
    size_t row;

    if (read_header(b, &h) < 0)
        return -1;
    row = ((size_t)h.width * (size_t)h.bits + 31) / 32 * 4;
    if (h.pixels > b.size || (b.size - h.pixels) / row < (size_t)h.height)
        return fail_as("truncated", "premature end of BMP");
    return stb_decode(b, info,
                      info->mode == MODE_RGBA                        ? 4
                      : info->mode == MODE_L || info->mode == MODE_1 ? 1
                                                                     : 3,
                      image);
}

const struct codec codec_bmp = { probe, decode };
