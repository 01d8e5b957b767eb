/* SPDX-License-Identifier: MIT
 * scalar.c - every entry of the table in plain C: the reference, and the way on other processors
 *
 * Sums are in double where the vector kernels use several partial sums in f32: what is compared
 * with this file may differ by their roundings, never by a term.
 */
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "kernel/panel.h"

enum { ROWS = 4, COLUMNS = 16 };

/* y = (x - mean) / sqrt(variance + eps) gain + shift; mean and rstd [rows] are kept for the
 * backward pass, or NULL. */
static void layernorm(float *y, long y_stride, float *mean, float *rstd, const float *x,
                      long x_stride, const float *gain, const float *shift, long rows, long width,
                      float eps)
{
    for (long r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        double sum = 0, squares = 0;
        float m, s;

        for (long i = 0; i < width; i++)
            sum += x[i];
        m = (float)(sum / (double)width);
        for (long i = 0; i < width; i++)
            squares += ((double)x[i] - m) * ((double)x[i] - m);
        s = (float)(1 / sqrt(squares / (double)width + eps));
        for (long i = 0; i < width; i++)
            y[i] = (x[i] - m) * s * gain[i] + shift[i];
        if (mean)
            mean[r] = m;
        if (rstd)
            rstd[r] = s;
    }
}

