/* SPDX-License-Identifier: MIT
 * depthwise.c - convolution channel by channel     x: [n, h, w, c]  weight: [m c, 1, k, k]
 *
 * Where a channel has several filters (m > 1) it is repeated first; below c is their count.
 *
 *     y = sum over taps of x[where the tap lies] * weight[tap] + bias
 *     dx[where] += dy weight[tap]        dweight[tap] += dy x[where]        dbias += dy
 *
 * A product of c numbers with c numbers a tap: there is nothing for a matrix unit to do.  The
 * weight is turned into [k k, c] so that vectors run along the channels.  A batch normalisation
 * behind it is folded in as in conv.c:
 *
 *     slope = gain / sqrt(variance + eps)        y = act(x (slope w) + (shift - slope mean))
 *
 * Source: arXiv 1704.04861, section 3.1.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "base/memory.h"
#include "op/window.h"

enum { LARGEST = 7 }; /* side of a filter */

struct pass {
    struct window at;
    const struct tensor *x, *y, *weight;
    const float *turned, *bias; /* [k k, c]; [c] */
    float *sums;                /* backward: of the weight's gradient, [k k, c] */
    enum activation act;
};

/* The rows of x under the filter at pixel i of y, and which taps these are. */
static int under(const struct window *at, long i, long *from, long *tap)
{
    long image = i / (at->down * at->across);
    long top = i / at->across % at->down * at->stride - at->above;
    long left = i % at->across * at->stride - at->before;
    int count = 0;

    for (long ky = 0; ky < at->k; ky++)
        for (long kx = 0; kx < at->k; kx++) {
            long y = top + ky, x = left + kx;

            if (y < 0 || y >= at->h || x < 0 || x >= at->w)
                continue;
            from[count] = (image * at->h + y) * at->w + x;
            tap[count++] = ky * at->k + kx;
        }
    return count;
}

static void forward(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long from[LARGEST * LARGEST], tap[LARGEST * LARGEST];
    const float *x[LARGEST * LARGEST], *w[LARGEST * LARGEST];

    for (long i = first; i < last; i++) {
        int count = under(&p->at, i, from, tap);

        for (int k = 0; k < count; k++) {
            x[k] = row_of(p->x, from[k]);
            w[k] = p->turned + tap[k] * p->at.channels;
        }
        kernels.taps(row_of(p->y, i), x, w, count, p->bias, p->at.channels, p->act);
    }
}

/* [c, k k] -> [k k, c]; channel c times slope[c], where that is not NULL */
static void turn(float *to, const float *from, const float *slope, const struct window *at)
{
    long taps = at->k * at->k;

    for (long c = 0; c < at->channels; c++)
        for (long tap = 0; tap < taps; tap++)
            to[tap * at->channels + c] = from[c * taps + tap] * (slope ? slope[c] : 1);
}

/* Images share no pixel of dx. */
static void backward_images(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long from[LARGEST * LARGEST], tap[LARGEST * LARGEST], area = p->at.down * p->at.across;

    for (long i = first * area; i < last * area; i++) {
        int count = under(&p->at, i, from, tap);
        const float *dy = grad_of(p->y, i);

        for (int k = 0; k < count; k++) {
            float *dx = grad_of(p->x, from[k]);
            const float *w = p->turned + tap[k] * p->at.channels;

            for (long c = 0; c < p->at.channels; c++)
                dx[c] += dy[c] * w[c];
        }
    }
}

/* Each piece of channels walks all pixels in order, whatever the number of threads. */
static void backward_channels(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long from[LARGEST * LARGEST], tap[LARGEST * LARGEST];

    for (long i = 0; i < rows(p->y); i++) {
        int count = under(&p->at, i, from, tap);
        const float *dy = grad_of(p->y, i);

        for (int k = 0; k < count; k++) {
            const float *x = row_of(p->x, from[k]);
            float *sums = p->sums + tap[k] * p->at.channels;

            for (long c = first; c < last; c++)
                sums[c] += dy[c] * x[c];
        }
    }
}

