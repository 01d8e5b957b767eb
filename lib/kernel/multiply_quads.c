/* SPDX-License-Identifier: MIT
 * multiply_quads.c - y = activation(x W^T + bias) + residual with i8 weights, by integers; see
 * vnni.c
 *
 * Rows are split into pieces once, by the thread that asks; then the pool claims groups of panels.
 */
#include "kernel/panel.h"

enum {
    CHUNK = 64,            /* rows that are split at a time */
    GROUP_BYTES = 1 << 19, /* of weights in a group */
    GROUPS = 8,            /* a thread, at least, where the panels suffice */
};

struct work {
    const struct product *product;
    const struct quad_row *left; /* of rows [row, row + rows) */
    long row, rows, groups;
};

static void multiply_tile(const struct work *w, long from, long rows, long index)
{
    const struct product *p = w->product;
    const struct pack *pack = p->weights;
    long first = panel_first(pack->kernel, &pack->panels, index);
    int columns = panel_columns(pack->kernel, &pack->panels, index);
    long at = (w->row + from) * p->y_stride + first;
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64))), bias[TILE_COLUMNS];

    gather_bias(bias, p, first, columns);
    pack->kernel->quads->tile(&(struct quad_tile){
        .sums = sums,
        .sums_stride = TILE_COLUMNS,
        .left = w->left + from,
        .rows = (int)rows,
        .columns = columns,
        .panel = pack->data + first * pack->depth,
        .depth = pack->depth,
    });
    pack->kernel->finish(&(struct finish){
        .y = p->y + at,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = TILE_COLUMNS,
        .scale = pack->scale + first,
        .bias = bias,
        .residual = p->residual ? p->residual + at : NULL,
        .rows = (int)rows,
        .columns = columns,
        .activation = p->activation,
    });
}

static void multiply_group(void *argument, long index, int worker)
{
    const struct work *w = argument;
    const struct pack *pack = w->product->weights;
    long blocks = (w->rows + TILE_ROWS - 1) / TILE_ROWS, panels = pack->panels.count;

    (void)worker;
    for (long b = 0; b < blocks; b++) {
        long row = w->rows * b / blocks, end = w->rows * (b + 1) / blocks;

        for (long i = panels * index / w->groups; i < panels * (index + 1) / w->groups; i++)
            multiply_tile(w, row, end - row, i);
    }
}

/* The first worker's memory, which all read: [rows] of each. */
static const struct quad_row *split_rows(const struct product *p, long row, long rows)
{
    long depth = p->weights->inputs, stretches = (depth + TILE_DEPTH - 1) / TILE_DEPTH;
    long stride = round_up(depth, 64), numbers = stretches * (1 + QUAD_PIECES);
    long size = round_up(QUAD_PIECES * stride + numbers * (long)sizeof(float), 64);
    long heads = round_up(rows * (long)sizeof(struct quad_row), 64);
    struct quad_row *left;
    char *at;

    scratch_reserve((size_t)(heads + rows * size) / sizeof(float));
    left = (struct quad_row *)(void *)scratch_of(0);
    at = (char *)left + heads;
    for (long i = 0; i < rows; i++, at += size) {
        left[i].pieces = (int8_t *)at;
        left[i].stride = stride;
        left[i].scale = (float *)(void *)(at + QUAD_PIECES * stride);
        left[i].begin = (int32_t *)(void *)(left[i].scale + stretches);
        p->weights->kernel->quads->split(&left[i], p->x + (row + i) * p->x_stride, depth);
    }
    return left;
}

static long groups_of(const struct pack *pack)
{
    long most = GROUP_BYTES / (pack->depth * pack->kernel->columns), count = pack->panels.count;
    long group = count / ((long)GROUPS * pool_threads());

    group = group < most ? group : most;
    return group > 1 ? (count + group - 1) / group : count;
}

void multiply_quads(const struct product *p)
{
    struct work w = { .product = p, .groups = groups_of(p->weights) };

    for (; w.row < p->rows; w.row += w.rows) {
        w.rows = p->rows - w.row < CHUNK ? p->rows - w.row : CHUNK;
        w.left = split_rows(p, w.row, w.rows);
        pool_run(multiply_group, &w, w.groups);
    }
}
