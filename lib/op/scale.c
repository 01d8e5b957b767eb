/* SPDX-License-Identifier: MIT
 * scale.c - y = f x, where f is a number or comes from a scalar parameter s
 *
 *     scale      f = by
 *     scale_exp  f = exp(s)     scaled_by  f = s     divided_by  f = 1 / s
 *
 *     dx += f dy        ds += f'(s) sum of x dy
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    float factor, slope; /* f, f'(s) */
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        kernels.add_scaled(grad_of(p->x, i), grad_of(p->y, i), p->factor, width(p->x));
}

static void backward(const struct node *n)
{
    const struct pass *p = n->saved;
    const struct tensor *x = p->x, *s = n->in[1];
    double sum = 0;

    if (wants(x))
        over_rows(backward_rows, p, rows(x), width(x));
    for (long i = 0; wants(s) && i < rows(x); i++)
        for (long j = 0; j < width(x); j++)
            sum += (double)row_of(x, i)[j] * grad_of(p->y, i)[j];
    if (wants(s))
        s->grad[0] += (float)(sum * p->slope);
}

static const struct op op_scale = { .name = "scale", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        for (long j = 0; j < width(p->x); j++)
            row_of(p->y, i)[j] = row_of(p->x, i)[j] * p->factor;
}

static struct tensor *scale_with(struct tape *t, struct tensor *x, struct tensor *s, float factor,
                                 float slope)
{
    struct tensor *y = tensor_like(t, x);
    struct pass *p = tape_alloc(t, sizeof *p);

    *p = (struct pass){ x, y, factor, slope };
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_scale, y, p, x, s);
}

struct tensor *scale(struct tape *t, struct tensor *x, float by)
{
    return scale_with(t, x, NULL, by, 0);
}

static float value_of(struct tape *t, const struct tensor *s)
{
    assert(tensor_count(s) == 1);
    return tensor_floats(t, s)[0];
}

struct tensor *scale_exp(struct tape *t, struct tensor *x, struct tensor *s)
{
    float f = expf(value_of(t, s));

    return scale_with(t, x, s, f, f);
}

struct tensor *scaled_by(struct tape *t, struct tensor *x, struct tensor *s)
{
    return scale_with(t, x, s, value_of(t, s), 1);
}

struct tensor *divided_by(struct tape *t, struct tensor *x, struct tensor *s)
{
    float value = value_of(t, s);

    return scale_with(t, x, s, 1 / value, -1 / (value * value));
}
