/* SPDX-License-Identifier: MIT
 * psd.c - the merged picture of a Photoshop file, RGB with 8 or 16 bits, by stb_image
 *
 *     "8BPS" version16 0[6] channels16 height32 width32 depth16 mode16
 *     3 x { length32 body }  compression16  pixels
 *
 * Compressed (1), the pixels begin with the packed length16 of each row of each channel.
 */
#include <string.h>
#include "image/codec.h"

enum { HEADER = 26 };

static int truncated(void)
{
    return fail_as("truncated", "premature end of PSD");
}

static int probe(struct bytes b, struct image_info *info)
{
    const unsigned char *p = b.data;

    if (b.size < HEADER)
        return truncated();
    if (big16(p + 4) != 1)
        return fail_as("unsupported", "PSD of version %u", big16(p + 4));
    info->height = (long)big32(p + 14);
    info->width = (long)big32(p + 18);
    if (big16(p + 24) != 3 || (big16(p + 22) != 8 && big16(p + 22) != 16))
        return fail_as("unsupported", "PSD that is not RGB with 8 or 16 bits");
    if (big16(p + 12) < 3 || big16(p + 12) > 16)
        return fail_as("unsupported", "PSD with %u channels", big16(p + 12));
    info->mode = MODE_RGB;
    return 0;
}

/* 0 if all pixels are there; the picture's size is within the limits. */
static int check_pixels(struct bytes b, const struct image_info *info)
{
    size_t at = HEADER, channels = big16(b.data + 12), rows = channels * (size_t)info->height;

    for (int section = 0; section < 3; section++) {
        if (!bytes_have(b, at, 4) || !bytes_have(b, at + 4, big32(b.data + at)))
            return truncated();
        at += 4 + (size_t)big32(b.data + at);
    }
    if (!bytes_have(b, at, 2))
        return truncated();
    if (big16(b.data + at) == 0)
        return bytes_have(b, at + 2, rows * (size_t)info->width * (big16(b.data + 22) / 8))
                   ? 0
                   : truncated();
    if (big16(b.data + at) != 1 || big16(b.data + 22) != 8)
        return fail_as("unsupported", "PSD with compression %u", big16(b.data + at));
    at += 2;
    if (!bytes_have(b, at, 2 * rows))
        return truncated();
    for (size_t i = 0, packed = at + 2 * rows; i < rows; i++) {
        packed += big16(b.data + at + 2 * i);
        if (packed > b.size)
            return truncated();
    }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    if (check_pixels(b, info) < 0)
        return -1;
    return stb_decode(b, info, 3, image);
}

const struct codec codec_psd = { probe, decode };
