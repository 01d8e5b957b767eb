/* SPDX-License-Identifier: MIT
 * gemm_tile.c - products of matrices that change from call to call, by tiles of vectors: of f32, or
 * of pairs of bf16 where that is asked for
 *
 * Some columns of b and a stretch of the depth at a time: they are put into panels, as weights are
 * (see pack.c), and some rows of a into rows, unless they can be read where they lie; then the pool
 * claims tiles.  What comes of a stretch is added to c.  How all this is cut depends on the shapes
 * alone, and so do the bytes of a result: not on the number of threads.
 */
#include <string.h>
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    STRETCH = 1024, /* of depth, at most; a multiple of TILE_DEPTH */
    ROWS = 2048,    /* of a at a time */
    COLUMNS = 3072, /* of b at a time */
    BLOCK = 48,     /* rows of a that a thread prepares together */
    CHUNK = 128,    /* rows of a tile's work */
    GROUP = 4,      /* most panels of it */
    LINE = 64,
};

struct tiles {
    const struct gemm *g;
    bool pairs;
    size_t size;          /* bytes of a number */
    long k, depth;        /* the stretch in hand */
    long padded;          /* the depth, whole pairs */
    long column, columns; /* in hand */
    long row, rows;
    struct panels cut; /* of the columns */
    char *right;       /* panels */
    char *left;        /* [rows, left_stride], or NULL: a itself */
    long left_stride;
    long chunks, group, groups;
};

static char *panel_at(const struct tiles *t, long index)
{
    return t->right + (size_t)(panel_first(&t->cut, index) * t->padded) * t->size;
}

/* Numbers of rows k, k + 1 of b next to each other. */
static void pair_panel(const struct tiles *t, uint16_t *to, long stride, const float *b,
                       int columns)
{
    uint16_t pair[PAIR_STEP][TILE_COLUMNS], line[STRETCH];

    if (columns < stride || t->depth < t->padded)
        memset(to, 0, (size_t)(t->padded * stride) * sizeof *to);
    for (int j = 0; t->g->transpose_b && j < columns; j++) {
        line[t->padded - 1] = 0;
        kernels.narrow(line, b + j * t->g->ldb, DTYPE_BF16, t->depth);
        for (long d = 0; d < t->padded; d += PAIR_STEP)
            memcpy(to + d * stride + j * PAIR_STEP, line + d, PAIR_STEP * sizeof *to);
    }
    for (long d = 0; !t->g->transpose_b && d < t->depth; d += PAIR_STEP) {
        kernels.narrow(pair[0], b + d * t->g->ldb, DTYPE_BF16, columns);
        if (d + 1 < t->depth)
            kernels.narrow(pair[1], b + (d + 1) * t->g->ldb, DTYPE_BF16, columns);
        else
            memset(pair[1], 0, sizeof pair[1]);
        for (int j = 0; j < columns; j++) {
            to[d * stride + j * PAIR_STEP] = pair[0][j];
            to[d * stride + j * PAIR_STEP + 1] = pair[1][j];
        }
    }
}

static void fill_right(void *argument, long index, int worker)
{
    const struct tiles *t = argument;
    const struct gemm *g = t->g;
    long first = t->column + panel_first(&t->cut, index);
    int columns = panel_columns(&t->cut, index);
    long stride = round_up(columns, t->cut.lanes);
    const float *b = g->b + (g->transpose_b ? first * g->ldb + t->k : t->k * g->ldb + first);
    float *to = (float *)(void *)panel_at(t, index);

    (void)worker;
    if (t->pairs) {
        pair_panel(t, (uint16_t *)(void *)to, stride, b, columns);
        return;
    }
    if (g->transpose_b) {
        kernels.panel->transpose(to, columns, b, g->ldb, t->depth, 1);
        return;
    }
    if (columns < stride)
        memset(to, 0, (size_t)(t->depth * stride) * sizeof *to);
    for (long d = 0; d < t->depth; d++)
        memcpy(to + d * stride, b + d * g->ldb, (size_t)columns * sizeof *to);
}

/* Numbers of the stretch, from d on, into row `row` of those in hand. */
static void put_left(const struct tiles *t, long row, long d, const float *x, long count)
{
    char *to = t->left + (size_t)(row * t->left_stride + d) * t->size;

    kernels.narrow(to, x, t->pairs ? DTYPE_BF16 : DTYPE_F32, count);
}

static void fill_left(void *argument, long index, int worker)
{
    const struct tiles *t = argument;
    const struct gemm *g = t->g;
    long first = index * BLOCK, row = t->row + first, some = t->rows - first;
    int high = some < BLOCK ? (int)some : BLOCK, wide = kernels.panel->columns;
    float square[BLOCK * TILE_COLUMNS] __attribute__((aligned(64)));

    (void)worker;
    for (int i = 0; t->depth < t->padded && i < high; i++)
        memset(t->left + (size_t)((first + i) * t->left_stride + t->depth) * t->size, 0, t->size);
    for (int i = 0; !g->transpose_a && i < high; i++)
        put_left(t, first + i, 0, g->a + (row + i) * g->lda + t->k, t->depth);
    for (long d = 0; g->transpose_a && d < t->depth; d += wide) {
        int count = t->depth - d < wide ? (int)(t->depth - d) : wide;

        kernels.panel->transpose(square, count, g->a + (t->k + d) * g->lda + row, g->lda, high, 1);
        for (int i = 0; i < high; i++)
            put_left(t, first + i, d, square + i * round_up(count, kernels.panel->lanes), count);
    }
}

