/* SPDX-License-Identifier: MIT
 * add.c - z = x + y; y is as x, or its rows repeat over the rows of x
 *
 *     dx += dz        dy[i] += dz[i] + dz[i + rows(y)] + ...
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *z;
    const float *y;
    long y_rows, y_stride;
};

/* Row by row of y: the repeats of one row are summed in order. */
static void backward_repeats(const struct tensor *y, const struct tensor *z)
{
    long period = rows(y);

    for (long i = 0; i < period; i++)
        add_column_sums(grad_of(y, i), grad_of(z, i), period * z->stride, rows(z) / period,
                        width(z));
}

static void backward(const struct node *n)
{
    const struct tensor *x = n->in[0], *y = n->in[1], *z = n->out;

    if (wants(x) && x->grad != z->grad)
        add_rows(x->grad, x->stride, z->grad, z->stride, rows(z), width(z));
    if (wants(y) && rows(y) == rows(z))
        add_rows(y->grad, y->stride, z->grad, z->stride, rows(z), width(z));
    else if (wants(y))
        backward_repeats(y, z);
}

static const struct op op_add = { .name = "add", .backward = backward, .hands_on = true };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        kernels.add(row_of(p->z, i), row_of(p->x, i), p->y + i % p->y_rows * p->y_stride,
                    width(p->x));
}

struct tensor *add(struct tape *t, struct tensor *x, struct tensor *y)
{
    struct tensor *z = tensor_like(t, x);
    struct pass p = { x, z, tensor_floats(t, y), rows(y), y->stride };

    assert(width(x) == width(y) && rows(y) > 0 && rows(x) % rows(y) == 0);
    over_rows(forward_rows, &p, rows(x), width(x));
    return REMEMBER(t, &op_add, z, NULL, x, y);
}
