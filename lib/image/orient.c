/* SPDX-License-Identifier: MIT
 * orient.c - how a camera was held: read from EXIF or XMP, and turned upright
 *
 *     1 as it is    2 mirrored    3 upside down    4 both    5 .. 8 the same with the sides swapped
 *
 * Source: EXIF 2.32 (CIPA DC-008), tag 274; XMP's tiff:Orientation is asked where EXIF has none, as
 * Pillow's Image.getexif does.  Anything else than 1 .. 8 is 1.
 */
#include <stdlib.h>
#include <string.h>
#include "image/codec.h"

enum { TAG_ORIENTATION = 274, TYPE_SHORT = 3 };

/* A number of a TIFF header, in the byte order that it begins with. */
static unsigned number16(struct bytes b, size_t at)
{
    return b.data[0] == 'I' ? little16(b.data + at) : big16(b.data + at);
}

int exif_orientation(struct bytes b)
{
    size_t at, count;

    if (b.size >= 6 && !memcmp(b.data, "Exif\0\0", 6))
        b = (struct bytes){ b.data + 6, b.size - 6 };
    if (b.size < 8 || (memcmp(b.data, "II*\0", 4) && memcmp(b.data, "MM\0*", 4)))
        return 0;
    at = b.data[0] == 'I' ? little32(b.data + 4) : big32(b.data + 4);
    if (!bytes_have(b, at, 2))
        return 0;
    count = number16(b, at);
    for (at += 2; count-- && bytes_have(b, at, 12); at += 12)
        if (number16(b, at) == TAG_ORIENTATION && number16(b, at + 2) == TYPE_SHORT) {
            unsigned value = number16(b, at + 8);

            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 0;
}

/* XMP is XML; the one attribute or element is looked for as text, as Pillow does. */
int xmp_orientation(struct bytes b)
{
    static const char name[] = "tiff:Orientation";
    const size_t size = sizeof name - 1;

    for (const unsigned char *p = b.data, *end = b.data + b.size;
         (p = memchr(p, 't', (size_t)(end - p))); p++) {
        if ((size_t)(end - p) < size + 3)
            return 0;
        if (memcmp(p, name, size))
            continue;
        p += size;
        p += p[0] == '=' && p[1] == '"' ? 2 : p[0] == '>' ? 1 : 0;
        if (p[-1] != 'n')
            return *p >= '1' && *p <= '8' ? *p - '0' : 1;
    }
    return 0;
}

/* Each pixel is taken from where it is stored: the new rows are written one after the other. */
void image_orient(struct image *image)
{
    int o = image->orientation, w = image->width, h = image->height;
    size_t channels = (size_t)image->channels;
    bool swapped = o >= 5;
    struct image turned;
    unsigned char *out;

    image->orientation = 1;
    if (o < 2 || o > 8)
        return;
    image_new(&turned, swapped ? h : w, swapped ? w : h, image->channels, image->mode);
    out = turned.pixels;
    for (int y = 0; y < turned.height; y++)
        for (int x = 0; x < turned.width; x++, out += channels) {
            int from_x = swapped ? y : x, from_y = swapped ? x : y;

            if (o == 2 || o == 3 || o == 7 || o == 8)
                from_x = w - 1 - from_x;
            if (o == 3 || o == 4 || o == 6 || o == 7)
                from_y = h - 1 - from_y;
            memcpy(out, image->pixels + ((size_t)from_y * (size_t)w + (size_t)from_x) * channels,
                   channels);
        }
    image_free(image);
    *image = turned;
    image->orientation = 1;
}
