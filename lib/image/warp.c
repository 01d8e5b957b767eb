/* SPDX-License-Identifier: MIT
 * warp.c - affine maps of pictures, as OpenCV's warpAffine rounds them
 *
 *     (x', y') = M^-1 (x, y)     to 1/32 of a pixel, from sums of terms rounded to 1/1024
 *     out = (sum of the four neighbours, weighted in 1/1024ths) rounded
 *
 * Source: opencv/opencv modules/imgproc/src/imgwarp.cpp (4.x before 4.11; later ones interpolate in
 * float32, a level apart at most places).
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "image/augment.h"
#include "image/codec.h"

enum { UNIT = 1024, STEPS = 32 }; /* of a coordinate's sum; of a pixel */

static void invert(const double m[6], double to[6])
{
    double d = m[0] * m[4] - m[1] * m[3];

    d = d != 0 ? 1 / d : 0;
    to[0] = m[4] * d;
    to[1] = m[1] * -d;
    to[3] = m[3] * -d;
    to[4] = m[0] * d;
    to[2] = -to[0] * m[2] - to[1] * m[5];
    to[5] = -to[3] * m[2] - to[4] * m[5];
}

static const unsigned char *pixel(const struct image *image, long x, long y,
                                  const unsigned char *ground)
{
    if (x < 0 || y < 0 || x >= image->width || y >= image->height)
        return ground;
    return image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

/* x, y in 1/32 of a pixel */
static void interpolate(const struct image *from, long x, long y, const unsigned char *ground,
                        unsigned char *out)
{
    long column = x >> 5, row = y >> 5;
    int right = (int)(x & (STEPS - 1)), down = (int)(y & (STEPS - 1));
    const unsigned char *a = pixel(from, column, row, ground),
                        *b = pixel(from, column + 1, row, ground),
                        *c = pixel(from, column, row + 1, ground),
                        *d = pixel(from, column + 1, row + 1, ground);

    for (int i = 0; i < 3; i++) {
        int above = (STEPS - right) * a[i] + right * b[i];
        int below = (STEPS - right) * c[i] + right * d[i];

        out[i] = (unsigned char)(((STEPS - down) * above + down * below + UNIT / 2) / UNIT);
    }
}

void warp(const struct image *from, struct image *to, const double matrix[6], int ground)
{
    const unsigned char level = (unsigned char)ground, outside[3] = { level, level, level };
    double m[6];
    long *across = xalloc((size_t)from->width, 2 * sizeof *across);
    unsigned char *out;

    invert(matrix, m);
    image_new(to, from->width, from->height, 3, MODE_RGB);
    out = to->pixels;
    for (int x = 0; x < to->width; x++) {
        across[2 * x] = lrint(m[0] * x * UNIT);
        across[2 * x + 1] = lrint(m[3] * x * UNIT);
    }
    for (int y = 0; y < to->height; y++) {
        long x0 = lrint((m[1] * y + m[2]) * UNIT) + UNIT / STEPS / 2;
        long y0 = lrint((m[4] * y + m[5]) * UNIT) + UNIT / STEPS / 2;

        for (int x = 0; x < to->width; x++, out += 3)
            interpolate(from, (x0 + across[2 * x]) >> 5, (y0 + across[2 * x + 1]) >> 5, outside,
                        out);
    }
    free(across);
}
