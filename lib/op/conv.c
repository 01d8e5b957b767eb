/* SPDX-License-Identifier: MIT
 * conv.c - convolution with zero padding k / 2 as a product    x: [n, h, w, in]  y: [n, h', w',
 * out]
 *
 * What a filter sees is laid out as one row, (ky, kx, in), for every pixel of y; the weight
 * [out, in, k, k] is turned into that order once.  The rows are k k times the image, so they are
 * made and used a block at a time, in forward and again in backward:
 *
 *     y = rows W^T        dW += dy^T rows        drows = dy W, added back to dx where each came
 * from
 *
 * A 1 x 1 filter at stride 1 is `linear`.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

enum { BLOCK = 1 << 20 }; /* numbers in a block of rows: 4 MB */

struct window {
    long n, h, w, channels;            /* of x */
    long out, k, stride, down, across; /* of y */
};

struct pass {
    const struct window *at;
    const struct tensor *x;
    float *rows; /* of pixels from `start` on */
    long start;
};

static struct window window_over(const struct tensor *x, const struct tensor *weight, long stride)
{
    long k = weight->shape[2], pad = k / 2;
    struct window at = { x->shape[0], x->shape[1], x->shape[2], width(x), weight->shape[0],
                         k,           stride,      0,           0 };

    assert(x->rank == 4 && weight->rank == 4 && weight->shape[3] == k);
    assert(weight->shape[1] == at.channels);
    at.down = (at.h + 2 * pad - k) / stride + 1;
    at.across = (at.w + 2 * pad - k) / stride + 1;
    return at;
}

static long row_width(const struct window *at)
{
    return at->k * at->k * at->channels;
}

/* The row of x that pixel i of y sees at (ky, kx), or -1 where that is padding */
static long source(const struct window *at, long i, long ky, long kx)
{
    long image = i / (at->down * at->across);
    long y = i / at->across % at->down * at->stride + ky - at->k / 2;
    long x = i % at->across * at->stride + kx - at->k / 2;

    if (y < 0 || y >= at->h || x < 0 || x >= at->w)
        return -1;
    return (image * at->h + y) * at->w + x;
}

static void gather(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    const struct window *at = p->at;
    size_t bytes = (size_t)at->channels * sizeof(float);

    for (long i = first; i < last; i++) {
        float *to = p->rows + i * row_width(at);

        for (long tap = 0; tap < at->k * at->k; tap++, to += at->channels) {
            long from = source(at, p->start + i, tap / at->k, tap % at->k);

            if (from < 0)
                memset(to, 0, bytes);
            else
                memcpy(to, row_of(p->x, from), bytes);
        }
    }
}

/* Adds the rows of whole images first .. last to dx; images share no pixel. */
static void scatter(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    const struct window *at = p->at;
    long area = at->down * at->across;

    for (long i = first * area; i < last * area; i++) {
        const float *from = p->rows + i * row_width(at);

        for (long tap = 0; tap < at->k * at->k; tap++, from += at->channels) {
            long to = source(at, p->start + i, tap / at->k, tap % at->k);

            if (to >= 0)
                kernels.add(grad_of(p->x, to), grad_of(p->x, to), from, at->channels);
        }
    }
}

/* [out, in, k k] and [out, k k, in], of elements of `size` bytes */
static void turn_weight(char *to, const char *from, const struct window *at, size_t size)
{
    long taps = at->k * at->k;

    for (long o = 0; o < at->out; o++)
        for (long tap = 0; tap < taps; tap++)
            for (long c = 0; c < at->channels; c++)
                memcpy(to + (size_t)((o * taps + tap) * at->channels + c) * size,
                       from + (size_t)((o * at->channels + c) * taps + tap) * size, size);
}

static void turn_gradient_back(float *to, const float *from, const struct window *at)
{
    long taps = at->k * at->k;

    for (long o = 0; o < at->out; o++)
        for (long tap = 0; tap < taps; tap++)
            for (long c = 0; c < at->channels; c++)
                to[(o * at->channels + c) * taps + tap] +=
                    from[(o * taps + tap) * at->channels + c];
}

static float *turned_weight(struct tape *t, const struct tensor *weight, const struct window *at)
{
    float *turned = tape_floats(t, tensor_count(weight));

    turn_weight((char *)turned, (const char *)tensor_floats(t, weight), at, sizeof *turned);
    return turned;
}