/* In place. The largest goes out first, so that no exponential overflows. */
static void softmax(float *x, long count)
{
    float largest = -INFINITY, inverse;
    double sum = 0;

    for (long i = 0; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (long i = 0; i < count; i++)
        sum += x[i] = expf(x[i] - largest);
    inverse = (float)(1 / sum);
    for (long i = 0; i < count; i++)
        x[i] *= inverse;
}

static const float root_half = 0.70710678f, root_2_over_pi = 0.79788456f, cubic = 0.044715f;

/* quick_gelu: x sigmoid(1.702 x). gelu: x Phi(x), and its approximation by tanh (arXiv 1606.08415,
 * section 2). */
static float active(float x, enum activation which)
{
    switch (which) {
    case ACTIVATION_NONE:
        break;
    case ACTIVATION_QUICK_GELU:
        return x / (1 + expf(-1.702f * x));
    case ACTIVATION_GELU:
        return 0.5f * x * (1 + erff(x * root_half));
    case ACTIVATION_GELU_TANH:
        return 0.5f * x * (1 + tanhf(root_2_over_pi * (x + cubic * x * x * x)));
    case ACTIVATION_RELU:
        return x < 0 ? 0 : x; /* NaN stays */
    case ACTIVATION_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case ACTIVATION_SILU:
        return x / (1 + expf(-x));
    }
    return x;
}

/* The derivatives of those. At the corners of relu and relu6 it is 0, as in PyTorch. */
static float slope(float x, enum activation which)
{
    float s, t;

    switch (which) {
    case ACTIVATION_NONE:
        break;
    case ACTIVATION_QUICK_GELU:
        s = 1 / (1 + expf(-1.702f * x));
        return s + 1.702f * x * s * (1 - s);
    case ACTIVATION_GELU:
        return 0.5f * (1 + erff(x * root_half)) + x * 0.5f * root_2_over_pi * expf(-0.5f * x * x);
    case ACTIVATION_GELU_TANH:
        t = tanhf(root_2_over_pi * (x + cubic * x * x * x));
        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * root_2_over_pi * (1 + 3 * cubic * x * x);
    case ACTIVATION_RELU:
        return x > 0;
    case ACTIVATION_RELU6:
        return x > 0 && x < 6;
    case ACTIVATION_SILU:
        s = 1 / (1 + expf(-x));
        return s + x * s * (1 - s);
    }
    return 1;
}

static void activate(float *y, const float *x, long count, enum activation which)
{
    for (long i = 0; i < count; i++)
        y[i] = active(x[i], which);
}

static void activate_backward(float *dx, const float *dy, const float *x, long count,
                              enum activation which)
{
    for (long i = 0; i < count; i++)
        dx[i] += dy[i] * slope(x[i], which);
}

static void add(float *y, const float *a, const float *b, long count)
{
    for (long i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

static void add_scaled(float *y, const float *x, float scale, long count)
{
    for (long i = 0; i < count; i++)
        y[i] += scale * x[i];
}

/* One pixel of a depthwise convolution: x[k] and w[k] are `count` neighbours and their weights,
 * each [channels]. */
static void taps(float *y, const float *const *x, const float *const *w, int count,
                 const float *bias, long channels, enum activation which)
{
    for (long i = 0; i < channels; i++) {
        float sum = bias[i];

        for (int k = 0; k < count; k++)
            sum += x[k][i] * w[k][i];
        y[i] = active(sum, which);
    }
}

static float dot(const float *a, const float *b, long count)
{
    float sum = 0;

    for (long i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static float dot_in_order(const float *a, const float *b, long count)
{
    return sum_in_order(a, b, count);
}

/* The bytes of a panel lie as [depth / 4][16][4]: four numbers of one column stand together, as the
 * instructions for bytes take them. */
static void duplicates(const struct duplicate_tile *t)
{
    for (int i = 0; i < t->rows; i++) {
        const uint8_t *x = t->x + i * t->x_stride;
        int32_t sums[DUPLICATE_COLUMNS] = { 0 };

        for (long k = 0; k < t->depth; k++)
            for (int j = 0; j < DUPLICATE_COLUMNS; j++)
                sums[j] +=
                    x[k] * t->panel[(k / DUPLICATE_STEP * DUPLICATE_COLUMNS + j) * DUPLICATE_STEP +
                                    k % DUPLICATE_STEP];
        t->hits[i] = duplicate_hits(t, i, sums);
    }
}

static void byte_tile(const struct byte_tile *t)
{
    for (int i = 0; i < t->rows; i++)
        for (int j = 0; j < t->panels * BYTE_COLUMNS; j++) {
            const int8_t *w = t->panel + j / BYTE_COLUMNS * BYTE_COLUMNS * t->depth +
                              j % BYTE_COLUMNS * BYTE_STEP;
            float all = 0;

            for (int p = 0; p < t->pieces; p++) {
                const uint8_t *x = t->x + i * t->row_stride + p * t->piece_stride;
                int32_t sum = 0;

                for (long k = 0; k < t->depth; k++)
                    sum += x[k] * w[k / BYTE_STEP * BYTE_COLUMNS * BYTE_STEP + k % BYTE_STEP];
                all = all * 256 + (float)(sum - t->offset[j]);
            }
            t->sums[i * t->sums_stride + j] = all * t->scale[i];
        }
}

static void split_bytes(uint8_t *to, long stride, int pieces, float *scale, const float *x,
                        long count)
{
    float most = 0, odd = 0, by;

    for (long i = 0; i < count; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        odd += x[i] * 0; /* NaN where one is not finite */
    }
    by = split_scale(pieces, most, odd, scale);
    for (long i = 0; i < count; i++) {
        int32_t t = (int32_t)rintf(by > 0 ? x[i] * by : 0);

        for (int p = pieces - 1; p > 0; p--) {
            int32_t rest = (t + 128) >> 8;

            to[p * stride + i] = (uint8_t)(t - rest * 256 + 128);
            t = rest;
        }
        to[i] = (uint8_t)(t + 128);
    }
    for (int p = 0; p < pieces; p++)
        for (long i = count; i % BYTE_STEP; i++)
            to[p * stride + i] = 128;
}

/* To f32. f16 and bf16 become the same number; an i8 becomes the whole number, without its factor.
 */
static void widen(float *y, const void *x, enum dtype type, long count)
{
    const uint16_t *half = x;

    if (type == DTYPE_F32)
        memmove(y, x, (size_t)count * sizeof *y);
    else if (type == DTYPE_I8)
        for (long i = 0; i < count; i++)
            y[i] = (float)((const int8_t *)x)[i];
    else if (type == DTYPE_F16)
        for (long i = 0; i < count; i++)
            y[i] = half_to_float(half[i]);
    else
        for (long i = 0; i < count; i++)
            y[i] = bfloat_to_float(half[i]);
}

/* From f32, to the nearest, halves to even. */
static void narrow(void *y, const float *x, enum dtype type, long count)
{
    uint16_t *half = y;

    if (type == DTYPE_F32)
        memmove(y, x, (size_t)count * sizeof *x);
    else if (type == DTYPE_F16)
        for (long i = 0; i < count; i++)
            half[i] = float_to_half(x[i]);
    else
        for (long i = 0; i < count; i++)
            half[i] = float_to_bfloat(x[i]);
}

/* Panels are always COLUMNS wide in memory: loops of a known length become vectors. */
static void tile(const struct tile *t)
{
    float sums[ROWS][COLUMNS] = { 0 }, wide[COLUMNS];
    const char *panel = t->panel;
    size_t step = (size_t)t->panel_stride * dtype_size(t->type);

    for (long k = 0; k < t->depth; k++, panel += step) {
        const float *b = (const float *)(const void *)panel;

        if (t->type != DTYPE_F32) {
            widen(wide, panel, t->type, COLUMNS);
            b = wide;
        }
        for (int i = 0; i < t->rows; i++)
            for (int j = 0; j < COLUMNS; j++)
                sums[i][j] += t->x[i * t->x_stride + k] * b[j];
    }
    for (int i = 0; i < t->rows; i++) {
        float *to = t->sums + i * t->sums_stride;

        for (int j = 0; j < t->columns; j++)
            to[j] = t->add ? to[j] + sums[i][j] : sums[i][j];
    }
}

/* y = activation(scale sums + bias) + residual: what follows a product is done while its sums are
 * in the cache. */
static void finish(const struct finish *f)
{
    for (int i = 0; i < f->rows; i++)
        for (int j = 0; j < f->columns; j++) {
            long at = i * f->y_stride + j;
            float sum = f->sums[i * f->sums_stride + j] * (f->scale ? f->scale[j] : 1) + f->bias[j];

            f->y[at] = active(sum, f->activation) + (f->residual ? f->residual[at] : 0);
        }
}

static void transpose(float *panel, int columns, const float *x, long x_stride, long depth,
                      float scale)
{
    for (long k = 0; k < depth; k++, panel += COLUMNS)
        for (int j = 0; j < COLUMNS; j++)
            panel[j] = j < columns ? scale * x[j * x_stride + k] : 0;
}

static const struct panel_kernel panel = {
    .rows = ROWS,
    .columns = COLUMNS,
    .lanes = COLUMNS,
    .tile = tile,
    .finish = finish,
    .transpose = transpose,
};

#define TABLE(text, ...)                                                                           \
    {                                                                                              \
        .name = text, .layernorm = layernorm, .softmax = softmax, .activate = activate,            \
        .activate_backward = activate_backward, .add = add, .add_scaled = add_scaled,              \
        .taps = taps, .dot = dot, .dot_in_order = dot_in_order, .duplicates = duplicates,          \
        .byte_tile = byte_tile, .byte_rows = BYTE_ROWS, .split_bytes = split_bytes,                \
        .widen = widen, .narrow = narrow, .panel = &panel, .packed_engine = &panel, __VA_ARGS__    \
    }
const struct kernels kernels_scalar = TABLE("scalar", .pair_tile = NULL);
/* What "bf16" computes, for tests where there is no such processor. */
const struct kernels kernels_scalar_bf16 = TABLE("scalar-bf16", .pair_tile = pair_tile_plain);
