/* SPDX-License-Identifier: MIT
 * int8.c - products of rows with i8 weights that are made of products of bytes
 *
 * A row is whole numbers t of 7, 14 or 21 bits times a scale of its own: one, two or three pieces,
 * as many as the weights ask for.
 *
 *     x = scale t       t = t_1            |t_1| <= 63
 *                       t = 128 t_1 + t_2          -64 <= t_2 <= 63    and so on
 *     x w = scale (128 (t_1 w) + (t_2 w))
 *
 * Pieces lie in memory 64 larger, without a sign: processors multiply such bytes by the weights'
 * signed ones, and the 64 times a column's sum that are too much are taken off.  Two products of
 * 127 by 127 fit into 16 bits, so that no processor saturates.  All sums are whole numbers: the
 * same everywhere, whatever the batch.
 *
 * A panel is 16 columns of the weights: [depth / 4][16][4] bytes, the same for every processor.
 */
#include <assert.h>
#include <string.h>
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    CHUNK = 384,           /* rows at a time, at most */
    GROUP_BYTES = 1 << 16, /* of panels that pass by together */
    LINE = 64,
};

struct bytes_work {
    const struct product *product;
    long row, rows; /* in hand */
    uint8_t *bytes; /* [rows, pieces, stride] */
    float *scale;   /* [rows] */
    long stride, group, groups;
};

/* --- a tile --- */

struct byte_place {
    const int8_t *panel;
    long first; /* column */
    int columns;
    int32_t sum64[BYTE_COLUMNS]; /* 64 times a column's sum */
    float bias[TILE_COLUMNS];
};

static void place_panel(struct byte_place *p, const struct product *product, long index)
{
    const struct pack *pack = product->weights;
    struct pack_panel panel = pack_panel(pack, index);

    p->first = panel.first;
    p->columns = panel.columns;
    p->panel = (const int8_t *)panel.data;
    for (int j = 0; j < BYTE_COLUMNS; j++)
        p->sum64[j] = j < p->columns ? 64 * pack->column_sum[p->first + j] : 0;
    gather_bias(p->bias, product, p->first, p->columns);
}

static void some_rows(const struct bytes_work *w, long row, int rows, const struct byte_place *p)
{
    const struct product *product = w->product;
    const struct pack *pack = product->weights;
    int32_t whole[BYTE_ROWS * BYTE_COLUMNS];
    float sums[BYTE_ROWS * BYTE_COLUMNS] = { 0 };
    long at = (w->row + row) * product->y_stride + p->first;

    for (int piece = 0; piece < product->pieces; piece++) {
        kernels.byte_tile(&(struct byte_tile){
            .x = w->bytes + (row * product->pieces + piece) * w->stride,
            .x_stride = product->pieces * w->stride,
            .rows = rows,
            .panel = p->panel,
            .depth = pack->depth,
            .sums = whole,
        });
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < BYTE_COLUMNS; j++) {
                float *sum = &sums[i * BYTE_COLUMNS + j];

                *sum = *sum * 128 + (float)(whole[i * BYTE_COLUMNS + j] - p->sum64[j]);
            }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < BYTE_COLUMNS; j++)
            sums[i * BYTE_COLUMNS + j] *= w->scale[row + i];
    pack->kernel->finish(&(struct finish){
        .y = product->y + at,
        .y_stride = product->y_stride,
        .sums = sums,
        .sums_stride = BYTE_COLUMNS,
        .scale = pack->scale + p->first,
        .bias = p->bias,
        .residual = product->residual ? product->residual + at : NULL,
        .rows = rows,
        .columns = p->columns,
        .activation = product->activation,
    });
}

/* --- the work --- */

static void split_row(void *argument, long index, int worker)
{
    const struct bytes_work *w = argument;
    const struct product *p = w->product;

    (void)worker;
    kernels.split_bytes(w->bytes + index * p->pieces * w->stride, w->stride, p->pieces,
                        w->scale + index, p->x + (w->row + index) * p->x_stride,
                        p->weights->inputs);
}

static void multiply_group(void *argument, long index, int worker)
{
    const struct bytes_work *w = argument;
    long panels = w->product->weights->panels;
    long end = (index + 1) * w->group < panels ? (index + 1) * w->group : panels;
    struct byte_place place;

    (void)worker;
    for (long i = index * w->group; i < end; i++) {
        place_panel(&place, w->product, i);
        for (long row = 0; row < w->rows; row += BYTE_ROWS)
            some_rows(w, row, w->rows - row < BYTE_ROWS ? (int)(w->rows - row) : BYTE_ROWS, &place);
    }
}

void multiply_bytes(const struct product *p)
{
    const struct pack *pack = p->weights;
    long panels = pack->panels, most = p->rows < CHUNK ? p->rows : CHUNK;
    struct bytes_work w = { .product = p, .stride = round_up(pack->depth, LINE) + LINE };
    long floats = round_up(most, LINE);

    assert(p->pieces >= 1 && p->pieces <= 3);
    w.group = GROUP_BYTES / (pack->depth * BYTE_COLUMNS);
    w.group = w.group < panels / (8L * pool_threads()) ? w.group : panels / (8L * pool_threads());
    w.group = w.group < 1 ? 1 : w.group;
    w.groups = (panels + w.group - 1) / w.group;
    scratch_reserve((size_t)(floats + most * p->pieces * w.stride / (long)sizeof(float)));
    w.scale = scratch_of(0);
    w.bytes = (uint8_t *)(w.scale + floats);
    for (; w.row < p->rows; w.row += w.rows) {
        w.rows = p->rows - w.row < most ? p->rows - w.row : most;
        pool_run(split_row, &w, w.rows);
        pool_run(multiply_group, &w, w.groups);
    }
}
