/* SPDX-License-Identifier: MIT
 * attention.c - softmax(scale q k^T + bias + mask) v over many sequences
 *
 *     q: [query rows, heads * head_width]    k, v: [key rows, heads * head_width]    y: as q
 *     bias: [distances, heads]
 *
 * Which rows make a sequence, and which sequence sees which, is said by spans; the kernel does the
 * sums both ways and keeps nothing but its inputs.
 */
#include <assert.h>
#include "base/number.h"
#include "op/op.h"

static void backward(const struct node *n)
{
    const struct attention *a = n->saved;

    attention_backward(a, n->out->grad, n->in[0]->grad, n->in[1]->grad, n->in[2]->grad,
                       n->in[3] ? n->in[3]->grad : NULL);
}

static const struct op op_attention = { .name = "attention", .backward = backward };

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

/* What a caller got wrong ends the program here, before a kernel reads beyond its rows. */
static void check(const struct attention_plan *plan, const struct tensor *q, const struct tensor *k,
                  const struct tensor *v)
{
    const struct spans *queries = plan->queries, *keys = plan->keys;

    assert(width(q) % plan->heads == 0 && rows(q) == queries->start[queries->count]);
    assert(plan->packed || (width(q) == width(k) && width(q) == width(v) && rows(k) == rows(v)));
    assert(plan->packed || keys->length || rows(k) == keys->start[keys->count]);
    assert(!plan->packed || !wants(q)); /* backward needs the plain ones */
    assert(plan->key_of || queries->count == keys->count);
    for (int i = 0; plan->key_of && i < queries->count; i++)
        assert(plan->key_of[i] >= 0 && plan->key_of[i] < keys->count);
}

/* The bias has a row for every distance that there is. */
static void check_bias(const struct attention_plan *plan, const struct attention *a)
{
    assert(plan->bias->type == DTYPE_F32 && width(plan->bias) == plan->heads &&
           plan->bias->stride == plan->heads);
    for (int i = 0; i < a->sequences; i++) {
        int keys = a->key_count[a->key_of ? a->key_of[i] : i];
        int queries = a->query_start[i + 1] - a->query_start[i];

        assert(plan->bias_zero >= keys - 1 && plan->bias_zero + queries <= rows(plan->bias));
    }
}

/* What the plan says of keys; k and v may be NULL where they are packed. */
static struct attention sums_of(struct tape *t, const struct attention_plan *plan, long columns,
                                const struct tensor *k, const struct tensor *v)
{
    return (struct attention){
        .k = k ? k->data : NULL,
        .v = v ? v->data : NULL,
        .k_stride = k ? k->stride : 0,
        .v_stride = v ? v->stride : 0,
        .heads = plan->heads,
        .head_width = (int)(columns / plan->heads),
        .key_start = plan->keys->start,
        .key_count = lengths(t, plan->keys),
        .scale = plan->scale,
    };
}

/* For keys that many queries look at: packed once, to be freed by packed_keys_free(). */
struct packed_keys *attention_keys(struct tape *t, const struct attention_plan *plan,
                                   const struct tensor *k, const struct tensor *v)
{
    struct attention a = sums_of(t, plan, width(k), k, v);

    assert(width(k) == width(v) && rows(k) == rows(v) && width(k) % plan->heads == 0);
    assert(!wants(k) && !wants(v));
    return attention_pack(&a, plan->keys->count);
}

/* With packed keys nothing is remembered: they are for passes without gradients. */
struct tensor *attention(struct tape *t, const struct attention_plan *plan, struct tensor *q,
                         struct tensor *k, struct tensor *v)
{
    struct tensor *y = tensor_like(t, q);
    struct attention *a = tape_alloc(t, sizeof *a);

    check(plan, q, k, v);
    *a = sums_of(t, plan, width(q), k, v);
    a->q = q->data;
    a->q_stride = q->stride;
    a->out = y->data;
    a->out_stride = y->stride;
    a->sequences = plan->queries->count;
    a->query_start = plan->queries->start;
    a->key_of = plan->key_of;
    a->causal = plan->causal;
    a->packed = plan->packed;
    if (plan->bias) {
        check_bias(plan, a);
        a->bias = plan->bias->data;
        a->bias_zero = plan->bias_zero;
    }
    a->wide = plan->wide;
    attention_forward(a);
    return plan->packed ? y : REMEMBER(t, &op_attention, y, a, q, k, v, plan->bias);
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