static void backward_weight(const struct node *n, struct pass *p)
{
    long taps = p->at.k * p->at.k, channels = p->at.channels;

    p->sums = tape_floats(n->tape, taps * channels);
    memset(p->sums, 0, (size_t)(taps * channels) * sizeof *p->sums);
    over_columns(backward_channels, p, rows(p->y), channels);
    for (long c = 0; c < channels; c++)
        for (long tap = 0; tap < taps; tap++)
            p->weight->grad[c * taps + tap] += p->sums[tap * channels + c];
}

static void backward(const struct node *n)
{
    struct pass p = *(const struct pass *)n->saved;
    float *turned = tape_floats(n->tape, tensor_count(p.weight));

    turn(turned, tensor_floats(n->tape, p.weight), NULL, &p.at);
    p.turned = turned;
    if (wants(p.x))
        over_rows(backward_images, &p, p.at.n, rows(p.x) / p.at.n * p.at.k * p.at.k * width(p.x));
    if (wants(p.weight))
        backward_weight(n, &p);
    if (wants(n->in[2]))
        add_column_sums(n->in[2]->grad, p.y->grad, p.y->stride, rows(p.y), width(p.y));
}

static const struct op op_depthwise = { .name = "depthwise", .backward = backward };

static struct pass *pass_over(struct tape *t, const struct linear *layer, struct tensor *x,
                              int stride)
{
    struct pass *p = tape_alloc(t, sizeof *p);

    *p = (struct pass){ window_over(x, layer, stride), .x = x, .weight = layer->weight[0] };
    assert(layer->parts == 1 && p->at.k <= LARGEST && p->at.out == p->at.channels);
    assert(tensor_count(p->weight) == p->at.channels * p->at.k * p->at.k);
    p->y = tensor_make(t, p->at.n, p->at.down, p->at.across, p->at.channels);
    return p;
}

static struct tensor *run(struct pass *p)
{
    over_rows(forward, p, rows(p->y), p->at.k * p->at.k * p->at.channels);
    return (struct tensor *)p->y;
}

struct tensor *depthwise(struct tape *t, struct linear *layer, struct tensor *x, int stride)
{
    struct tensor *each = repeat_columns(t, x, layer->weight[0]->shape[0] / width(x));
    struct pass *p = pass_over(t, layer, each, stride);
    float *turned = tape_floats(t, tensor_count(p->weight) + p->at.channels);
    float *bias = turned + tensor_count(p->weight);

    turn(turned, tensor_floats(t, p->weight), NULL, &p->at);
    memset(bias, 0, (size_t)p->at.channels * sizeof *bias);
    p->turned = turned;
    p->bias = layer->bias[0] ? tensor_floats(t, layer->bias[0]) : bias;
    return REMEMBER(t, &op_depthwise, run(p), p, each, layer->weight[0], layer->bias[0]);
}

/* The filters times slope, turned, and behind them the bias that comes with it */
static void fold(struct tape *t, struct linear *layer, const struct batchnorm *norm,
                 const struct window *at)
{
    const float *gain = tensor_floats(t, norm->gain), *shift = tensor_floats(t, norm->shift);
    const float *mean = tensor_floats(t, norm->mean), *variance = tensor_floats(t, norm->variance);
    const float *bias = tensor_floats(t, layer->bias[0]);
    long count = tensor_count(layer->weight[0]);
    float *slope = tape_floats(t, at->channels);

    layer->folded = xalloc((size_t)(count + at->channels), sizeof *layer->folded);
    for (long c = 0; c < at->channels; c++) {
        slope[c] = gain[c] / sqrtf(variance[c] + norm->eps);
        layer->folded[count + c] = shift[c] + slope[c] * ((bias ? bias[c] : 0) - mean[c]);
    }
    turn(layer->folded, tensor_floats(t, layer->weight[0]), slope, at);
}

struct tensor *depthwise_norm(struct tape *t, struct linear *layer, struct batchnorm *norm,
                              struct tensor *x, int stride, enum activation act)
{
    struct pass *p;

    if (wants(x) || linear_learns(layer) || wants(norm->gain) || wants(norm->shift))
        return batchnorm(t, norm, depthwise(t, layer, x, stride), act);
    x = repeat_columns(t, x, layer->weight[0]->shape[0] / width(x));
    p = pass_over(t, layer, x, stride);
    if (!layer->folded)
        fold(t, layer, norm, &p->at);
    p->turned = layer->folded;
    p->bias = layer->folded + tensor_count(p->weight);
    p->act = act;
    return run(p);
}
