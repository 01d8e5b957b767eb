/* SPDX-License-Identifier: MIT
 * batchnorm.c - centre and scale every channel over all rows, then a learned gain and shift
 *
 *     n = (x - mean) * rstd        y = n * gain + shift        x, y: [.., c]  the others: [c]
 *
 * Frozen, mean and variance are the running ones and this is one multiplication and addition a
 * number.  Learning, they are the batch's own:
 *
 *     dx += gain * rstd * (dy - mean(dy) - n * mean(dy * n))      means over the rows
 *     dgain += sum of dy * n        dshift += sum of dy
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "op/op.h"
#include "op/rows.h"

enum { LANES = 16 }; /* channels whose sums are formed together */
static const float momentum = 0.1f;

struct pass {
    const struct tensor *x, *y;
    const struct tensor *gain_tensor, *shift_tensor;
    float *mean, *rstd, *gain; /* [c] */
    float *slope, *offset;     /* [c]: y = slope x + offset */
    enum activation act;
    bool learning;
};

/* Sums over all rows of dy and dy * n, for at most LANES channels from c on */
static void sums_of(const struct pass *p, long c, long count, double dy_sum[LANES],
                    double dyn_sum[LANES])
{
    memset(dy_sum, 0, LANES * sizeof *dy_sum);
    memset(dyn_sum, 0, LANES * sizeof *dyn_sum);
    for (long i = 0; i < rows(p->x); i++) {
        const float *x = row_of(p->x, i) + c, *dy = grad_of(p->y, i) + c;

        for (long j = 0; j < count; j++) {
            dy_sum[j] += dy[j];
            dyn_sum[j] += (double)dy[j] * ((x[j] - p->mean[c + j]) * p->rstd[c + j]);
        }
    }
}

/* The formulas of the head, for at most LANES channels from c on. The sums are in double: a mean
 * over a million rows would lose bits in f32. */
static void backward_lanes(const struct pass *p, long c, long count)
{
    double dy_sum[LANES], dyn_sum[LANES];
    float dy_mean[LANES] = { 0 }, dyn_mean[LANES] = { 0 };
    double m = (double)rows(p->x);

    sums_of(p, c, count, dy_sum, dyn_sum);
    for (long j = 0; j < count; j++) {
        if (wants(p->gain_tensor))
            p->gain_tensor->grad[c + j] += (float)dyn_sum[j];
        if (wants(p->shift_tensor))
            p->shift_tensor->grad[c + j] += (float)dy_sum[j];
        if (p->learning) { /* running statistics are constants */
            dy_mean[j] = (float)(dy_sum[j] / m);
            dyn_mean[j] = (float)(dyn_sum[j] / m);
        }
    }
    if (!wants(p->x))
        return;
    for (long i = 0; i < rows(p->x); i++) {
        const float *x = row_of(p->x, i) + c, *dy = grad_of(p->y, i) + c;
        float *dx = grad_of(p->x, i) + c;

        for (long j = 0; j < count; j++)
            dx[j] += p->slope[c + j] *
                     (dy[j] - dy_mean[j] - (x[j] - p->mean[c + j]) * p->rstd[c + j] * dyn_mean[j]);
    }
}

/* Threads share channels, so no two of them write one sum. */
static void backward_channels(const void *argument, long first, long last)
{
    for (long c = first; c < last; c += LANES)
        backward_lanes(argument, c, last - c < LANES ? last - c : LANES);
}

static void backward(const struct node *n)
{
    over_columns(backward_channels, n->saved, rows(n->out), width(n->out));
}

static const struct op op_batchnorm = { .name = "batchnorm", .backward = backward };

/* slope = gain rstd, offset = shift - mean slope: computed once a channel. */
static void apply(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i);
        float *y = row_of(p->y, i);

        for (long j = 0; j < width(p->x); j++)
            y[j] = x[j] * p->slope[j] + p->offset[j];
        if (p->act != ACTIVATION_NONE)
            kernels.activate(y, y, width(p->x), p->act);
    }
}

