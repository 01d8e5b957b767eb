/* SPDX-License-Identifier: MIT
 * conv.c - convolution with zeros around     x: [n, h, w, in]  y: [n, h', w', out]
 *
 * A product of rows that hold what the filter sees, made block by block in forward and once more in
 * backward; PyTorch calls the rows "unfold", others im2col:
 *
 *     y = rows W^T        dW += dy^T rows        drows = dy W, added to dx
 *
 * A 1 x 1 filter at stride 1 is `linear`.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "op/window.h"

/* --- what a filter sees, laid out as rows for a product ---
 *
 *     row of pixel i of y: (ky, kx, in) of x around it, zero beyond the edges
 *
 * The weight [out, in, k, k] is put into that order.  The rows are k k times the image, so they
 * are made and used a block at a time.
 */

enum { BLOCK = 1 << 20 }; /* numbers in a block of rows: 4 MB */

struct rows_of {
    const struct window *at;
    const struct tensor *x;
    float *rows; /* of y's pixels from `start` on, [.., window_numbers] */
    long start;
};

/* Places of the filter over `size` pixels, and the zeros before the first.  TensorFlow's SAME has a
 * place for every stride-th pixel and as few zeros as that takes, the odd one at the end. */
static long places(const struct linear *layer, long size, long k, long stride, long *zeros)
{
    long count = (size + stride - 1) / stride, missing = (count - 1) * stride + k - size;

    *zeros = !layer->same ? k / 2 : missing > 0 ? missing / 2 : 0;
    return layer->same ? count : (size + 2 * *zeros - k) / stride + 1;
}

/* x: [n, h, w, in], the weight: [out, in, k, k]. */
struct window window_over(const struct tensor *x, const struct linear *layer, long stride)
{
    const struct tensor *weight = layer->weight[0];
    long k = weight->shape[2];
    struct window at = {
        x->shape[0], x->shape[1], x->shape[2], width(x), weight->shape[0], k, stride, 0, 0, 0, 0
    };

    assert(x->rank == 4 && weight->rank == 4 && weight->shape[3] == k);
    at.down = places(layer, at.h, k, stride, &at.above);
    at.across = places(layer, at.w, k, stride, &at.before);
    return at;
}

static long window_numbers(const struct window *at)
{
    return at->k * at->k * at->channels;
}

/* The row of x that pixel i of y sees at (ky, kx), or -1 where that is padding */
static long source(const struct window *at, long i, long ky, long kx)
{
    long image = i / (at->down * at->across);
    long y = i / at->across % at->down * at->stride + ky - at->above;
    long x = i % at->across * at->stride + kx - at->before;

    if (y < 0 || y >= at->h || x < 0 || x >= at->w)
        return -1;
    return (image * at->h + y) * at->w + x;
}

