/* SPDX-License-Identifier: MIT
 * int8.c - products of rows with i8 weights that are made of products of bytes
 *
 * A row is whole numbers t of 8, 16 or 24 bits times a scale of its own: one, two or three pieces,
 * as many as the weights ask for.
 *
 *     x = scale t       t = t_1            |t_1| <= 127
 *                       t = 256 t_1 + t_2          -128 <= t_2 <= 127    and so on
 *     x w = scale (256 (t_1 w) + (t_2 w))
 *
 * Pieces lie in memory 128 larger, without a sign: processors multiply such bytes by the weights'
 * signed ones, and the 128 times a column's sum that are too much are taken off.  Processors
 * without that instruction take pieces as words (kernels.words).  All sums are whole numbers: the
 * same everywhere, whatever the batch.
 *
 * A panel is 16 columns of the weights: [depth / 4][16][4] bytes, the same for every processor.
 */
#include <assert.h>
#include <string.h>
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    CHUNK = 448,           /* rows at a time, at most */
    ROWS = 8,              /* that a thread splits together */
    GROUP_BYTES = 1 << 16, /* of panels that pass by together */
    LINE = 64,
    FETCHING = 4, /* rows from which on panels are fetched ahead: fewer are read as a stream */
};

struct bytes_work {
    const struct product *product;
    long row, rows; /* in hand */
    uint8_t *bytes; /* [rows, pieces, stride] */
    float *scale;   /* [rows] */
    long stride, group, groups;
};

/* --- a tile --- */

/* Panels that lie one after the other. */
struct byte_place {
    const int8_t *panel;
    long first; /* column */
    int panels, columns;
    int32_t offset[TILE_COLUMNS]; /* 128 times a column's sum */
    float bias[TILE_COLUMNS];
};

/* Panels from `index` on, of one part and before `end`; as many as a tile takes. */
static void place_panels(struct byte_place *p, const struct product *product, long index, long end)
{
    const struct pack *pack = product->weights;
    struct pack_panel panel = pack_panel(pack, index);

    static_assert(BYTE_PANELS * BYTE_COLUMNS <= TILE_COLUMNS, "a tile's columns");
    p->first = panel.first;
    p->panel = (const int8_t *)panel.data;
    p->columns = panel.columns;
    for (p->panels = 1; p->panels < BYTE_PANELS && index + p->panels < end; p->panels++) {
        panel = pack_panel(pack, index + p->panels);
        if ((const int8_t *)panel.data != p->panel + p->panels * BYTE_COLUMNS * pack->depth ||
            panel.first != p->first + p->panels * BYTE_COLUMNS)
            break;
        p->columns += panel.columns;
    }
    for (int j = 0; j < p->panels * BYTE_COLUMNS; j++)
        p->offset[j] =
            pack->column_sum && j < p->columns ? 128 * pack->column_sum[p->first + j] : 0;
    gather_bias(p->bias, product, p->first, p->columns);
}

/* The panels that this thread will most likely take next: they come while the present ones are
 * used, some with each of the first blocks of rows. */
struct byte_coming {
    const int8_t *panel;
    int fetched, each; /* panels */
};

static struct byte_coming coming_panels(const struct bytes_work *w, long group, long next, long end,
                                        long blocks)
{
    const struct pack *pack = w->product->weights;

    if (next >= end)
        next = (group + pool_threads()) * w->group;
    return (struct byte_coming){
        .panel = next < pack->panels && w->rows >= FETCHING
                     ? (const int8_t *)pack_panel(pack, next).data
                     : NULL,
        .each = blocks > 2 ? 1 : BYTE_PANELS / (int)blocks,
    };
}

static void some_rows(const struct bytes_work *w, long row, int rows, const struct byte_place *p,
                      struct byte_coming *coming)
{
    const struct product *product = w->product;
    const struct pack *pack = product->weights;
    float sums[BYTE_MOST_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));

    kernels.byte_tile(&(struct byte_tile){
        .x = w->bytes + row * product->pieces * w->stride,
        .row_stride = product->pieces * w->stride,
        .piece_stride = w->stride,
        .rows = rows,
        .pieces = product->pieces,
        .panel = p->panel,
        .panels = p->panels,
        .depth = pack->depth,
        .offset = p->offset,
        .scale = w->scale + row,
        .sums = sums,
        .sums_stride = TILE_COLUMNS,
        .coming = coming->panel + coming->fetched * BYTE_COLUMNS * pack->depth,
        .coming_panels = coming->panel && coming->fetched < BYTE_PANELS ? coming->each : 0,
    });
    coming->fetched += coming->each;
    finish_tile(product,
                &(struct tile_place){ w->row + row, p->first, rows, p->columns, TILE_COLUMNS },
                sums, p->bias);
}

/* --- the work --- */

static void split_rows(void *argument, long index, int worker)
{
    const struct bytes_work *w = argument;
    const struct product *p = w->product;
    long end = (index + 1) * ROWS < w->rows ? (index + 1) * ROWS : w->rows;

    (void)worker;
    for (long row = index * ROWS; row < end; row++)
        kernels.split_bytes(w->bytes + row * p->pieces * w->stride, w->stride, p->pieces,
                            w->scale + row, p->x + (w->row + row) * p->x_stride,
                            p->weights->inputs);
}

static void multiply_group(void *argument, long index, int worker)
{
    const struct bytes_work *w = argument;
    long panels = w->product->weights->panels,
         blocks = (w->rows + kernels.byte_rows - 1) / kernels.byte_rows;
    long end = (index + 1) * w->group < panels ? (index + 1) * w->group : panels;
    struct byte_coming coming;
    struct byte_place place;

    (void)worker;
    for (long i = index * w->group; i < end; i += place.panels) {
        place_panels(&place, w->product, i, end);
        coming = coming_panels(w, index, i + place.panels, end, blocks);
        for (long b = 0; b < blocks; b++) {
            long row = w->rows * b / blocks;

            some_rows(w, row, (int)(w->rows * (b + 1) / blocks - row), &place, &coming);
        }
    }
}

void multiply_bytes(const struct product *p)
{
    const struct pack *pack = p->weights;
    long panels = pack->panels, most = even_chunk(p->rows, CHUNK, kernels.byte_rows);
    struct bytes_work w = { .product = p,
                            .stride = (round_up(pack->depth, LINE) + LINE) *
                                      (kernels.words ? (long)sizeof(int16_t) : 1) };
    long floats = round_up(most, LINE);

    assert(p->pieces >= 1 && p->pieces <= 3);
    w.group = GROUP_BYTES / (pack->depth * BYTE_COLUMNS);
    w.group = w.group < panels / (8L * pool_threads()) ? w.group : panels / (8L * pool_threads());
    w.group = round_up(w.group < 1 ? 1 : w.group, BYTE_PANELS);
    w.groups = (panels + w.group - 1) / w.group;
    scratch_reserve((size_t)(floats + most * p->pieces * w.stride / (long)sizeof(float)));
    w.scale = scratch_of(0);
    w.bytes = (uint8_t *)(w.scale + floats);
    for (; w.row < p->rows; w.row += w.rows) {
        w.rows = p->rows - w.row < most ? p->rows - w.row : most;
        pool_run(split_rows, &w, (w.rows + ROWS - 1) / ROWS);
        pool_run(multiply_group, &w, w.groups);
    }
}
