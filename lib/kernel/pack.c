/* SPDX-License-Identifier: MIT
 * pack.c - weights of a linear layer in the order in which the product reads them
 *
 *     parts [outputs_i, inputs], stacked -> panels [inputs][stride], one after the other; or int8
 * steps
 *
 * The kernel of the day decides the width of a panel, and is kept with the pack.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum { BLOCK = 64 };

struct packing {
    struct pack *pack;
    const struct matrix *parts;
};

/* The row of the stacked matrix that yields `output`. */
static const char *row_of(const struct packing *w, long output)
{
    const struct pack *p = w->pack;
    int part = 0;

    while (output >= p->first[part + 1])
        part++;
    return (const char *)w->parts[part].data +
           (size_t)(output - p->first[part]) * (size_t)p->inputs * dtype_size(p->type);
}

/* Columns one by one, in blocks whose lines stay in the first cache. */
static inline void fill(const struct packing *w, char *to, long first, int columns, long stride,
                        size_t size)
{
    long depth = w->pack->inputs;

    for (long from = 0; from < depth; from += BLOCK)
        for (int j = 0; j < columns; j++) {
            const char *x = row_of(w, first + j);
            long end = from + BLOCK < depth ? from + BLOCK : depth;

            for (long k = from; k < end; k++)
                memcpy(to + (size_t)(k * stride + j) * size, x + (size_t)k * size, size);
        }
}

/* See panel.h: four of a column together, each 128 more, which makes it unsigned. */
static void fill_int8(const struct packing *w, uint8_t *to, long first, int columns, long stride)
{
    long inputs = w->pack->inputs, depth = w->pack->depth, lanes = w->pack->kernel->lanes;

    memset(to, INT8_OFFSET, (size_t)(depth * stride));
    for (long from = 0; from < inputs; from += BLOCK)
        for (int j = 0; j < columns; j++) {
            const int8_t *x = (const int8_t *)row_of(w, first + j);
            long end = from + BLOCK < inputs ? from + BLOCK : inputs;

            for (long k = from; k < end; k++)
                to[j / lanes * lanes * depth + (k / INT8_STEP * lanes + j % lanes) * INT8_STEP +
                   k % INT8_STEP] = (uint8_t)(x[k] + INT8_OFFSET);
        }
}

static void pack_bytes_panel(void *argument, long i, int worker)
{
    const struct packing *w = argument;
    const struct pack *p = w->pack;
    const int8_t *rows[BYTE_COLUMNS];
    long first = i * BYTE_COLUMNS, left = p->outputs - first;
    int columns = left < BYTE_COLUMNS ? (int)left : BYTE_COLUMNS;

    (void)worker;
    for (int j = 0; j < columns; j++) {
        rows[j] = (const int8_t *)row_of(w, first + j);
        for (long k = 0; k < p->inputs; k++)
            p->column_sum[first + j] += rows[j][k];
    }
    bytes_fill((int8_t *)p->data + first * p->depth, rows, columns, p->inputs);
}

static void pack_panel(void *argument, long i, int worker)
{
    struct packing *w = argument;
    const struct pack *p = w->pack;
    long first = panel_first(p->kernel, &p->panels, i), depth = p->inputs;
    int columns = panel_columns(p->kernel, &p->panels, i);
    long stride = round_up(columns, p->kernel->lanes);
    size_t row = (size_t)depth * dtype_size(p->type);
    void *to = p->data + (size_t)(first * p->depth) * dtype_size(p->type);
    const char *x = row_of(w, first);
    bool together = row_of(w, first + columns - 1) == x + (size_t)(columns - 1) * row;

    (void)worker;
    if (columns < stride && !p->int8_rows)
        memset(to, 0, (size_t)stride * row);
    if (p->int8_rows)
        fill_int8(w, to, first, columns, stride);
    else if (together && p->type == DTYPE_F32)
        p->kernel->transpose(to, columns, (const void *)x, depth, depth, 1);
    else if (together && dtype_size(p->type) == 2 && p->kernel->transpose_half)
        p->kernel->transpose_half(to, columns, (const void *)x, depth, depth);
    else if (p->type == DTYPE_F32)
        fill(w, to, first, columns, stride, sizeof(float));
    else if (p->type == DTYPE_I8)
        fill(w, to, first, columns, stride, 1);
    else
        fill(w, to, first, columns, stride, sizeof(uint16_t));
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
    struct packing w = { p, parts };

    assert(count > 0 && count <= PACK_PARTS && inputs > 0);
    p->kernel = memory_bound ? kernels.panel : kernels.packed_engine;
    p->type = parts[0].type;
    p->parts = count;
    p->inputs = inputs;
    for (int i = 0; i < count; i++) {
        assert(parts[i].type == p->type && parts[i].rows > 0);
        assert(!parts[i].scale == (p->type != DTYPE_I8));
        p->first[i + 1] = p->first[i] + parts[i].rows;
    }
    p->outputs = p->first[count];
    copy_scales(p, parts);
    p->bytes = p->type == DTYPE_I8 && parts[0].pieces;
    if (p->bytes) {
        p->depth = round_up(inputs, BYTE_STEP);
        p->size = (size_t)(bytes_panels(p->outputs) * BYTE_COLUMNS * p->depth);
        p->column_sum = xalloc((size_t)p->outputs, sizeof *p->column_sum);
        p->data = pages_alloc(p->size);
        pool_run(pack_bytes_panel, &w, bytes_panels(p->outputs));
        return p;
    }
    p->int8_rows = p->type == DTYPE_I8 && p->kernel->int8_rows;
    p->depth = p->int8_rows ? round_up(inputs, INT8_STEP) : inputs;
    p->panels = panels_of(p->kernel, p->outputs);
    p->size = (size_t)panels_size(p->kernel, &p->panels, p->depth) * dtype_size(p->type);
    p->data = pages_alloc(p->size);
    pool_run(pack_panel, &w, p->panels.count);
    return p;
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    pages_free(p->data);
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
