/* SPDX-License-Identifier: MIT
 * hyperbolic.c - y = tanh x, element by element      dx += dy (1 - y^2)
 *
 * For poolers, which see one row a text: a plain loop does.
 */
#include <math.h>
#include "op/op.h"
#include "op/rows.h"

static void backward(const struct node *n)
{
    const struct tensor *x = n->in[0], *y = n->out;

    for (long i = 0; i < rows(y); i++)
        for (long k = 0; k < width(y); k++)
            grad_of(x, i)[k] += grad_of(y, i)[k] * (1 - row_of(y, i)[k] * row_of(y, i)[k]);
}

static const struct op op_hyperbolic = { .name = "hyperbolic", .backward = backward };

struct tensor *hyperbolic(struct tape *t, struct tensor *x)
{
    struct tensor *y = tensor_like(t, x);

    for (long i = 0; i < rows(x); i++)
        for (long k = 0; k < width(x); k++)
            row_of(y, i)[k] = tanhf(row_of(x, i)[k]);
    return REMEMBER(t, &op_hyperbolic, y, NULL, x);
}
