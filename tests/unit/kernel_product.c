/* SPDX-License-Identifier: MIT
 * kernel_product.c - packed products beside plain loops in double, for every variant; and that the
 * bytes of a row depend on nothing but the row and the weights
 *
 * Tolerance: a sum of unit normals grows as sqrt(k), and so do its roundings of 2^-24, which add up
 * as their root mean square: sqrt(K) sqrt(k) 2^-24 / 2 with k up to the 256 after which the sum
 * begins anew; five deviations of that, and a few units of the bias and residual.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

struct shape {
    long rows, inputs;
    int parts;
    long outputs[PACK_PARTS];
    enum dtype type;
    enum activation activation;
    bool bias, residual;
};

static const struct shape shapes[] = {
    { 1, 1, 1, { 1 }, DTYPE_F32, ACTIVATION_NONE, false, false },
    { 2, 3, 1, { 5 }, DTYPE_F32, ACTIVATION_NONE, true, false },
    { 3, 17, 1, { 49 }, DTYPE_F32, ACTIVATION_RELU, true, true },
    { 5, 33, 1, { 24 }, DTYPE_F32, ACTIVATION_RELU6, false, false },
    { 4, 64, 1, { 96 }, DTYPE_F32, ACTIVATION_GELU, true, false },
    { 4, 33, 1, { 31 }, DTYPE_F32, ACTIVATION_SILU, true, true },
    { 5, 65, 3, { 33, 33, 33 }, DTYPE_F32, ACTIVATION_NONE, true, false },
    { 6, 100, 2, { 1, 100 }, DTYPE_F32, ACTIVATION_QUICK_GELU, true, true },
    { 7, 129, 1, { 47 }, DTYPE_F32, ACTIVATION_GELU_TANH, false, true },
    { 8, 33, 3, { 16, 48, 20 }, DTYPE_F32, ACTIVATION_NONE, false, false },
    { 9, 513, 1, { 95 }, DTYPE_F32, ACTIVATION_NONE, true, true },
    { 20, 1100, 2, { 50, 51 }, DTYPE_F32, ACTIVATION_NONE, true, true },
    { 77, 300, 1, { 200 }, DTYPE_F32, ACTIVATION_GELU, true, false },
    { 150, 3072, 1, { 63 }, DTYPE_F32, ACTIVATION_NONE, true, true },
    { 11, 99, 1, { 70 }, DTYPE_F16, ACTIVATION_GELU, true, false },
    { 3, 99, 3, { 70, 7, 1 }, DTYPE_F16, ACTIVATION_NONE, true, true },
    { 13, 640, 1, { 33 }, DTYPE_BF16, ACTIVATION_NONE, true, false },
    { 1, 127, 2, { 65, 3 }, DTYPE_BF16, ACTIVATION_QUICK_GELU, false, true },
    { 12, 257, 1, { 130 }, DTYPE_I8, ACTIVATION_NONE, true, true },
    { 1, 1000, 3, { 31, 64, 2 }, DTYPE_I8, ACTIVATION_GELU, true, false },
    { 90, 64, 1, { 96 }, DTYPE_I8, ACTIVATION_NONE, false, false },
    { 5, 1027, 1, { 49 }, DTYPE_I8, ACTIVATION_NONE, true, false },
    { 2, 1, 1, { 17 }, DTYPE_I8, ACTIVATION_RELU, false, false },
};

struct data {
    long outputs, x_stride, y_stride;
    float *x, *w, *bias, *residual; /* w: widened */
    float *scale;                   /* of i8 */
    void *stored[PACK_PARTS];       /* w as it is given, at an odd address */
    struct pack *pack;
};

static float *normal(struct random *r, long count)
{
    float *x = xalloc((size_t)count + 1, sizeof *x);

    for (long i = 0; i < count; i++)
        x[i] = random_normal(r);
    return x;
}

static double tolerance(long inputs)
{
    return 1e-6 + 1.5e-7 * sqrt((double)inputs * (inputs < 256 ? (double)inputs : 256));
}

/* And w becomes what was stored. */
static void quantise(int8_t *to, float *w, const float *scale, long rows, long inputs)
{
    for (long i = 0; i < rows * inputs; i++) {
        long near = lrintf(w[i] / scale[i / inputs]);

        to[i] = (int8_t)(near > 127 ? 127 : near < -127 ? -127 : near);
        w[i] = to[i] * scale[i / inputs];
    }
}

