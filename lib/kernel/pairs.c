/* SPDX-License-Identifier: MIT
 * pairs.c - products of rows with weights in bf16: what --precision=medium asks for where there is
 * an instruction for it
 *
 * Rows and weights are rounded to bf16, two numbers of the depth lie together, and their products
 * are added in f32:
 *
 *     panel = [depth / 2][columns][2]        columns: whole vectors, 48 at most
 *
 * Sums run over the depth in order, as in panel.h: no result depends on the other rows.
 */
#include <string.h>
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    CHUNK = 448,           /* rows at a time, at most */
    ROWS = 8,              /* that a thread rounds together */
    GROUP_BYTES = 1 << 18, /* of panels that pass by together */
    LINE = 64,
};

struct pairs_work {
    const struct product *product;
    long row, rows; /* in hand */
    uint16_t *left; /* [rows, stride] */
    long stride, group, groups;
};

static void round_rows(void *argument, long index, int worker)
{
    const struct pairs_work *w = argument;
    const struct product *p = w->product;
    const struct pack *pack = p->weights;
    long end = (index + 1) * ROWS < w->rows ? (index + 1) * ROWS : w->rows;

    (void)worker;
    for (long row = index * ROWS; row < end; row++) {
        uint16_t *to = w->left + row * w->stride;

        kernels.narrow(to, p->x + (w->row + row) * p->x_stride, DTYPE_BF16, pack->inputs);
        if (pack->inputs < pack->depth)
            to[pack->inputs] = 0;
    }
}

static void some_rows(const struct pairs_work *w, long row, int rows,
                      const struct pack_panel *panel, const float *bias)
{
    float sums[PAIR_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));

    kernels.pair_tile(&(struct pair_tile){
        .sums = sums,
        .sums_stride = TILE_COLUMNS,
        .x = w->left + row * w->stride,
        .x_stride = w->stride,
        .rows = rows,
        .columns = panel->columns,
        .panel = (const uint16_t *)(const void *)panel->data,
        .depth = w->product->weights->depth,
    });
    finish_tile(
        w->product,
        &(struct tile_place){ w->row + row, panel->first, rows, panel->columns, TILE_COLUMNS },
        sums, bias);
}

static void multiply_group(void *argument, long index, int worker)
{
    const struct pairs_work *w = argument;
    const struct pack *pack = w->product->weights;
    long blocks = (w->rows + PAIR_ROWS - 1) / PAIR_ROWS;
    long end = (index + 1) * w->group < pack->panels ? (index + 1) * w->group : pack->panels;
    float bias[TILE_COLUMNS];

    (void)worker;
    for (long i = index * w->group; i < end; i++) {
        struct pack_panel panel = pack_panel(pack, i);

        gather_bias(bias, w->product, panel.first, panel.columns);
        for (long b = 0; b < blocks; b++) {
            long row = w->rows * b / blocks;

            some_rows(w, row, (int)(w->rows * (b + 1) / blocks - row), &panel, bias);
        }
    }
}

void multiply_pairs(const struct product *p)
{
    const struct pack *pack = p->weights;
    long most = even_chunk(p->rows, CHUNK, PAIR_ROWS), threads = pool_threads();
    struct pairs_work w = { .product = p, .stride = round_up(pack->depth, LINE) + LINE / 2 };

    w.group = GROUP_BYTES / (pack->depth * TILE_COLUMNS * (long)sizeof(uint16_t));
    w.group = w.group < pack->panels / (8 * threads) ? w.group : pack->panels / (8 * threads);
    w.group = w.group < 1 ? 1 : w.group;
    w.groups = (pack->panels + w.group - 1) / w.group;
    scratch_reserve((size_t)(most * w.stride) / 2 + 1);
    w.left = (uint16_t *)scratch_of(0);
    for (; w.row < p->rows; w.row += w.rows) {
        w.rows = p->rows - w.row < most ? p->rows - w.row : most;
        pool_run(round_rows, &w, (w.rows + ROWS - 1) / ROWS);
        pool_run(multiply_group, &w, w.groups);
    }
}
