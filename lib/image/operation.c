/* SPDX-License-Identifier: MIT
 * operation.c - the operations of RandomAugment on 8-bit RGB
 *
 *     AutoContrast  v 255 / (high - low) - low 255 / (high - low), a channel; rounded down
 *     Brightness    v f, rounded down                                f = 0.1 .. 1.9
 *     Sharpness     blur + f (v - blur), but at the border           f = 0.1 .. 1.9
 *                   blur: 3 x 3 ones, 5 in the middle, over 13, rounded
 *     Equalize      (step / 2 + pixels darker than v) / step, a channel, rounded down
 *                   step: the pixels that are not of the brightest level / 255
 *     ShearX        x += s y       ShearY  y += s x                  s = 0 .. 0.3
 *     TranslateX    x -= t         TranslateY  y -= t                t = 0 .. 10 pixels
 *     Rotate        about the middle                                 0 .. 30 degrees
 *
 * The original's AutoContrast negates an unsigned byte, so that all of a channel whose low is not 0
 * turns white; here it does what it says it does.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "image/augment.h"

enum { GROUND = 128 };

static size_t count_of(const struct image *image)
{
    return (size_t)image->width * (size_t)image->height;
}

/* Replaces the levels of channel c. */
static void look_up(struct image *image, int c, const unsigned char levels[256])
{
    unsigned char *p = image->pixels + c;

    for (size_t i = count_of(image); i--; p += 3)
        *p = levels[*p];
}

static unsigned char clipped(double x)
{
    return (unsigned char)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static void histogram(const struct image *image, int c, long bins[256])
{
    const unsigned char *p = image->pixels + c;

    memset(bins, 0, 256 * sizeof *bins);
    for (size_t i = count_of(image); i--; p += 3)
        bins[*p]++;
}

static void autocontrast(struct image *image)
{
    unsigned char levels[256];
    long bins[256];

    for (int c = 0; c < 3; c++) {
        int low = 0, high = 255;
        double scale;

        histogram(image, c, bins);
        while (!bins[low])
            low++;
        while (!bins[high])
            high--;
        if (high <= low)
            continue;
        scale = 255.0 / (high - low);
        for (int i = 0; i < 256; i++)
            levels[i] = clipped(i * scale + -low * scale);
        look_up(image, c, levels);
    }
}

static void equalize(struct image *image)
{
    unsigned char levels[256];
    long bins[256], step, sum;

    for (int c = 0; c < 3; c++) {
        int high = 255;

        histogram(image, c, bins);
        while (!bins[high])
            high--;
        step = ((long)count_of(image) - bins[high]) / 255;
        if (!step)
            continue;
        sum = step / 2;
        for (int i = 0; i < 256; sum += bins[i++])
            levels[i] = (unsigned char)(sum / step > 255 ? 255 : sum / step);
        look_up(image, c, levels);
    }
}

static void brightness(struct image *image, float factor)
{
    unsigned char levels[256];

    for (int i = 0; i < 256; i++)
        levels[i] = clipped((float)i * factor);
    for (int c = 0; c < 3; c++)
        look_up(image, c, levels);
}

/* A sum that leaves 0 .. 255 wraps around, as NumPy's conversion does. */
static unsigned char sharpened(const unsigned char *p, size_t stride, float factor)
{
    const unsigned char *above = p - stride, *below = p + stride;
    int sum =
        above[-3] + above[0] + above[3] + p[-3] + 5 * p[0] + p[3] + below[-3] + below[0] + below[3];
    float blur = (float)((2 * sum + 13) / 26);

    return (unsigned char)(int)(blur + factor * ((float)*p - blur));
}

static void sharpness(struct image *image, float factor)
{
    size_t stride = 3 * (size_t)image->width, size = stride * (size_t)image->height;
    unsigned char *old;

    if (factor == 1 || image->width < 3 || image->height < 3)
        return;
    old = (unsigned char *)xmemdup(image->pixels, size);
    for (int y = 1; y < image->height - 1; y++)
        for (size_t i = (size_t)y * stride + 3; i < (size_t)(y + 1) * stride - 3; i++)
            image->pixels[i] = sharpened(old + i, stride, factor);
    free(old);
}

/* The picture as `matrix` sees it. */
static void move(struct image *image, const double matrix[6])
{
    struct image moved;

    warp(image, &moved, matrix, GROUND);
    image_free(image);
    *image = moved;
}

/* About the middle, counter-clockwise, as cv2.getRotationMatrix2D. */
static void rotate(struct image *image, double degrees)
{
    double angle = degrees * (3.14159265358979323846 / 180), a = cos(angle), b = sin(angle);
    double x = image->width / 2.0, y = image->height / 2.0;

    move(image, (double[]){ a, b, (1 - a) * x - b * y, -b, a, b * x + (1 - a) * y });
}

double operation_argument(enum operation o, int magnitude)
{
    double level = magnitude / 10.0;

    switch (o) {
    case OPERATION_BRIGHTNESS:
    case OPERATION_SHARPNESS:
        return level * 1.8 + 0.1;
    case OPERATION_SHEAR_X:
    case OPERATION_SHEAR_Y:
        return level * 0.3;
    case OPERATION_TRANSLATE_X:
    case OPERATION_TRANSLATE_Y:
        return level * 10;
    case OPERATION_ROTATE:
        return level * 30;
    default:
        return 0;
    }
}

void operation_apply(enum operation o, double argument, struct image *image)
{
    double x = (float)argument; /* NumPy's matrices are of float32 */

    assert(image->channels == 3);
    switch (o) {
    case OPERATION_AUTOCONTRAST:
        autocontrast(image);
        break;
    case OPERATION_BRIGHTNESS:
        brightness(image, (float)argument);
        break;
    case OPERATION_SHARPNESS:
        sharpness(image, (float)argument);
        break;
    case OPERATION_EQUALIZE:
        equalize(image);
        break;
    case OPERATION_SHEAR_X:
        move(image, (double[]){ 1, x, 0, 0, 1, 0 });
        break;
    case OPERATION_SHEAR_Y:
        move(image, (double[]){ 1, 0, 0, x, 1, 0 });
        break;
    case OPERATION_TRANSLATE_X:
        move(image, (double[]){ 1, 0, -x, 0, 1, 0 });
        break;
    case OPERATION_TRANSLATE_Y:
        move(image, (double[]){ 1, 0, 0, 0, 1, -x });
        break;
    case OPERATION_ROTATE:
        rotate(image, argument);
        break;
    default:
        break;
    }
}
