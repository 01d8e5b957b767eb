/* SPDX-License-Identifier: MIT
 * multiply_unit.c - y = activation(x W^T + bias) + residual by a unit that multiplies pieces
 *
 * Weights lie in memory as they do for vectors.  A piece of the work, some rows times some panels,
 * splits its part of both into pieces that stay in the second cache:
 *
 *     for each stretch of the depth       if there are more than one: sums wait in memory
 *         split the rows                  unless this worker holds them from the piece before
 *         for each panel                  its first pieces are made before
 *             multiply, and split the next panel meanwhile
 *
 * So few rows read no more memory than vectors would, and one row takes the path of a thousand:
 * its bytes do not depend on the others.
 */
#include <string.h>
#include "kernel/panel.h"

enum {
    STRETCH = 1024,       /* of depth, at most; a multiple of 32 */
    LEFT_BYTES = 1 << 20, /* of pieces of rows */
    GROUP = 16,           /* most panels in a piece of work */
    PIECES = 4,           /* of work a thread, at least, where the panels suffice */
    ALIGN = 16,           /* floats in a line */
};

struct work {
    const struct product *product;
    long blocks, chunks;     /* blocks of UNIT_ROWS rows; chunks of blocks */
    long groups;             /* of panels */
    long stretch, stretches; /* of depth */
    long rows, panels;       /* most in a piece of work */
};

long left_room(long rows, long depth)
{
    return 3 * round_up(rows, 16) * round_up(depth, 32);
}

long right_room(int columns, long depth)
{
    return left_room(columns, depth);
}

/* A worker's scratch memory. */
struct room {
    long *chunk; /* whose rows are on the left; -1: none */
    float *sums; /* [panel][rows][UNIT_COLUMNS] */
    uint16_t *left, *right;
};

static struct room room_of(const struct work *w, int worker)
{
    float *at = scratch_of(worker);
    struct room r = { .chunk = (long *)(void *)at, .sums = at + ALIGN };

    r.left = (uint16_t *)(r.sums + w->panels * w->rows * UNIT_COLUMNS);
    r.right = r.left + left_room(w->rows, w->stretch);
    return r;
}

static void reserve(const struct work *w)
{
    long shorts = left_room(w->rows, w->stretch) + 2 * right_room(UNIT_COLUMNS, w->stretch);

    scratch_reserve((size_t)(ALIGN + w->panels * w->rows * UNIT_COLUMNS + shorts / 2));
    for (int i = 0; i < pool_threads(); i++)
        *room_of(w, i).chunk = -1;
}

/* Panel by panel, stretch after stretch. */
struct walk {
    const struct work *work;
    long first, count; /* panels */
    uint16_t *right;   /* two, in turns */
};

static struct unit_panel panel_of(const struct walk *w, long at)
{
    const struct pack *pack = w->work->product->weights;
    long panel = w->first + at % w->count, k = at / w->count * w->work->stretch;
    int columns = panel_columns(pack->kernel, &pack->panels, panel);
    long stride = round_up(columns, pack->kernel->lanes);
    long from = panel_first(pack->kernel, &pack->panels, panel) * pack->inputs + k * stride;

    return (struct unit_panel){
        .x = pack->data + (size_t)from * dtype_size(pack->type),
        .x_stride = stride,
        .type = pack->type,
        .columns = columns,
        .depth = pack->inputs - k < w->work->stretch ? pack->inputs - k : w->work->stretch,
        .to = w->right + at % 2 * right_room(UNIT_COLUMNS, w->work->stretch),
    };
}

static void finish_panel(const struct product *p, const float *sums, long panel, long row,
                         long rows)
{
    const struct pack *pack = p->weights;
    long first = panel_first(pack->kernel, &pack->panels, panel), at = row * p->y_stride + first;
    int columns = panel_columns(pack->kernel, &pack->panels, panel);
    float bias[UNIT_COLUMNS];

    gather_bias(bias, p, first, columns);
    pack->kernel->finish(&(struct finish){
        .y = p->y + at,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = UNIT_COLUMNS,
        .scale = pack->scale ? pack->scale + first : NULL,
        .bias = bias,
        .residual = p->residual ? p->residual + at : NULL,
        .rows = (int)rows,
        .columns = columns,
        .activation = p->activation,
    });
}

static void multiply_piece(void *argument, long index, int worker)
{
    const struct work *w = argument;
    const struct product *p = w->product;
    const struct pack *pack = p->weights;
    const struct unit *unit = pack->kernel->unit;
    long chunk = index / w->groups, group = index % w->groups;
    long row = UNIT_ROWS * (w->blocks * chunk / w->chunks);
    long end = UNIT_ROWS * (w->blocks * (chunk + 1) / w->chunks);
    long rows = (end < p->rows ? end : p->rows) - row;
    long first = pack->panels.count * group / w->groups;
    long last = pack->panels.count * (group + 1) / w->groups;
    struct room r = room_of(w, worker);
    bool few = rows <= UNIT_ROWS;
    struct walk walk = { w, first, last - first, r.right };
    struct unit_panel now = panel_of(&walk, 0), coming;

    if (!few)
        unit->right(&now);
    for (long at = 0, count = walk.count * w->stretches; at < count; at++, now = coming) {
        long stretch = at / walk.count, panel = at % walk.count, k = stretch * w->stretch;
        float *sums = r.sums + (w->stretches > 1 ? panel : 0) * w->rows * UNIT_COLUMNS;

        if (panel == 0 && (w->stretches > 1 || *r.chunk != chunk))
            unit->left(r.left, p->x + row * p->x_stride + k, p->x_stride, false, rows, now.depth);
        if (at + 1 < count)
            coming = panel_of(&walk, at + 1);
        unit->multiply(&(struct unit_product){
            .sums = sums,
            .sums_stride = UNIT_COLUMNS,
            .add = stretch > 0,
            .left = r.left,
            .right = now.to,
            .type = pack->type,
            .rows = rows,
            .columns = now.columns,
            .depth = now.depth,
            .coming = !few && at + 1 < count ? &coming : NULL,
            .panel = few ? &now : NULL,
        });
        if (stretch + 1 == w->stretches)
            finish_panel(p, sums, first + panel, row, rows);
    }
    *r.chunk = chunk;
}

static long divide_up(long n, long by)
{
    return (n + by - 1) / by;
}

void multiply_unit(const struct product *p)
{
    long inputs = p->weights->inputs, panels = p->weights->panels.count, most, group;
    struct work w = { .product = p, .blocks = divide_up(p->rows, UNIT_ROWS) };

    w.stretches = divide_up(inputs, STRETCH);
    w.stretch = round_up(divide_up(inputs, w.stretches), 32);
    most = LEFT_BYTES / (left_room(UNIT_ROWS, w.stretch) * 2); /* blocks */
    w.chunks = divide_up(w.blocks, most > 1 ? most : 1);
    w.rows = UNIT_ROWS * divide_up(w.blocks, w.chunks);
    group = panels * w.chunks / ((long)PIECES * pool_threads());
    group = group < 1 ? 1 : group > GROUP ? GROUP : group;
    w.groups = divide_up(panels, group);
    w.panels = w.stretches > 1 ? divide_up(panels, w.groups) : 1;
    reserve(&w);
    pool_run(multiply_piece, &w, w.chunks * w.groups);
}
