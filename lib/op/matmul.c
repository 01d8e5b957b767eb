/* SPDX-License-Identifier: MIT
 * matmul.c - y = a b^T                a: [m, d]  b: [n, d]  y: [m, n]
 *
 *     da += dy b        db += dy^T a
 *
 * Where nothing is remembered every number is one dot product, so that it depends on its two rows
 * alone; while learning BLAS does it.
 */
#include <assert.h>
#include "base/number.h"
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *a, *b, *y;
};

static void backward(const struct node *n)
{
    const struct tensor *a = n->in[0], *b = n->in[1], *y = n->out;

    if (wants(a))
        gemm(false, false, rows(a), width(a), rows(b), 1, y->grad, y->stride, b->data, b->stride, 1,
             a->grad, a->stride);
    if (wants(b))
        gemm(true, false, rows(b), width(a), rows(a), 1, y->grad, y->stride, a->data, a->stride, 1,
             b->grad, b->stride);
}

static const struct op op_matmul = { .name = "matmul_transposed", .backward = backward };

static void dot_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        for (long j = 0; j < rows(p->b); j++)
            row_of(p->y, i)[j] = kernels.dot(row_of(p->a, i), row_of(p->b, j), width(p->a));
}

struct tensor *matmul_transposed(struct tape *t, struct tensor *a, struct tensor *b)
{
    struct tensor *y = tensor_make(t, rows(a), rows(b));
    struct pass p = { a, b, y };

    assert(width(a) == width(b) && a->type == DTYPE_F32 && b->type == DTYPE_F32);
    if (wants(a) || wants(b))
        gemm(false, true, rows(a), rows(b), width(a), 1, a->data, a->stride, b->data, b->stride, 0,
             y->data, y->stride);
    else
        over_rows(dot_rows, &p, rows(a), tensor_count(b));
    return REMEMBER(t, &op_matmul, y, NULL, a, b);
}
