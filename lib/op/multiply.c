/* SPDX-License-Identifier: MIT
 * multiply.c - y = x z, element by element                 x, y, z: [.., d]
 *
 *     dx += dy z        dz += dy x
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    struct tensor *x, *z, *y;
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->y);

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i), *z = row_of(p->z, i), *dy = grad_of(p->y, i);
        float *dx = wants(p->x) ? grad_of(p->x, i) : NULL;
        float *dz = wants(p->z) ? grad_of(p->z, i) : NULL;

        for (long j = 0; dx && j < d; j++)
            dx[j] += dy[j] * z[j];
        for (long j = 0; dz && j < d; j++)
            dz[j] += dy[j] * x[j];
    }
}

static void backward(const struct node *n)
{
    struct pass p = { n->in[0], n->in[1], n->out };

    over_rows(backward_rows, &p, rows(p.y), 2 * width(p.y));
}

static const struct op op_multiply = { .name = "multiply", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i), *z = row_of(p->z, i);
        float *y = row_of(p->y, i);

        for (long j = 0; j < width(p->y); j++)
            y[j] = x[j] * z[j];
    }
}

struct tensor *multiply(struct tape *t, struct tensor *x, struct tensor *z)
{
    struct tensor *y = tensor_widened(t, x, width(x));
    struct pass p = { x, z, y };

    assert(rows(x) == rows(z) && width(x) == width(z));
    over_rows(forward_rows, &p, rows(y), width(y));
    return REMEMBER(t, &op_multiply, y, NULL, x, z);
}
