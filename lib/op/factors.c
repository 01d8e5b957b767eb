/* SPDX-License-Identifier: MIT
 * factors.c - y = x g; row i of g counts for the i-th of rows(g) equal blocks of x's rows
 *
 *     dx += dy g        dg += the sum of dy x over the block's rows
 *
 * With one row it is LayerScale (arXiv 2103.17239, section 3), with a row an image the last step of
 * squeeze and excitation (arXiv 1709.01507, section 3).
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y, *g;
    const float *factor; /* g's numbers */
    long stride;         /* of them */
    long each;           /* rows of a block */
};

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i), *g = p->factor + i / p->each * p->stride;
        float *y = row_of(p->y, i);

        for (long j = 0; j < width(p->y); j++)
            y[j] = x[j] * g[j];
    }
}

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        const float *dy = grad_of(p->y, i), *g = p->factor + i / p->each * p->stride;
        float *dx = grad_of(p->x, i);

        for (long j = 0; j < width(p->y); j++)
            dx[j] += dy[j] * g[j];
    }
}

/* Each piece of columns walks all rows in order: the sums do not depend on threads. */
static void backward_columns(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = 0; i < rows(p->y); i++) {
        const float *dy = grad_of(p->y, i), *x = row_of(p->x, i);
        float *dg = grad_of(p->g, i / p->each);

        for (long j = first; j < last; j++)
            dg[j] += dy[j] * x[j];
    }
}

static void backward(const struct node *n)
{
    const struct pass *p = n->saved;

    if (wants(p->x))
        over_rows(backward_rows, p, rows(p->y), width(p->y));
    if (wants(p->g))
        over_columns(backward_columns, p, rows(p->y), width(p->y));
}

static const struct op op_factors = { .name = "factors", .backward = backward };

struct tensor *factors(struct tape *t, struct tensor *x, struct tensor *g)
{
    struct tensor *y = tensor_like(t, x);
    struct pass *p = tape_alloc(t, sizeof *p);
    long blocks;

    blocks = tensor_count(g) / width(x);
    assert(blocks == 1 || width(g) == width(x));
    assert(blocks > 0 && blocks * width(x) == tensor_count(g) && rows(x) % blocks == 0);
    *p = (struct pass){ x, y, g, tensor_floats(t, g), g->stride, rows(x) / blocks };
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_factors, y, p, x, g);
}
