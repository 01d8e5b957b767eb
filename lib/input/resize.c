/* SPDX-License-Identifier: MIT
 * resize.c - Pillow's antialiasing resize, equal to the last bit
 *
 * Separable.  With s = in / out, f = max(s, 1), r the filter's radius, c = (i + 0.5) s:
 *
 *     out[i] = clip((2^21 + sum W[x] in[x]) >> 22),    c - r f  <=  x + 0.5  <=  c + r f
 *     W[x]   = round(2^22 k((x + 0.5 - c) / f) / sum k)
 *
 * in two passes with 8-bit pixels between them; a pass that changes no size is left out.  The
 * first is the horizontal one unless the height shrinks by more than twice what the width does:
 * that exception came with Pillow 13, and moves a pixel of tall pictures by one level at times.
 * Pillow 12 and older always go horizontally first.
 *
 * A row of the vertical pass is one long sum of rows.  The horizontal pass packs some rows side by
 * side, 16 bytes a column, and so becomes the same sum of columns.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "input/codec.h"

enum { PRECISION = 22, LANES = 16 };

/* The compiler makes these loops wide; which width, the processor says when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__) &&   \
    !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

/* Hides how a pointer moves: gcc would else turn the two loops around it inside out. */
#ifdef __GNUC__
#define STAY_INSIDE(pointer) __asm__("" : "+r"(pointer))
#else
#define STAY_INSIDE(pointer) (void)0
#endif

struct axis { /* what outputs `at` .. at + count need of the inputs */
    int count, taps;
    int *first, *used; /* inputs first[i] .. first[i] + used[i] */
    int32_t *weights;  /* [count, taps] */
};

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
static void axis_open(struct axis *a, int in, long out, enum filter filter, long at, int count)
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

static void axis_close(struct axis *a)
{
    free(a->first);
    free(a->used);
    free(a->weights);
}

/* Inputs that any output needs: *from .. *to */
static void axis_span(const struct axis *a, int *from, int *to)
{
    *from = a->first[0];
    *to = a->first[a->count - 1] + a->used[a->count - 1];
}

