/* SPDX-License-Identifier: MIT
 * blend.c - weighted sums of rows                table: [n, d]   y: [count, d]
 *
 *     y[i] = sum over k of weight[k] table[index[k]]      k = start[i] .. start[i + 1]
 *     dtable[index[k]] += weight[k] dy[i]
 *
 * Weights are numbers that nothing learns.  Gradients are summed in the order of y's rows.
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *table, *y;
    const float *numbers; /* the table's */
    struct blend blend;
};

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    const struct blend *b = &p->blend;
    long wide = width(p->y);

    for (long i = first; i < last; i++) {
        float *y = row_of(p->y, i);

        memset(y, 0, (size_t)wide * sizeof *y);
        for (int k = b->start[i]; k < b->start[i + 1]; k++)
            kernels.add_scaled(y, p->numbers + b->index[k] * p->table->stride, b->weight[k], wide);
    }
}

static void backward_columns(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    const struct blend *b = &p->blend;

    for (long i = 0; i < rows(p->y); i++)
        for (int k = b->start[i]; k < b->start[i + 1]; k++)
            kernels.add_scaled(grad_of(p->table, b->index[k]) + first, grad_of(p->y, i) + first,
                               b->weight[k], last - first);
}

static void backward(const struct node *n)
{
    const struct pass *p = n->saved;

    over_columns(backward_columns, p, rows(p->y), width(p->y));
}

static const struct op op_blend = { .name = "blend", .backward = backward };

struct tensor *blend(struct tape *t, struct tensor *table, const struct blend *b, long count)
{
    struct tensor *y = tensor_make(t, count, width(table));
    struct pass *p = tape_alloc(t, sizeof *p);

    *p = (struct pass){ table, y, tensor_floats(t, table), *b };
    for (int k = 0; k < b->start[count]; k++)
        assert(b->index[k] >= 0 && b->index[k] < rows(table));
    over_rows(forward_rows, p, count, width(table));
    return REMEMBER(t, &op_blend, y, p, table);
}
