/* SPDX-License-Identifier: MIT
 * unit.c - products of matrices by a unit that multiplies pieces
 *
 * A part of the work, some rows times some panels, splits its share of both into pieces that stay
 * in the second cache:
 *
 *     for each stretch of the depth       if there are more than one: sums wait in memory
 *         split the rows                  unless this worker holds them from the part before
 *         for each panel                  its first pieces are made before
 *             multiply, and split the next panel meanwhile
 *
 * Few rows read no more memory than vectors would, and one row takes the path of a thousand: its
 * bytes do not depend on the others, nor on the number of threads.
 */
#include "base/number.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    STRETCH = 1024,       /* of depth, at most; a multiple of 32 */
    LEFT_BYTES = 1 << 20, /* of pieces of rows */
    GROUP = 16,           /* most panels in a part */
    PARTS = 4,            /* a thread, at least, where the panels suffice */
    BLOCKS = 3,           /* in a part at least, if rows are split again for each group */
    ALIGN = 16,           /* floats in a line */
};

struct plan {
    const struct unit_work *work;
    long blocks, chunks;     /* blocks of UNIT_ROWS rows; chunks of blocks */
    long panels, groups;     /* groups of panels */
    long stretch, stretches; /* of depth */
    long most_rows, most_panels;
};

long pieces_room(long rows, long depth)
{
    return 3 * round_up(rows, 16) * round_up(depth, 32);
}

/* A worker's scratch memory. */
struct room {
    long *chunk; /* whose rows are on the left; -1: none */
    float *sums; /* [panel][rows][UNIT_COLUMNS] */
    uint16_t *left, *right[2];
};

static struct room room_of(const struct plan *p, int worker)
{
    float *at = scratch_of(worker);
    struct room r = { .chunk = (long *)(void *)at, .sums = at + ALIGN };

    r.left = (uint16_t *)(r.sums + p->most_panels * p->most_rows * UNIT_COLUMNS);
    r.right[0] = r.left + pieces_room(p->most_rows, p->stretch);
    r.right[1] = r.right[0] + pieces_room(UNIT_COLUMNS, p->stretch);
    return r;
}

static void reserve(const struct plan *p)
{
    long shorts = pieces_room(p->most_rows, p->stretch) + 2 * pieces_room(UNIT_COLUMNS, p->stretch);

    scratch_reserve(
        (size_t)(ALIGN + p->most_panels * p->most_rows * UNIT_COLUMNS + (shorts + 1) / 2));
    for (int i = 0; i < pool_threads(); i++)
        *room_of(p, i).chunk = -1;
}

/* A part of the work: panels [first, first + count), in each stretch anew. */
struct part {
    const struct plan *plan;
    struct room room;
    long chunk, row, rows, first, count;
};

static struct unit_panel panel_of(const struct part *p, long at)
{
    const struct unit_work *w = p->plan->work;
    long k = at / p->count * p->plan->stretch;
    struct unit_panel panel = w->panel(w, p->first + at % p->count, k);

    panel.depth = w->depth - k < p->plan->stretch ? w->depth - k : p->plan->stretch;
    panel.to = p->room.right[at % 2];
    return panel;
}

static void split_rows(const struct part *p, long k, long depth)
{
    const struct unit_work *w = p->plan->work;
    struct unit_rows from = w->left;

    from.x += from.transposed ? k * from.x_stride + p->row : p->row * from.x_stride + k;
    if (p->plan->stretches > 1 || *p->room.chunk != p->chunk)
        w->unit->left(p->room.left, &from, p->rows, depth);
    *p->room.chunk = p->chunk;
}

static void walk(const struct part *p)
{
    const struct unit_work *w = p->plan->work;
    long steps = p->count * p->plan->stretches;
    bool memory_bound = p->rows <= UNIT_ROWS; /* each panel is used once: arrange it on the way */
    struct unit_panel now = panel_of(p, 0), coming = now;

    if (!memory_bound)
        w->unit->right(&now);
    for (long at = 0; at < steps; at++, now = coming) {
        long stretch = at / p->count, panel = at % p->count;
        float *sums =
            p->room.sums + (p->plan->stretches > 1 ? panel : 0) * p->plan->most_rows * UNIT_COLUMNS;
        bool last = at + 1 == steps;

        if (panel == 0)
            split_rows(p, stretch * p->plan->stretch, now.depth);
        if (!last)
            coming = panel_of(p, at + 1);
        w->unit->multiply(&(struct unit_product){
            .sums = sums,
            .sums_stride = UNIT_COLUMNS,
            .add = stretch > 0,
            .left = p->room.left,
            .right = now.to,
            .type = now.type,
            .pieces = now.pieces,
            .rows = p->rows,
            .columns = now.columns,
            .depth = now.depth,
            .coming = memory_bound || last ? NULL : &coming,
            .panel = memory_bound ? &now : NULL,
        });
        if (stretch + 1 == p->plan->stretches)
            w->finish(w, sums, p->first + panel, p->row, p->rows);
    }
}