static long images_at_once(const struct window *at)
{
    long numbers = at->down * at->across * row_width(at);

    return numbers < BLOCK ? BLOCK / numbers : 1;
}

/* One block of `count` images, from image `first` on */
static void backward_block(const struct node *n, struct pass *p, long first, long count,
                           const float *weight, float *dweight)
{
    const struct window *at = p->at;
    long area = at->down * at->across, d = row_width(at);
    const float *dy = n->out->grad + first * area * at->out;

    p->start = first * area;
    if (dweight) {
        over_rows(gather, p, count * area, d);
        gemm(true, false, at->out, d, count * area, 1, dy, at->out, p->rows, d, 1, dweight, d);
    }
    if (wants(p->x)) {
        gemm(false, false, count * area, d, at->out, 1, dy, at->out, weight, d, 0, p->rows, d);
        over_rows(scatter, p, count, area * d);
    }
}

static void backward(const struct node *n)
{
    const struct window *at = n->saved;
    const struct tensor *x = n->in[0], *w = n->in[1], *b = n->in[2], *y = n->out;
    long step = images_at_once(at), d = row_width(at);
    struct pass p = { .at = at, .x = x };
    float *weight = wants(x) ? turned_weight(n->tape, w, at) : NULL, *dweight = NULL;

    if (wants(w)) {
        dweight = tape_floats(n->tape, tensor_count(w));
        memset(dweight, 0, (size_t)tensor_count(w) * sizeof *dweight);
    }
    p.rows = tape_floats(n->tape, step * at->down * at->across * d);
    for (long i = 0; i < at->n; i += step)
        backward_block(n, &p, i, i + step < at->n ? step : at->n - i, weight, dweight);
    if (dweight)
        turn_gradient_back(w->grad, dweight, at);
    if (wants(b))
        add_column_sums(b->grad, y->grad, y->stride, rows(y), width(y));
}

static const struct op op_convolve = { "convolve", backward };

static void pack_turned(struct linear *layer, const struct window *at)
{
    const struct tensor *w = layer->weight[0];
    size_t size = dtype_size(w->type);
    char *turned = xalloc((size_t)tensor_count(w), size);
    struct matrix part = { turned, w->type, at->out };

    turn_weight(turned, w->bytes, at, size);
    layer->pack = pack_weights(&part, 1, row_width(at));
    free(turned);
}

/* weight: turned, for BLAS; NULL: the packed one */
static void forward(struct tape *t, const struct linear *layer, const struct window *at,
                    struct tensor *x, struct tensor *y, const float *weight)
{
    long total = rows(y), d = row_width(at), step = BLOCK / d > 0 ? BLOCK / d : 1;
    struct pass p = { .at = at, .x = x };
    const float *bias = tensor_floats(t, layer->bias[0]);

    p.rows = tape_floats(t, (step < total ? step : total) * d);
    for (p.start = 0; p.start < total; p.start += step) {
        long count = p.start + step < total ? step : total - p.start;
        struct product product = { .weights = layer->pack,
                                   .x = p.rows,
                                   .rows = count,
                                   .x_stride = d,
                                   .bias = { bias },
                                   .y = row_of(y, p.start),
                                   .y_stride = y->stride };

        over_rows(gather, &p, count, d);
        if (!weight) {
            multiply_packed(&product);
            continue;
        }
        gemm(false, true, count, at->out, d, 1, p.rows, d, weight, d, 0, product.y, y->stride);
        for (long i = 0; bias && i < count; i++)
            kernels.add(row_of(y, p.start + i), row_of(y, p.start + i), bias, at->out);
    }
}

struct tensor *convolve(struct tape *t, struct linear *layer, struct tensor *x, int stride)
{
    struct tensor *w = layer->weight[0], *y;
    struct window at = window_over(x, w, stride), *saved;
    struct arena_mark scratch;

    assert(layer->parts == 1);
    if (at.k == 1 && stride == 1)
        return linear(t, layer, x, ACTIVATION_NONE);
    y = tensor_make(t, at.n, at.down, at.across, at.out);
    saved = tape_alloc(t, sizeof *saved);
    *saved = at;
    if (!wants(w) && !layer->pack)
        pack_turned(layer, &at);
    scratch = arena_mark(&t->arena);
    forward(t, layer, saved, x, y, wants(w) ? turned_weight(t, w, &at) : NULL);
    arena_rewind(&t->arena, scratch);
    return REMEMBER(t, &op_convolve, y, saved, x, w, layer->bias[0]);
}
