/* SPDX-License-Identifier: MIT
 * t5.c - T5, forward
 *
 *     for each layer:
 *         x = x + out(attend(qkv(norm(x))) with a bias by distance)      the decoder's causal
 *         x = x + cross_out(attend(query(norm(x)), key_value(states)))   the decoder's
 *         x = x + fc2(act(a) b), [a b] = fc1(norm(x))
 *     states = norm(x)      logits = head(norm(x))
 *
 * Norms are by root mean square; scores are not scaled; nothing has a bias but the distances, whose
 * table all layers of a stack share.  Source: huggingface/transformers models/t5/modeling_t5.py;
 * arXiv 1910.10683, 2002.05202.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "nn/t5.h"

/* The decoder writes word by word: its products have few rows, and are bound by the reading of
 * weights. */
static void stack_init(struct t5_stack *s, int layers, bool decodes)
{
    s->layers = xalloc((size_t)layers, sizeof *s->layers);
    s->count = layers;
    s->decodes = decodes;
    for (int i = 0; i < layers; i++) {
        s->layers[i].qkv.memory_bound = s->layers[i].out.memory_bound =
            s->layers[i].cross_query.memory_bound = decodes;
        s->layers[i].cross_out.memory_bound = s->layers[i].fc1.memory_bound =
            s->layers[i].fc2.memory_bound = decodes;
    }
}

void t5_init(struct t5 *m, const struct t5_config *config)
{
    *m = (struct t5){ .config = *config };
    stack_init(&m->encoder, config->layers, false);
    if (config->decoder_layers)
        stack_init(&m->decoder, config->decoder_layers, true);
    m->head.memory_bound = true;
}

static const float deviation = 0.02f; /* of a new model's numbers */

/* T5's norms have a gain and no shift (arXiv 1910.07467). */
static void gain(struct params *p, struct tensor **slot, const char *name, long width)
{
    params_in(p, "%s", name);
    param(p, slot, INIT_VALUE(1), "weight", width);
    params_out(p);
}

static void attention_params(struct t5 *m, struct linear *query, struct linear *key_value,
                             struct linear *out, struct params *p)
{
    long width = m->config.width, inner = m->config.heads * m->config.head_width;
    struct linear_initial plain = without_bias(linear_normal(deviation));

    linear_params(query, p, "query", inner, width, plain);
    linear_params(key_value, p, "key", inner, width, plain);
    linear_params(key_value, p, "value", inner, width, plain);
    linear_params(out, p, "out", width, inner, plain);
}

/* No biases anywhere. fc1 and the gate are one product of two parts. */
static void layer_params(struct t5 *m, const struct t5_stack *s, struct t5_layer *l,
                         struct params *p)
{
    const struct t5_config *c = &m->config;
    struct linear_initial plain = without_bias(linear_normal(deviation));

    params_in(p, "self");
    attention_params(m, &l->qkv, &l->qkv, &l->out, p);
    gain(p, &l->norm, "norm", c->width);
    params_out(p);
    if (s->decodes) {
        params_in(p, "cross");
        attention_params(m, &l->cross_query, &l->cross_key_value, &l->cross_out, p);
        gain(p, &l->cross_norm, "norm", c->width);
        params_out(p);
    }
    params_in(p, "mlp");
    linear_params(&l->fc1, p, "fc1", c->mlp, c->width, plain);
    linear_params(&l->fc1, p, "gate", c->mlp, c->width, plain);
    linear_params(&l->fc2, p, "fc2", c->width, c->mlp, plain);
    gain(p, &l->mlp_norm, "norm", c->width);
    params_out(p);
}

static void stack_params(struct t5 *m, struct t5_stack *s, struct params *p)
{
    param(p, &s->bias, INIT_NORMAL(deviation), "bias", m->config.buckets, m->config.heads);
    for (int i = 0; i < s->count; i++) {
        params_in(p, "layer.%d", i);
        layer_params(m, s, &s->layers[i], p);
        params_out(p);
    }
    gain(p, &s->norm, "norm", m->config.width);
}

void t5_params(struct t5 *m, struct params *p)
{
    const struct t5_config *c = &m->config;
    struct linear_initial plain = without_bias(linear_normal(deviation));

    param(p, &m->words, INIT_NORMAL(deviation), "words", c->vocabulary, c->width);
    params_in(p, "encoder");
    stack_params(m, &m->encoder, p);
    params_out(p);
    if (!c->decoder_layers)
        return;
    params_in(p, "decoder");
    stack_params(m, &m->decoder, p);
    params_out(p);
    linear_params(&m->head, p, "head", c->vocabulary, c->width, plain);
}

