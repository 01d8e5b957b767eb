/* SPDX-License-Identifier: MIT
 * rotary.c - rotary positions: neighbouring numbers are a pair, which turns by its row's angle
 *
 *     [a b] -> [a cos - b sin, b cos + a sin]        backward turns the gradient back
 *
 * Source: arXiv 2104.09864, section 3.2; in two dimensions as timm's layers/pos_embed_sincos.py.
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct rotary *r;
    const struct tensor *x, *y;
};

/* to += from, turned by the angles of a row; sign -1 turns back */
static void turn(const struct rotary *r, long row, float *to, const float *from, long count,
                 float sign)
{
    long at = row % r->tokens - r->skipped, half = r->head / 2;

    for (long i = 0; i < count; i += 2) {
        float s = 0, c = 1;

        if (at >= 0) {
            s = sign * r->sine[at * half + i / 2 % half];
            c = r->cosine[at * half + i / 2 % half];
        }
        to[i] += from[i] * c - from[i + 1] * s;
        to[i + 1] += from[i + 1] * c + from[i] * s;
    }
}

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++) {
        memset(row_of(p->y, i), 0, (size_t)width(p->y) * sizeof(float));
        turn(p->r, i, row_of(p->y, i), row_of(p->x, i), width(p->y), 1);
    }
}

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        turn(p->r, i, grad_of(p->x, i), grad_of(p->y, i), width(p->y), -1);
}

static void backward(const struct node *n)
{
    struct pass p = { n->saved, n->in[0], n->out };

    over_rows(backward_rows, &p, rows(p.y), 2 * width(p.y));
}

static const struct op op_rotary = { .name = "rotate", .backward = backward };

struct tensor *rotate(struct tape *t, const struct rotary *r, struct tensor *x)
{
    struct tensor *y = tensor_like(t, x);
    struct pass p = { r, x, y };

    assert(r->head % 2 == 0 && width(x) % r->head == 0 && rows(x) % r->tokens == 0);
    over_rows(forward_rows, &p, rows(x), 2 * width(x));
    return REMEMBER(t, &op_rotary, y, (void *)(uintptr_t)r, x);
}
