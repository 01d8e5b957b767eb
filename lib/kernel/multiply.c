/* SPDX-License-Identifier: MIT
 * multiply.c - y = activation(x W^T + bias) + residual with packed weights
 *
 * The pool claims pieces: some rows times some panels.  A piece's rows stay in the second cache
 * while panels pass by; a piece's panels stay there while row blocks pass by.  How rows and panels
 * are cut has no influence on a result: see panel.h.
 */
#include <assert.h>
#include <string.h>
#include "base/number.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    CHUNK_BYTES = 1 << 20, /* of x, that a piece may use */
    GROUP_BYTES = 1 << 19, /* of weights */
    GROUP = 4,             /* most panels in a piece */
    PIECES = 8,            /* a thread, at least, where the panels suffice */
    SPLIT_ROWS = 64,       /* rows that are split into bytes at a time */
};

struct work {
    const struct product *product;
    long blocks, chunks; /* blocks: of rows, as high as a tile; chunks: of blocks */
    long group, groups;  /* panels in a piece, and such pieces in a chunk */
};

void gather_bias(float *bias, const struct product *p, long first, int columns)
{
    const struct pack *w = p->weights;

    for (int part = 0; part < w->parts; part++) {
        long from = first > w->first[part] ? first : w->first[part];
        long end = first + columns < w->first[part + 1] ? first + columns : w->first[part + 1];
        size_t bytes = from < end ? (size_t)(end - from) * sizeof *bias : 0;

        if (bytes && p->bias[part])
            memcpy(bias + (from - first), p->bias[part] + (from - w->first[part]), bytes);
        else if (bytes)
            memset(bias + (from - first), 0, bytes);
    }
}

void finish_tile(const struct product *p, const struct tile_place *at, const float *sums,
                 const float *bias)
{
    const struct pack *pack = p->weights;
    long to = at->row * p->y_stride + at->first;

    pack->kernel->finish(&(struct finish){
        .y = p->y + to,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = at->sums_stride,
        .scale = pack->scale ? pack->scale + at->first : NULL,
        .bias = bias,
        .residual = p->residual ? p->residual + to : NULL,
        .rows = at->rows,
        .columns = at->columns,
        .activation = p->activation,
    });
}

/* A panel of the piece in hand. */
struct place {
    struct pack_panel panel;
    float bias[TILE_COLUMNS];
};

/* One tile of y: some rows times one panel. */
static void multiply_tile(const struct product *p, long row, int rows, const struct place *place)
{
    const struct pack *pack = p->weights;
    const struct pack_panel *panel = &place->panel;
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));

    tile_multiply(pack->kernel, (struct tile){
                                    .sums = sums,
                                    .sums_stride = TILE_COLUMNS,
                                    .x = p->x + row * p->x_stride,
                                    .x_stride = p->x_stride,
                                    .rows = rows,
                                    .columns = panel->columns,
                                    .panel = panel->data,
                                    .panel_stride = round_up(panel->columns, pack->kernel->lanes),
                                    .type = pack->type,
                                    .depth = pack->inputs,
                                });
    finish_tile(p, &(struct tile_place){ row, panel->first, rows, panel->columns, TILE_COLUMNS },
                sums, place->bias);
}

static void multiply_piece(void *argument, long index, int worker)
{
    const struct work *w = argument;
    const struct product *p = w->product;
    const struct pack *pack = p->weights;
    long chunk = index / w->groups, first = index % w->groups * w->group;
    long count = pack->panels - first < w->group ? pack->panels - first : w->group;
    struct place places[GROUP];

    (void)worker;
    for (long i = 0; i < count; i++) {
        places[i].panel = pack_panel(pack, first + i);
        gather_bias(places[i].bias, p, places[i].panel.first, places[i].panel.columns);
    }
    for (long b = w->blocks * chunk / w->chunks; b < w->blocks * (chunk + 1) / w->chunks; b++) {
        long row = p->rows * b / w->blocks;
        int rows = (int)(p->rows * (b + 1) / w->blocks - row);

        for (long i = 0; i < count; i++)
            multiply_tile(p, row, rows, &places[i]);
    }
}

/* Panels in a piece: as many as the second cache holds beside x, if enough pieces remain. */
static long group_of(const struct pack *pack, long chunks)
{
    long bytes = pack->inputs * pack->kernel->columns * (long)dtype_size(pack->type);
    long group = pack->panels * chunks / ((long)PIECES * pool_threads());

    group = group > GROUP_BYTES / bytes ? GROUP_BYTES / bytes : group;
    return group < 1 ? 1 : group > GROUP ? GROUP : group;
}

/* --- i8 weights by integers, see vnni.c --- */

/* Rows are split into pieces once, by the thread that asks; then the pool claims groups of panels.
 */
