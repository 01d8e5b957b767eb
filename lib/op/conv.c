/* SPDX-License-Identifier: MIT
 * conv.c - convolution with zero padding k / 2     x: [n, h, w, in]  y: [n, h', w', out]
 *
 * A product of rows that hold what the filter sees (window.c), made block by block in forward and
 * once more in backward:
 *
 *     y = rows W^T        dW += dy^T rows        drows = dy W, added back to dx where each came
 * from
 *
 * A 1 x 1 filter at stride 1 is `linear`.
 */
#include <assert.h>
#include <string.h>
#include "op/window.h"

static long images_at_once(const struct window *at)
{
    long images = window_block(at) / (at->down * at->across);

    return images > 0 ? images : 1;
}

/* One block of `count` images, from image `first` on */
static void backward_block(const struct node *n, struct rows_of *p, long first, long count,
                           const float *weight, float *dweight)
{
    const struct window *at = p->at;
    long area = at->down * at->across, d = window_numbers(at);
    const float *dy = n->out->grad + first * area * at->out;

    p->start = first * area;
    if (dweight) {
        window_gather(p, count * area);
        gemm(true, false, at->out, d, count * area, 1, dy, at->out, p->rows, d, 1, dweight, d);
    }
    if (wants(p->x)) {
        gemm(false, false, count * area, d, at->out, 1, dy, at->out, weight, d, 0, p->rows, d);
        window_scatter(p, count);
    }
}

static void backward(const struct node *n)
{
    const struct window *at = n->saved;
    const struct tensor *x = n->in[0], *w = n->in[1], *b = n->in[2], *y = n->out;
    long step = images_at_once(at), d = window_numbers(at);
    struct rows_of p = { .at = at, .x = x };
    float *weight = wants(x) ? window_weight(n->tape, w, at) : NULL, *dweight = NULL;

    if (wants(w)) {
        dweight = tape_floats(n->tape, tensor_count(w));
        memset(dweight, 0, (size_t)tensor_count(w) * sizeof *dweight);
    }
    p.rows = tape_floats(n->tape, step * at->down * at->across * d);
    for (long i = 0; i < at->n; i += step)
        backward_block(n, &p, i, i + step < at->n ? step : at->n - i, weight, dweight);
    if (dweight)
        window_weight_back(w->grad, dweight, at);
    if (wants(b))
        add_column_sums(b->grad, y->grad, y->stride, rows(y), width(y));
}

static const struct op op_convolve = { .name = "convolve", .backward = backward };

static void forward_blas(struct tape *t, const struct linear *layer, const struct window *at,
                         struct tensor *x, struct tensor *y)
{
    long total = rows(y), d = window_numbers(at), step = window_block(at);
    struct arena_mark scratch = arena_mark(&t->arena);
    struct rows_of p = { .at = at, .x = x };
    const float *bias = tensor_floats(t, layer->bias[0]);
    const float *weight = window_weight(t, layer->weight[0], at);

    p.rows = tape_floats(t, (step < total ? step : total) * d);
    for (p.start = 0; p.start < total; p.start += step) {
        long count = p.start + step < total ? step : total - p.start;

        window_gather(&p, count);
        gemm(false, true, count, at->out, d, 1, p.rows, d, weight, d, 0, row_of(y, p.start),
             y->stride);
    }
    for (long i = 0; bias && i < total; i++)
        kernels.add(row_of(y, i), row_of(y, i), bias, at->out);
    arena_rewind(&t->arena, scratch);
}

static void forward_packed(struct tape *t, struct linear *layer, const struct window *at,
                           struct tensor *x, struct tensor *y)
{
    struct product product = { .bias = { tensor_floats(t, layer->bias[0]) },
                               .y = y->data,
                               .y_stride = y->stride };

    if (!layer->pack)
        layer->pack = window_pack(layer->weight[0], at);
    product.weights = layer->pack;
    window_product(t, at, x, &product);
}

struct tensor *convolve(struct tape *t, struct linear *layer, struct tensor *x, int stride)
{
    struct tensor *w = layer->weight[0], *y;
    struct window *at = tape_alloc(t, sizeof *at);

    assert(layer->parts == 1);
    *at = window_over(x, w, stride);
    if (at->k == 1 && stride == 1)
        return linear(t, layer, x, ACTIVATION_NONE);
    y = tensor_make(t, at->n, at->down, at->across, at->out);
    if (wants(w))
        forward_blas(t, layer, at, x, y);
    else
        forward_packed(t, layer, at, x, y);
    return REMEMBER(t, &op_convolve, y, at, x, w, layer->bias[0]);
}
