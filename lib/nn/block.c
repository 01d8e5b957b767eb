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

/* A norm begins as one that only norms: gain 1, shift 0, as PyTorch's LayerNorm. */
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

/* PyTorch's Linear as it comes: weights and biases even within +- 1 / sqrt(inputs), which
 * kaiming_uniform_(a = sqrt(5)) amounts to. */
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

/* Declares NAME.weight [out, in] and NAME.bias [out] as one more part of `l`: parts are computed as
 * one product, their columns side by side, as query, key and value are. */
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
    struct linear_initial qkv = b->no_qkv_bias ? without_bias(initial->qkv) : initial->qkv;

    params_in(p, "norm1");
    norm_params(&b->norm1, p, width);
    params_out(p);
    params_in(p, "attention");
    linear_params(&b->qkv, p, "query", width, width, qkv);
    linear_params(&b->qkv, p, "key", width, width, qkv);
    if (b->no_key_bias)
        params_optional(p);
    linear_params(&b->qkv, p, "value", width, width, qkv);
    if (b->has_inner) {
        params_in(p, "norm");
        norm_params(&b->inner, p, width);
        params_out(p);
    }
    linear_params(&b->out, p, "out", width, width, initial->out);
    params_out(p);
    if (b->scaled)
        param(p, &b->scale1, INIT_VALUE(1e-5f), "scale1", width);
    params_in(p, "norm2");
    norm_params(&b->norm2, p, width);
    params_out(p);
    params_in(p, "mlp");
    if (b->twice) {
        params_in(p, "again");
        norm_params(&b->again, p, width);
        params_out(p);
    }
    if (b->gated)
        linear_params(&b->fc1, p, "gate", mlp, width, initial->fc1);
    linear_params(&b->fc1, p, "fc1", mlp, width, initial->fc1);
    if (b->has_inner) {
        params_in(p, "norm");
        norm_params(&b->mlp_norm, p, mlp);
        params_out(p);
    }
    linear_params(&b->fc2, p, "fc2", width, mlp, initial->fc2);
    params_out(p);
    if (b->scaled)
        param(p, &b->scale2, INIT_VALUE(1e-5f), "scale2", width);
}

/* softmax(q k / sqrt(width of a head)) v, within each sequence.  Images have long rows and no mask:
 * `wide` lets the kernel take many queries at once. */
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

/* x + h; written over x where nothing is remembered, as linear_onto() does */
static struct tensor *add_onto(struct tape *t, struct tensor *x, struct tensor *h)
{
    if (wants(x) || wants(h))
        return add(t, x, h);
    for (long i = 0; i < rows(x); i++)
        kernels.add(x->data + i * x->stride, x->data + i * x->stride, h->data + i * h->stride,
                    width(x));
    return x;
}

/* x + (h W^T + b), with a norm behind it or LayerScale where the layer has them */
static struct tensor *onto(struct tape *t, struct block *b, bool second, struct tensor *x,
                           struct tensor *h, const struct spans *spans)
{
    struct linear *l = second ? &b->fc2 : &b->out;
    float rate = t->drop_path * b->drops;

    if (!b->after && !b->scaled)
        return linear_onto_dropping(t, l, x, h, spans, rate);
    h = linear(t, l, h, ACTIVATION_NONE);
    if (b->after)
        h = norm_forward(t, second ? &b->norm2 : &b->norm1, h);
    if (b->scaled)
        h = factors(t, h, second ? b->scale2 : b->scale1);
    return add_onto(t, x, drop_sequences(t, h, spans, rate));
}

/* Rotary positions (RoFormer, section 3.2), where the tower has them instead of added ones. */
static struct tensor *turned(struct tape *t, const struct block *b, struct tensor *x)
{
    return b->rotary ? rotate(t, b->rotary, x) : x;
}

/* x: [rows of all sequences, width].  qkv holds query, key and value side by side: [rows, 3 width],
 * of which attention() takes the columns without copying. */