static void make(struct data *d, const struct shape *s, bool few)
{
    struct random r = { 5 };
    struct matrix parts[PACK_PARTS];
    size_t size = dtype_size(s->type);
    long at = 0;

    *d = (struct data){ .x_stride = s->inputs + 3 };
    for (int i = 0; i < s->parts; i++)
        d->outputs += s->outputs[i];
    d->y_stride = d->outputs + 1;
    d->x = normal(&r, s->rows * d->x_stride);
    d->w = normal(&r, d->outputs * s->inputs);
    d->bias = normal(&r, d->outputs);
    d->scale = normal(&r, d->outputs);
    for (long i = 0; i < d->outputs; i++)
        d->scale[i] = (fabsf(d->scale[i]) + 1) / 73;
    d->residual = normal(&r, s->rows * d->y_stride);
    for (int i = 0; i < s->parts; i++) {
        long count = s->outputs[i] * s->inputs;

        d->stored[i] = xalloc((size_t)count + 1, size);
        parts[i] =
            (struct matrix){ (char *)d->stored[i] + size, s->type, s->outputs[i], NULL, 0, NULL };
        if (s->type == DTYPE_I8) {
            parts[i].scale = d->scale + at / s->inputs;
            quantise((int8_t *)d->stored[i] + 1, d->w + at, parts[i].scale, parts[i].rows,
                     s->inputs);
        } else {
            kernels.narrow((char *)d->stored[i] + size, d->w + at, s->type, count);
            kernels.widen(d->w + at, (char *)d->stored[i] + size, s->type, count);
        }
        at += count;
    }
    d->pack = pack_weights(parts, s->parts, s->inputs, few);
}

static void drop(struct data *d)
{
    pack_free(d->pack);
    free(d->x);
    free(d->w);
    free(d->bias);
    free(d->scale);
    free(d->residual);
    for (int i = 0; i < PACK_PARTS; i++)
        free(d->stored[i]);
}

/* y for rows [first, first + rows); y holds the residual. */
static void product(const struct shape *s, const struct data *d, long first, long rows, float *y)
{
    struct product p = { .weights = d->pack,
                         .x = d->x + first * d->x_stride,
                         .rows = rows,
                         .x_stride = d->x_stride,
                         .activation = s->activation,
                         .residual = s->residual ? y : NULL,
                         .y = y,
                         .y_stride = d->y_stride };
    long at = 0;

    for (int i = 0; i < s->parts; i++, at += s->outputs[i - 1])
        p.bias[i] = s->bias && i != 1 ? d->bias + at : NULL; /* the middle part has none */
    multiply_packed(&p);
}

static float *copy(const float *x, size_t bytes)
{
    return (float *)(void *)xmemdup(x, bytes);
}

static double plain(const struct shape *s, const struct data *d, long row, long output)
{
    long middle = s->outputs[0], after = middle + s->outputs[1];
    bool biased = s->bias && !(s->parts > 1 && output >= middle && output < after);
    double sum = biased ? d->bias[output] : 0;

    for (long k = 0; k < s->inputs; k++)
        sum += (double)d->x[row * d->x_stride + k] * d->w[output * s->inputs + k];
    switch (s->activation) {
    case ACTIVATION_QUICK_GELU:
        sum = sum / (1 + exp(-1.702 * sum));
        break;
    case ACTIVATION_GELU:
        sum = sum * 0.5 * erfc(-sum * sqrt(0.5));
        break;
    case ACTIVATION_GELU_TANH:
        sum = 0.5 * sum * (1 + tanh(0.7978845608028654 * (sum + 0.044715 * sum * sum * sum)));
        break;
    case ACTIVATION_RELU:
        sum = sum > 0 ? sum : 0;
        break;
    case ACTIVATION_RELU6:
        sum = sum > 0 ? fmin(sum, 6) : 0;
        break;
    case ACTIVATION_SILU:
        sum = sum / (1 + exp(-sum));
        break;
    default:
        break;
    }
    return sum + (s->residual ? d->residual[row * d->y_stride + output] : 0);
}

static void compare(const struct shape *s, const char *variant, bool few)
{
    char name[120];
    struct data d;
    size_t bytes;
    float *y, *want;

    make(&d, s, few);
    bytes = (size_t)(s->rows * d.y_stride) * sizeof *y;
    y = copy(d.residual, bytes);
    want = copy(d.residual, bytes); /* the gap between rows must stay */
    product(s, &d, 0, s->rows, y);
    for (long i = 0; i < s->rows; i++)
        for (long j = 0; j < d.outputs; j++)
            want[i * d.y_stride + j] = (float)plain(s, &d, i, j);
    snprintf(name, sizeof name, "%s: %ld x %ld x %ld %s activation %d", variant, s->rows, s->inputs,
             d.outputs, dtype_name(s->type), (int)s->activation);
    is_close(y, want, s->rows * d.y_stride, tolerance(s->inputs), 3e-7, name);
    is_long(pack_outputs(d.pack) * pack_inputs(d.pack), d.outputs * s->inputs, "size of the pack");
    free(y);
    free(want);
    drop(&d);
}

