/* SPDX-License-Identifier: MIT
 * dropout.c - numbers, or all rows of a sequence, left out by chance; what stays makes up for them
 *
 *     y = x kept / (1 - rate)        dx += dy kept / (1 - rate)
 *
 * Sources: Srivastava et al., "Dropout", JMLR 15 (2014); stochastic depth, arXiv 1603.09382.
 */
#include <assert.h>
#include "base/random.h"
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    const uint8_t *kept; /* [rows, width] or [rows], 1 or 0 */
    bool whole_rows;
    float factor;
};

enum { CHANCES = 1 << 16 }; /* a rate is so many parts of it */

static int parts_of(float rate)
{
    assert(rate >= 0 && rate < 1);
    return (int)(rate * CHANCES);
}

/* Four are drawn at once. */
static void draw(struct random *r, uint8_t *kept, long count, int dropped)
{
    uint64_t bits = 0;

    for (long i = 0; i < count; i++) {
        if (i % 4 == 0)
            bits = random_next(r);
        kept[i] = (int)(bits % CHANCES) >= dropped;
        bits /= CHANCES;
    }
}

static void apply(float *to, const float *from, const uint8_t *kept, const struct pass *p, bool add)
{
    long d = width(p->x);

    for (long j = 0; j < d; j++) {
        float x = kept[p->whole_rows ? 0 : j] ? from[j] * p->factor : 0;

        to[j] = add ? to[j] + x : x;
    }
}

static const uint8_t *kept_of(const struct pass *p, long row)
{
    return p->kept + (p->whole_rows ? row : row * width(p->x));
}

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        apply(row_of(p->y, i), row_of(p->x, i), kept_of(p, i), p, false);
}

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        apply(grad_of(p->x, i), grad_of(p->y, i), kept_of(p, i), p, true);
}

static void backward(const struct node *n)
{
    over_rows(backward_rows, n->saved, rows(n->out), width(n->out));
}

static const struct op op_dropout = { .name = "dropout", .backward = backward };

static struct tensor *keep(struct tape *t, struct tensor *x, const uint8_t *kept, bool whole_rows,
                           int dropped)
{
    struct tensor *y = tensor_like(t, x);
    struct pass *p = tape_alloc(t, sizeof *p);

    *p = (struct pass){ x, y, kept, whole_rows, CHANCES / (float)(CHANCES - dropped) };
    over_rows(forward_rows, p, rows(x), width(x));
    return REMEMBER(t, &op_dropout, y, p, x);
}

struct tensor *dropout(struct tape *t, struct tensor *x, float rate)
{
    int dropped = parts_of(rate);
    uint8_t *kept;

    if (!dropped || !wants(x))
        return x;
    kept = tape_alloc(t, (size_t)tensor_count(x));
    draw(&t->random, kept, tensor_count(x), dropped);
    return keep(t, x, kept, false, dropped);
}

struct tensor *drop_sequences(struct tape *t, struct tensor *x, const struct spans *spans,
                              float rate)
{
    int dropped = parts_of(rate);
    uint8_t *kept, *each;

    assert(rows(x) == spans->start[spans->count]);
    if (!dropped || !wants(x))
        return x;
    kept = tape_alloc(t, (size_t)rows(x));
    each = tape_alloc(t, (size_t)spans->count);
    draw(&t->random, each, spans->count, dropped);
    for (int i = 0; i < spans->count; i++)
        for (int k = spans->start[i]; k < spans->start[i + 1]; k++)
            kept[k] = each[i];
    return keep(t, x, kept, true, dropped);
}

struct tensor *linear_onto_dropping(struct tape *t, struct linear *l, struct tensor *x,
                                    struct tensor *h, const struct spans *spans, float rate)
{
    struct tensor *y;

    if (!(rate > 0) || !(wants(x) || wants(h) || linear_learns(l)))
        return linear_onto(t, l, x, h);
    y = linear(t, l, h, ACTIVATION_NONE);
    return add(t, x, spans ? drop_sequences(t, y, spans, rate) : dropout(t, y, rate));
}
