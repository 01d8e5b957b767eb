/* SPDX-License-Identifier: MIT
 * ico.c - the largest picture of a Windows icon
 *
 *     0 1 count16  { width8 height8 colours8 0 planes16 bits16 size32 offset32 }*
 *
 * Each entry is a whole PNG, or a bitmap without its file header, twice as high as the picture: its
 * lower half is a mask of one bit a pixel, 1 for transparent.  Source: python-pillow/Pillow
 * src/PIL/IcoImagePlugin.py: of entries of the same size the one of the fewest bits is taken, and
 * an entry of 32 bits has its alpha in the fourth byte.
 */
#include <string.h>
#include "base/error.h"
#include "image/codec.h"

enum { HEADER = 6, ENTRY = 16 };

struct icon {
    struct bytes b; /* from the entry's offset on */
    size_t size;    /* that the directory tells */
    bool png, alpha_byte;
    struct dib dib;
};

static int truncated(void)
{
    return fail_as("truncated", "premature end of ICO");
}

/* Bits of a pixel, by what the entry tells: the bits, or the count of colours. */
static unsigned depth_of(const unsigned char *entry)
{
    unsigned depth = 0;

    if (little16(entry + 6))
        return little16(entry + 6);
    if (!entry[2])
        return 256;
    while (1u << depth < entry[2])
        depth++;
    return depth ? depth : 256;
}

/* A side of 0 means 256, which a byte cannot tell. */
static unsigned area_of(const unsigned char *entry)
{
    return (entry[0] ? entry[0] : 256u) * (entry[1] ? entry[1] : 256u);
}

static int find(struct bytes b, struct icon *icon)
{
    const unsigned char *best = NULL;
    size_t count, at;

    if (b.size < HEADER)
        return truncated();
    count = little16(b.data + 4);
    if (!bytes_have(b, HEADER, count * ENTRY))
        return truncated();
    for (size_t i = 0; i < count; i++) {
        const unsigned char *e = b.data + HEADER + i * ENTRY;

        if (!best || area_of(e) > area_of(best) ||
            (area_of(e) == area_of(best) && depth_of(e) < depth_of(best)))
            best = e;
    }
    if (!best)
        return fail_as("corrupt", "bad ICO: no picture");
    at = little32(best + 12);
    *icon = (struct icon){ .size = little32(best + 8), .alpha_byte = little16(best + 6) == 32 };
    if (!bytes_have(b, at, 8) || !bytes_have(b, at, icon->size))
        return truncated();
    icon->b = (struct bytes){ b.data + at, b.size - at };
    icon->png = picture_of(icon->b.data, icon->b.size) == PICTURE_PNG;
    if (icon->png)
        return 0;
    if (dib_header(icon->b, 0, 0, &icon->dib) < 0)
        return -1;
    icon->dib.height /= 2;
    return 0;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct icon icon;

    if (find(b, &icon) < 0)
        return -1;
    if (icon.png)
        return codec_png.probe(icon.b, info);
    info->width = icon.dib.width;
    info->height = icon.dib.height;
    info->mode = MODE_RGBA;
    info->channels = 4;
    info->alpha = true;
    info->scratch = 4 * (size_t)info->width * (size_t)info->height;
    return 0;
}

/* The mask stands at the end of what the directory calls the entry. */
static int read_alpha(const struct icon *icon, struct image *image)
{
    size_t width = (size_t)image->width, height = (size_t)image->height;
    size_t stride = (width + 31) / 32 * 4, at = icon->size - stride * height;
    size_t pixels = icon->dib.pixels;

    if (icon->alpha_byte ? !bytes_have(icon->b, pixels, 4 * width * height)
                         : stride * height > icon->size)
        return truncated();
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            size_t row = height - 1 - y;
            int bit = icon->b.data[icon->alpha_byte ? 0 : at + row * stride + x / 8] >> (7 - x % 8);

            image->pixels[4 * (y * width + x) + 3] =
                icon->alpha_byte ? icon->b.data[pixels + 4 * (row * width + x) + 3]
                                 : (unsigned char)(bit & 1 ? 0 : 255);
        }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct image colours = { 0 };
    enum image_mode grey;
    struct icon icon;
    int result;

    if (find(b, &icon) < 0)
        return -1;
    if (icon.png)
        return codec_png.decode(icon.b, info, image);
    image_new(image, (int)info->width, (int)info->height, 4, MODE_RGBA);
    grey = dib_mode(icon.b, &icon.dib);
    grey = grey == MODE_L || grey == MODE_1 ? grey : MODE_P;
    image_new(&colours, image->width, image->height, grey == MODE_P ? 3 : 1, grey);
    result = dib_decode(icon.b, &icon.dib, &colours);
    image_to_rgb(&colours);
    for (size_t i = (size_t)info->width * (size_t)info->height; result == 0 && i--;)
        memcpy(image->pixels + 4 * i, colours.pixels + 3 * i, 3);
    image_free(&colours);
    return result == 0 ? read_alpha(&icon, image) : -1;
}

const struct codec codec_ico = { probe, decode, 8 * 1032 };
