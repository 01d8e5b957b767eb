/* SPDX-License-Identifier: MIT
 * embed.c - rows by index                table: [n, d]   y: [count, d]
 *
 *     y[i] = table[index[i]]        dtable[index[i]] += dy[i]
 *
 * An index may come more than once; its gradients are summed in the order of y's rows.
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *table, *y;
    const int *index;
};

static void backward_columns(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = 0; i < rows(p->y); i++) {
        float *row = grad_of(p->table, p->index[i]) + first;

        kernels.add(row, row, grad_of(p->y, i) + first, last - first);
    }
}

static void backward(const struct node *n)
{
    struct pass p = { n->in[0], n->out, n->saved };

    over_columns(backward_columns, &p, rows(p.y), width(p.y));
}

static const struct op op_embed = { .name = "embed", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    const struct tensor *table = p->table;

    for (long i = first; i < last; i++)
        tensor_read(table, p->index[i] * table->stride, width(table), row_of(p->y, i));
}

struct tensor *embed(struct tape *t, struct tensor *table, const int *ids, long count)
{
    struct tensor *y = tensor_make(t, count, width(table));
    int *index = tape_alloc(t, (size_t)count * sizeof *index);
    struct pass p = { table, y, index };

    for (long i = 0; i < count; i++)
        assert(ids[i] >= 0 && ids[i] < rows(table));
    if (count)
        memcpy(index, ids, (size_t)count * sizeof *index);
    over_rows(forward_rows, &p, count, width(table));
    return REMEMBER(t, &op_embed, y, index, table);
}

struct tensor *take_rows(struct tape *t, struct tensor *x, const int *index, long count)
{
    return embed(t, x, index, count);
}