static inline unsigned char clip(int32_t sum)
{
    sum >>= PRECISION;
    return (unsigned char)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* out[x] = sum over k < taps of weights[k] in[k stride + x], for x < LANES.  A function of its own:
 * inlined into a third loop, gcc 12 no longer makes it wide. */
WIDE __attribute__((noinline)) static void sum_lanes(unsigned char *out, const unsigned char *in,
                                                     size_t stride, const int32_t *weights,
                                                     int taps)
{
    int32_t sum[LANES];

    for (int x = 0; x < LANES; x++)
        sum[x] = 1 << (PRECISION - 1);
    for (int k = 0; k < taps; k++, in += stride) {
        STAY_INSIDE(in);
        for (int x = 0; x < LANES; x++)
            sum[x] += weights[k] * in[x];
    }
    for (int x = 0; x < LANES; x++)
        out[x] = clip(sum[x]);
}

/* One row out of `taps` rows in. */
static void sum_rows(unsigned char *out, const unsigned char *in, size_t stride,
                     const int32_t *weights, int taps, size_t width)
{
    size_t x = 0;

    for (; x + LANES <= width; x += LANES)
        sum_lanes(out + x, in + x, stride, weights, taps);
    for (; x < width; x++) {
        int32_t sum = 1 << (PRECISION - 1);

        for (int k = 0; k < taps; k++)
            sum += weights[k] * in[(size_t)k * stride + x];
        out[x] = clip(sum);
    }
}

/* packed: [columns, LANES]; out: [a->count, LANES].  Column 0 is input `from`. */
static void sum_columns(unsigned char *out, const unsigned char *packed, const struct axis *a,
                        int from)
{
    for (int i = 0; i < a->count; i++)
        sum_lanes(out + (size_t)i * LANES, packed + (size_t)(a->first[i] - from) * LANES, LANES,
                  a->weights + (size_t)i * (size_t)a->taps, a->used[i]);
}

/* in: rows of `stride` bytes, row 0 is input row `from`; out: [a->count, width] */
static void vertical(const struct axis *a, const unsigned char *in, size_t stride, int from,
                     unsigned char *out, size_t width)
{
    for (int y = 0; y < a->count; y++)
        sum_rows(out + (size_t)y * width, in + (size_t)(a->first[y] - from) * stride, stride,
                 a->weights + (size_t)y * (size_t)a->taps, a->used[y], width);
}

/* Of 3 or 4 channels four rows are packed, of 2 eight, of 1 sixteen. */
static void pack(unsigned char *packed, const unsigned char *in, size_t stride, int rows,
                 int columns, int channels)
{
    int step = channels == 3 ? 4 : channels;

    for (int r = 0; r < rows; r++) {
        const unsigned char *p = in + (size_t)r * stride;
        unsigned char *q = packed + r * step;

        switch (channels) {
        case 1:
            for (int x = 0; x < columns; x++)
                q[(size_t)x * LANES] = p[x];
            break;
        case 2:
            for (int x = 0; x < columns; x++)
                memcpy(q + (size_t)x * LANES, p + 2 * (size_t)x, 2);
            break;
        case 3: /* the fourth byte is the next pixel's, and goes nowhere */
            for (int x = 0; x < columns - 1; x++)
                memcpy(q + (size_t)x * LANES, p + 3 * (size_t)x, 4);
            memcpy(q + (size_t)(columns - 1) * LANES, p + 3 * (size_t)(columns - 1), 3);
            break;
        default:
            for (int x = 0; x < columns; x++)
                memcpy(q + (size_t)x * LANES, p + 4 * (size_t)x, 4);
        }
    }
}

static void unpack(const unsigned char *packed, unsigned char *out, size_t stride, int rows,
                   int columns, int channels)
{
    int step = channels == 3 ? 4 : channels;

    for (int r = 0; r < rows; r++)
        for (int x = 0; x < columns; x++)
            for (int c = 0; c < channels; c++)
                out[(size_t)r * stride + (size_t)x * (size_t)channels + (size_t)c] =
                    packed[(size_t)x * LANES + (size_t)(r * step + c)];
}

/* in: rows of `stride` bytes, the first byte is input column `from`; out: [rows, a->count] */
static void horizontal(const struct axis *a, const unsigned char *in, size_t stride, int from,
                       int to, unsigned char *out, int rows, int channels)
{
    int together = channels >= 3 ? 4 : LANES / channels;
    unsigned char *packed = xalloc((size_t)(to - from), LANES);
    unsigned char *sums = xalloc((size_t)a->count, LANES);
    size_t width = (size_t)a->count * (size_t)channels;

    for (int y = 0; y < rows; y += together) {
        int block = rows - y < together ? rows - y : together;

        pack(packed, in + (size_t)y * stride, stride, block, to - from, channels);
        sum_columns(sums, packed, a, from);
        unpack(sums, out + (size_t)y * width, width, block, a->count, channels);
    }
    free(packed);
    free(sums);
}

/* A window cut out; what a pass that changes no size does. */
static void cut(const unsigned char *in, size_t stride, unsigned char *out, size_t width, int rows)
{
    for (int y = 0; y < rows; y++)
        memcpy(out + (size_t)y * width, in + (size_t)y * stride, width);
}

struct window {
    long width, height; /* of the whole result */
    long left, top;     /* of the part that is wanted, whose size is the target's */
};

static void resample(const struct image *from, struct image *to, enum filter filter,
                     const struct window *w)
{
    bool across = w->width != from->width, down = w->height != from->height;
    bool down_first =
        w->height < from->height && from->height - w->height > 2 * (from->width - w->width);
    int left = (int)w->left, right = left + to->width, top = (int)w->top, bottom = top + to->height;
    size_t stride = (size_t)from->width * (size_t)from->channels, row, rows;
    struct axis x, y;
    const unsigned char *in;
    unsigned char *middle;

    if (across) {
        axis_open(&x, from->width, w->width, filter, w->left, to->width);
        axis_span(&x, &left, &right);
    }
    if (down) {
        axis_open(&y, from->height, w->height, filter, w->top, to->height);
        axis_span(&y, &top, &bottom);
    }
    in = from->pixels + (size_t)top * stride + (size_t)left * (size_t)from->channels;
    row = (size_t)(down_first ? right - left : to->width) * (size_t)from->channels;
    rows = (size_t)(down_first ? to->height : bottom - top);
    middle = across && down ? xresize(NULL, rows, row) : to->pixels;
    if (down_first)
        vertical(&y, in, stride, top, middle, row);
    else if (across)
        horizontal(&x, in, stride, left, right, middle, (int)rows, from->channels);
    else if (!down)
        cut(in, stride, to->pixels, row, to->height);
    if (down_first && across)
        horizontal(&x, middle, row, left, right, to->pixels, to->height, from->channels);
    else if (!down_first && down)
        vertical(&y, across ? middle : in, across ? row : stride, top, to->pixels,
                 (size_t)to->width * (size_t)from->channels);
    if (middle != to->pixels)
        free(middle);
    if (across)
        axis_close(&x);
    if (down)
        axis_close(&y);
}

/* The input whose middle is nearest; positions are summed up, as Pillow does, not multiplied. */
static int *nearest_inputs(int in, long out, long at, int count)
{
    double step = (double)in / (double)out, position = step * 0.5;
    int *list = xalloc((size_t)count, sizeof *list);

    for (long i = 0; i < at + count; i++, position += step)
        if (i >= at)
            list[i - at] = position < in ? (int)position : in - 1;
    return list;
}

static void nearest(const struct image *from, struct image *to, const struct window *w)
{
    int *x = nearest_inputs(from->width, w->width, w->left, to->width);
    int *y = nearest_inputs(from->height, w->height, w->top, to->height);
    size_t channels = (size_t)from->channels;
    unsigned char *out = to->pixels;

    for (int i = 0; i < to->height; i++) {
        const unsigned char *row = from->pixels + (size_t)y[i] * (size_t)from->width * channels;

        for (int j = 0; j < to->width; j++, out += channels)
            memcpy(out, row + (size_t)x[j] * channels, channels);
    }
    free(x);
    free(y);
}

void resize(const struct image *from, struct image *to, long width, long height, enum filter filter,
            long left, long top, int crop_width, int crop_height)
{
    struct window w = { width, height, left, top };
    struct image multiplied;

    assert(crop_width > 0 && crop_height > 0);
    assert(left >= 0 && top >= 0 && left + crop_width <= width && top + crop_height <= height);
    image_new(to, crop_width, crop_height, from->channels, from->mode);
    if (from->mode == MODE_P || from->mode == MODE_1 || filter == FILTER_NEAREST) {
        nearest(from, to, &w);
    } else if ((from->channels == 2 || from->channels == 4) && from->mode != MODE_CMYK &&
               (width != from->width || height != from->height)) {
        alpha_multiply(from, &multiplied);
        resample(&multiplied, to, filter, &w);
        image_free(&multiplied);
        alpha_divide(to);
    } else {
        resample(from, to, filter, &w);
    }
}
