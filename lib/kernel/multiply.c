/* SPDX-License-Identifier: MIT
 * multiply.c - y = activation(x W^T + bias) + residual with packed weights
 *
 * The pool claims pieces: some rows times some panels.  A piece's rows stay in the second cache
 * while panels pass by; a piece's panels stay there while row blocks pass by.  How rows and panels
 * are cut has no influence on a result: see panel.h.
 */
#include <assert.h>
#include <string.h>
#include "kernel/panel.h"

enum {
    CHUNK_BYTES = 1 << 20, /* of x, that a piece may use */
    GROUP_BYTES = 1 << 19, /* of weights */
    GROUP = 4,             /* most panels in a piece */
    PIECES = 8,            /* a thread, at least, where the panels suffice */
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

/* A panel of the piece in hand. */
struct place {
    long first; /* column */
    int columns;
    float bias[TILE_COLUMNS];
};

/* One tile of y: some rows times one panel. */
static void multiply_tile(const struct product *p, long row, int rows, const struct place *place)
{
    const struct pack *pack = p->weights;
    long at = row * p->y_stride + place->first;
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));

    tile_multiply(pack->kernel, (struct tile){
                                    .sums = sums,
                                    .sums_stride = TILE_COLUMNS,
                                    .x = p->x + row * p->x_stride,
                                    .x_stride = p->x_stride,
                                    .rows = rows,
                                    .columns = place->columns,
                                    .panel = pack->data + (size_t)(place->first * pack->inputs) *
                                                              dtype_size(pack->type),
                                    .panel_stride = round_up(place->columns, pack->kernel->lanes),
                                    .type = pack->type,
                                    .depth = pack->inputs,
                                });
    pack->kernel->finish(&(struct finish){
        .y = p->y + at,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = TILE_COLUMNS,
        .scale = pack->scale ? pack->scale + place->first : NULL,
        .bias = place->bias,
        .residual = p->residual ? p->residual + at : NULL,
        .rows = rows,
        .columns = place->columns,
        .activation = p->activation,
    });
}

static void multiply_piece(void *argument, long index, int worker)
{
    const struct work *w = argument;
    const struct product *p = w->product;
    const struct pack *pack = p->weights;
    long chunk = index / w->groups, first = index % w->groups * w->group;
    long count = pack->panels.count - first < w->group ? pack->panels.count - first : w->group;
    struct place places[GROUP];

    (void)worker;
    for (long i = 0; i < count; i++) {
        places[i].first = panel_first(pack->kernel, &pack->panels, first + i);
        places[i].columns = panel_columns(pack->kernel, &pack->panels, first + i);
        gather_bias(places[i].bias, p, places[i].first, places[i].columns);
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
    long group = pack->panels.count * chunks / ((long)PIECES * pool_threads());

    group = group > GROUP_BYTES / bytes ? GROUP_BYTES / bytes : group;
    return group < 1 ? 1 : group > GROUP ? GROUP : group;
}

void multiply_packed(const struct product *p)
{
    const struct pack *pack = p->weights;
    struct work w = { .product = p };
    long most = CHUNK_BYTES / (pack->inputs * (long)sizeof *p->x), panels = pack->panels.count;

    assert(p->rows >= 0 && p->y != p->x);
    if (!p->rows)
        return;
    if (pack->quads) {
        multiply_quads(p);
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
