/* SPDX-License-Identifier: MIT
 * kernel_pairs.c - products in bf16: the instruction in plain C, and products with it; where the
 * processor has it, the same bytes
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernel/panel.h"
#include "tests/unit/tap.h"

enum { PARTS = 2 };

static uint16_t bf(float x)
{
    return float_to_bfloat(x);
}

static float bits(uint32_t x)
{
    float f;

    memcpy(&f, &x, sizeof f);
    return f;
}

/* --- one product --- */

static void test_one(void)
{
    const uint16_t tiny = 0x0001, least = 0x0080; /* 2^-133, 2^-126 */

    ok(pair_add_one(0.5f, bf(1.5f), bf(-3)) == -4, "0.5 - 4.5");
    ok(pair_add_one(1, bf(0x1p-12f), bf(0x1p-12f)) == 1, "half of a last place: to even, down");
    ok(pair_add_one(bits(0x3f800001), bf(0x1p-12f), bf(0x1p-12f)) == bits(0x3f800002),
       "... to even, up");
    ok(pair_add_one(1, bf(0x1p-12f), bf(0x1.02p-12f)) == bits(0x3f800001),
       "a little more is not lost before it is rounded");
    ok(pair_add_one(2, tiny, bf(0x1p127f)) == 2, "a factor below 2^-126 is 0");
    ok(pair_add_one(0, least, bf(1)) == FLT_MIN, "2^-126 is not");
    ok(pair_add_one(0, least, bf(0.5f)) == 0 && signbit(pair_add_one(-0.f, least, bf(-0.5f))),
       "a sum below is a zero of its sign");
    ok(pair_add_one(bits(1), bf(1), bf(0)) == 0, "a sum that comes below is 0");
    ok(isinf(pair_add_one(FLT_MAX, bf(0x1p127f), bf(2))), "too large is infinite");
    ok(isnan(pair_add_one(1, bf(NAN), bf(1))) && isnan(pair_add_one(1, bf(INFINITY), bf(0))),
       "what is no number stays so");
}

/* (1 + a) - a differs from 1 + (a - a) where a is large: the odd product comes first. */
static void test_order(void)
{
    const uint16_t x[PAIR_STEP] = { bf(1), bf(1) };
    uint16_t panel[PAIR_LANES * PAIR_STEP];
    float sums[PAIR_LANES];

    for (int i = 0; i < PAIR_LANES; i++) {
        panel[i * PAIR_STEP] = bf(i % 2 ? 1 : 0x1p30f);
        panel[i * PAIR_STEP + 1] = bf(i % 2 ? 0x1p30f : 1);
    }
    pair_tile_plain(&(struct pair_tile){ .sums = sums,
                                         .sums_stride = PAIR_LANES,
                                         .x = x,
                                         .x_stride = PAIR_STEP,
                                         .rows = 1,
                                         .columns = PAIR_LANES,
                                         .panel = panel,
                                         .depth = PAIR_STEP });
    ok(sums[0] == 0x1p30f && sums[1] == 0x1p30f, "odd, then even");
    panel[0] = bf(-0x1p30f), panel[1] = bf(1);
    panel[2] = bf(1), panel[3] = bf(-0x1p30f);
    pair_tile_plain(&(struct pair_tile){ .sums = sums,
                                         .sums_stride = PAIR_LANES,
                                         .x = x,
                                         .x_stride = PAIR_STEP,
                                         .rows = 1,
                                         .columns = 2,
                                         .panel = panel,
                                         .depth = PAIR_STEP });
    ok(sums[0] == -0x1p30f && sums[1] == -0x1p30f && sums[2] == 0x1p30f,
       "columns that are not asked for stay");
}

/* --- products --- */

struct data {
    long rows, inputs, outputs[PARTS], all;
    enum dtype type;
    float *x, *w, *bias, *residual, *y;
    char *stored;
};

static float *normal(struct random *r, long count)
{
    float *x = xalloc((size_t)count, sizeof *x);

    for (long i = 0; i < count; i++)
        x[i] = random_normal(r);
    return x;
}

/* w holds what the stored numbers are, rounded to bf16. */
static struct data make(long rows, long inputs, long outputs, enum dtype type)
{
    struct random r = { 9 };
    struct data d = { .rows = rows, .inputs = inputs, .type = type };
    long count;

    d.outputs[0] = (outputs + 1) / 2;
    d.outputs[1] = outputs - d.outputs[0] + 1;
    d.all = d.outputs[0] + d.outputs[1];
    count = d.all * inputs;
    d.x = normal(&r, rows * inputs);
    d.w = normal(&r, count);
    d.bias = normal(&r, d.all);
    d.residual = normal(&r, rows * d.all);
    d.y = xalloc((size_t)(rows * d.all), sizeof *d.y);
    d.stored = xalloc((size_t)count, dtype_size(type));
    kernels.narrow(d.stored, d.w, type, count);
    kernels.widen(d.w, d.stored, type, count);
    for (long i = 0; i < count; i++)
        d.w[i] = bfloat_to_float(bf(d.w[i]));
    return d;
}