static void run_part(void *argument, long index, int worker)
{
    const struct plan *plan = argument;
    long chunk = index / plan->groups, group = index % plan->groups, rows = plan->work->rows;
    long row = UNIT_ROWS * (plan->blocks * chunk / plan->chunks);
    long end = UNIT_ROWS * (plan->blocks * (chunk + 1) / plan->chunks);
    long first = plan->panels * group / plan->groups;
    struct part p = { .plan = plan,
                      .room = room_of(plan, worker),
                      .chunk = chunk,
                      .row = row,
                      .rows = (end < rows ? end : rows) - row,
                      .first = first,
                      .count = plan->panels * (group + 1) / plan->groups - first };

    walk(&p);
}

static long divide_up(long n, long by)
{
    return (n + by - 1) / by;
}

static long between(long n, long least, long most)
{
    return n < least ? least : n > most ? most : n;
}

void unit_run(const struct unit_work *w)
{
    struct plan p = { .work = w, .blocks = divide_up(w->rows, UNIT_ROWS), .panels = w->panels };
    long parts = (long)PARTS * pool_threads(), most;

    if (!w->rows || !w->panels)
        return;
    p.stretches = w->depth ? divide_up(w->depth, STRETCH) : 1;
    p.stretch = round_up(divide_up(w->depth, p.stretches), 32);
    most = between(LEFT_BYTES / (pieces_room(UNIT_ROWS, p.stretch) * 2 + 1), 1, p.blocks);
    p.chunks = divide_up(p.blocks, most);
    if (p.stretches > 1 && p.chunks < parts / 2)
        p.chunks = between(p.blocks / BLOCKS, p.chunks, parts / 2);
    p.groups = divide_up(p.panels, between(p.panels * p.chunks / parts, 1, GROUP));
    p.most_rows = UNIT_ROWS * divide_up(p.blocks, p.chunks);
    p.most_panels = p.stretches > 1 ? divide_up(p.panels, p.groups) : 1;
    reserve(&p);
    pool_run(run_part, &p, p.chunks * p.groups);
}

/* --- y = activation(x W^T + bias) + residual; weights lie in memory as they do for vectors --- */

/* Shorter numbers have few pieces by themselves, and are multiplied exactly. */
static int pieces_of(const struct pack *pack)
{
    return pack->type == DTYPE_F32 ? packed_pieces() : 0;
}

static struct unit_panel packed_panel(const struct unit_work *w, long index, long k)
{
    const struct product *p = w->self;
    const struct pack *pack = p->weights;
    struct pack_panel panel = pack_panel(pack, index);
    long stride = round_up(panel.columns, pack->kernel->lanes);

    return (struct unit_panel){ .x = panel.data + (size_t)(k * stride) * dtype_size(pack->type),
                                .x_stride = stride,
                                .type = pack->type,
                                .pieces = pieces_of(pack),
                                .columns = panel.columns };
}

static void packed_finish(const struct unit_work *w, const float *sums, long index, long row,
                          long rows)
{
    const struct product *p = w->self;
    struct pack_panel panel = pack_panel(p->weights, index);
    float bias[UNIT_COLUMNS];

    gather_bias(bias, p, panel.first, panel.columns);
    finish_tile(p, &(struct tile_place){ row, panel.first, (int)rows, panel.columns, UNIT_COLUMNS },
                sums, bias);
}

void multiply_unit(const struct product *p)
{
    unit_run(&(struct unit_work){
        .unit = p->weights->kernel->unit,
        .left = { p->x, p->x_stride, false, pieces_of(p->weights) },
        .rows = p->rows,
        .depth = p->weights->inputs,
        .panels = p->weights->panels,
        .panel = packed_panel,
        .finish = packed_finish,
        .self = p,
    });
}