struct int8_work {
    const struct product *product;
    const struct int8_row *left; /* of rows [row, row + rows) */
    long row, rows, groups;
};

static void int8_tile_multiply(const struct int8_work *w, long from, long rows, long index)
{
    const struct product *p = w->product;
    const struct pack *pack = p->weights;
    struct pack_panel panel = pack_panel(pack, index);
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64))), bias[TILE_COLUMNS];

    gather_bias(bias, p, panel.first, panel.columns);
    pack->kernel->int8_rows->tile(&(struct int8_tile){
        .sums = sums,
        .sums_stride = TILE_COLUMNS,
        .left = w->left + from,
        .rows = (int)rows,
        .columns = panel.columns,
        .panel = panel.data,
        .depth = pack->depth,
    });
    finish_tile(
        p,
        &(struct tile_place){ w->row + from, panel.first, (int)rows, panel.columns, TILE_COLUMNS },
        sums, bias);
}

static void int8_group(void *argument, long index, int worker)
{
    const struct int8_work *w = argument;
    const struct pack *pack = w->product->weights;
    long blocks = (w->rows + TILE_ROWS - 1) / TILE_ROWS, panels = pack->panels;

    (void)worker;
    for (long b = 0; b < blocks; b++) {
        long row = w->rows * b / blocks, end = w->rows * (b + 1) / blocks;

        for (long i = panels * index / w->groups; i < panels * (index + 1) / w->groups; i++)
            int8_tile_multiply(w, row, end - row, i);
    }
}

/* The first worker's memory, which all read: [rows] of each. */
static const struct int8_row *int8_split(const struct product *p, long row, long rows)
{
    long depth = p->weights->inputs, stretches = (depth + TILE_DEPTH - 1) / TILE_DEPTH;
    long stride = round_up(depth, 64), numbers = stretches * (1 + INT8_PIECES);
    long size = round_up(INT8_PIECES * stride + numbers * (long)sizeof(float), 64);
    long heads = round_up(rows * (long)sizeof(struct int8_row), 64);
    struct int8_row *left;
    char *at;

    scratch_reserve((size_t)(heads + rows * size) / sizeof(float));
    left = (struct int8_row *)(void *)scratch_of(0);
    at = (char *)left + heads;
    for (long i = 0; i < rows; i++, at += size) {
        left[i].pieces = (int8_t *)at;
        left[i].stride = stride;
        left[i].scale = (float *)(void *)(at + INT8_PIECES * stride);
        left[i].begin = (int32_t *)(void *)(left[i].scale + stretches);
        p->weights->kernel->int8_rows->split(&left[i], p->x + (row + i) * p->x_stride, depth);
    }
    return left;
}

static long int8_groups_of(const struct pack *pack)
{
    long most = GROUP_BYTES / (pack->depth * pack->kernel->columns), count = pack->panels;
    long group = count / ((long)PIECES * pool_threads());

    group = group < most ? group : most;
    return group > 1 ? (count + group - 1) / group : count;
}

static void multiply_int8(const struct product *p)
{
    struct int8_work w = { .product = p, .groups = int8_groups_of(p->weights) };

    for (; w.row < p->rows; w.row += w.rows) {
        w.rows = p->rows - w.row < SPLIT_ROWS ? p->rows - w.row : SPLIT_ROWS;
        w.left = int8_split(p, w.row, w.rows);
        pool_run(int8_group, &w, w.groups);
    }
}

/* --- the choice --- */

void multiply_packed(const struct product *p)
{
    const struct pack *pack = p->weights;
    struct work w = { .product = p };
    long most = CHUNK_BYTES / (pack->inputs * (long)sizeof *p->x), panels = pack->panels;

    assert(p->rows >= 0 && p->y != p->x);
    if (!p->rows)
        return;
    assert((pack->order->kind == ORDER_BYTES) == (p->pieces > 0));
    if (pack->order->kind == ORDER_BYTES) {
        multiply_bytes(p);
        return;
    }
    if (pack->order->kind == ORDER_PAIRS) {
        multiply_pairs(p);
        return;
    }
    if (pack->order->kind == ORDER_FOURS) {
        multiply_int8(p);
        return;
    }
    if (pack->kernel->unit) {
        multiply_unit(p);
        return;
    }
    w.blocks = (p->rows + pack->kernel->rows - 1) / pack->kernel->rows;
    most = most > 4L * pack->kernel->rows ? most : 4L * pack->kernel->rows;
    w.chunks = (p->rows + most - 1) / most;
    w.group = group_of(pack, w.chunks);
    w.groups = (panels + w.group - 1) / w.group;
    pool_run(multiply_piece, &w, w.chunks * w.groups);
}
