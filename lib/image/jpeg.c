/* SPDX-License-Identifier: MIT
 * jpeg.c - what a JPEG's header says
 *
 *     FF D8  { FF marker length16 body }*  FF DA length16 header  entropy-coded data ...  FF D9
 *     frame (marker C0 .. CF): length16 precision8 height16 width16 channels8 ...
 */
#include "image/codec.h"

int jpeg_truncated(void)
{
    return fail_as("truncated", "premature end of JPEG");
}

int jpeg_marker(struct bytes b, size_t *at)
{
    for (; *at + 1 < b.size; ++*at)
        if (b.data[*at] == 0xff && b.data[*at + 1] != 0xff && b.data[*at + 1] != 0) {
            *at += 2;
            return b.data[*at - 1];
        }
    return -1;
}

static int read_frame(const unsigned char *p, size_t length, struct image_info *info)
{
    if (length < 8)
        return fail_as("corrupt", "bad JPEG: short frame header");
    info->height = (long)big16(p + 3);
    info->width = (long)big16(p + 5);
    if (p[2] != 8)
        return fail_as("unsupported", "JPEG with %d bits a sample", p[2]);
    if (p[7] != 1 && p[7] != 3 && p[7] != 4)
        return fail_as("unsupported", "JPEG with %d channels", p[7]);
    info->mode = p[7] == 1 ? MODE_L : p[7] == 3 ? MODE_RGB : MODE_CMYK;
    return 0;
}

static int probe(struct bytes b, struct image_info *info)
{
    size_t at = 2;

    for (;;) {
        int marker = jpeg_marker(b, &at);
        size_t length;

        if (marker < 0)
            return jpeg_truncated();
        if ((marker >= 0xd0 && marker <= 0xd8) || marker == 0x01)
            continue; /* stands alone */
        if (marker == 0xd9 || marker == 0xda)
            return fail_as("corrupt", "bad JPEG: no frame header");
        if (!bytes_have(b, at, 2))
            return jpeg_truncated();
        length = big16(b.data + at);
        if (length < 2)
            return fail_as("corrupt", "bad JPEG: a segment of %zu bytes", length);
        if (!bytes_have(b, at, length))
            return jpeg_truncated();
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
            return read_frame(b.data + at, length, info);
        at += length;
    }
}

const struct codec codec_jpeg = { probe, jpeg_decode };