/* Mean and biased variance of channels first .. last; the variance is left in p->rstd. */
static void statistics(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    double m = (double)rows(p->x), sum[LANES], square[LANES];

    for (long c = first; c < last; c += LANES) {
        long count = last - c < LANES ? last - c : LANES;

        memset(sum, 0, sizeof sum);
        memset(square, 0, sizeof square);
        for (long i = 0; i < rows(p->x); i++)
            for (long j = 0; j < count; j++)
                sum[j] += row_of(p->x, i)[c + j];
        for (long j = 0; j < count; j++)
            sum[j] /= m;
        for (long i = 0; i < rows(p->x); i++) {
            for (long j = 0; j < count; j++) {
                double off = row_of(p->x, i)[c + j] - sum[j];

                square[j] += off * off;
            }
        }
        for (long j = 0; j < count; j++) {
            p->mean[c + j] = (float)sum[j];
            p->rstd[c + j] = (float)(square[j] / m);
        }
    }
}

/* PyTorch's rule: running += 0.1 (batch - running), with the unbiased variance. */
static void move_running(struct batchnorm *b, const struct pass *p)
{
    float m = (float)rows(p->x), unbiased = m > 1 ? m / (m - 1) : 1;

    assert(b->mean->type == DTYPE_F32 && b->variance->type == DTYPE_F32);
    for (long j = 0; j < width(p->x); j++) {
        b->mean->data[j] += momentum * (p->mean[j] - b->mean->data[j]);
        b->variance->data[j] += momentum * (p->rstd[j] * unbiased - b->variance->data[j]);
    }
}

/* One block for the five rows of constants; mean and rstd still to be finished. */
static struct pass *pass_over(struct tape *t, struct batchnorm *b, struct tensor *x)
{
    struct pass *p = tape_alloc(t, sizeof *p);
    long c = width(x);

    assert(tensor_count(b->gain) == c && tensor_count(b->shift) == c);
    assert(tensor_count(b->mean) == c && tensor_count(b->variance) == c);
    *p = (struct pass){ .x = x,
                        .y = tensor_like(t, x),
                        .gain_tensor = b->gain,
                        .shift_tensor = b->shift,
                        .learning = wants(b->gain) };
    p->mean = tape_floats(t, 4 * c);
    p->rstd = p->mean + c;
    p->slope = p->rstd + c;
    p->offset = p->slope + c;
    return p;
}

static void find_slopes(struct tape *t, const struct batchnorm *b, struct pass *p)
{
    const float *gain = tensor_floats(t, b->gain), *shift = tensor_floats(t, b->shift);

    for (long j = 0; j < width(p->x); j++) {
        p->rstd[j] = 1 / sqrtf(p->rstd[j] + b->eps);
        p->slope[j] = gain[j] * p->rstd[j];
        p->offset[j] = shift[j] - p->mean[j] * p->slope[j];
    }
}

struct tensor *batchnorm(struct tape *t, struct batchnorm *b, struct tensor *x, enum activation act)
{
    struct pass *p = pass_over(t, b, x);
    size_t bytes = (size_t)width(x) * sizeof(float);
    bool trail = wants(x) || wants(b->gain) || wants(b->shift);
    struct tensor *y = (struct tensor *)p->y;

    if (p->learning) {
        over_columns(statistics, p, rows(x), width(x));
        move_running(b, p);
    } else {
        memcpy(p->mean, tensor_floats(t, b->mean), bytes);
        memcpy(p->rstd, tensor_floats(t, b->variance), bytes);
    }
    find_slopes(t, b, p);
    p->act = trail ? ACTIVATION_NONE : act;
    over_rows(apply, p, rows(x), width(x));
    y = REMEMBER(t, &op_batchnorm, y, p, x, b->gain, b->shift);
    return trail && act != ACTIVATION_NONE ? activate(t, y, act) : y;
}
