/* SPDX-License-Identifier: MIT
 * png.c - PNG by stb_image, its chunks checked before
 *
 *     89 "PNG" 0d 0a 1a 0a  { length32 type[4] body[length] crc32(type, body) }*
 *     IHDR: width32 height32 depth8 colour8 compression8 filter8 interlace8
 *
 * A colour key (tRNS) of a grey or RGB picture and the alpha of a palette are left out, as Pillow's
 * convert does.
 */
#include <string.h>
#include <zlib.h>
#include "image/codec.h"

enum { GREY = 0, TRUE_COLOUR = 2, PALETTE = 3, GREY_ALPHA = 4, TRUE_COLOUR_ALPHA = 6 };
static const char magic[8] = "\x89PNG\r\n\x1a\n";

static int probe(struct bytes b, struct image_info *info)
{
    const unsigned char *p = b.data + 16;
    int depth, colour;

    if (b.size < 29)
        return fail_as("truncated", "premature end of PNG");
    if (memcmp(b.data + 12, "IHDR", 4))
        return fail_as("corrupt", "bad PNG: no header");
    info->width = (long)big32(p);
    info->height = (long)big32(p + 4);
    depth = p[8];
    colour = p[9];
    switch (colour) {
    case GREY:
        info->mode = depth == 1 ? MODE_1 : depth == 16 ? MODE_I16 : MODE_L;
        break;
    case TRUE_COLOUR:
        info->mode = MODE_RGB;
        break;
    case PALETTE:
        info->mode = MODE_P;
        break;
    case GREY_ALPHA:
        info->mode = depth == 16 ? MODE_RGBA : MODE_LA;
        break;
    case TRUE_COLOUR_ALPHA:
        info->mode = MODE_RGBA;
        break;
    default:
        return fail_as("corrupt", "bad PNG: colour type %d", colour);
    }
    info->alpha = colour >= GREY_ALPHA;
    return 0;
}

/* Every chunk up to the end is there and is what its sum says. */
static int check_chunks(struct bytes b)
{
    for (size_t at = sizeof magic;;) {
        const unsigned char *p = b.data + at;
        size_t length;

        if (!bytes_have(b, at, 12))
            return fail_as("truncated", "premature end of PNG");
        length = big32(p);
        if (!bytes_have(b, at + 12, length))
            return fail_as("truncated", "premature end of PNG");
        if (length > INT32_MAX || crc32(0, p + 4, (uInt)length + 4) != big32(p + 8 + length))
            return fail_as("corrupt", "bad PNG: wrong sum of a chunk");
        if (!memcmp(p + 4, "IEND", 4))
            return 0;
        at += 12 + length;
    }
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    static const int channels[] = { [MODE_1] = 1,   [MODE_L] = 1, [MODE_I16] = 1, [MODE_LA] = 2,
                                    [MODE_RGB] = 3, [MODE_P] = 3, [MODE_RGBA] = 4 };

    if (check_chunks(b) < 0)
        return -1;
    return stb_decode(b, info, channels[info->mode], image);
}

const struct codec codec_png = { probe, decode };
