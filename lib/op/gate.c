/* SPDX-License-Identifier: MIT
 * gate.c - y = act(a) b for x = [a b] side by side        x: [.., 2 d]  y: [.., d]
 *
 *     da += dy b act'(a)        db += dy act(a)
 */
#include <assert.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    enum activation act;
    float *room; /* backward: [rows, d] */
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->y);

    for (long i = first; i < last; i++) {
        const float *a = row_of(p->x, i), *b = a + d, *dy = grad_of(p->y, i);
        float *da = grad_of(p->x, i), *db = da + d, *room = p->room + i * d;

        kernels.activate(room, a, d, p->act);
        for (long j = 0; j < d; j++) {
            db[j] += dy[j] * room[j];
            room[j] = dy[j] * b[j];
        }
        kernels.activate_backward(da, room, a, d, p->act);
    }
}

static void backward(const struct node *n)
{
    struct pass p = *(const struct pass *)n->saved;

    p.room = tape_floats(n->tape, tensor_count(p.y));
    over_rows(backward_rows, &p, rows(p.y), width(p.x));
}

static const struct op op_gate = { .name = "gate", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long d = width(p->y);

    for (long i = first; i < last; i++) {
        const float *b = row_of(p->x, i) + d;
        float *y = row_of(p->y, i);

        kernels.activate(y, row_of(p->x, i), d, p->act);
        for (long j = 0; j < d; j++)
            y[j] *= b[j];
    }
}

struct tensor *gate(struct tape *t, struct tensor *x, enum activation act)
{
    struct tensor *y = tensor_widened(t, x, width(x) / 2);
    struct pass *p = tape_alloc(t, sizeof *p);

    assert(width(x) % 2 == 0);
    *p = (struct pass){ .x = x, .y = y, .act = act };
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_gate, y, p, x);
}