static void drop(struct data *d)
{
    free(d->x);
    free(d->w);
    free(d->bias);
    free(d->residual);
    free(d->y);
    free(d->stored);
}

static void multiply(const struct data *d, long first, long rows, float *y)
{
    struct matrix parts[PARTS];
    struct pack *pack;

    for (int i = 0; i < PARTS; i++)
        parts[i] = (struct matrix){ .data = d->stored + (size_t)(i * d->outputs[0] * d->inputs) *
                                                            dtype_size(d->type),
                                    .type = d->type,
                                    .rows = d->outputs[i] };
    pack = pack_weights(parts, PARTS, d->inputs, false);
    multiply_packed(&(struct product){ .weights = pack,
                                       .x = d->x + first * d->inputs,
                                       .rows = rows,
                                       .x_stride = d->inputs,
                                       .bias = { d->bias, d->bias + d->outputs[0] },
                                       .residual = d->residual + first * d->all,
                                       .y = y,
                                       .y_stride = d->all });
    pack_free(pack);
}

/* The worst difference, in what sums of f32 may lose. */
static double worst(const struct data *d)
{
    double most = 0;

    for (long i = 0; i < d->rows; i++)
        for (long j = 0; j < d->all; j++) {
            double sum = 0, size = 1;

            for (long k = 0; k < d->inputs; k++) {
                double one = (double)bfloat_to_float(bf(d->x[i * d->inputs + k])) *
                             (double)d->w[j * d->inputs + k];

                sum += one;
                size += fabs(one);
            }
            sum += (double)d->bias[j] + (double)d->residual[i * d->all + j];
            most = fmax(most, fabs(sum - (double)d->y[i * d->all + j]) / (1e-6 * size));
        }
    return most;
}

static void test_product(long rows, long inputs, long outputs, enum dtype type)
{
    struct data d = make(rows, inputs, outputs, type);
    size_t bytes = (size_t)(rows * d.all) * sizeof *d.y;
    float *parts = xalloc(bytes, 1);
    long step = 1;

    multiply(&d, 0, rows, d.y);
    ok(worst(&d) < 1, "%ld x %ld x %ld, %s: %.2f of the bound", rows, inputs, outputs,
       dtype_name(type), worst(&d));
    for (long first = 0; first < rows; first += step, step = step % 11 + 1) {
        step = step < rows - first ? step : rows - first;
        multiply(&d, first, step, parts + first * d.all);
    }
    ok(!memcmp(parts, d.y, bytes), "... the same bytes in parts");
    for (int threads = 1; threads < 4; threads += 2) {
        pool_stop();
        pool_start(threads);
        multiply(&d, 0, rows, parts);
        ok(!memcmp(parts, d.y, bytes), "... and with %d threads", threads);
    }
    if (kernels_supported("bf16")) {
        kernels_use("bf16");
        multiply(&d, 0, rows, parts);
        ok(!memcmp(parts, d.y, bytes), "... and by the processor");
        kernels_use("scalar-bf16");
    }
    free(parts);
    drop(&d);
}

/* What is not asked for is not rounded. */
static void test_precision(void)
{
    struct data d = make(3, 40, 20, DTYPE_F32);
    float *exact = xalloc((size_t)(3 * d.all), sizeof *exact);
    size_t bytes = (size_t)(3 * d.all) * sizeof *exact;

    multiply(&d, 0, 3, d.y);
    packed_precision(PRECISION_HIGH);
    multiply(&d, 0, 3, exact);
    ok(memcmp(d.y, exact, bytes), "high: not in bf16");
    kernels_use("scalar");
    multiply(&d, 0, 3, d.y);
    ok(!memcmp(d.y, exact, bytes), "... but in f32");
    packed_precision(PRECISION_MEDIUM);
    multiply(&d, 0, 3, d.y);
    ok(!memcmp(d.y, exact, bytes), "medium without the instruction: in f32");
    kernels_use("scalar-bf16");
    free(exact);
    drop(&d);
}

int main(void)
{
    static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };

    pool_start(2);
    test_one();
    test_order();
    kernels_use("scalar-bf16");
    packed_precision(PRECISION_MEDIUM);
    for (int t = 0; t < COUNT(types); t++) {
        test_product(1, 1, 1, types[t]);
        test_product(9, 33, 50, types[t]);
        test_product(20, 600, 37, types[t]);
    }
    test_product(400, 18, 100, DTYPE_F32);
    test_precision();
    packed_precision(PRECISION_HIGHEST);
    kernels_use(NULL);
    pool_stop();
    return done();
}
