/* SPDX-License-Identifier: MIT
 * max.c - the largest of every `each` rows, column by column
 *
 *     y[i, j] = max over k of x[i each + k, j]        x: [n each, m]   y: [n, m]; transposed: [m,
 * n]
 *
 *     dx[the first of the largest] += dy
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x;
    int each;
    bool transposed;
    int *chosen; /* [n, m]: k */
};

static long place(const struct pass *p, const struct tensor *y, long i, long j)
{
    return p->transposed ? j * y->stride + i : i * y->stride + j;
}

static void backward(const struct node *n)
{
    const struct pass *p = n->saved;
    long groups = rows(p->x) / p->each, m = width(p->x);

    for (long i = 0; i < groups; i++)
        for (long j = 0; j < m; j++)
            grad_of(p->x, i * p->each + p->chosen[i * m + j])[j] +=
                n->out->grad[place(p, n->out, i, j)];
}

static const struct op op_max_rows = { .name = "max_rows", .backward = backward };

/* Of equal rows the first wins, in PyTorch too: its gradient goes there. */
struct tensor *max_rows(struct tape *t, struct tensor *x, int each, bool transposed)
{
    long m = width(x), groups = rows(x) / each;
    struct tensor *y = transposed ? tensor_make(t, m, groups) : tensor_make(t, groups, m);
    struct pass *p = tape_alloc(t, sizeof *p);

    assert(each > 0 && rows(x) % each == 0);
    *p = (struct pass){ x, each, transposed, tape_alloc(t, (size_t)(groups * m) * sizeof(int)) };
    for (long i = 0; i < groups; i++)
        for (long j = 0; j < m; j++) {
            int best = 0;

            for (int k = 1; k < each; k++)
                if (row_of(x, i * each + k)[j] > row_of(x, i * each + best)[j])
                    best = k;
            p->chosen[i * m + j] = best;
            y->data[place(p, y, i, j)] = row_of(x, i * each + best)[j];
        }
    return REMEMBER(t, &op_max_rows, y, p, x);
}
