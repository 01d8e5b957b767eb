/* SPDX-License-Identifier: MIT
 * branches.c - convolutions of one input that are added up, and are one convolution where nothing
 * is learned
 *
 *     slope = gain / sqrt(variance + eps)
 *     filter = scale * sum of slope W          bias = scale * sum of (shift - slope mean)
 *
 * A smaller filter lies in the middle of the largest; x itself is a filter of one 1 in the middle.
 * The sums are in double and rounded once.
 *
 * Source: huggingface/pytorch-image-models timm/models/fastvit.py, reparameterize().
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "nn/branches.h"

static const float batchnorm_eps = 1e-5f; /* PyTorch's own */

void batchnorm_params_named(struct batchnorm *n, struct params *p, long width, const char *mean,
                            const char *variance)
{
    param(p, &n->gain, INIT_VALUE(1), "weight", width);
    param(p, &n->shift, INIT_VALUE(0), "bias", width);
    param(p, &n->mean, INIT_VALUE(0), mean, width);
    params_buffer(p);
    param(p, &n->variance, INIT_VALUE(1), variance, width);
    params_buffer(p);
}

void batchnorm_params(struct batchnorm *n, struct params *p, long width)
{
    n->eps = batchnorm_eps;
    batchnorm_params_named(n, p, width, "running_mean", "running_var");
}

static struct branch *next_branch(struct branches *b)
{
    assert(b->count < BRANCHES);
    return &b->list[b->count++];
}

static void filter_params(struct branches *b, struct branch *one, struct params *p, int size,
                          bool bias)
{
    long in = b->depthwise ? 1 : b->in;
    struct linear_initial initial = linear_uniform(in * size * size);

    one->conv.parts = 1;
    b->size = size > b->size ? size : b->size;
    param(p, &one->conv.weight[0], initial.weight, "weight", b->out, in, size, size);
    if (bias)
        param(p, &one->conv.bias[0], initial.bias, "bias", b->out);
}

void branch_params(struct branches *b, struct params *p, const char *name, int size)
{
    struct branch *one = next_branch(b);

    one->has_norm = true;
    params_in(p, "%s", name);
    params_in(p, "conv");
    filter_params(b, one, p, size, false);
    params_out(p);
    params_in(p, "bn");
    batchnorm_params(&one->norm, p, b->out);
    params_out(p);
    params_out(p);
}

void branch_norm_params(struct branches *b, struct params *p, const char *name)
{
    struct branch *one = next_branch(b);

    assert(b->in == b->out && b->stride == 1);
    one->has_norm = true;
    params_in(p, "%s", name);
    batchnorm_params(&one->norm, p, b->out);
    params_out(p);
}

void branch_plain_params(struct branches *b, struct params *p, const char *name, int size)
{
    params_in(p, "%s", name);
    filter_params(b, next_branch(b), p, size, true);
    params_out(p);
}

/* --- one convolution --- */

/* Adds slope W of one branch to the filter, [out, in, size, size]. */
static void add_filter(struct tape *t, const struct branches *b, const struct branch *one,
                       const double *slope, double *filter)
{
    long in = b->depthwise ? 1 : b->in, k = one->conv.parts ? one->conv.weight[0]->shape[2] : 1;
    long size = b->size, edge = (size - k) / 2;
    const float *w = tensor_floats(t, one->conv.weight[0]);

    for (long o = 0; o < b->out; o++)
        for (long i = 0; i < in; i++)
            for (long tap = 0; tap < k * k; tap++) {
                long at = (edge + tap / k) * size + edge + tap % k;
                double value = w                             ? w[(o * in + i) * k * k + tap]
                               : i == (b->depthwise ? 0 : o) ? 1
                                                             : 0;

                filter[(o * in + i) * size * size + at] += slope[o] * value;
            }
}

/* The slope of each channel of one branch; what else its normalisation adds goes to the bias. */
static void add_norm(struct tape *t, const struct branches *b, const struct branch *one,
                     double *slope, double *bias)
{
    const struct batchnorm *n = &one->norm;
    const float *gain = tensor_floats(t, n->gain), *shift = tensor_floats(t, n->shift);
    const float *mean = tensor_floats(t, n->mean), *variance = tensor_floats(t, n->variance);
    const float *own = one->conv.parts ? tensor_floats(t, one->conv.bias[0]) : NULL;
    double sign = one->subtracts ? -1 : 1;

    for (long o = 0; o < b->out; o++) {
        slope[o] = sign;
        if (one->has_norm) {
            slope[o] *= gain[o] / sqrt((double)variance[o] + (double)n->eps);
            bias[o] += sign * shift[o] - slope[o] * mean[o];
        }
        bias[o] += slope[o] * (own ? (double)own[o] : 0);
    }
}

