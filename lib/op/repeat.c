/* SPDX-License-Identifier: MIT
 * repeat.c - every column several times, one beside the other     x: [.., d]  y: [.., d times]
 *
 *     y[j] = x[j / times]        dx[j] += dy[j times] + .. + dy[j times + times - 1]
 *
 * A convolution channel by channel that makes several channels of each (PyTorch: groups = in,
 * out = times in) is one of single channels behind it.
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    long times;
};

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        const float *x = row_of(p->x, i);
        float *y = row_of(p->y, i);

        for (long j = 0; j < width(p->x); j++)
            for (long k = 0; k < p->times; k++)
                *y++ = x[j];
    }
}

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        const float *dy = grad_of(p->y, i);
        float *dx = grad_of(p->x, i);

        for (long j = 0; j < width(p->x); j++)
            for (long k = 0; k < p->times; k++)
                dx[j] += *dy++;
    }
}

static void backward(const struct node *n)
{
    over_rows(backward_rows, n->saved, rows(n->out), width(n->out));
}

static const struct op op_repeat = { .name = "repeat_columns", .backward = backward };

struct tensor *repeat_columns(struct tape *t, struct tensor *x, long times)
{
    struct pass *p = tape_alloc(t, sizeof *p);
    struct tensor *y;

    assert(times > 0);
    if (times == 1)
        return x;
    y = tensor_widened(t, x, width(x) * times);
    *p = (struct pass){ x, y, times };
    over_rows(forward_rows, p, rows(x), width(y));
    return REMEMBER(t, &op_repeat, y, p, x);
}