/* im2col of some pixels of y: k k copies of `in` numbers each. */
static void gather_rows(const void *argument, long first, long last)
{
    const struct rows_of *p = argument;
    const struct window *at = p->at;
    size_t bytes = (size_t)at->channels * sizeof(float);

    for (long i = first; i < last; i++) {
        float *to = p->rows + i * window_numbers(at);

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
static void scatter_rows(const void *argument, long first, long last)
{
    const struct rows_of *p = argument;
    const struct window *at = p->at;
    long area = at->down * at->across;

    for (long i = first * area; i < last * area; i++) {
        const float *from = p->rows + i * window_numbers(at);

        for (long tap = 0; tap < at->k * at->k; tap++, from += at->channels) {
            long to = source(at, p->start + i, tap / at->k, tap % at->k);

            if (to >= 0)
                kernels.add(grad_of(p->x, to), grad_of(p->x, to), from, at->channels);
        }
    }
}

static void window_gather(const struct rows_of *p, long count)
{
    over_rows(gather_rows, p, count, window_numbers(p->at));
}

static void window_scatter(const struct rows_of *p, long images)
{
    over_rows(scatter_rows, p, images, p->at->down * p->at->across * window_numbers(p->at));
}

/* [out, in, k k] and [out, k k, in], of elements of `size` bytes */
static void arrange_weight(char *to, const char *from, const struct window *at, size_t size)
{
    long taps = at->k * at->k;

    for (long o = 0; o < at->out; o++)
        for (long tap = 0; tap < taps; tap++)
            for (long c = 0; c < at->channels; c++)
                memcpy(to + (size_t)((o * taps + tap) * at->channels + c) * size,
                       from + (size_t)((o * at->channels + c) * taps + tap) * size, size);
}

/* The weight in the order of the rows, in f32, on the tape. */
static float *window_weight(struct tape *t, const struct tensor *weight, const struct window *at)
{
    float *arranged = tape_floats(t, tensor_count(weight));

    arrange_weight((char *)arranged, (const char *)tensor_floats(t, weight), at, sizeof *arranged);
    return arranged;
}

/* The gradient of that, added to the weight's in its own order. */
static void window_weight_back(float *to, const float *from, const struct window *at)
{
    long taps = at->k * at->k;

    for (long o = 0; o < at->out; o++)
        for (long tap = 0; tap < taps; tap++)
            for (long c = 0; c < at->channels; c++)
                to[(o * at->channels + c) * taps + tap] +=
                    from[(o * taps + tap) * at->channels + c];
}

static struct pack *window_pack(const struct tensor *weight, const struct window *at)
{
    size_t size = dtype_size(weight->type);
    char *arranged = xalloc((size_t)tensor_count(weight), size);
    struct matrix part = {
        .data = arranged, .type = weight->type, .rows = at->out, .scale = weight->scale
    };
    struct pack *pack;

    arrange_weight(arranged, weight->bytes, at, size);
    pack = pack_weights(&part, 1, window_numbers(at), false);
    free(arranged);
    return pack;
}

/* Pixels of y whose rows are made at once. */
static long window_block(const struct window *at)
{
    return BLOCK / window_numbers(at) > 0 ? BLOCK / window_numbers(at) : 1;
}

/* Block by block through packed weights; a 1 x 1 filter reads x as it is. */
static void window_product(struct tape *t, const struct window *at, const struct tensor *x,
                           struct product *product)
{
    long total = at->n * at->down * at->across, d = window_numbers(at), step = window_block(at);
    struct arena_mark scratch = arena_mark(&t->arena);
    struct rows_of p = { .at = at, .x = x };
    struct product part = *product;

    if (at->k == 1 && at->stride == 1) {
        part.x = x->data;
        part.x_stride = x->stride;
        part.rows = total;
        multiply_packed(&part);
        return;
    }
    part.x = p.rows = tape_floats(t, (step < total ? step : total) * d);
    part.x_stride = d;
    for (p.start = 0; p.start < total; p.start += step) {
        part.rows = p.start + step < total ? step : total - p.start;
        part.y = product->y + p.start * product->y_stride;
        part.residual = product->residual ? product->residual + p.start * product->y_stride : NULL;
        window_gather(&p, part.rows);
        multiply_packed(&part);
    }
    arena_rewind(&t->arena, scratch);
}

/* --- convolution --- */

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
    *at = window_over(x, layer, stride);
    assert(tensor_count(w) == at->out * window_numbers(at));
    if (at->k == 1 && stride == 1)
        return linear(t, layer, x, ACTIVATION_NONE);
    y = tensor_make(t, at->n, at->down, at->across, at->out);
    if (wants(w))
        forward_blas(t, layer, at, x, y);
    else
        forward_packed(t, layer, at, x, y);
    return REMEMBER(t, &op_convolve, y, at, x, w, layer->bias[0]);
}

/* --- convolution and its batch normalisation as one, where no gradient is recorded ---
 *
 *     slope = gain / sqrt(variance + eps)        y = act(x (slope W)^T + (shift - slope mean))
 *
 * The running statistics are constants then, so the slope goes into the packed weight once, and
 * the image is read and written once instead of three times.
 */

static bool learning(const struct linear *layer, const struct batchnorm *norm)
{
    return linear_learns(layer) || wants(norm->gain) || wants(norm->shift);
}

/* The pack of slope W, and the bias that comes with it */
static void fold(struct tape *t, struct linear *layer, const struct batchnorm *norm,
                 const struct window *at)
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
        float slope = gain[o] / sqrtf(variance[o] + norm->eps);

        for (long i = 0; i < d; i++)
            scaled.data[o * d + i] = slope * weight[o * d + i];
        layer->folded[o] = shift[o] + slope * ((bias ? bias[o] : 0) - mean[o]);
    }
    layer->pack = window_pack(&scaled, at);
}

static void norm_forward(struct tape *t, struct linear *layer, const struct batchnorm *norm,
                         const struct window *at, const struct tensor *x, struct product *p)
{
    struct arena_mark scratch = arena_mark(&t->arena);

    assert(layer->parts == 1 && (!layer->pack || layer->folded));
    if (!layer->pack)
        fold(t, layer, norm, at);
    p->weights = layer->pack;
    p->bias[0] = layer->folded;
    window_product(t, at, x, p);
    arena_rewind(&t->arena, scratch);
}

struct tensor *convolve_norm(struct tape *t, struct linear *layer, struct batchnorm *norm,
                             struct tensor *x, int stride, enum activation act)
{
    struct window at = window_over(x, layer, stride);
    struct product p = { .activation = act };
    struct tensor *y;

    if (wants(x) || learning(layer, norm))
        return batchnorm(t, norm, convolve(t, layer, x, stride), act);
    y = tensor_make(t, at.n, at.down, at.across, at.out);
    p.y = y->data;
    p.y_stride = y->stride;
    norm_forward(t, layer, norm, &at, x, &p);
    return y;
}

static void relu_rows(const void *argument, long first, long last)
{
    const struct tensor *x = argument;

    for (long i = first; i < last; i++)
        kernels.activate(row_of(x, i), row_of(x, i), width(x), ACTIVATION_RELU);
}

struct tensor *convolve_norm_onto(struct tape *t, struct linear *layer, struct batchnorm *norm,
                                  struct tensor *x, struct tensor *h)
{
    struct window at = window_over(h, layer, 1);
    struct product p = { .residual = x->data, .y = x->data, .y_stride = x->stride };

    if (wants(x) || wants(h) || learning(layer, norm)) {
        h = batchnorm(t, norm, convolve(t, layer, h, 1), ACTIVATION_NONE);
        return activate(t, add(t, x, h), ACTIVATION_RELU);
    }
    assert(rows(x) == at.n * at.down * at.across && width(x) == at.out);
    norm_forward(t, layer, norm, &at, h, &p);
    over_rows(relu_rows, x, rows(x), width(x));
    return x;
}
