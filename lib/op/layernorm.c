/* SPDX-License-Identifier: MIT
 * layernorm.c - centre and scale the last axis, then apply a learned gain and shift
 *
 *     n = (x - mean) * rstd        y = n * gain + shift        x, y: [.., d]  gain, shift: [d]
 *
 *     dx += rstd * (g - mean(g) - n * mean(g * n))   with g = dy * gain, means over the row
 *     dgain += sum of dy * n     dshift += sum of dy           sums over the rows
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

enum { LANES = 8 }; /* partial sums, so that a plain loop fills vector registers */

struct pass {
    const struct tensor *x, *y, *gain_tensor, *shift_tensor;
    const float *gain, *shift;
    float *mean, *rstd; /* [rows]; NULL where nothing will be remembered */
    float eps;
};

/* sums[0] = sum of dy * gain, sums[1] = sum of dy * gain * n */
static void row_sums(float sums[2], const float *dy, const float *x, const float *gain,
                     const float mean_rstd[2], long d)
{
    float mean = mean_rstd[0], rstd = mean_rstd[1];
    float g[LANES] = { 0 }, gn[LANES] = { 0 };
    long j = 0;

    for (; j + LANES <= d; j += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            float product = dy[j + lane] * gain[j + lane];

            g[lane] += product;
            gn[lane] += product * (x[j + lane] - mean) * rstd;
        }
    }
    for (; j < d; j++) {
        g[0] += dy[j] * gain[j];
        gn[0] += dy[j] * gain[j] * (x[j] - mean) * rstd;
    }
    sums[0] = sums[1] = 0;
    for (int lane = 0; lane < LANES; lane++) {
        sums[0] += g[lane];
        sums[1] += gn[lane];
    }
}

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->x);

    for (long i = first; i < last; i++) {
        const float *dy = grad_of(p->y, i), *x = row_of(p->x, i);
        float *dx = grad_of(p->x, i), mean = p->mean[i], rstd = p->rstd[i], sums[2];

        row_sums(sums, dy, x, p->gain, (float[]){ mean, rstd }, d);
        for (long j = 0; j < d; j++)
            dx[j] += rstd * (dy[j] * p->gain[j] - sums[0] / (float)d -
                             (x[j] - mean) * rstd * (sums[1] / (float)d));
    }
}

static void backward_gain(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = 0; i < rows(p->x); i++) {
        const float *dy = grad_of(p->y, i), *x = row_of(p->x, i);
        float mean = p->mean[i], rstd = p->rstd[i];

        for (long j = first; j < last; j++)
            p->gain_tensor->grad[j] += dy[j] * (x[j] - mean) * rstd;
    }
}

static void backward(const struct node *n)
{
    const struct pass *p = n->saved;
    const struct tensor *y = n->out;

    if (wants(p->x))
        over_rows(backward_rows, p, rows(y), width(y));
    if (wants(p->gain_tensor))
        over_columns(backward_gain, p, rows(y), width(y));
    if (wants(p->shift_tensor))
        add_column_sums(p->shift_tensor->grad, y->grad, y->stride, rows(y), width(y));
}

static const struct op op_layernorm = { .name = "layernorm", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    kernels.layernorm(row_of(p->y, first), p->y->stride, p->mean ? p->mean + first : NULL,
                      p->rstd ? p->rstd + first : NULL, row_of(p->x, first), p->x->stride, p->gain,
                      p->shift, last - first, width(p->x), p->eps);
}

static struct tensor *forward(struct tape *t, struct tensor *x, struct tensor *y,
                              struct tensor *gain, struct tensor *shift, float eps)
{
    struct pass *p = tape_alloc(t, sizeof *p);

    assert(tensor_count(gain) == width(x) && tensor_count(shift) == width(x));
    *p = (struct pass){ .x = x, .y = y, .gain_tensor = gain, .shift_tensor = shift, .eps = eps };
    p->gain = tensor_floats(t, gain);
    p->shift = tensor_floats(t, shift);
    if (wants(x) || wants(gain) || wants(shift)) {
        p->mean = tape_floats(t, rows(x));
        p->rstd = tape_floats(t, rows(x));
    }
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_layernorm, y, p, x, gain, shift);
}

struct tensor *layernorm(struct tape *t, struct tensor *x, struct tensor *gain,
                         struct tensor *shift, float eps)
{
    return forward(t, x, tensor_like(t, x), gain, shift, eps);
}

struct tensor *layernorm_over(struct tape *t, struct tensor *x, struct tensor *gain,
                              struct tensor *shift, float eps)
{
    bool remembered = wants(x) || wants(gain) || wants(shift);

    return forward(t, x, remembered ? tensor_like(t, x) : x, gain, shift, eps);
}
