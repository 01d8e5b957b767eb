/* SPDX-License-Identifier: MIT
 * activation.c - y = f(x), element by element; dx += dy f'(x)
 */
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
