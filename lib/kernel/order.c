/* SPDX-License-Identifier: MIT
 * order.c - orders in which the numbers of a matrix may lie, for products to read
 *
 *     rows [rows, inputs] -> panels, one after the other, each of some rows' numbers:
 *
 *     PANELS  [inputs][columns]                        a number of each of a panel's rows, and so
 * on FOURS   [vectors][depth / 4][lanes][4]           bytes, 128 more than they are: see vnni.c
 *     BYTES   [depth / 4][columns][4]                  bytes: see int8.c
 *     PAIRS   [depth / 2][columns][2]                  bf16: see pairs.c; f32 and f16 are rounded
 *
 * A panel's columns are whole vectors, and a depth whole fours or pairs: what is more is 0 (128 in
 * FOURS).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum { BLOCK = 64 };

/* A row for each kernel that there is: their names are in files. */
static const struct order orders[] = {
    { "bytes16", ORDER_BYTES, BYTE_COLUMNS, BYTE_COLUMNS },
    { "panels16x16", ORDER_PANELS, 16, 16 },                             /* scalar */
    { "panels8x16", ORDER_PANELS, 8, 16 },                               /* avx2 */
    { "panels16x48", ORDER_PANELS, 16, 48 },                             /* avx512 */
    { "panels16x32", ORDER_PANELS, 16, 32 },                             /* amx */
    { "fours16x48", ORDER_FOURS, 16, 48 },                               /* vnni */
    { "pairs16x48", ORDER_PAIRS, PAIR_LANES, PAIR_VECTORS *PAIR_LANES }, /* bf16 */
};

const struct order *order_at(int index)
{
    return index < COUNT(orders) ? &orders[index] : NULL;
}

const struct order *order_named(const char *name)
{
    for (int i = 0; i < COUNT(orders); i++)
        if (!strcmp(orders[i].name, name))
            return &orders[i];
    return NULL;
}

const char *order_name(const struct order *o)
{
    return o->name;
}

const struct order *order_here(enum dtype type, int pieces, bool memory_bound)
{
    const struct panel_kernel *kernel = memory_bound ? kernels.panel : kernels.packed_engine;
    enum order_kind kind = type == DTYPE_I8 && kernel->int8_rows ? ORDER_FOURS : ORDER_PANELS;
    bool rounds = kernels.pair_tile && packed_pieces() == 1 && type != DTYPE_I8;
    const struct order *found = NULL;

    if (type == DTYPE_I8 && pieces)
        return &orders[0];
    for (int i = 0; i < COUNT(orders); i++)
        if (rounds ? orders[i].kind == ORDER_PAIRS
                   : orders[i].kind == kind && orders[i].lanes == kernel->lanes &&
                         orders[i].columns == kernel->columns)
            found = &orders[i];
    assert(found);
    return found;
}

bool order_holds(const struct order *o, enum dtype type, int pieces)
{
    if (o->kind == ORDER_PAIRS)
        return type == DTYPE_BF16;
    if (o->kind == ORDER_PANELS)
        return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16 ||
               (type == DTYPE_I8 && !pieces);
    return type == DTYPE_I8 && (o->kind == ORDER_BYTES) == (pieces > 0);
}

long order_depth(const struct order *o, long inputs)
{
    return o->kind == ORDER_PANELS  ? inputs
           : o->kind == ORDER_PAIRS ? round_up(inputs, PAIR_STEP)
                                    : round_up(inputs, BYTE_STEP);
}

size_t order_element(const struct order *o, enum dtype type)
{
    return o->kind == ORDER_PAIRS ? sizeof(uint16_t) : dtype_size(type);
}

size_t order_size(const struct order *o, enum dtype type, long rows, long inputs)
{
    size_t count = (size_t)round_up(rows, o->lanes) * (size_t)order_depth(o, inputs);

    return (count * order_element(o, type) + ORDER_ALIGN - 1) / ORDER_ALIGN * ORDER_ALIGN;
}

/* --- from rows --- */

struct filling {
    const struct order *order;
    enum dtype type;
    struct panels cut;
    char *to;
    const char *from;
    long inputs, depth;
};

/* Columns one by one, in blocks whose lines stay in the first cache. */
static inline void fill(char *to, const char *from, int columns, long stride, long depth,
                        size_t size)
{
    for (long start = 0; start < depth; start += BLOCK)
        for (int j = 0; j < columns; j++) {
            const char *x = from + (size_t)(j * depth) * size;

            for (long k = start; k < depth && k < start + BLOCK; k++)
                memcpy(to + (size_t)(k * stride + j) * size, x + (size_t)k * size, size);
        }
}

static void fill_panel(const struct filling *f, char *to, const char *from, int columns)
{
    const struct panel_kernel *kernel = kernels.panel;
    long stride = round_up(columns, f->order->lanes), depth = f->inputs;
    bool ours = kernel->lanes == f->order->lanes && stride <= kernel->columns;
    size_t size = dtype_size(f->type);

    if (columns < stride)
        memset(to, 0, (size_t)(stride * depth) * size);
    if (ours && f->type == DTYPE_F32)
        kernel->transpose((float *)(void *)to, columns, (const void *)from, depth, depth, 1);
    else if (ours && size == 2 && kernel->transpose_half)
        kernel->transpose_half((uint16_t *)(void *)to, columns, (const void *)from, depth, depth);
    else if (size == 4)
        fill(to, from, columns, stride, depth, 4);
    else if (size == 2)
        fill(to, from, columns, stride, depth, 2);
    else
        fill(to, from, columns, stride, depth, 1);
}

