/* SPDX-License-Identifier: MIT
 * alpha.c - as Pillow resizes what has alpha: in colours multiplied by it
 *
 *     multiply   c' = round(c * a / 255)
 *     divide     c = min(255, 255 * c' / a) rounded down; c' stays where a is 0 or 255
 */
#include <assert.h>
#include "image/codec.h"

void alpha_multiply(const struct image *from, struct image *to)
{
    size_t count = (size_t)from->width * (size_t)from->height;
    const unsigned char *in = from->pixels;
    int colours = from->channels - 1;
    unsigned char *out;

    assert(from->channels == 2 || from->channels == 4);
    image_new(to, from->width, from->height, from->channels, from->mode);
    out = to->pixels;
    for (size_t i = 0; i < count; i++, in += colours + 1, out += colours + 1) {
        for (int c = 0; c < colours; c++) {
            unsigned t = (unsigned)in[c] * in[colours] + 128;

            out[c] = (unsigned char)((t + (t >> 8)) >> 8);
        }
        out[colours] = in[colours];
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