/* --- the same with weights as they are stored: their panels stop where a matrix does --- */

struct unpacked {
    const struct product *product;
    const struct matrix *parts;
    int count;
    long inputs;
};

/* Columns of one part. */
struct slice {
    int part;
    long first, output; /* in its part, in all */
    int columns;
};

static long panels_in(const struct matrix *m)
{
    return (m->rows + UNIT_COLUMNS - 1) / UNIT_COLUMNS;
}

static struct slice slice_of(const struct unpacked *l, long index)
{
    struct slice s = { 0 };
    long left;

    for (; index >= panels_in(&l->parts[s.part]); s.part++) {
        index -= panels_in(&l->parts[s.part]);
        s.output += l->parts[s.part].rows;
    }
    s.first = index * UNIT_COLUMNS;
    s.output += s.first;
    left = l->parts[s.part].rows - s.first;
    s.columns = left < UNIT_COLUMNS ? (int)left : UNIT_COLUMNS;
    return s;
}

static struct unit_panel unpacked_panel(const struct unit_work *w, long index, long k)
{
    const struct unpacked *l = w->self;
    struct slice s = slice_of(l, index);

    return (struct unit_panel){ .x = (const float *)l->parts[s.part].data + s.first * l->inputs + k,
                                .x_stride = l->inputs,
                                .type = DTYPE_F32,
                                .transposed = true,
                                .pieces = gemm_pieces(),
                                .columns = s.columns };
}

static void unpacked_finish(const struct unit_work *w, const float *sums, long index, long row,
                            long rows)
{
    static const float none[UNIT_COLUMNS];
    const struct unpacked *l = w->self;
    const struct product *p = l->product;
    struct slice s = slice_of(l, index);
    long at = row * p->y_stride + s.output;

    kernels.packed_engine->finish(&(struct finish){
        .y = p->y + at,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = UNIT_COLUMNS,
        .bias = p->bias[s.part] ? p->bias[s.part] + s.first : none,
        .residual = p->residual ? p->residual + at : NULL,
        .rows = (int)rows,
        .columns = s.columns,
        .activation = p->activation,
    });
}

bool multiply_unpacked(const struct product *p, const struct matrix *parts, int count, long inputs)
{
    struct unpacked l = { p, parts, count, inputs };
    long panels = 0;

    if (!gemm_by_unit())
        return false;
    for (int i = 0; i < count; i++)
        panels += panels_in(&parts[i]);
    unit_run(&(struct unit_work){
        .unit = kernels.packed_engine->unit,
        .left = { p->x, p->x_stride, false, gemm_pieces() },
        .rows = p->rows,
        .depth = inputs,
        .panels = panels,
        .panel = unpacked_panel,
        .finish = unpacked_finish,
        .self = &l,
    });
    return true;
}

/* --- c = alpha op(a) op(b) + beta c --- */

static struct unit_panel gemm_panel(const struct unit_work *w, long index, long k)
{
    const struct gemm *g = w->self;
    long first = index * UNIT_COLUMNS, left = g->n - first;

    return (struct unit_panel){
        .x = g->transpose_b ? g->b + first * g->ldb + k : g->b + k * g->ldb + first,
        .x_stride = g->ldb,
        .type = DTYPE_F32,
        .transposed = g->transpose_b,
        .pieces = gemm_pieces(),
        .columns = left < UNIT_COLUMNS ? (int)left : UNIT_COLUMNS,
    };
}

static void gemm_finish(const struct unit_work *w, const float *sums, long index, long row,
                        long rows)
{
    const struct gemm *g = w->self;
    long first = index * UNIT_COLUMNS, left = g->n - first;

    gemm_put(g, &(struct gemm_part){ .sums = sums,
                                     .sums_stride = UNIT_COLUMNS,
                                     .row = row,
                                     .rows = (int)rows,
                                     .column = first,
                                     .columns = left < UNIT_COLUMNS ? (int)left : UNIT_COLUMNS });
}

void gemm_unit(const struct gemm *g)
{
    unit_run(&(struct unit_work){
        .unit = kernels.packed_engine->unit,
        .left = { g->a, g->lda, g->transpose_a, gemm_pieces() },
        .rows = g->m,
        .depth = g->k,
        .panels = (g->n + UNIT_COLUMNS - 1) / UNIT_COLUMNS,
        .panel = gemm_panel,
        .finish = gemm_finish,
        .self = g,
    });
}