/* Where number k of a panel's column j lies, in FOURS and BYTES. */
static inline long four_at(const struct order *o, long depth, int j, long k)
{
    return j / o->lanes * o->lanes * depth + (k / BYTE_STEP * o->lanes + j % o->lanes) * BYTE_STEP +
           k % BYTE_STEP;
}

static void fill_fours(const struct filling *f, uint8_t *to, const uint8_t *from, int columns)
{
    uint8_t more = f->order->kind == ORDER_FOURS ? INT8_OFFSET : 0;
    uint32_t mask = more * 0x01010101U, four; /* to add 128 is to turn the highest bit */
    long whole = f->inputs / BYTE_STEP * BYTE_STEP;

    memset(to, more, (size_t)(f->depth * round_up(columns, f->order->lanes)));
    for (long start = 0; start < whole; start += BLOCK)
        for (int j = 0; j < columns; j++)
            for (long k = start; k < whole && k < start + BLOCK; k += BYTE_STEP) {
                memcpy(&four, from + j * f->inputs + k, sizeof four);
                four ^= mask;
                memcpy(to + four_at(f->order, f->depth, j, k), &four, sizeof four);
            }
    for (int j = 0; j < columns; j++)
        for (long k = whole; k < f->inputs; k++)
            to[four_at(f->order, f->depth, j, k)] = (uint8_t)(from[j * f->inputs + k] ^ more);
}

/* Rows one by one, rounded where they are longer. */
static void fill_pairs(const struct filling *f, uint16_t *to, const char *from, int columns)
{
    enum { SOME = 256 };
    long stride = round_up(columns, f->order->lanes) * PAIR_STEP;
    size_t size = dtype_size(f->type);
    uint16_t rounded[SOME];
    float wide[SOME];

    memset(to, 0, (size_t)(f->depth / PAIR_STEP * stride) * sizeof *to);
    for (int j = 0; j < columns; j++)
        for (long k = 0; k < f->inputs; k += SOME) {
            long some = f->inputs - k < SOME ? f->inputs - k : SOME;
            const char *x = from + (size_t)(j * f->inputs + k) * size;

            if (f->type == DTYPE_BF16) {
                memcpy(rounded, x, (size_t)some * size);
            } else {
                kernels.widen(wide, x, f->type, some);
                kernels.narrow(rounded, wide, DTYPE_BF16, some);
            }
            for (long i = 0; i < some; i++)
                to[(k + i) / PAIR_STEP * stride + j * PAIR_STEP + (k + i) % PAIR_STEP] = rounded[i];
        }
}

static void fill_one(void *argument, long i, int worker)
{
    const struct filling *f = argument;
    long first = panel_first(&f->cut, i);
    int columns = panel_columns(&f->cut, i);
    char *to = f->to + (size_t)(first * f->depth) * order_element(f->order, f->type);
    const char *from = f->from + (size_t)(first * f->inputs) * dtype_size(f->type);

    (void)worker;
    if (f->order->kind == ORDER_PANELS)
        fill_panel(f, to, from, columns);
    else if (f->order->kind == ORDER_PAIRS)
        fill_pairs(f, (uint16_t *)(void *)to, from, columns);
    else
        fill_fours(f, (uint8_t *)to, (const uint8_t *)from, columns);
}

void order_fill(const struct order *o, enum dtype type, void *to, const void *from, long rows,
                long inputs)
{
    struct filling f = { .order = o,
                         .type = type,
                         .cut = panels_cut(o->lanes, o->columns, rows),
                         .to = to,
                         .from = from,
                         .inputs = inputs,
                         .depth = order_depth(o, inputs) };
    size_t used = (size_t)(f.cut.vectors * o->lanes * f.depth) * order_element(o, type);

    memset(f.to + used, 0, order_size(o, type, rows, inputs) - used);
    pool_run(fill_one, &f, f.cut.count);
}

/* --- and back --- */

void order_read(const struct ordered *m, long row, long first, long count, void *to)
{
    const struct order *o = m->order;
    struct panels cut = panels_cut(o->lanes, o->columns, m->rows);
    long depth = order_depth(o, m->inputs), at = row / o->lanes * cut.count / cut.vectors, stride;
    size_t size = dtype_size(m->type);
    const char *panel;

    assert(row < m->rows && first + count <= m->inputs);
    while (at + 1 < cut.count && panel_first(&cut, at + 1) <= row)
        at++;
    stride = round_up(panel_columns(&cut, at), o->lanes);
    panel = (const char *)m->data + (size_t)(panel_first(&cut, at) * depth) * size;
    row -= panel_first(&cut, at);
    if (o->kind == ORDER_PANELS) {
        for (long k = 0; k < count; k++)
            memcpy((char *)to + (size_t)k * size,
                   panel + (size_t)((first + k) * stride + row) * size, size);
        return;
    }
    for (long k = 0; k < count && o->kind == ORDER_PAIRS; k++)
        memcpy((char *)to + (size_t)k * size,
               panel + (size_t)((first + k) / PAIR_STEP * stride * PAIR_STEP + row * PAIR_STEP +
                                (first + k) % PAIR_STEP) *
                           size,
               size);
    for (long k = 0; k < count && o->kind != ORDER_PAIRS; k++)
        ((uint8_t *)to)[k] =
            (uint8_t)(((const uint8_t *)panel)[four_at(o, depth, (int)row, first + k)] -
                      (o->kind == ORDER_FOURS ? INT8_OFFSET : 0));
}