struct tensor *t5_words(struct tape *t, struct t5 *m, const int *ids, long count)
{
    return embed(t, m->words, ids, count);
}

/* Half of the buckets are for exact small distances, half for ranges that grow up to `distance`; an
 * encoder looks both ways and halves them again. Source: huggingface/transformers modeling_t5.py,
 * _relative_position_bucket. */
int t5_bucket(const struct t5_config *c, bool decodes, int distance)
{
    int n = decodes ? c->buckets : c->buckets / 2, exact = n / 2, first = 0, bucket;

    if (!decodes && distance > 0)
        first = n;
    distance = decodes ? (distance < 0 ? -distance : 0) : abs(distance);
    if (distance < exact)
        return first + distance;
    bucket = exact +
             (int)(log((double)distance / exact) / log((double)c->distance / exact) * (n - exact));
    return first + (bucket < n ? bucket : n - 1);
}

/* At least 1, so that an empty batch has a table too. */
static int longest(const struct spans *s)
{
    int most = 1;

    for (int i = 0; i < s->count; i++) {
        int n = s->length ? s->length[i] : s->start[i + 1] - s->start[i];

        most = n > most ? n : most;
    }
    return most;
}

/* The table's rows by distance, for a plan. */
static void bias_of(struct tape *t, struct t5 *m, const struct t5_stack *s,
                    struct attention_plan *plan)
{
    int before = longest(plan->keys) - 1, count = before + longest(plan->queries);
    int *bucket = tape_alloc(t, (size_t)count * sizeof *bucket);

    for (int i = 0; i < count; i++)
        bucket[i] = t5_bucket(&m->config, s->decodes, i - before);
    plan->bias = embed(t, s->bias, bucket, count);
    plan->bias_zero = before;
}

/* T5 does not divide by the root of the head's width: its initial numbers are scaled instead. */
static struct attention_plan plan_of(const struct t5 *m, const struct spans *queries,
                                     const struct spans *keys)
{
    return (struct attention_plan){
        .heads = m->config.heads, .scale = 1, .queries = queries, .keys = keys
    };
}

static struct tensor *norm(struct tape *t, const struct t5 *m, struct tensor *gain_of,
                           struct tensor *x)
{
    return rmsnorm(t, x, gain_of, m->config.eps);
}

/* The norm stands before, and x is added behind: x + attention(norm(x)). */
static struct tensor *self_attention(struct tape *t, struct t5 *m, struct t5_layer *l,
                                     const struct attention_plan *plan,
                                     const struct cached_texts *cached, struct tensor *x)
{
    long w = m->config.heads * m->config.head_width;
    struct tensor *qkv = linear(t, &l->qkv, norm(t, m, l->norm, x), ACTIVATION_NONE);
    struct tensor *k = tensor_columns(t, qkv, w, w), *v = tensor_columns(t, qkv, 2 * w, w);

    if (cached)
        key_cache_append(t, cached, (int)(l - m->decoder.layers), &k, &v);
    return linear_onto(t, &l->out, x, attention(t, plan, tensor_columns(t, qkv, 0, w), k, v));
}

static struct tensor *cross_attention(struct tape *t, struct t5 *m, struct t5_layer *l,
                                      const struct t5_input *in, struct tensor *x)
{
    long w = m->config.heads * m->config.head_width;
    struct tensor *q = linear(t, &l->cross_query, norm(t, m, l->cross_norm, x), ACTIVATION_NONE);
    struct attention_plan plan = plan_of(m, in->texts, in->spans);
    struct tensor *k = NULL, *v = NULL;

    plan.key_of = in->states_of;
    if (in->cache) {
        plan.keys = in->cache->spans;
        plan.packed = in->cache->states[l - m->decoder.layers];
    } else {
        k = linear(t, &l->cross_key_value, in->states, ACTIVATION_NONE);
        v = tensor_columns(t, k, w, w);
        k = tensor_columns(t, k, 0, w);
    }
    return linear_onto(t, &l->cross_out, x, attention(t, &plan, q, k, v));
}

