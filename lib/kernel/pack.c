/* SPDX-License-Identifier: MIT
 * pack.c - weights of a linear layer in the order in which the product reads them
 *
 *     parts [outputs_i, inputs] -> panels of each part, see order.c
 *
 * The kernel of the day decides the order, and is kept with the pack.  A part that lies in this
 * order already, in a file, is read where it is; one that lies in another is turned back first.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "kernel/panel.h"

/* --- a part in another order, by rows --- */

struct turning {
    struct ordered from;
    char *to;
};

static void turn_row(void *argument, long row, int worker)
{
    const struct turning *t = argument;
    size_t bytes = (size_t)t->from.inputs * dtype_size(t->from.type);

    (void)worker;
    order_read(&t->from, row, 0, t->from.inputs, t->to + (size_t)row * bytes);
}

/* --- a part --- */

static void pack_part(struct pack *p, int i, const struct matrix *m)
{
    struct pack_part *part = &p->part[i];
    struct turning t = { { m->order, m->type, m->data, m->rows, p->inputs }, NULL };
    size_t size = order_size(p->order, m->type, m->rows, p->inputs);

    part->cut = panels_cut(p->order->lanes, p->order->columns, m->rows);
    p->panels += part->cut.count;
    part->data = m->data;
    if (m->order == p->order)
        return;
    if (m->order) {
        t.to = pages_alloc((size_t)(m->rows * p->inputs) * dtype_size(m->type));
        pool_run(turn_row, &t, m->rows);
    }
    p->size += size;
    part->data = part->own = pages_alloc(size);
    order_fill(p->order, m->type, part->own, m->order ? t.to : m->data, m->rows, p->inputs);
    pages_free(t.to);
}

struct pack_panel pack_panel(const struct pack *p, long index)
{
    int i = 0;
    long first;

    while (index >= p->part[i].cut.count)
        index -= p->part[i++].cut.count;
    first = panel_first(&p->part[i].cut, index);
    return (struct pack_panel){
        .data = p->part[i].data + (size_t)(first * p->depth) * order_element(p->order, p->type),
        .first = p->first[i] + first,
        .columns = panel_columns(&p->part[i].cut, index),
    };
}

/* What each column of a panel adds up to: its product with ones, of fewer than 24 bits. */
static void sum_columns(void *argument, long index, int worker)
{
    const struct pack *p = argument;
    struct pack_panel panel = pack_panel(p, index);
    uint8_t *ones = (uint8_t *)scratch_of(worker);
    int32_t offset[BYTE_COLUMNS] = { 0 };
    float sums[BYTE_COLUMNS], one = 1;

    memset(ones, 1, (size_t)p->depth);
    kernels.byte_tile(&(struct byte_tile){ .x = ones,
                                           .rows = 1,
                                           .pieces = 1,
                                           .panel = (const int8_t *)panel.data,
                                           .panels = 1,
                                           .depth = p->depth,
                                           .offset = offset,
                                           .scale = &one,
                                           .sums = sums });
    for (int j = 0; j < panel.columns; j++)
        p->column_sum[panel.first + j] = (int32_t)sums[j];
}

static void copy_scales(struct pack *p, const struct matrix *parts)
{
    if (p->type != DTYPE_I8)
        return;
    p->scale = xalloc((size_t)p->outputs, sizeof *p->scale);
    for (int i = 0; i < p->parts; i++)
        memcpy(p->scale + p->first[i], parts[i].scale, (size_t)parts[i].rows * sizeof *p->scale);
}

struct pack *pack_weights(const struct matrix *parts, int count, long inputs, bool memory_bound)
{
    struct pack *p = xalloc(1, sizeof *p);

    assert(count > 0 && count <= PACK_PARTS && inputs > 0);
    p->kernel = memory_bound ? kernels.panel : kernels.packed_engine;
    p->type = parts[0].type;
    p->order = order_here(p->type, parts[0].pieces, memory_bound);
    p->depth = order_depth(p->order, inputs);
    p->parts = count;
    p->inputs = inputs;
    for (int i = 0; i < count; i++) {
        assert(parts[i].type == p->type && parts[i].rows > 0);
        assert(!parts[i].scale == (p->type != DTYPE_I8));
        p->first[i + 1] = p->first[i] + parts[i].rows;
        pack_part(p, i, &parts[i]);
    }
    p->outputs = p->first[count];
    copy_scales(p, parts);
    if (p->order->kind == ORDER_BYTES && !kernels.words) {
        p->column_sum = xalloc((size_t)p->outputs, sizeof *p->column_sum);
        scratch_reserve((size_t)p->depth / sizeof(float) + 1);
        pool_run(sum_columns, p, p->panels);
    }
    return p;
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->parts; i++)
        pages_free(p->part[i].own);
    free(p->scale);
    free(p->column_sum);
    free(p);
}

long pack_outputs(const struct pack *p)
{
    return p->outputs;
}

long pack_inputs(const struct pack *p)
{
    return p->inputs;
}

size_t pack_bytes(const struct pack *p)
{
    return p->size;
}

bool pack_in_place(const struct pack *p, int part)
{
    return !p->part[part].own;
}