static void merge(struct tape *t, struct branches *b)
{
    long each = (b->depthwise ? 1 : b->in) * b->size * b->size, count = b->out * each;
    struct arena_mark scratch = arena_mark(&t->arena);
    size_t bytes = (size_t)(count + 2 * b->out) * sizeof(double);
    double *filter = tape_alloc(t, bytes), *bias = filter + count, *slope = bias + b->out;
    const float *scale = tensor_floats(t, b->scale);
    const struct branch skip = { .has_norm = false };

    memset(filter, 0, bytes);
    for (int i = 0; i < b->count; i++) {
        add_norm(t, b, &b->list[i], slope, bias);
        add_filter(t, b, &b->list[i], slope, filter);
    }
    for (long o = 0; o < b->out; o++) {
        for (long i = 0; scale && i < each; i++)
            filter[o * each + i] *= scale[o];
        bias[o] *= scale ? (double)scale[o] : 1;
        slope[o] = 1;
    }
    if (b->skips)
        add_filter(t, b, &skip, slope, filter);
    b->numbers = xalloc((size_t)(count + b->out), sizeof *b->numbers);
    for (long i = 0; i < count + b->out; i++)
        b->numbers[i] = (float)filter[i]; /* the bias follows it */
    b->filter = (struct tensor){ .type = DTYPE_F32, .rank = 4, .data = b->numbers };
    memcpy(b->filter.shape, (long[]){ b->out, b->depthwise ? 1 : b->in, b->size, b->size },
           sizeof b->filter.shape);
    b->filter.stride = b->size;
    b->bias = (struct tensor){ .type = DTYPE_F32,
                               .rank = 1,
                               .shape = { b->out },
                               .stride = b->out,
                               .data = b->numbers + count };
    b->merged = (struct linear){ .weight = { &b->filter }, .bias = { &b->bias }, .parts = 1 };
    arena_rewind(&t->arena, scratch);
}

static struct tensor *convolved(struct tape *t, const struct branches *b, struct linear *layer,
                                struct tensor *x)
{
    return b->depthwise ? depthwise(t, layer, x, b->stride) : convolve(t, layer, x, b->stride);
}

/* --- one by one, where something is learned --- */

static bool branches_learn(const struct branches *b, const struct tensor *x)
{
    bool learn = wants(x) || wants(b->scale);

    for (int i = 0; i < b->count; i++) {
        const struct branch *one = &b->list[i];

        learn |= wants(one->conv.weight[0]) || wants(one->conv.bias[0]) || wants(one->norm.gain) ||
                 wants(one->norm.shift);
    }
    return learn;
}

static struct tensor *sum(struct tape *t, struct branches *b, struct tensor *x)
{
    struct tensor *y = NULL;

    for (int i = 0; i < b->count; i++) {
        struct branch *one = &b->list[i];
        struct tensor *h = one->conv.parts ? convolved(t, b, &one->conv, x) : x;

        if (one->has_norm)
            h = batchnorm(t, &one->norm, h, ACTIVATION_NONE);
        if (one->subtracts)
            h = scale(t, h, -1);
        y = y ? add(t, y, h) : h;
    }
    if (b->scale)
        y = factors(t, y, b->scale);
    return b->skips ? add(t, x, y) : y;
}

struct tensor *branches_forward(struct tape *t, struct branches *b, struct tensor *x)
{
    bool plain = b->count == 1 && !b->list[0].has_norm && !b->scale && !b->skips;

    if (plain)
        return convolved(t, b, &b->list[0].conv, x);
    if (branches_learn(b, x))
        return sum(t, b, x);
    if (!b->numbers)
        merge(t, b);
    return convolved(t, b, &b->merged, x);
}

void branches_close(struct branches *b)
{
    for (int i = 0; i < b->count; i++)
        linear_close(&b->list[i].conv);
    linear_close(&b->merged);
    free(b->numbers);
    b->numbers = NULL;
}