/* gated: fc2(activation(fc1 h) * gate h) (arXiv 2002.05202). */
static struct tensor *feed_forward(struct tape *t, struct t5 *m, struct t5_layer *l,
                                   struct tensor *x)
{
    struct tensor *h = linear(t, &l->fc1, norm(t, m, l->mlp_norm, x), ACTIVATION_NONE);

    return linear_onto(t, &l->fc2, x, gate(t, h, m->config.activation));
}

/* x: [rows, width], embeddings of words and pictures. All layers share the first one's table of
 * distances. */
struct tensor *t5_encode(struct tape *t, struct t5 *m, struct tensor *x, const struct spans *texts)
{
    struct attention_plan plan = plan_of(m, texts, texts);

    bias_of(t, m, &m->encoder, &plan);
    x = scale(t, x, 1); /* written over */
    for (int i = 0; i < m->encoder.count; i++) {
        struct t5_layer *l = &m->encoder.layers[i];
        struct tape_mark start = tape_mark(t);

        x = self_attention(t, m, l, &plan, NULL, x);
        x = feed_forward(t, m, l, x);
        tape_drop(t, start); /* x was written over, or nothing is dropped */
    }
    return norm(t, m, m->encoder.norm, x);
}

/* Only wanted rows are normed: the others are of no use behind the last layer. */
struct tensor *t5_decode(struct tape *t, struct t5 *m, const struct t5_input *in)
{
    struct cached_texts cached = { in->cache ? in->cache->own : NULL, in->texts, in->cache_row };
    struct attention_plan plan =
        plan_of(m, in->texts, in->cache ? key_cache_spans(t, &cached) : in->texts);
    struct tensor *x = t5_words(t, m, in->ids, in->texts->start[in->texts->count]);

    plan.causal = true;
    bias_of(t, m, &m->decoder, &plan);
    for (int i = 0; i < m->decoder.count; i++) {
        struct t5_layer *l = &m->decoder.layers[i];
        struct tape_mark start = tape_mark(t);

        x = self_attention(t, m, l, &plan, in->cache ? &cached : NULL, x);
        x = cross_attention(t, m, l, in, x);
        x = feed_forward(t, m, l, x);
        tape_drop(t, start);
    }
    if (in->cache)
        key_cache_advance(&cached);
    if (in->wanted)
        x = take_rows(t, x, in->wanted, in->wanted_count);
    return norm(t, m, m->decoder.norm, x);
}

struct tensor *t5_logits(struct tape *t, struct t5 *m, struct tensor *x)
{
    return linear(t, &m->head, x, ACTIVATION_NONE);
}

static void stack_close(struct t5_stack *s)
{
    for (int i = 0; s->layers && i < s->count; i++) {
        struct t5_layer *l = &s->layers[i];

        linear_close(&l->qkv);
        linear_close(&l->out);
        linear_close(&l->cross_query);
        linear_close(&l->cross_key_value);
        linear_close(&l->cross_out);
        linear_close(&l->fc1);
        linear_close(&l->fc2);
    }
    free(s->layers);
}

void t5_close(struct t5 *m)
{
    stack_close(&m->encoder);
    stack_close(&m->decoder);
    linear_close(&m->head);
    *m = (struct t5){ 0 };
}

struct t5_cache *t5_cache_new(struct tape *t, struct t5 *m, struct tensor *states,
                              const struct spans *spans, int rows, int room)
{
    long w = m->config.heads * m->config.head_width;
    struct attention_plan plan = plan_of(m, NULL, spans);
    struct t5_cache *c = xalloc(1, sizeof *c);

    c->own = key_cache_new(m->decoder.count, rows, room, w);
    c->states = xalloc((size_t)m->decoder.count, sizeof *c->states);
    c->spans = spans;
    for (int i = 0; i < m->decoder.count; i++) {
        struct tape_mark start = tape_mark(t);
        struct tensor *kv =
            linear(t, &m->decoder.layers[i].cross_key_value, states, ACTIVATION_NONE);

        c->states[i] =
            attention_keys(t, &plan, tensor_columns(t, kv, 0, w), tensor_columns(t, kv, w, w));
        tape_drop(t, start);
    }
    return c;
}

void t5_cache_free(struct t5 *m, struct t5_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < m->decoder.count; i++)
        packed_keys_free(c->states[i]);
    key_cache_free(c->own);
    free(c->states);
    free(c);
}
