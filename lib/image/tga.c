/* SPDX-License-Identifier: MIT
 * tga.c - Targa, which base/picture.c knows by a header without contradictions
 *
 *     id-length8 map-type8 type8 map-first16 map-length16 map-bits8
 *     left16 top16 width16 height16 bits8 descriptor8  id  map  pixels
 *
 * Types: 1 mapped, 2 colours, 3 grey; 9, 10, 11 the same in packets: a byte n, then n % 128 + 1
 * pixels, which are all one if n >= 128.  descriptor: 16 the right column comes first, 32 the top
 * row.  Source: Truevision TGA 2.0; python-pillow/Pillow src/PIL/TgaImagePlugin.py: 16 bits have an
 * inverted bit of alpha, an index outside of the map is black, and alpha is nothing where the
 * extension area behind the pixels says so.
 */
#include <string.h>
#include "base/error.h"
#include "image/codec.h"

enum { HEADER = 18, FOOTER = 26, ATTRIBUTES = 494 };

static int truncated(void)
{
    return fail_as("truncated", "premature end of TGA");
}

static int probe(struct bytes b, struct image_info *info)
{
    int type = b.data[2] & 7, bits = b.data[16];

    info->width = (long)little16(b.data + 12);
    info->height = (long)little16(b.data + 14);
    info->mode = type == 1                  ? MODE_P
                 : type == 3                ? bits == 8 ? MODE_L : MODE_LA
                 : bits == 32 || bits == 16 ? MODE_RGBA
                                            : MODE_RGB;
    info->alpha = info->mode == MODE_LA || info->mode == MODE_RGBA;
    info->channels = (type == 3 ? 1 : 3) + info->alpha;
    return 0;
}

/* A pixel or a colour of the map, of 8 to 32 bits. */
static inline void put_pixel(const unsigned char *in, int bits, unsigned char *out, int channels)
{
    unsigned value = bits == 15 || bits == 16 ? little16(in) : 0;

    if (channels < 3) {
        memcpy(out, in, (size_t)channels);
    } else if (value || bits == 15 || bits == 16) {
        for (int c = 0; c < 3; c++)
            out[c] = (unsigned char)((value >> (10 - 5 * c) & 31) * 255 / 31);
        if (channels == 4)
            out[3] = value >> 15 ? 0 : 255;
    } else {
        for (int c = 0; c < 3; c++)
            out[c] = in[2 - c];
        if (channels == 4)
            out[3] = in[3];
    }
}

/* Colour `index` of the map. */
static void put_colour(struct bytes b, unsigned index, unsigned char *out)
{
    const unsigned char *p = b.data;
    unsigned first = little16(p + 3), count = little16(p + 5);
    size_t size = ((size_t)p[7] + 7) / 8, at = HEADER + p[0] + (size_t)(index - first) * size;

    memset(out, 0, 3);
    if (index >= first && index - first < count && bytes_have(b, at, size))
        put_pixel(b.data + at, p[7], out, 3);
}

/* Does the extension area of a file of version 2 say that the fourth byte is no alpha? */
static bool has_no_alpha(struct bytes b)
{
    static const char signature[] = "TRUEVISION-XFILE.";
    size_t at;

    if (b.size < FOOTER || memcmp(b.data + b.size - sizeof signature, signature, sizeof signature))
        return false;
    at = little32(b.data + b.size - FOOTER);
    return at && bytes_have(b, at, ATTRIBUTES + 1) && b.data[at + ATTRIBUTES] == 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    const unsigned char *p = b.data;
    size_t count = (size_t)info->width * (size_t)info->height, pixel = ((size_t)p[16] + 7) / 8;
    size_t at = HEADER + p[0] + (p[1] ? little16(p + 5) * (((size_t)p[7] + 7) / 8) : 0), run = 0;
    bool packets = p[2] & 8, same = false;

    if (!packets && !bytes_have(b, at, count * pixel))
        return truncated();
    image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
    for (int y = 0; y < image->height; y++) {
        size_t row = (size_t)(p[17] & 0x20 ? y : image->height - 1 - y);
        unsigned char *out = image->pixels + row * (size_t)(image->width * image->channels);
        int step = p[17] & 0x10 ? -image->channels : image->channels;

        out += step < 0 ? (image->width - 1) * image->channels : 0;
        for (int x = 0; x < image->width; x++, out += step) {
            if (packets && run == 0) {
                if (!bytes_have(b, at, 1))
                    return truncated();
                run = (p[at] & 127) + 1u;
                same = p[at] & 128;
                at++;
            }
            if (!bytes_have(b, at, pixel))
                return truncated();
            if (info->mode == MODE_P)
                put_colour(b, p[at], out);
            else
                put_pixel(p + at, p[16], out, image->channels);
            run -= packets;
            at += same && run > 0 ? 0 : pixel;
        }
    }
    if (info->mode == MODE_RGBA && has_no_alpha(b))
        for (size_t i = 0; i < count; i++)
            image->pixels[4 * i + 3] = 255;
    return 0;
}

/* A packet of two bytes makes 128 pixels. */
const struct codec codec_tga = { probe, decode, 64 };