static struct tensor *attend(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal)
{
    long wide = width(x);
    struct tensor *h = b->after ? x : norm_forward(t, &b->norm1, x);
    struct attention_plan all = plan(b, wide, causal, spans, spans);

    h = linear(t, &b->qkv, h, ACTIVATION_NONE);
    h = attention(t, &all, turned(t, b, tensor_columns(t, h, 0, wide)),
                  turned(t, b, tensor_columns(t, h, wide, wide)),
                  tensor_columns(t, h, 2 * wide, wide));
    if (b->has_inner)
        h = norm_forward(t, &b->inner, h);
    return onto(t, b, false, x, h, spans);
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

/* picked: the picked rows of x, which do not turn, and are in each sequence as many as
 * some->queries says */
static struct tensor *attend_picked(struct tape *t, struct block *b, struct tensor *x,
                                    struct tensor *picked, const struct attention_plan *some,
                                    const struct pick *pick)
{
    long wide = width(x);
    struct tensor *h = b->after ? x : norm_forward(t, &b->norm1, x), *q;

    split(b);
    q = linear(t, &b->query, take_rows(t, h, pick->index, pick->count), ACTIVATION_NONE);
    h = linear(t, &b->key_value, h, ACTIVATION_NONE);
    h = attention(t, some, q, turned(t, b, tensor_columns(t, h, 0, wide)),
                  tensor_columns(t, h, wide, wide));
    if (b->has_inner)
        h = norm_forward(t, &b->inner, h);
    return onto(t, b, false, picked, h, some->queries);
}

/* A gated layer computes its gate and its values as one product, [rows, 2 mlp], and halves it. */
static struct tensor *feed_forward(struct tape *t, struct block *b, struct tensor *x,
                                   const struct spans *spans)
{
    struct tensor *h = b->after ? x : norm_forward(t, &b->norm2, x);

    if (b->twice)
        h = norm_forward(t, &b->again, h);
    if (b->gated)
        h = gate(t, linear(t, &b->fc1, h, ACTIVATION_NONE), b->activation);
    else
        h = linear(t, &b->fc1, h, b->activation);
    if (b->has_inner)
        h = norm_forward(t, &b->mlp_norm, h);
    return onto(t, b, true, x, h, spans);
}

/* pick: the rows that the layers behind need; NULL: all.  What each half computed on the way is
 * given back before the next begins, unless a gradient will want it: tape_drop() knows. */
struct tensor *block_forward(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal, const struct pick *pick)
{
    struct tensor *picked = pick ? take_rows(t, x, pick->index, pick->count) : x;
    const struct spans *left = pick ? picked_spans(t, spans, pick) : spans;
    struct attention_plan some = plan(b, width(x), causal, left, spans);
    struct tape_mark start = tape_mark(t);

    if (pick)
        x = attend_picked(t, b, x, picked, &some, pick);
    else
        x = attend(t, b, x, spans, causal);
    tape_drop(t, start);
    start = tape_mark(t);
    x = feed_forward(t, b, x, left);
    tape_drop(t, start);
    return x;
}

struct tensor *block_seen(struct tape *t, struct block *b, struct tensor *seen,
                          const struct norm *norm)
{
    split(b);
    return linear(t, &b->key_value, norm_forward(t, norm ? norm : &b->norm1, seen),
                  ACTIVATION_NONE);
}

struct tensor *block_across(struct tape *t, struct block *b, struct tensor *x,
                            const struct across *a)
{
    long wide = width(x);
    struct attention_plan some = plan(b, wide, false, a->queries, a->keys);
    struct tensor *q;

    assert(!b->after && !b->has_inner && !b->rotary && !b->twice);
    some.key_of = a->key_of;
    split(b);
    q = linear(t, &b->query, norm_forward(t, &b->norm1, x), ACTIVATION_NONE);
    q = attention(t, &some, q, tensor_columns(t, a->key_value, 0, wide),
                  tensor_columns(t, a->key_value, wide, wide));
    return feed_forward(t, b, onto(t, b, false, x, q, a->queries), a->queries);
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
