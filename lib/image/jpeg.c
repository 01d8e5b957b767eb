/* SPDX-License-Identifier: MIT
 * jpeg.c - what a JPEG's header says
 *
 *     FF D8  { FF marker length16 body }*  FF DA length16 header  entropy-coded data ...  FF D9
 *     frame (marker C0 .. CF): length16 precision8 height16 width16 channels8 ...
 *
 * Source: ITU-T T.81, appendix B.
 */
#include <string.h>
#include "base/error.h"
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

long jpeg_scan_limit(struct bytes b, const struct image_info *info)
{
    return 32 + (long)(b.size * 64 / ((size_t)info->width * (size_t)info->height / 64 + 1));
}

/* The frame header.  Where the scans come one after the other, decoders keep the coefficients of
 * the whole picture, two bytes each; the first scan says whether they are `interleaved`. */
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
    info->channels = p[7];
    return 0;
}

/* Rows of blocks that a baseline decoder holds, or all coefficients. */
static size_t scratch(const struct image_info *info, bool whole)
{
    size_t width = (size_t)info->width + 64, height = whole ? (size_t)info->height + 64 : 64;

    return 2 * width * height * (size_t)info->channels;
}

/* What comes before the first scan: the frame and the orientation.  XMP is asked where EXIF tells
 * none, whichever stands first. */
static int probe(struct bytes b, struct image_info *info)
{
    static const char xmp_name[] = "http://ns.adobe.com/xap/1.0/";
    size_t at = 2, length;
    int xmp = 0, frame = 0;

    for (;; at += length) {
        int marker = jpeg_marker(b, &at);
        struct bytes body;

        length = 0;
        if (marker < 0)
            return jpeg_truncated();
        if ((marker >= 0xd0 && marker <= 0xd8) || marker == 0x01)
            continue; /* stands alone */
        if (marker == 0xd9 && !frame)
            return fail_as("corrupt", "bad JPEG: no frame header");
        if (marker == 0xd9)
            break;
        if (!bytes_have(b, at, 2))
            return jpeg_truncated();
        length = big16(b.data + at);
        if (length < 2)
            return fail_as("corrupt", "bad JPEG: a segment of %zu bytes", length);
        if (!bytes_have(b, at, length))
            return jpeg_truncated();
        body = (struct bytes){ b.data + at + 2, length - 2 };
        if (marker == 0xda && !frame)
            return fail_as("corrupt", "bad JPEG: no frame header");
        if (marker == 0xda) {
            info->scratch = scratch(info, frame == 0xc2 || frame == 0xca ||
                                              (body.size && body.data[0] < info->channels));
            break;
        }
        if (marker == 0xe1 && !info->orientation && body.size >= 6 && !memcmp(body.data, "Exif", 5))
            info->orientation = exif_orientation(body);
        else if (marker == 0xe1 && !xmp && body.size > sizeof xmp_name &&
                 !memcmp(body.data, xmp_name, sizeof xmp_name))
            xmp = xmp_orientation(body);
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
            marker != 0xcc && !frame) {
            if (read_frame(b.data + at, length, info) < 0)
                return -1;
            frame = marker;
        }
    }
    if (!info->orientation)
        info->orientation = xmp;
    return 0;
}

/* A block of 64 pixels takes at least one bit in its first scan. */
const struct codec codec_jpeg = { probe, jpeg_decode, 8 * 64 };