/* Any rows of a product, computed apart, have the bytes that they have among all. */
static void same_rows(const struct shape *s, const char *variant, bool few)
{
    struct data d;
    float *all, *some;
    size_t bytes;
    bool same = true;

    make(&d, s, few);
    bytes = (size_t)(s->rows * d.y_stride) * sizeof *all;
    all = copy(d.residual, bytes);
    some = copy(d.residual, bytes);
    product(s, &d, 0, s->rows, all);
    for (long first = 0, rows; first < s->rows; first += rows) { /* 1, 2, 3, .. rows */
        rows = first % 23 + 1;
        rows = rows < s->rows - first ? rows : s->rows - first;
        product(s, &d, first, rows, some + first * d.y_stride);
    }
    same = !memcmp(all, some, bytes);
    for (int threads = 1; threads < 4; threads++) {
        pool_stop();
        pool_start(threads);
        memcpy(some, d.residual, bytes);
        product(s, &d, 0, s->rows, some);
        same = same && !memcmp(all, some, bytes);
    }
    ok(same, "%s: %ld x %ld, the same bytes in parts and with 1, 2, 3 threads", variant, s->rows,
       s->inputs);
    free(all);
    free(some);
    drop(&d);
}

/* Rows of i8's products in which nothing, little, one large or an infinite number is. */
static void extremes(const char *variant)
{
    enum { INPUTS = 600, OUTPUTS = 20, ROWS = 4, LARGE = 3 };
    struct random r = { 7 };
    float *x = normal(&r, ROWS * INPUTS), y[ROWS * OUTPUTS], scale[OUTPUTS];
    int8_t w[OUTPUTS * INPUTS];
    struct matrix part = { w, DTYPE_I8, OUTPUTS, scale, 0, NULL };
    struct product p = { .x = x, .rows = ROWS, .x_stride = INPUTS, .y = y, .y_stride = OUTPUTS };
    struct pack *pack;
    double worst = 0;

    for (int i = 0; i < OUTPUTS * INPUTS; i++)
        w[i] = (int8_t)(i * 37 % 255 - 127);
    for (int i = 0; i < OUTPUTS; i++)
        scale[i] = 1;
    for (int k = 0; k < INPUTS; k++) {
        x[k] = 0;
        x[INPUTS + k] *= 1e-30f;
    }
    x[2 * INPUTS + LARGE] = 1e6f;
    x[3 * INPUTS + 300] = INFINITY;
    p.weights = pack = pack_weights(&part, 1, INPUTS, true);
    multiply_packed(&p);
    for (int row = 1; row < 3; row++)
        for (int j = 0; j < OUTPUTS; j++) {
            double sum = 0, most = 0, weights = 0;

            for (int k = 0; k < INPUTS; k++) {
                double one = x[row * INPUTS + k];

                sum += one * w[j * INPUTS + k];
                most = fmax(most, fabs(one));
                weights += abs(w[j * INPUTS + k]);
            }
            worst = fmax(worst, fabs(y[row * OUTPUTS + j] - sum) / (most * weights));
        }
    ok(y[0] == 0 && y[OUTPUTS - 1] == 0, "%s: i8: a row of nothing", variant);
    ok(worst < 0x1p-24, "%s: i8: little, and one large number: %.1e", variant, worst);
    ok(!isfinite(y[3 * OUTPUTS]) && !isfinite(y[4 * OUTPUTS - 1]), "%s: i8: infinite", variant);
    pack_free(pack);
    free(x);
}

int main(void)
{
    static const char *const variants[] = { "scalar", "avx2", "avxvnni", "avx512", "vnni", "amx" };

    pool_start(2);
    for (int i = 0; i < COUNT(variants); i++) {
        if (!kernels_supported(variants[i]))
            continue;
        kernels_use(variants[i]);
        extremes(variants[i]);
        for (int j = 0; j < COUNT(shapes); j++) {
            compare(&shapes[j], variants[i], false);
            same_rows(&shapes[j], variants[i], false);
            if (strcmp(variants[i], "vnni") && strcmp(variants[i], "amx"))
                continue; /* few rows go the same way as many */
            compare(&shapes[j], variants[i], true);
            same_rows(&shapes[j], variants[i], true);
        }
    }
    return done();
}