static void multiply_tile(const struct tiles *t, long row, int rows, long index)
{
    const struct gemm *g = t->g;
    int columns = panel_columns(&t->cut, index);
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));

    if (t->pairs)
        kernels.pair_tile(&(struct pair_tile){
            .sums = sums,
            .sums_stride = TILE_COLUMNS,
            .x = (const uint16_t *)(const void *)t->left + row * t->left_stride,
            .x_stride = t->left_stride,
            .rows = rows,
            .columns = columns,
            .panel = (const uint16_t *)(const void *)panel_at(t, index),
            .depth = t->padded,
        });
    else
        tile_multiply(kernels.panel,
                      (struct tile){
                          .sums = sums,
                          .sums_stride = TILE_COLUMNS,
                          .x = t->left ? (const float *)(const void *)t->left + row * t->left_stride
                                       : g->a + (t->row + row) * g->lda + t->k,
                          .x_stride = t->left ? t->left_stride : g->lda,
                          .rows = rows,
                          .columns = columns,
                          .panel = panel_at(t, index),
                          .panel_stride = round_up(columns, t->cut.lanes),
                          .type = DTYPE_F32,
                          .depth = t->depth,
                      });
    gemm_put(g, &(struct gemm_part){ .sums = sums,
                                     .sums_stride = TILE_COLUMNS,
                                     .row = t->row + row,
                                     .rows = rows,
                                     .column = t->column + panel_first(&t->cut, index),
                                     .columns = columns,
                                     .more = t->k > 0 });
}

static void multiply_some(void *argument, long index, int worker)
{
    const struct tiles *t = argument;
    long chunk = index / t->groups, first = index % t->groups * t->group;
    long end = first + t->group < t->cut.count ? first + t->group : t->cut.count;
    long from = t->rows * chunk / t->chunks, rows = t->rows * (chunk + 1) / t->chunks - from;
    int high = t->pairs ? PAIR_ROWS : kernels.panel->rows;
    long blocks = (rows + high - 1) / high;

    (void)worker;
    for (long i = first; i < end; i++)
        for (long b = 0; b < blocks; b++) {
            long row = rows * b / blocks;

            multiply_tile(t, from + row, (int)(rows * (b + 1) / blocks - row), i);
        }
}

static void multiply_rows(struct tiles *t)
{
    long least = 8L * pool_threads();

    if (t->left)
        pool_run(fill_left, t, (t->rows + BLOCK - 1) / BLOCK);
    t->chunks = (t->rows + CHUNK - 1) / CHUNK;
    t->group = t->cut.count * t->chunks / least;
    t->group = t->group < 1 ? 1 : t->group > GROUP ? GROUP : t->group;
    t->groups = (t->cut.count + t->group - 1) / t->group;
    pool_run(multiply_some, t, t->chunks * t->groups);
}

static long least(long a, long b)
{
    return a < b ? a : b;
}

/* Memory of all workers together. */
static void reserve(struct tiles *t)
{
    const struct gemm *g = t->g;
    long depth = round_up(least(g->k, STRETCH), PAIR_STEP);
    size_t right = (size_t)(round_up(least(g->n, COLUMNS), LINE) * depth) * t->size, left = 0;

    t->left_stride = round_up(depth, LINE) + LINE / 2; /* rows share no set of the cache */
    if (t->pairs || g->transpose_a)
        left = (size_t)(least(g->m, ROWS) * t->left_stride) * t->size;
    scratch_reserve((left + right) / sizeof(float) / (size_t)pool_threads() + LINE);
    t->right = (char *)scratch_of(0);
    t->left = left ? t->right + right : NULL;
}

void gemm_tiles(const struct gemm *g, bool pairs)
{
    struct tiles t = { .g = g, .pairs = pairs, .size = pairs ? sizeof(uint16_t) : sizeof(float) };

    reserve(&t);
    for (; t.column < g->n; t.column += t.columns) {
        t.columns = least(g->n - t.column, COLUMNS);
        t.cut = pairs ? panels_cut(PAIR_LANES, PAIR_VECTORS * PAIR_LANES, t.columns)
                      : panels_of(kernels.panel, t.columns);
        for (t.k = 0; t.k < g->k; t.k += t.depth) {
            t.depth = least(g->k - t.k, STRETCH);
            t.padded = pairs ? round_up(t.depth, PAIR_STEP) : t.depth;
            pool_run(fill_right, &t, t.cut.count);
            for (t.row = 0; t.row < g->m; t.row += t.rows) {
                t.rows = least(g->m - t.row, ROWS);
                multiply_rows(&t);
            }
        }
    }
}
