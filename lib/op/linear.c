/* SPDX-License-Identifier: MIT
 * linear.c - y = activation(x W^T + b)        x: [.., in]  W: [out, in]  b: [out]  y: [.., out]
 *
 *     dx += dy W        dW += dy^T x        db += sum of the rows of dy
 *
 * A layer may have up to three weights; part i fills its own columns of y.  A weight that learns
 * changes with every step, so it goes through BLAS as it lies; one that does not is packed once,
 * for a product whose bytes do not depend on the batch.
 */
#include <assert.h>
#include <stdlib.h>
#include "op/op.h"
#include "op/rows.h"

enum {
    RELEASE = 1 << 20, /* bytes of a weight above which its mapped source is let go */
    WIDENED = 4 << 20, /* numbers of a weight that backward widens at a time */
};

static long outputs(const struct tensor *weight)
{
    return weight->shape[0];
}

static long inputs(const struct tensor *weight)
{
    return tensor_count(weight) / weight->shape[0];
}

static long all_outputs(const struct linear *l)
{
    long total = 0;

    for (int i = 0; i < l->parts; i++)
        total += outputs(l->weight[i]);
    return total;
}

/* What backward needs of a layer: in[0] is x, then the weights, then the biases. */
enum { IN_X, IN_WEIGHT, IN_BIAS = IN_WEIGHT + PACK_PARTS, IN_COUNT = IN_BIAS + PACK_PARTS };

/* The pages of a weight that was packed, or that backward is done with, are not wanted again soon;
 * who reads them after all gets them from the file. */
static void let_go(const struct tensor *w)
{
    size_t bytes = (size_t)tensor_count(w) * dtype_size(w->type);

    if (w->mapped && bytes > RELEASE)
        file_release(w->bytes, bytes);
}

/* Some rows of a weight that is stored short. */
struct widening {
    const struct tensor *weight;
    long first, inputs;
    float *to;
};

static void widen_rows(const void *argument, long first, long last)
{
    const struct widening *w = argument;

    tensor_read(w->weight, (w->first + first) * w->inputs, (last - first) * w->inputs,
                w->to + first * w->inputs);
}

/* dx += dy W.  Of a frozen weight that is stored short, some rows at a time are widened. */
static void backward_x(const struct node *n, const struct tensor *x, const struct tensor *w,
                       const float *dy)
{
    long out = outputs(w), in = inputs(w), stride = n->out->stride;
    bool wide = w->type == DTYPE_F32;
    long step = wide ? out : in < WIDENED ? WIDENED / in : 1;
    struct widening part = { .weight = w, .inputs = in };

    step = step < out ? step : out;
    part.to = wide ? w->data : tape_floats(n->tape, step * in);
    for (; part.first < out; part.first += step) {
        long count = out - part.first < step ? out - part.first : step;

        if (!wide)
            over_rows(widen_rows, &part, count, in);
        gemm(false, false, rows(x), in, count, 1, dy + part.first, stride, part.to, in, 1, x->grad,
             x->stride);
    }
    let_go(w);
}

static void backward_part(const struct node *n, int part, long first)
{
    const struct tensor *x = n->in[IN_X], *w = n->in[IN_WEIGHT + part], *b = n->in[IN_BIAS + part];
    long count = rows(x), out = outputs(w), in = inputs(w), stride = n->out->stride;
    const float *dy = n->out->grad + first;

    if (wants(x))
        backward_x(n, x, w, dy);
    if (wants(w))
        gemm(true, false, out, in, count, 1, dy, stride, x->data, x->stride, 1, w->grad, in);
    if (wants(b))
        add_column_sums(b->grad, dy, stride, count, out);
}

static void backward(const struct node *n)
{
    long first = 0;

    for (int i = 0; i < PACK_PARTS && n->in[IN_WEIGHT + i]; i++) {
        backward_part(n, i, first);
        first += outputs(n->in[IN_WEIGHT + i]);
    }
}

static const struct op op_linear = { "linear", backward };

static bool weights_learn(const struct linear *l)
{
    for (int i = 0; i < l->parts; i++)
        if (wants(l->weight[i]))
            return true;
    return false;
}

/* Not to be packed, though nothing is remembered. */
static bool moves(const struct linear *l)
{
    return l->weight[0]->moves;
}

bool linear_learns(const struct linear *l)
{
    for (int i = 0; i < l->parts; i++)
        if (wants(l->bias[i]))
            return true;
    return weights_learn(l);
}

