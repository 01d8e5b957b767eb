/* SPDX-License-Identifier: MIT
 * convnorm.c - convolution and its batch normalisation as one, where nothing is remembered
 *
 *     slope = gain / sqrt(variance + eps)        y = act(x (slope W)^T + (shift - slope mean))
 *
 * The running statistics are constants then, so the slope goes into the packed weight once, and
 * the image is read and written once instead of three times.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "op/window.h"

static bool learning(const struct linear *layer, const struct batchnorm *norm)
{
    return linear_learns(layer) || wants(norm->gain) || wants(norm->shift);
}

/* The pack of slope W, and the bias that comes with it */
static void fold(struct tape *t, struct linear *layer, const struct batchnorm *norm,
                 const struct window *at, float eps)
{
    struct tensor scaled = *layer->weight[0];
    const float *gain = tensor_floats(t, norm->gain), *shift = tensor_floats(t, norm->shift);
    const float *mean = tensor_floats(t, norm->mean), *variance = tensor_floats(t, norm->variance);
    const float *weight = tensor_floats(t, layer->weight[0]), *bias;
    long d = window_numbers(at);

    bias = tensor_floats(t, layer->bias[0]);
    scaled.type = DTYPE_F32;
    scaled.scale = NULL;
    scaled.data = tape_floats(t, tensor_count(&scaled));
    layer->folded = xalloc((size_t)at->out, sizeof *layer->folded);
    for (long o = 0; o < at->out; o++) {
        float slope = gain[o] / sqrtf(variance[o] + eps);

        for (long i = 0; i < d; i++)
            scaled.data[o * d + i] = slope * weight[o * d + i];
        layer->folded[o] = shift[o] + slope * ((bias ? bias[o] : 0) - mean[o]);
    }
    layer->pack = window_pack(&scaled, at);
}

static void forward(struct tape *t, struct linear *layer, const struct batchnorm *norm,
                    const struct window *at, const struct tensor *x, struct product *p, float eps)
{
    struct arena_mark scratch = arena_mark(&t->arena);

    assert(layer->parts == 1 && (!layer->pack || layer->folded));
    if (!layer->pack)
        fold(t, layer, norm, at, eps);
    p->weights = layer->pack;
    p->bias[0] = layer->folded;
    window_product(t, at, x, p);
    arena_rewind(&t->arena, scratch);
}

struct tensor *convolve_norm(struct tape *t, struct linear *layer, struct batchnorm *norm,
                             struct tensor *x, int stride, float eps, enum activation act)
{
    struct window at = window_over(x, layer->weight[0], stride);
    struct product p = { .activation = act };
    struct tensor *y;

    if (wants(x) || learning(layer, norm))
        return batchnorm(t, norm, convolve(t, layer, x, stride), eps, act);
    y = tensor_make(t, at.n, at.down, at.across, at.out);
    p.y = y->data;
    p.y_stride = y->stride;
    forward(t, layer, norm, &at, x, &p, eps);
    return y;
}

static void cut(const void *argument, long first, long last)
{
    const struct tensor *x = argument;

    for (long i = first; i < last; i++)
        kernels.activate(row_of(x, i), row_of(x, i), width(x), ACTIVATION_RELU);
}

struct tensor *convolve_norm_onto(struct tape *t, struct linear *layer, struct batchnorm *norm,
                                  struct tensor *x, struct tensor *h, float eps)
{
    struct window at = window_over(h, layer->weight[0], 1);
    struct product p = { .residual = x->data, .y = x->data, .y_stride = x->stride };

    if (wants(x) || wants(h) || learning(layer, norm)) {
        h = batchnorm(t, norm, convolve(t, layer, h, 1), eps, ACTIVATION_NONE);
        return activate(t, add(t, x, h), ACTIVATION_RELU);
    }
    assert(rows(x) == at.n * at.down * at.across && width(x) == at.out);
    forward(t, layer, norm, &at, h, &p, eps);
    over_rows(cut, x, rows(x), width(x));
    return x;
}
