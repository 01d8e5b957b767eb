/* SPDX-License-Identifier: MIT
 * tga.c - Targa by stb_image, known only by a header without contradictions
 *
 *     id-length8 map-type8 type8 map-first16 map-length16 map-bits8
 *     left16 top16 width16 height16 bits8 descriptor8  id  map  pixels
 *
 * Types: 1 mapped, 2 colours, 3 grey; 9, 10, 11 the same in packets: a byte n, then n % 128 + 1
 * pixels, which are all one if n >= 128.
 */
#include <stdlib.h>
#include "image/codec.h"

enum { HEADER = 18 };

static int probe(struct bytes b, struct image_info *info)
{
    int type = b.data[2] & 7, bits = b.data[16];

    info->width = (long)little16(b.data + 12);
    info->height = (long)little16(b.data + 14);
    info->mode = type == 1    ? MODE_P
                 : type == 3  ? bits == 8 ? MODE_L : MODE_LA
                 : bits == 32 ? MODE_RGBA
                              : MODE_RGB;
    info->alpha = info->mode == MODE_LA || info->mode == MODE_RGBA;
    return 0;
}

/* 0 if all pixels are there. */
static int check_pixels(struct bytes b, size_t count)
{
    const unsigned char *p = b.data;
    size_t at = HEADER + p[0], pixel = ((size_t)p[16] + 7) / 8;

    if (p[1])
        at += (size_t)little16(p + 5) * (((size_t)p[7] + 7) / 8);
    if (!(p[2] & 8))
        return bytes_have(b, at, count * pixel) ? 0 : -1;
    while (count > 0) {
        size_t run;

        if (!bytes_have(b, at, 1))
            return -1;
        run = (p[at] & 127) + 1u;
        at += 1 + (p[at] & 128 ? pixel : run * pixel);
        if (at > b.size)
            return -1;
        count -= run < count ? run : count;
    }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    static const int channels[] = {
        [MODE_L] = 1, [MODE_LA] = 2, [MODE_RGB] = 3, [MODE_P] = 3, [MODE_RGBA] = 4
    };

    if (check_pixels(b, (size_t)info->width * (size_t)info->height) < 0)
        return fail_as("truncated", "premature end of TGA");
    return stb_decode(b, info, channels[info->mode], image);
}

const struct codec codec_tga = { probe, decode };
