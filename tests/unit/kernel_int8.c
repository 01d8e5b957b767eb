/* SPDX-License-Identifier: MIT
 * kernel_int8.c - products of bytes: of rows taken for one, two or three pieces, beside double
 *
 * A piece more is 8 bits more, of the row's largest number: with p pieces a number is off by half
 * of most / (127 .. ) at most, a sum of k such by the root of k times that; five deviations.
 * Integers are the same everywhere, so rows have the same bytes in every variant but for the last
 * step, which is compared without an activation.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

static const char *const variants[] = {
    "scalar", "avx2", "avxvnni", "avx512", "vnni", "bf16", "amx"
};
static const double levels[] = { 127, 127 * 257, 127 * 65793 };

struct data {
    long rows, inputs, outputs;
    float *x, *y, *bias, *residual, *scale;
    int8_t *weights;
};

static struct data make(long rows, long inputs, long outputs)
{
    struct random r = { 5 };
    struct data d = { .rows = rows, .inputs = inputs, .outputs = outputs };

    d.x = xalloc((size_t)(rows * inputs), sizeof *d.x);
    d.y = xalloc((size_t)(rows * outputs), sizeof *d.y);
    d.residual = xalloc((size_t)(rows * outputs), sizeof *d.residual);
    d.bias = xalloc((size_t)outputs, sizeof *d.bias);
    d.scale = xalloc((size_t)outputs, sizeof *d.scale);
    d.weights = xalloc((size_t)(outputs * inputs), 1);
    for (long i = 0; i < rows * inputs; i++)
        d.x[i] = random_normal(&r);
    for (long i = 0; i < rows * outputs; i++)
        d.residual[i] = random_normal(&r);
    for (long i = 0; i < outputs; i++) {
        d.bias[i] = random_normal(&r);
        d.scale[i] = 0.001f + 0.01f * (float)random_uniform(&r);
    }
    for (long i = 0; i < outputs * inputs; i++)
        d.weights[i] =
            (int8_t)((long)random_below(&r, 255) - 127); /* all of them: no sum may wrap */
    return d;
}

static void drop(struct data *d)
{
    free(d->x);
    free(d->y);
    free(d->residual);
    free(d->bias);
    free(d->scale);
    free(d->weights);
}

static void multiply(const struct data *d, int pieces, long first, long rows, float *y)
{
    long half = (d->outputs + 1) / 2, rest = d->outputs - half;
    struct matrix parts[] = { { d->weights, DTYPE_I8, half, d->scale, pieces, NULL },
                              { d->weights + half * d->inputs, DTYPE_I8, rest, d->scale + half,
                                pieces, NULL } };
    struct pack *pack = pack_weights(parts, rest ? 2 : 1, d->inputs, false);

    multiply_packed(&(struct product){ .weights = pack,
                                       .x = d->x + first * d->inputs,
                                       .rows = rows,
                                       .x_stride = d->inputs,
                                       .bias = { d->bias, d->bias + half },
                                       .pieces = pieces,
                                       .residual = d->residual + first * d->outputs,
                                       .y = y,
                                       .y_stride = d->outputs });
    pack_free(pack);
}

/* The worst of all differences, in what is allowed there. */
static double worst(const struct data *d, int pieces)
{
    double most = 0;

    for (long i = 0; i < d->rows; i++) {
        double largest = 0;

        for (long k = 0; k < d->inputs; k++)
            largest = fmax(largest, fabs((double)d->x[i * d->inputs + k]));
        for (long j = 0; j < d->outputs; j++) {
            double sum = 0, squares = 0, allowed;

            for (long k = 0; k < d->inputs; k++) {
                double w = (double)d->scale[j] * d->weights[j * d->inputs + k];

                sum += w * (double)d->x[i * d->inputs + k];
                squares += w * w;
            }
            allowed = 5 * largest / levels[pieces - 1] / sqrt(12) * sqrt(squares) +
                      1e-6 * (fabs(sum) + 5);
            sum += (double)d->bias[j] + (double)d->residual[i * d->outputs + j];
            most = fmax(most, fabs(sum - (double)d->y[i * d->outputs + j]) / allowed);
        }
    }
    return most;
}

static void test_shape(long rows, long inputs, long outputs)
{
    struct data d = make(rows, inputs, outputs);
    float *first = NULL, *one = xalloc((size_t)outputs, sizeof *one);
    size_t bytes = (size_t)(rows * outputs) * sizeof *d.y;

    for (int pieces = 1; pieces <= 3; pieces++, free(first), first = NULL)
        for (int v = 0; v < COUNT(variants); v++) {
            if (!kernels_supported(variants[v]))
                continue;
            kernels_use(variants[v]);
            multiply(&d, pieces, 0, rows, d.y);
            ok(worst(&d, pieces) < 1, "%s: %ld x %ld x %ld, %d pieces: %.2f of the bound",
               variants[v], rows, inputs, outputs, pieces, worst(&d, pieces));
            if (!first)
                first = (float *)(void *)xmemdup(d.y, bytes);
            ok(!memcmp(first, d.y, bytes), "... the same bytes as the first variant's");
            multiply(&d, pieces, rows / 2, 1, one);
            ok(!memcmp(one, d.y + rows / 2 * outputs, (size_t)outputs * sizeof *one),
               "... and for a row alone");
        }
    kernels_use(NULL);
    free(one);
    drop(&d);
}

static void test_odd_rows(void)
{
    struct data d = make(4, 70, 20);

    for (long k = 0; k < d.inputs; k++) {
        d.x[k] = 0;
        d.x[d.inputs + k] = 1e-37f;
    }
    d.x[2 * d.inputs + 3] = NAN;
    d.x[3 * d.inputs + 5] = INFINITY;
    for (int pieces = 1; pieces <= 3; pieces++) {
        multiply(&d, pieces, 0, 4, d.y);
        ok(d.y[0] == d.bias[0] + d.residual[0], "a row of zeros");
        ok(d.y[d.outputs] == d.bias[0] + d.residual[d.outputs], "a row of next to nothing");
        ok(isnan(d.y[2 * d.outputs]) && isnan(d.y[3 * d.outputs + 7]), "rows that are not finite");
    }
    drop(&d);
}

int main(void)
{
    pool_start(3);
    test_shape(1, 1, 1);
    test_shape(7, 30, 17);
    test_shape(50, 300, 100);
    test_shape(390, 64, 33);
    test_shape(23, 129, 230);
    test_odd_rows();
    pool_stop();
    return done();
}
