/* SPDX-License-Identifier: MIT
 * activation.c - y = f(x), element by element; dx += dy f'(x)
 */
#include <math.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    enum activation which;
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        kernels.activate_backward(grad_of(p->x, i), grad_of(p->y, i), row_of(p->x, i), width(p->x),
                                  p->which);
}

static void backward(const struct node *n)
{
    struct pass p = { n->in[0], n->out, *(enum activation *)n->saved };

    over_rows(backward_rows, &p, rows(p.x), width(p.x));
}

static const struct op op_activate = { .name = "activate", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        kernels.activate(row_of(p->y, i), row_of(p->x, i), width(p->x), p->which);
}

struct tensor *activate(struct tape *t, struct tensor *x, enum activation which)
{
    struct tensor *y = tensor_like(t, x);
    enum activation *saved = tape_alloc(t, sizeof *saved);
    struct pass p = { x, y, which };

    *saved = which;
    over_rows(forward_rows, &p, rows(x), width(x));
    return REMEMBER(t, &op_activate, y, saved, x);
}

/* y = tanh x, dx += dy (1 - y^2).  For poolers, which see one row a text: a plain loop does. */

static void tanh_backward(const struct node *n)
{
    const struct tensor *x = n->in[0], *y = n->out;

    for (long i = 0; i < rows(y); i++)
        for (long k = 0; k < width(y); k++)
            grad_of(x, i)[k] += grad_of(y, i)[k] * (1 - row_of(y, i)[k] * row_of(y, i)[k]);
}

static const struct op op_tanh = { .name = "tanh", .backward = tanh_backward };

struct tensor *tensor_tanh(struct tape *t, struct tensor *x)
{
    struct tensor *y = tensor_like(t, x);

    for (long i = 0; i < rows(x); i++)
        for (long k = 0; k < width(x); k++)
            row_of(y, i)[k] = tanhf(row_of(x, i)[k]);
    return REMEMBER(t, &op_tanh, y, NULL, x);
}

/* y = 1 / (1 + e^-x), dx += dy y (1 - y).  Of one row an image, as well. */

static void sigmoid_backward(const struct node *n)
{
    const struct tensor *x = n->in[0], *y = n->out;

    for (long i = 0; i < rows(y); i++)
        for (long k = 0; k < width(y); k++)
            grad_of(x, i)[k] += grad_of(y, i)[k] * row_of(y, i)[k] * (1 - row_of(y, i)[k]);
}

static const struct op op_sigmoid = { .name = "sigmoid", .backward = sigmoid_backward };

struct tensor *tensor_sigmoid(struct tape *t, struct tensor *x)
{
    struct tensor *y = tensor_like(t, x);

    for (long i = 0; i < rows(x); i++)
        for (long k = 0; k < width(x); k++)
            row_of(y, i)[k] = 1 / (1 + expf(-row_of(x, i)[k]));
    return REMEMBER(t, &op_sigmoid, y, NULL, x);
}
