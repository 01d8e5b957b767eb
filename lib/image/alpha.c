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
#include "base/memory.h"
#include "image/codec.h"

bool image_has_alpha(const struct image *image)
{
    return image->channels == 2 || (image->channels == 4 && image->mode != MODE_CMYK);
}

void image_lay_on(struct image *image, const unsigned char colour[3])
{
    size_t count = (size_t)image->width * (size_t)image->height;
    int channels = image->channels;
    const unsigned char *in;
    unsigned char *out, rgba[4];

    if (!image_has_alpha(image))
        return;
    if (channels == 2) /* grows, so it is done from the end, as in image_to_rgb */
        image->pixels = xresize(image->pixels, count, 3);
    for (size_t i = 0; i < count; i++) {
        size_t at = channels == 2 ? count - 1 - i : i;

        in = image->pixels + at * (size_t)channels;
        out = image->pixels + at * 3;
        for (int c = 0; c < 3; c++)
            rgba[c] = in[channels == 4 ? c : 0];
        rgba[3] = in[channels - 1];
        for (int c = 0; c < 3; c++) {
            unsigned t = 128 * (rgba[c] * rgba[3] + colour[c] * (255u - rgba[3]) + 128);

            out[c] =
                (unsigned char)(((t >> 8) + t) >> 15); /* as Pillow rounds it, in 7 more bits */
        }
    }
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
