/* SPDX-License-Identifier: MIT
 * sequence.c - a token before every sequence, means over sequences, rows one after the other
 *
 *     prepend        y[s] = token, x[s][0], x[s][1] ..          x: [n, k, d]  y: [n, k + 1, d]
 *     mean_rows      y[s] = mean of x's rows in span s          y: [count, d]
 *     prepend_mean   prepend with the mean of the sequence itself
 *     concat_rows    y = x's rows, then z's
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    const float *token;        /* prepend; NULL: the mean */
    const struct spans *spans; /* mean_rows */
};

static void copy_row(float *to, const float *from, long d)
{
    memcpy(to, from, (size_t)d * sizeof *to);
}

static void add_to(float *to, const float *from, long d)
{
    kernels.add(to, to, from, d);
}

/* y = scale * (x[0] + .. + x[count - 1]) */
static void mean_of(float *y, const struct tensor *x, long first, long count)
{
    memset(y, 0, (size_t)width(x) * sizeof *y);
    for (long i = 0; i < count; i++)
        add_to(y, row_of(x, first + i), width(x));
    for (long j = 0; j < width(x); j++)
        y[j] /= (float)count;
}

static void spread_mean(const struct tensor *x, long first, long count, const float *dy)
{
    for (long i = 0; i < count; i++)
        kernels.add_scaled(grad_of(x, first + i), dy, 1.0f / (float)count, width(x));
}

/* Gradient of y's rows 1 .. k of each sequence, and where row 0 is the mean, of that too. */
static void backward_sequences(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long k = p->x->shape[1], d = width(p->x);

    for (long s = first; s < last; s++) {
        for (long i = 0; i < k; i++)
            add_to(grad_of(p->x, s * k + i), grad_of(p->y, s * (k + 1) + 1 + i), d);
        if (!p->token)
            spread_mean(p->x, s * k, k, grad_of(p->y, s * (k + 1)));
    }
}

static void backward_prepend(const struct node *n)
{
    const struct tensor *x = n->in[0], *token = n->in[1], *y = n->out;
    struct pass p = { x, y, token ? token->data : NULL, NULL };
    long k = x->shape[1];

    if (wants(x))
        over_rows(backward_sequences, &p, x->shape[0], k * width(x));
    if (wants(token))
        add_column_sums(token->grad, y->grad, (k + 1) * y->stride, x->shape[0], width(x));
}

static const struct op op_prepend = { .name = "prepend", .backward = backward_prepend };

static void forward_sequences(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long k = p->x->shape[1], d = width(p->x);

    for (long s = first; s < last; s++) {
        if (p->token)
            copy_row(row_of(p->y, s * (k + 1)), p->token, d);
        else
            mean_of(row_of(p->y, s * (k + 1)), p->x, s * k, k);
        for (long i = 0; i < k; i++)
            copy_row(row_of(p->y, s * (k + 1) + 1 + i), row_of(p->x, s * k + i), d);
    }
}

static struct tensor *prepend_either(struct tape *t, struct tensor *x, struct tensor *token)
{
    struct tensor *y = tensor_make(t, x->shape[0], x->shape[1] + 1, width(x));
    struct pass p = { x, y, tensor_floats(t, token), NULL };

    assert(x->rank == 3);
    over_rows(forward_sequences, &p, x->shape[0], x->shape[1] * width(x));
    return REMEMBER(t, &op_prepend, y, NULL, x, token);
}

struct tensor *prepend(struct tape *t, struct tensor *x, struct tensor *token)
{
    assert(tensor_count(token) == width(x));
    return prepend_either(t, x, token);
}

struct tensor *prepend_mean(struct tape *t, struct tensor *x)
{
    return prepend_either(t, x, NULL);
}

static void backward_means(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long s = first; s < last; s++) {
        int start = p->spans->start[s];

        spread_mean(p->x, start, p->spans->start[s + 1] - start, grad_of(p->y, s));
    }
}

static void backward_mean(const struct node *n)
{
    struct pass p = { n->in[0], n->out, NULL, n->saved };

    over_rows(backward_means, &p, p.spans->count, tensor_count(p.x) / p.spans->count);
}

static const struct op op_mean = { .name = "mean_rows", .backward = backward_mean };

static void forward_means(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long s = first; s < last; s++) {
        int start = p->spans->start[s];

        mean_of(row_of(p->y, s), p->x, start, p->spans->start[s + 1] - start);
    }
}

struct tensor *mean_rows(struct tape *t, struct tensor *x, const struct spans *spans)
{
    struct tensor *y = tensor_make(t, spans->count, width(x));
    struct spans *saved = tape_alloc(t, sizeof *saved);
    struct pass p = { x, y, NULL, spans };

    assert(spans->count > 0 && rows(x) == spans->start[spans->count]);
    *saved = *spans;
    over_rows(forward_means, &p, spans->count, tensor_count(x) / spans->count);
    return REMEMBER(t, &op_mean, y, saved, x);
}

static void backward_concat(const struct node *n)
{
    const struct tensor *x = n->in[0], *z = n->in[1], *y = n->out;

    if (wants(x))
        add_rows(x->grad, x->stride, y->grad, y->stride, rows(x), width(x));
    if (wants(z))
        add_rows(z->grad, z->stride, grad_of(y, rows(x)), y->stride, rows(z), width(z));
}

static const struct op op_concat = { .name = "concat_rows", .backward = backward_concat };

struct tensor *concat_rows(struct tape *t, struct tensor *x, struct tensor *z)
{
    struct tensor *y = tensor_make(t, rows(x) + rows(z), width(x));

    assert(width(x) == width(z));
    for (long i = 0; i < rows(x); i++)
        copy_row(row_of(y, i), row_of(x, i), width(x));
    for (long i = 0; i < rows(z); i++)
        copy_row(row_of(y, rows(x) + i), row_of(z, i), width(x));
    return REMEMBER(t, &op_concat, y, NULL, x, z);
}

struct tensor *every_second(struct tape *t, struct tensor *x, int first)
{
    long tokens = x->shape[1], sets = x->shape[0] / 2;
    int *index = tape_alloc(t, (size_t)(sets * tokens) * sizeof *index), *at = index;

    for (long i = 0; i < sets; i++)
        for (long k = 0; k < tokens; k++)
            *at++ = (int)((2 * i + first) * tokens + k);
    return take_rows(t, tensor_as_rows(t, x), index, sets * tokens);
}
