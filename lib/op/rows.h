/* SPDX-License-Identifier: MIT
 * rows.h - what operations share among themselves: loops over rows on the pool, a plain product
 */
#ifndef OP_ROWS_H
#define OP_ROWS_H

#include "base/core.h"
#include "op/op.h"

/* Calls task(argument, first, last) for pieces of 0 .. rows; `cost` is about the count of numbers
 * that a row touches.  The pieces do not depend on the number of threads. */
typedef void (*rows_task)(const void *argument, long first, long last);
void over_rows(rows_task task, const void *argument, long rows, long cost);
/* The same over columns: each piece walks all rows in order, so sums down a column are always
 * formed in one order. */
void over_columns(rows_task task, const void *argument, long rows, long columns);
/* sum[j] += x[0][j] + x[1][j] + ... */
void add_column_sums(float *sum, const float *x, long stride, long rows, long width);
/* y[i] += x[i], row by row */
void add_rows(float *y, long y_stride, const float *x, long x_stride, long rows, long width);

static inline float *row_of(const struct tensor *x, long i)
{
    return x->data + i * x->stride;
}

static inline float *grad_of(const struct tensor *x, long i)
{
    return x->grad + i * x->stride;
}

/* New, shaped as x but for the last axis */
struct tensor *tensor_widened(struct tape *t, const struct tensor *x, long width);

/* linear.c - y = act(x W^T + b) + residual, packed at first use; nothing is remembered */
void linear_packed(struct tape *t, struct linear *l, const struct tensor *x, struct tensor *y,
                   enum activation act, const float *residual);
bool linear_learns(const struct linear *l);

#endif
