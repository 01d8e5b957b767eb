/* SPDX-License-Identifier: MIT
 * normalize.c - rows of unit length: y = x / max(||x||, floor)
 *
 *     dx += (dy - y (y . dy)) / ||x||      or dy / floor, where the row is shorter than that
 */
#include <math.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    float *norm; /* [rows] */
    float floor;
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->x);

    for (long i = first; i < last; i++) {
        const float *y = row_of(p->y, i), *dy = grad_of(p->y, i);
        float norm = p->norm[i];

        kernels.add_scaled(grad_of(p->x, i), dy, 1 / fmaxf(norm, p->floor), d);
        if (norm > p->floor)
            kernels.add_scaled(grad_of(p->x, i), y, -kernels.dot(y, dy, d) / norm, d);
    }
}

static void backward(const struct node *n)
{
    over_rows(backward_rows, n->saved, rows(n->out), width(n->out));
}

static const struct op op_normalize = { .name = "normalize", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->x);

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i);
        float *y = row_of(p->y, i), norm = sqrtf(kernels.dot(x, x, d));
        float divisor = fmaxf(norm, p->floor);

        p->norm[i] = norm;
        for (long j = 0; j < d; j++)
            y[j] = x[j] / divisor;
    }
}

struct tensor *normalize(struct tape *t, struct tensor *x, float floor)
{
    struct tensor *y = tensor_like(t, x);
    struct pass *p = tape_alloc(t, sizeof *p);

    *p = (struct pass){ x, y, tape_floats(t, rows(x)), floor };
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_normalize, y, p, x);
}

struct tensor *unit_rows(struct tape *t, struct tensor *x)
{
    return normalize(t, x, 1e-12f);
}
