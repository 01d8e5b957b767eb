/* SPDX-License-Identifier: MIT
 * block.c - one pre-norm transformer layer, and its pieces
 *
 *     x = x + out(attend(qkv(norm1(x))))
 *     x = x + fc2(activation(fc1(norm2(x))))
 *
 * Of a tower that ends in one token, the last layer needs that token's row alone: its query, its
 * output and its feed-forward; only keys and values see all rows.  The result is the same.
 */
#include <assert.h>
#include <math.h>
#include "nn/nn.h"

void norm_params(struct norm *n, struct params *p, long width)
{
    param(p, &n->gain, INIT_VALUE(1), "weight", width);
    param(p, &n->shift, INIT_VALUE(0), "bias", width);
}

struct tensor *norm_forward(struct tape *t, const struct norm *n, struct tensor *x)
{
    return layernorm(t, x, n->gain, n->shift, n->eps);
}

struct linear_initial linear_normal(float deviation)
{
    return (struct linear_initial){ INIT_NORMAL(deviation), INIT_VALUE(0), false };
}

struct linear_initial linear_uniform(long inputs)
{
    struct initial i = INIT_UNIFORM(1 / sqrtf((float)inputs));

    return (struct linear_initial){ i, i, false };
}

struct linear_initial without_bias(struct linear_initial i)
{
    i.no_bias = true;
    return i;
}

struct block_initial block_normal(float deviation)
{
    struct linear_initial i = linear_normal(deviation);

    return (struct block_initial){ i, i, i, i };
}

void linear_params(struct linear *l, struct params *p, const char *name, long out, long in,
                   struct linear_initial initial)
{
    int part = l->parts++;

    assert(part < PACK_PARTS);
    params_in(p, "%s", name);
    param(p, &l->weight[part], initial.weight, "weight", out, in);
    params_multiplies(p, l->memory_bound);
    if (!initial.no_bias)
        param(p, &l->bias[part], initial.bias, "bias", out);
    params_out(p);
}

void block_params(struct block *b, struct params *p, long width, long mlp,
                  const struct block_initial *initial)
{
    params_in(p, "norm1");
    norm_params(&b->norm1, p, width);
    params_out(p);
    params_in(p, "attention");
    linear_params(&b->qkv, p, "query", width, width, initial->qkv);
    linear_params(&b->qkv, p, "key", width, width, initial->qkv);
    if (b->no_key_bias)
        params_optional(p);
    linear_params(&b->qkv, p, "value", width, width, initial->qkv);
    linear_params(&b->out, p, "out", width, width, initial->out);
    params_out(p);
    params_in(p, "norm2");
    norm_params(&b->norm2, p, width);
    params_out(p);
    params_in(p, "mlp");
    linear_params(&b->fc1, p, "fc1", mlp, width, initial->fc1);
    linear_params(&b->fc2, p, "fc2", width, mlp, initial->fc2);
    params_out(p);
}

static struct attention_plan plan(const struct block *b, long width, bool causal,
                                  const struct spans *queries, const struct spans *keys)
{
    return (struct attention_plan){
        .heads = b->heads,
        .scale = 1 / sqrtf((float)(width / b->heads)),
        .causal = causal,
        .wide = !causal,
        .queries = queries,
        .keys = keys,
    };
}

static struct tensor *attend(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal)
{
    long wide = width(x);
    struct tensor *h = norm_forward(t, &b->norm1, x);
    struct attention_plan all = plan(b, wide, causal, spans, spans);

    h = linear(t, &b->qkv, h, ACTIVATION_NONE);
    h = attention(t, &all, tensor_columns(t, h, 0, wide), tensor_columns(t, h, wide, wide),
                  tensor_columns(t, h, 2 * wide, wide));
    return linear_onto_dropping(t, &b->out, x, h, spans, t->drop_path * b->drops);
}

/* How many of the picked rows each sequence has. */
static const struct spans *picked_spans(struct tape *t, const struct spans *spans,
                                        const struct pick *pick)
{
    int *lengths = tape_alloc(t, (size_t)spans->count * sizeof *lengths);
    int at = 0;

    for (int i = 0; i < spans->count; i++) {
        int first = at;

        while (at < pick->count && pick->index[at] < spans->start[i + 1])
            at++;
        lengths[i] = at - first;
    }
    assert(at == pick->count);
    return spans_of(t, spans->count, lengths);
}

/* Query from the rest: the tensors are those of qkv, only packed apart. */
static void split(struct block *b)
{
    b->query.weight[0] = b->qkv.weight[0];
    b->query.bias[0] = b->qkv.bias[0];
    b->query.parts = 1;
    for (int i = 0; i < 2; i++) {
        b->key_value.weight[i] = b->qkv.weight[i + 1];
        b->key_value.bias[i] = b->qkv.bias[i + 1];
    }
    b->key_value.parts = 2;
}

/* onto: the picked rows of x, which are in each sequence as many as some->queries says */
static struct tensor *attend_picked(struct tape *t, struct block *b, struct tensor *x,
                                    struct tensor *onto, const struct attention_plan *some,
                                    const struct pick *pick)
{
    long wide = width(x);
    struct tensor *h = norm_forward(t, &b->norm1, x), *q;

    split(b);
    q = linear(t, &b->query, take_rows(t, h, pick->index, pick->count), ACTIVATION_NONE);
    h = linear(t, &b->key_value, h, ACTIVATION_NONE);
    h = attention(t, some, q, tensor_columns(t, h, 0, wide), tensor_columns(t, h, wide, wide));
    return linear_onto_dropping(t, &b->out, onto, h, some->queries, t->drop_path * b->drops);
}

struct tensor *block_forward(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal, const struct pick *pick)
{
    struct tensor *onto = pick ? take_rows(t, x, pick->index, pick->count) : x, *h;
    const struct spans *left = pick ? picked_spans(t, spans, pick) : spans;
    struct attention_plan some = plan(b, width(x), causal, left, spans);
    struct tape_mark start = tape_mark(t);

    if (pick)
        x = attend_picked(t, b, x, onto, &some, pick);
    else
        x = attend(t, b, x, spans, causal);
    tape_drop(t, start);
    start = tape_mark(t);
    h = norm_forward(t, &b->norm2, x);
    h = linear(t, &b->fc1, h, b->activation);
    x = linear_onto_dropping(t, &b->fc2, x, h, left, t->drop_path * b->drops);
    tape_drop(t, start);
    return x;
}

void block_close(struct block *b)
{
    linear_close(&b->qkv);
    linear_close(&b->query);
    linear_close(&b->key_value);
    linear_close(&b->out);
    linear_close(&b->fc1);
    linear_close(&b->fc2);
}
