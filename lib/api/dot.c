/* SPDX-License-Identifier: MIT
 * dot.c - similarity of rows: out[i, j] = a[i] . b[j]
 *
 * Each number is one dot product, summed in an order that depends on the width alone; blocks only
 * say who computes which of them and when.
 */
#include "base/thread.h"
#include "tensor/tensor.h"
#include "vlm.h"

enum { BLOCK_ROWS = 16, BLOCK_COLUMNS = 64 }; /* columns stay in the caches for all rows */

struct job_of_dots {
    const float *a, *b;
    float *out;
    long rows, columns, across; /* blocks from left to right */
    int width;
};

static long least(long a, long b)
{
    return a < b ? a : b;
}

static void block(void *argument, long index, int worker)
{
    const struct job_of_dots *j = argument;
    long row = index / j->across * BLOCK_ROWS, column = index % j->across * BLOCK_COLUMNS;
    long last_row = least(row + BLOCK_ROWS, j->rows);
    long last_column = least(column + BLOCK_COLUMNS, j->columns);

    (void)worker;
    for (long i = row; i < last_row; i++)
        for (long k = column; k < last_column; k++)
            j->out[i * j->columns + k] =
                kernels.dot(j->a + i * j->width, j->b + k * j->width, j->width);
}

void vlm_dot(const float *a, long rows, const float *b, long columns, int width, float *out)
{
    struct job_of_dots j = { a, b, out, rows, columns, 0, width };

    j.across = (columns + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    pool_run(block, &j, (rows + BLOCK_ROWS - 1) / BLOCK_ROWS * j.across);
}