static void pack_layer(struct linear *l)
{
    struct matrix parts[PACK_PARTS];

    for (int i = 0; i < l->parts; i++)
        parts[i] = (struct matrix){ l->weight[i]->bytes, l->weight[i]->type, outputs(l->weight[i]),
                                    l->weight[i]->scale };
    l->pack = pack_weights(parts, l->parts, inputs(l->weight[0]), l->few);
    for (int i = 0; i < l->parts; i++)
        let_go(l->weight[i]);
}

void linear_packed(struct tape *t, struct linear *l, const struct tensor *x, struct tensor *y,
                   enum activation act, const float *residual)
{
    struct product p = { .x = x->data, .rows = rows(x), .x_stride = x->stride };

    if (!l->pack)
        pack_layer(l);
    assert(pack_inputs(l->pack) == width(x) && pack_outputs(l->pack) == width(y));
    p.weights = l->pack;
    p.activation = act;
    p.residual = residual;
    p.y = y->data;
    p.y_stride = y->stride;
    for (int i = 0; i < l->parts; i++)
        p.bias[i] = tensor_floats(t, l->bias[i]);
    multiply_packed(&p);
}

struct fill {
    const struct tensor *y;
    const float *bias;
    long first, count;
};

static void fill_rows(const void *argument, long first, long last)
{
    const struct fill *f = argument;

    for (long i = first; i < last; i++)
        for (long j = 0; j < f->count; j++)
            row_of(f->y, i)[f->first + j] = f->bias[j];
}

static void add_bias(const void *argument, long first, long last)
{
    const struct fill *f = argument;

    for (long i = first; i < last; i++)
        kernels.add(row_of(f->y, i) + f->first, row_of(f->y, i) + f->first, f->bias, f->count);
}

/* onto: y has numbers, to which it is added */
static void forward_blas(struct tape *t, const struct linear *l, const struct tensor *x,
                         struct tensor *y, bool onto)
{
    long first = 0;

    for (int i = 0; i < l->parts; i++) {
        const struct tensor *w = l->weight[i], *b = l->bias[i];
        struct fill fill = { y, tensor_floats(t, b), first, outputs(w) };

        if (b)
            over_rows(onto ? add_bias : fill_rows, &fill, rows(x), fill.count);
        gemm(false, true, rows(x), fill.count, width(x), 1, x->data, x->stride, tensor_floats(t, w),
             width(x), b || onto ? 1 : 0, y->data + first, y->stride);
        first += fill.count;
    }
}

static void check(const struct linear *l, const struct tensor *x)
{
    assert(l->parts > 0 && l->parts <= PACK_PARTS && x->type == DTYPE_F32);
    for (int i = 0; i < l->parts; i++) {
        assert(inputs(l->weight[i]) == width(x));
        assert(!l->bias[i] || tensor_count(l->bias[i]) == outputs(l->weight[i]));
    }
}

struct tensor *linear(struct tape *t, struct linear *l, struct tensor *x, enum activation act)
{
    struct tensor *y = tensor_widened(t, x, all_outputs(l)), *in[IN_COUNT] = { x };

    check(l, x);
    if (!wants(x) && !linear_learns(l) && !moves(l)) {
        linear_packed(t, l, x, y, act, NULL);
        return y;
    }
    if (weights_learn(l) || moves(l))
        forward_blas(t, l, x, y, false);
    else
        linear_packed(t, l, x, y, ACTIVATION_NONE, NULL);
    for (int i = 0; i < l->parts; i++) {
        in[IN_WEIGHT + i] = l->weight[i];
        in[IN_BIAS + i] = l->bias[i];
    }
    y = remember(t, &op_linear, y, NULL, IN_COUNT, in);
    return act == ACTIVATION_NONE ? y : activate(t, y, act); /* y stays: activate() wants it */
}

struct tensor *linear_onto(struct tape *t, struct linear *l, struct tensor *x, struct tensor *h)
{
    check(l, h);
    assert(rows(x) == rows(h) && width(x) == all_outputs(l));
    if (wants(x) || wants(h) || linear_learns(l))
        return add(t, x, linear(t, l, h, ACTIVATION_NONE));
    if (moves(l))
        forward_blas(t, l, h, x, true);
    else
        linear_packed(t, l, h, x, ACTIVATION_NONE, x->data);
    return x;
}

void linear_close(struct linear *l)
{
    pack_free(l->pack);
    free(l->folded);
    l->pack = NULL;
    l->folded = NULL;
}
