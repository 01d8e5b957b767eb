/* SPDX-License-Identifier: MIT
 * rows.c - loops over rows on the pool
 *
 * A piece is large enough to outweigh its claim from the pool's counter (about 100 ns) and small
 * enough to share out the rows of a single image.
 */
#include <assert.h>
#include "base/thread.h"
#include "op/rows.h"

enum {
    PIECE = 8192,          /* numbers in a piece of rows */
    COLUMNS = 64,          /* columns in a piece, at least: four cache lines of a row */
    WORTHWHILE = 4 * PIECE /* numbers below which columns are not split */
};

struct pieces {
    rows_task task;
    const void *argument;
    long total, size;
};

static void run_piece(void *argument, long index, int worker)
{
    const struct pieces *p = argument;
    long first = index * p->size, last = first + p->size;

    (void)worker;
    p->task(p->argument, first, last < p->total ? last : p->total);
}

static void run(rows_task task, const void *argument, long total, long size)
{
    struct pieces p = { task, argument, total, size };

    if (total > 0)
        pool_run(run_piece, &p, (total + size - 1) / size);
}

void over_rows(rows_task task, const void *argument, long count, long cost)
{
    run(task, argument, count, cost < PIECE ? PIECE / (cost > 0 ? cost : 1) : 1);
}

void over_columns(rows_task task, const void *argument, long count, long columns)
{
    run(task, argument, columns, count * columns < WORTHWHILE ? columns : COLUMNS);
}

struct sums {
    float *sum;
    const float *x;
    long stride, rows;
};

static void sum_columns(const void *argument, long first, long last)
{
    const struct sums *s = argument;

    for (long i = 0; i < s->rows; i++)
        kernels.add(s->sum + first, s->sum + first, s->x + i * s->stride + first, last - first);
}

void add_column_sums(float *sum, const float *x, long stride, long count, long columns)
{
    struct sums s = { sum, x, stride, count };

    over_columns(sum_columns, &s, count, columns);
}

struct addition {
    float *y;
    const float *x;
    long y_stride, x_stride, width;
};

static void add_some(const void *argument, long first, long last)
{
    const struct addition *a = argument;

    for (long i = first; i < last; i++) {
        float *y = a->y + i * a->y_stride;

        kernels.add(y, y, a->x + i * a->x_stride, a->width);
    }
}

void add_rows(float *y, long y_stride, const float *x, long x_stride, long count, long columns)
{
    struct addition a = { y, x, y_stride, x_stride, columns };

    over_rows(add_some, &a, count, columns);
}

struct tensor *tensor_widened(struct tape *t, const struct tensor *x, long last)
{
    long shape[TENSOR_RANK] = { 1 };
    int rank = x->rank ? x->rank : 1;

    for (int i = 0; i < rank - 1; i++)
        shape[i] = x->shape[i];
    shape[rank - 1] = last;
    return tensor_new(t, rank, shape);
}
