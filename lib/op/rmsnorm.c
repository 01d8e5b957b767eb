/* SPDX-License-Identifier: MIT
 * rmsnorm.c - scale the last axis to a root mean square of one, then apply a learned gain
 *
 *     r = 1 / sqrt(mean(x^2) + eps)        y = x r gain        x, y: [.., d]  gain: [d]
 *
 *     dx += r (g - x r^2 mean(g x))  with g = dy gain, mean over the row
 *     dgain += sum of dy x r         sum over the rows
 */
#include <assert.h>
#include <math.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y, *gain_tensor;
    const float *gain;
    float *r; /* [rows] */
    float eps;
    float *room; /* backward: [rows, d] */
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->x);

    for (long i = first; i < last; i++) {
        const float *dy = grad_of(p->y, i), *x = row_of(p->x, i);
        float *dx = grad_of(p->x, i), *g = p->room + i * d, r = p->r[i], mean;

        for (long j = 0; j < d; j++)
            g[j] = dy[j] * p->gain[j];
        mean = kernels.dot(g, x, d) / (float)d;
        for (long j = 0; j < d; j++)
            dx[j] += r * (g[j] - x[j] * r * r * mean);
    }
}

static void backward_gain(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = 0; i < rows(p->x); i++) {
        const float *dy = grad_of(p->y, i), *x = row_of(p->x, i);

        for (long j = first; j < last; j++)
            p->gain_tensor->grad[j] += dy[j] * x[j] * p->r[i];
    }
}

static void backward(const struct node *n)
{
    struct pass p = *(const struct pass *)n->saved;

    p.room = tape_floats(n->tape, tensor_count(p.x));
    if (wants(p.x))
        over_rows(backward_rows, &p, rows(p.y), width(p.y));
    if (wants(p.gain_tensor))
        over_columns(backward_gain, &p, rows(p.y), width(p.y));
}

static const struct op op_rmsnorm = { .name = "rmsnorm", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->x);

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i);
        float *y = row_of(p->y, i), r = 1 / sqrtf(kernels.dot(x, x, d) / (float)d + p->eps);

        p->r[i] = r;
        for (long j = 0; j < d; j++)
            y[j] = x[j] * r * p->gain[j];
    }
}

struct tensor *rmsnorm(struct tape *t, struct tensor *x, struct tensor *gain, float eps)
{
    struct tensor *y = tensor_like(t, x);
    struct pass *p = tape_alloc(t, sizeof *p);

    assert(tensor_count(gain) == width(x));
    *p = (struct pass){ .x = x, .y = y, .gain_tensor = gain, .eps = eps };
    p->gain = tensor_floats(t, gain);
    p->r = tape_floats(t, rows(x));
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_rmsnorm, y, p, x, gain);
}
