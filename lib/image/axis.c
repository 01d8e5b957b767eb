/* SPDX-License-Identifier: MIT
 * axis.c - the weights of an antialiasing filter along one axis, as Pillow rounds them
 *
 * With s = in / out, f = max(s, 1), c = (i + 0.5) s and the filter k of radius r, output i is a sum
 * over the inputs c - r f <= x + 0.5 <= c + r f with weights
 *
 *     W[x] = round(2^22 k((x + 0.5 - c) / f) / sum k)
 *
 * Source: python-pillow/Pillow src/libImaging/Resample.c (precompute_coeffs,
 * normalize_coeffs_8bpc).
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "image/resample.h"

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x)
{
    const double pi = 3.14159265358979323846;

    return x == 0 ? 1 : sin(x * pi) / (x * pi);
}

static double lanczos(double x)
{
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static const struct {
    double (*weight)(double);
    double radius;
} filters[] = {
    [FILTER_BILINEAR] = { bilinear, 1 },
    [FILTER_BICUBIC] = { bicubic, 2 },
    [FILTER_LANCZOS] = { lanczos, 3 },
};

/* The order of these operations is Pillow's: each rounds. */
void axis_open(struct axis *a, int in, long out, enum resampling filter, long at, int count)
{
    double scale = (double)in / (double)out, stretch = scale < 1 ? 1 : scale;
    double support = filters[filter].radius * stretch, shrink = 1 / stretch;
    double *k;

    a->count = count;
    a->taps = (int)ceil(support) * 2 + 1;
    a->first = xalloc((size_t)count, sizeof *a->first);
    a->used = xalloc((size_t)count, sizeof *a->used);
    a->weights = xalloc((size_t)count * (size_t)a->taps, sizeof *a->weights);
    k = xalloc((size_t)a->taps, sizeof *k);
    for (int i = 0; i < count; i++) {
        double centre = ((double)(at + i) + 0.5) * scale, sum = 0;
        int low = (int)(centre - support + 0.5), high = (int)(centre + support + 0.5);

        low = low < 0 ? 0 : low;
        high = high > in ? in : high;
        for (int x = low; x < high; x++)
            sum += k[x - low] = filters[filter].weight((x - centre + 0.5) * shrink);
        for (int x = 0; x < high - low; x++) {
            double w = (sum != 0 ? k[x] / sum : k[x]) * (1 << PRECISION);

            a->weights[(size_t)i * (size_t)a->taps + (size_t)x] =
                (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
        a->first[i] = low;
        a->used[i] = high - low;
    }
    free(k);
}

void axis_close(struct axis *a)
{
    free(a->first);
    free(a->used);
    free(a->weights);
}

void axis_span(const struct axis *a, int *from, int *to)
{
    *from = a->first[0];
    *to = a->first[a->count - 1] + a->used[a->count - 1];
}
