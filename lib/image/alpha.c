/* SPDX-License-Identifier: MIT
 * alpha.c - pictures with alpha: laid on a colour, or resized in colours multiplied by it
 *
 *     lay on     c = round((c * a + ground * (255 - a)) / 255)           an opaque ground
 *     multiply   c' = round(c * a / 255)
 *     divide     c = min(255, 255 * c' / a) rounded down; c' stays where a is 0 or 255
 *
 * Source: python-pillow/Pillow src/libImaging/AlphaComposite.c; Convert.c (rgbA2rgba, rgba2rgbA).
 */
#include <assert.h>
#include <string.h>
#include "base/memory.h"
#include "image/codec.h"

enum { BLOCK = 256 }; /* pixels: what they need lies in the first cache */

bool image_has_alpha(const struct image *image)
{
    return image->channels == 2 || (image->channels == 4 && image->mode != MODE_CMYK);
}

/* Rounded as Pillow rounds it: its seven more bits change no result.  A sum is at most 65,025, so
 * all fits into 16 bits, and the loop below becomes wide. */
static inline unsigned char mix(unsigned char colour, unsigned char ground, unsigned char alpha)
{
    uint16_t t = (uint16_t)(colour * alpha + ground * (255 - alpha) + 128);

    return (unsigned char)((uint16_t)(t + (t >> 8)) >> 8);
}

/* Four bytes a pixel to three, also in place: each pixel is read before anything lands on it. */
static void drop_fourth(unsigned char *out, const unsigned char *in, size_t count)
{
    unsigned char pixel[4];

    for (size_t i = 0; i < count; i++) {
        memcpy(pixel, in + 4 * i, 4);
        memcpy(out + 3 * i, pixel, 3);
    }
}

/* Most of a cut-out is opaque or empty throughout: then nothing is computed. */
static void lay_block(unsigned char *out, const unsigned char *in, const unsigned char *ground,
                      size_t count)
{
    unsigned char alpha[4 * BLOCK], mixed[4 * BLOCK];
    unsigned all = 255, any = 0;

    for (size_t i = 0; i < count; i++) {
        all &= in[4 * i + 3];
        any |= in[4 * i + 3];
    }
    if (all == 255 || any == 0) {
        drop_fourth(out, any ? in : ground, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        memset(alpha + 4 * i, in[4 * i + 3], 4);
    for (size_t i = 0; i < 4 * count; i++)
        mixed[i] = mix(in[i], ground[i], alpha[i]);
    drop_fourth(out, mixed, count);
}

/* In place: what is written stays behind what is read. */
static void lay_rgba(struct image *image, const unsigned char colour[3])
{
    size_t count = (size_t)image->width * (size_t)image->height;
    unsigned char ground[4 * BLOCK];

    for (int i = 0; i < 4 * BLOCK; i++)
        ground[i] = i % 4 < 3 ? colour[i % 4] : 0;
    for (size_t at = 0; at < count; at += BLOCK)
        lay_block(image->pixels + 3 * at, image->pixels + 4 * at, ground,
                  count - at < BLOCK ? count - at : BLOCK);
}

/* Grows, so it is done from the end, as in image_to_rgb. */
static void lay_grey(struct image *image, const unsigned char colour[3])
{
    size_t count = (size_t)image->width * (size_t)image->height;

    image->pixels = xresize(image->pixels, count, 3);
    while (count--) {
        unsigned char grey = image->pixels[2 * count], alpha = image->pixels[2 * count + 1];

        for (int c = 0; c < 3; c++)
            image->pixels[3 * count + (size_t)c] = mix(grey, colour[c], alpha);
    }
}

void image_lay_on(struct image *image, const unsigned char colour[3])
{
    if (!image_has_alpha(image))
        return;
    if (image->channels == 4)
        lay_rgba(image, colour);
    else
        lay_grey(image, colour);
    image->channels = 3;
    image->mode = MODE_RGB;
}

void alpha_multiply(struct image *image)
{
    size_t count = (size_t)image->width * (size_t)image->height;
    int colours = image->channels - 1;
    unsigned char *p = image->pixels;

    assert(image_has_alpha(image));
    for (size_t i = 0; i < count; i++, p += colours + 1)
        for (int c = 0; c < colours; c++) {
            unsigned t = (unsigned)p[c] * p[colours] + 128;

            p[c] = (unsigned char)((t + (t >> 8)) >> 8);
        }
}

void alpha_divide(struct image *image)
{
    size_t count = (size_t)image->width * (size_t)image->height;
    int colours = image->channels - 1;
    unsigned char *p = image->pixels;

    for (size_t i = 0; i < count; i++, p += colours + 1) {
        unsigned alpha = p[colours];

        if (alpha == 0 || alpha == 255)
            continue;
        for (int c = 0; c < colours; c++) {
            unsigned t = 255u * p[c] / alpha;

            p[c] = (unsigned char)(t > 255 ? 255 : t);
        }
    }
}
