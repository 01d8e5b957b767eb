/* SPDX-License-Identifier: MIT
 * dots.c - dot products of all rows of one matrix with all rows of another
 *
 *     out[i, j] = sum over k of a[i, k] b[j, k]        out: [rows, columns]
 *
 * Each number is summed as dot_in_order() sums it, so it depends on its two rows alone and is the
 * same on every processor.  The matrix of fewer rows is put into panels, some rows at a time, and
 * the rows of the other one pass by on the pool.
 */
#include <stdlib.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    PANEL_BYTES = 1 << 18, /* of panels at a time: they stay in the second cache */
    PIECE = 48,            /* rows that pass by, in a piece of the work */
};

struct dots {
    const float *a, *b; /* b in panels */
    long rows, columns, width;
    float *out;
    long row_step, column_step; /* in out: either is 1 */
    float *panels;
    struct panels cut; /* of the columns in hand */
    long first;        /* of them */
};

static void fill_panel(void *argument, long index, int worker)
{
    const struct dots *d = argument;
    long at = panel_first(&d->cut, index);

    (void)worker;
    kernels.panel->transpose(d->panels + at * d->width, panel_columns(&d->cut, index),
                             d->b + (d->first + at) * d->width, d->width, d->width, 1);
}

static void some_rows(const struct dots *d, long row, int rows)
{
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));

    for (long p = 0; p < d->cut.count; p++) {
        long at = panel_first(&d->cut, p);
        int columns = panel_columns(&d->cut, p);
        float *to = d->out + row * d->row_step + (d->first + at) * d->column_step;

        tile_multiply(kernels.panel, (struct tile){
                                         .sums = sums,
                                         .sums_stride = TILE_COLUMNS,
                                         .x = d->a + row * d->width,
                                         .x_stride = d->width,
                                         .rows = rows,
                                         .columns = columns,
                                         .panel = d->panels + at * d->width,
                                         .panel_stride = round_up(columns, kernels.panel->lanes),
                                         .type = DTYPE_F32,
                                         .depth = d->width,
                                     });
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                to[i * d->row_step + j * d->column_step] = sums[i * TILE_COLUMNS + j];
    }
}

static void piece(void *argument, long index, int worker)
{
    const struct dots *d = argument;
    long row = index * PIECE, end = row + PIECE < d->rows ? row + PIECE : d->rows;
    int high = kernels.panel->rows;

    (void)worker;
    for (; row < end; row += high)
        some_rows(d, row, end - row < high ? (int)(end - row) : high);
}

/* Without fused tiles. */
static void plain_row(void *argument, long row, int worker)
{
    const struct dots *d = argument;

    (void)worker;
    for (long j = 0; j < d->columns; j++)
        d->out[row * d->row_step + j * d->column_step] =
            kernels.dot_in_order(d->a + row * d->width, d->b + j * d->width, d->width);
}

void dots(const float *a, long rows, const float *b, long columns, long width, float *out)
{
    struct dots d = { a, b, rows, columns, width, out, columns, 1, NULL, { 0 }, 0 };
    long step;

    if (rows < columns)
        d = (struct dots){ b, a, columns, rows, width, out, 1, columns, NULL, { 0 }, 0 };
    if (!d.columns)
        return;
    if (!kernels.panel->fused) {
        pool_run(plain_row, &d, d.rows);
        return;
    }
    step = PANEL_BYTES / (width * (long)sizeof *out + 1);
    step = round_up(step < d.columns ? step + 1 : d.columns, kernels.panel->columns);
    d.panels = xresize(NULL, (size_t)(step * width + 1), sizeof *d.panels);
    for (; d.first < d.columns; d.first += step) {
        d.cut = panels_of(kernels.panel, d.columns - d.first < step ? d.columns - d.first : step);
        pool_run(fill_panel, &d, d.cut.count);
        pool_run(piece, &d, (d.rows + PIECE - 1) / PIECE);
    }
    free(d.panels);
}
