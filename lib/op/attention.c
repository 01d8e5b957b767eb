/* SPDX-License-Identifier: MIT
 * attention.c - softmax(scale q k^T + mask) v over many sequences
 *
 *     q: [query rows, heads * head_width]    k, v: [key rows, heads * head_width]    y: as q
 *
 * Which rows make a sequence, and which sequence sees which, is said by spans; the kernel does the
 * sums both ways and keeps nothing but its inputs.
 */
#include <assert.h>
#include "op/op.h"

static void backward(const struct node *n)
{
    const struct attention *a = n->saved;

    attention_backward(a, n->out->grad, n->in[0]->grad, n->in[1]->grad, n->in[2]->grad);
}

static const struct op op_attention = { "attention", backward };

static const int *lengths(struct tape *t, const struct spans *s)
{
    int *count;

    if (s->length)
        return s->length;
    count = tape_alloc(t, (size_t)s->count * sizeof *count);
    for (int i = 0; i < s->count; i++)
        count[i] = s->start[i + 1] - s->start[i];
    return count;
}

static void check(const struct attention_plan *plan, const struct tensor *q, const struct tensor *k,
                  const struct tensor *v)
{
    const struct spans *queries = plan->queries, *keys = plan->keys;

    assert(width(q) == width(k) && width(q) == width(v) && width(q) % plan->heads == 0);
    assert(rows(q) == queries->start[queries->count] && rows(k) == rows(v));
    assert(keys->length || rows(k) == keys->start[keys->count]);
    assert(plan->key_of || queries->count == keys->count);
    for (int i = 0; plan->key_of && i < queries->count; i++)
        assert(plan->key_of[i] >= 0 && plan->key_of[i] < keys->count);
}

struct tensor *attention(struct tape *t, const struct attention_plan *plan, struct tensor *q,
                         struct tensor *k, struct tensor *v)
{
    struct tensor *y = tensor_like(t, q);
    struct attention *a = tape_alloc(t, sizeof *a);

    check(plan, q, k, v);
    *a = (struct attention){
        .q = q->data,
        .k = k->data,
        .v = v->data,
        .q_stride = q->stride,
        .k_stride = k->stride,
        .v_stride = v->stride,
        .out = y->data,
        .out_stride = y->stride,
        .heads = plan->heads,
        .head_width = (int)(width(q) / plan->heads),
        .sequences = plan->queries->count,
        .query_start = plan->queries->start,
        .key_start = plan->keys->start,
        .key_count = lengths(t, plan->keys),
        .key_of = plan->key_of,
        .scale = plan->scale,
        .causal = plan->causal,
    };
    attention_forward(a);
    return REMEMBER(t, &op_attention, y, a, q, k, v);
}

const struct spans *spans_of(struct tape *t, int count, const int *lengths_of)
{
    struct spans *s = tape_alloc(t, sizeof *s);
    int *start = tape_alloc(t, ((size_t)count + 1) * sizeof *start);

    start[0] = 0;
    for (int i = 0; i < count; i++)
        start[i + 1] = start[i] + lengths_of[i];
    *s = (struct spans){ .count = count, .start = start };
    return s;
}

const struct spans *spans_even(struct tape *t, int count, int tokens)
{
    struct spans *s = tape_alloc(t, sizeof *s);
    int *start = tape_alloc(t, ((size_t)count + 1) * sizeof *start);

    for (int i = 0; i <= count; i++)
        start[i] = i * tokens;
    *s = (struct spans){ .count = count, .start = start };
    return s;
}
