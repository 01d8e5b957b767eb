/* SPDX-License-Identifier: MIT
 * gemm_unit.c - c = alpha op(a) op(b) + beta c by a unit that multiplies pieces, see unit.c
 */
#include "kernel/panel.h"

static struct unit_panel panel(const struct unit_work *w, long index, long k)
{
    const struct gemm *g = w->self;
    long first = index * UNIT_COLUMNS, left = g->n - first;

    return (struct unit_panel){
        .x = g->transpose_b ? g->b + first * g->ldb + k : g->b + k * g->ldb + first,
        .x_stride = g->ldb,
        .type = DTYPE_F32,
        .turned = g->transpose_b,
        .pieces = gemm_pieces(),
        .columns = left < UNIT_COLUMNS ? (int)left : UNIT_COLUMNS,
    };
}

static void finish(const struct unit_work *w, const float *sums, long index, long row, long rows)
{
    static const float none[UNIT_COLUMNS];
    const struct gemm *g = w->self;
    long first = index * UNIT_COLUMNS, left = g->n - first;
    int columns = left < UNIT_COLUMNS ? (int)left : UNIT_COLUMNS;
    float *c = g->c + row * g->ldc + first, scale[UNIT_COLUMNS];

    for (int j = 0; j < columns; j++)
        scale[j] = g->alpha;
    for (long i = 0; g->beta != 0 && g->beta != 1 && i < rows; i++)
        for (int j = 0; j < columns; j++)
            c[i * g->ldc + j] *= g->beta;
    kernels.weights->finish(&(struct finish){
        .y = c,
        .y_stride = g->ldc,
        .sums = sums,
        .sums_stride = UNIT_COLUMNS,
        .scale = g->alpha == 1 ? NULL : scale,
        .bias = none,
        .residual = g->beta == 0 ? NULL : c,
        .rows = (int)rows,
        .columns = columns,
    });
}

void gemm_unit(const struct gemm *g)
{
    unit_run(&(struct unit_work){
        .unit = kernels.weights->unit,
        .left = { g->a, g->lda, g->transpose_a, gemm_pieces() },
        .rows = g->m,
        .depth = g->k,
        .panels = (g->n + UNIT_COLUMNS - 1) / UNIT_COLUMNS,
        .panel = panel,
        .finish = finish,
        .self = g,
    });
}
