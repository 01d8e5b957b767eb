/* SPDX-License-Identifier: MIT
 * linear.c - y = activation(x W^T + b)        x: [.., in]  W: [out, in]  b: [out]  y: [.., out]
 *
 *     dx += dy W        dW += dy^T x        db += sum of the rows of dy
 *
 * A layer may have up to three weights; part i fills its own columns of y.  A weight that learns
 * changes with every step, so it is used as it lies, by AMX or BLAS; one that does not is packed
 * once, for a product whose bytes do not depend on the batch.
 */
#include <assert.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/number.h"
#include "op/op.h"
#include "op/rows.h"

enum {
    RELEASE = 1 << 16, /* bytes of a weight above which its mapped source is let go */
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

/* What backward needs of a layer: x, then the weights, then the biases.  What it was added to comes
 * before. */
enum { IN_X, IN_WEIGHT, IN_BIAS = IN_WEIGHT + PACK_PARTS, IN_COUNT = IN_BIAS + PACK_PARTS };

/* The pages of a weight that was packed, or that backward is done with, are not wanted again soon;
 * who reads them after all gets them from the file. */
static void let_go(const struct tensor *w)
{
    size_t bytes = tensor_bytes(w);

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
    bool wide = w->type == DTYPE_F32 && !w->order;
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

static void backward_part(const struct node *n, struct tensor *const *layer, int part, long first)
{
    const struct tensor *x = layer[IN_X], *w = layer[IN_WEIGHT + part], *b = layer[IN_BIAS + part];
    long count = rows(x), out = outputs(w), in = inputs(w), stride = n->out->stride;
    const float *dy = n->out->grad + first;

    if (wants(x))
        backward_x(n, x, w, dy);
    if (wants(w))
        gemm(true, false, out, in, count, 1, dy, stride, x->data, x->stride, 1, w->grad, in);
    if (wants(b))
        add_column_sums(b->grad, dy, stride, count, out);
}

static void backward_layer(const struct node *n, struct tensor *const *layer)
{
    long first = 0;

    for (int i = 0; i < PACK_PARTS && layer[IN_WEIGHT + i]; i++) {
        backward_part(n, layer, i, first);
        first += outputs(layer[IN_WEIGHT + i]);
    }
}

static void backward(const struct node *n)
{
    backward_layer(n, n->in);
}

static void backward_onto(const struct node *n)
{
    const struct tensor *x = n->in[0], *y = n->out;

    if (wants(x) && x->grad != y->grad)
        add_rows(x->grad, x->stride, y->grad, y->stride, rows(y), width(y));
    backward_layer(n, n->in + 1);
}

static const struct op op_linear = { .name = "linear", .backward = backward };
static const struct op op_onto = { .name = "linear_onto",
                                   .backward = backward_onto,
                                   .hands_on = true };

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

/* Bytes that a number of x is taken for: the most that a part asks for; 0 where one asks for f32.
 */
static int layer_pieces(const struct linear *l)
{
    int most = 0;

    for (int i = 0; i < l->parts; i++) {
        int pieces = l->weight[i]->type == DTYPE_I8 ? l->weight[i]->pieces : 0;

        if (!pieces)
            return 0;
        most = pieces > most ? pieces : most;
    }
    return most;
}

static void pack_layer(struct linear *l)
{
    struct matrix parts[PACK_PARTS];

    for (int i = 0; i < l->parts; i++)
        parts[i] = (struct matrix){ .data = l->weight[i]->bytes,
                                    .type = l->weight[i]->type,
                                    .rows = outputs(l->weight[i]),
                                    .scale = l->weight[i]->scale,
                                    .pieces = layer_pieces(l),
                                    .order = l->weight[i]->order };
    l->pack = pack_weights(parts, l->parts, inputs(l->weight[0]), l->memory_bound);
    for (int i = 0; i < l->parts; i++)
        if (!pack_in_place(l->pack, i))
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
    p.pieces = layer_pieces(l);
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
    const float *bias, *residual;
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

static void add_residual(const void *argument, long first, long last)
{
    const struct fill *f = argument;

    for (long i = first; i < last; i++)
        kernels.add(row_of(f->y, i), f->residual + i * f->y->stride, row_of(f->y, i), f->count);
}

static void forward_blas(struct tape *t, const struct linear *l, const struct tensor *x,
                         struct tensor *y, const float *residual)
{
    bool onto = residual == y->data;
    struct fill all = { .y = y, .residual = residual, .count = width(y) };
    long first = 0;

    for (int i = 0; i < l->parts; i++) {
        const struct tensor *w = l->weight[i], *b = l->bias[i];
        struct fill fill = { y, tensor_floats(t, b), NULL, first, outputs(w) };

        if (b)
            over_rows(onto ? add_bias : fill_rows, &fill, rows(x), fill.count);
        gemm(false, true, rows(x), fill.count, width(x), 1, x->data, x->stride, tensor_floats(t, w),
             width(x), b || onto ? 1 : 0, y->data + first, y->stride);
        first += fill.count;
    }
    if (residual && !onto)
        over_rows(add_residual, &all, rows(x), all.count);
}

/* y = x W^T + b + residual with weights as they lie; y may be the residual. */
static void forward_unpacked(struct tape *t, const struct linear *l, const struct tensor *x,
                             struct tensor *y, const float *residual)
{
    struct product p = { .x = x->data,
                         .rows = rows(x),
                         .x_stride = x->stride,
                         .residual = residual,
                         .y = y->data,
                         .y_stride = y->stride };
    struct matrix parts[PACK_PARTS];

    for (int i = 0; i < l->parts; i++) {
        parts[i] = (struct matrix){ .data = tensor_floats(t, l->weight[i]),
                                    .type = DTYPE_F32,
                                    .rows = outputs(l->weight[i]) };
        p.bias[i] = tensor_floats(t, l->bias[i]);
    }
    if (!multiply_unpacked(&p, parts, l->parts, width(x)))
        forward_blas(t, l, x, y, residual);
}

static void check(const struct linear *l, const struct tensor *x)
{
    assert(l->parts > 0 && l->parts <= PACK_PARTS && x->type == DTYPE_F32);
    for (int i = 0; i < l->parts; i++) {
        assert(inputs(l->weight[i]) == width(x));
        assert(!l->bias[i] || tensor_count(l->bias[i]) == outputs(l->weight[i]));
    }
}

static void list_inputs(struct tensor **in, const struct linear *l, struct tensor *x)
{
    in[IN_X] = x;
    for (int i = 0; i < l->parts; i++) {
        in[IN_WEIGHT + i] = l->weight[i];
        in[IN_BIAS + i] = l->bias[i];
    }
}

struct tensor *linear(struct tape *t, struct linear *l, struct tensor *x, enum activation act)
{
    struct tensor *y = tensor_widened(t, x, all_outputs(l)), *in[IN_COUNT] = { 0 };

    check(l, x);
    if (!wants(x) && !linear_learns(l) && !moves(l)) {
        linear_packed(t, l, x, y, act, NULL);
        return y;
    }
    if (weights_learn(l) || moves(l))
        forward_unpacked(t, l, x, y, NULL);
    else
        linear_packed(t, l, x, y, ACTIVATION_NONE, NULL);
    list_inputs(in, l, x);
    y = remember(t, &op_linear, y, NULL, IN_COUNT, in);
    return act == ACTIVATION_NONE ? y : activate(t, y, act); /* y stays: activate() wants it */
}

struct tensor *linear_onto(struct tape *t, struct linear *l, struct tensor *x, struct tensor *h)
{
    bool remembered = wants(x) || wants(h) || linear_learns(l);
    struct tensor *y = remembered ? tensor_like(t, x) : x, *in[1 + IN_COUNT] = { x };

    check(l, h);
    assert(rows(x) == rows(h) && width(x) == all_outputs(l) && x->stride == y->stride);
    if (weights_learn(l) || moves(l))
        forward_unpacked(t, l, h, y, x->data);
    else
        linear_packed(t, l, h, y, ACTIVATION_NONE, x->data);
    list_inputs(in + 1, l, h);
    return remembered ? remember(t, &op_onto, y, NULL, 1 + IN_COUNT, in) : y;
}

void linear_close(struct linear *l)
{
    pack_free(l->pack);
    free(l->folded);
    l->pack = NULL;
    l->folded = NULL;
}
