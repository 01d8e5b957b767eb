/* SPDX-License-Identifier: MIT
 * bert.c - BERT and its descendants, forward
 *
 *     x = norm(words[ids] + positions[0..] + types[0])
 *     for each layer:
 *         x = norm(x + out(attend(qkv(x))))
 *         x = norm(x + cross_out(attend(cross_query(x), cross_key_value(image))))   if it has it
 *         x = norm(x + fc2(gelu(fc1(x))))
 *
 * Source: salesforce/BLIP models/med.py; arXiv 1810.04805.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "nn/bert.h"

static bool has_cross(const struct bert_config *c, int layer)
{
    return c->cross_width && layer >= c->cross_from &&
           (layer - c->cross_from) % (c->cross_every ? c->cross_every : 1) == 0;
}

/* Of a new transformer's numbers, as BERT's initializer_range; biases are 0. */
static const float deviation = 0.02f;

void bert_init(struct bert *b, const struct bert_config *config)
{
    *b = (struct bert){ .config = *config };
    b->layers = xalloc((size_t)config->layers, sizeof *b->layers);
    b->transform.memory_bound = b->decoder.memory_bound = config->writes;
    for (int i = 0; i < config->layers; i++) {
        struct bert_layer *l = &b->layers[i];

        l->qkv.memory_bound = l->out.memory_bound = l->cross_query.memory_bound =
            l->cross_out.memory_bound = config->writes;
        l->fc1.memory_bound = l->fc2.memory_bound = config->writes;
    }
}

/* Post-norm: the norm stands behind the sum with x (arXiv 1810.04805). */
static void attention_params(struct linear *qkv, struct linear *out, struct norm *norm,
                             struct params *p, long width)
{
    linear_params(qkv, p, "query", width, width, linear_normal(deviation));
    linear_params(qkv, p, "key", width, width, linear_normal(deviation));
    linear_params(qkv, p, "value", width, width, linear_normal(deviation));
    linear_params(out, p, "out", width, width, linear_normal(deviation));
    params_in(p, "norm");
    norm_params(norm, p, width);
    params_out(p);
}

/* Keys and values come from the image: [cross_width] -> [width]. */
static void look_params(struct linear *query, struct linear *key_value, struct linear *out,
                        struct params *p, const struct bert_config *c)
{
    linear_params(query, p, "query", c->width, c->width, linear_normal(deviation));
    linear_params(key_value, p, "key", c->width, c->cross_width, linear_normal(deviation));
    linear_params(key_value, p, "value", c->width, c->cross_width, linear_normal(deviation));
    linear_params(out, p, "out", c->width, c->width, linear_normal(deviation));
}

static void cross_params(struct bert_layer *l, struct params *p, const struct bert_config *c,
                         bool merges)
{
    struct bert_second *s = &l->second;

    look_params(&l->cross_query, &l->cross_key_value, &l->cross_out, p, c);
    params_in(p, "norm");
    norm_params(&l->cross_norm, p, c->width);
    params_out(p);
    if (c->pairs) {
        params_in(p, "second");
        look_params(&s->query, &s->key_value, &s->out, p, c);
        params_out(p);
    }
    if (merges)
        linear_params(&s->merge, p, "merge", c->width, 2 * c->width, linear_normal(deviation));
}

/* Queries of a Q-Former have a feed-forward layer of their own, `query_`. */
static void mlp_params(struct linear *fc1, struct linear *fc2, struct norm *norm, struct params *p,
                       const struct bert_config *c, const char *whose)
{
    char name[24];

    snprintf(name, sizeof name, "%sfc1", whose);
    linear_params(fc1, p, name, c->mlp, c->width, linear_normal(deviation));
    snprintf(name, sizeof name, "%sfc2", whose);
    linear_params(fc2, p, name, c->width, c->mlp, linear_normal(deviation));
    params_in(p, "%snorm", whose);
    norm_params(norm, p, c->width);
    params_out(p);
}

/* The decoder's matrix is the table of words; its bias is its own. */
static void head_params(struct bert *b, struct params *p)
{
    long width = b->config.width;

    params_in(p, "head");
    linear_params(&b->transform, p, "transform", width, width, linear_normal(deviation));
    params_in(p, "norm");
    norm_params(&b->head_norm, p, width);
    params_out(p);
    param(p, &b->decoder.bias[0], INIT_VALUE(0), "bias", b->config.vocabulary);
    b->decoder.parts = 1;
    params_out(p);
}

void bert_params(struct bert *b, struct params *p)
{
    const struct bert_config *c = &b->config;

    if (!c->wordless) {
        param(p, &b->words, INIT_NORMAL(deviation), "words", c->vocabulary, c->width);
        if (c->head) /* tied */
            params_multiplies(p, b->decoder.memory_bound);
        param(p, &b->positions, INIT_NORMAL(deviation), "positions", c->positions, c->width);
    }
    if (c->queries)
        param(p, &b->queries, INIT_NORMAL(deviation), "queries", c->queries, c->width);
    if (c->token_types)
        param(p, &b->types, INIT_NORMAL(deviation), "types", c->token_types, c->width);
    b->norm.eps = b->head_norm.eps = c->eps;
    params_in(p, "norm");
    norm_params(&b->norm, p, c->width);
    params_out(p);
    for (int i = 0; i < c->layers; i++) {
        struct bert_layer *l = &b->layers[i];

        l->norm.eps = l->cross_norm.eps = l->mlp_norm.eps = l->query_norm.eps = c->eps;
        params_in(p, "layer.%d", i);
        params_in(p, "self");
        attention_params(&l->qkv, &l->out, &l->norm, p, c->width);
        params_out(p);
        if (has_cross(c, i)) {
            params_in(p, "cross");
            cross_params(l, p, c, c->pairs && i >= c->merge_from);
            params_out(p);
        }
        if (!c->wordless)
            mlp_params(&l->fc1, &l->fc2, &l->mlp_norm, p, c, "");
        if (c->queries)
            mlp_params(&l->query_fc1, &l->query_fc2, &l->query_norm, p, c, "query_");
        params_out(p);
    }
    if (c->head)
        head_params(b, p);
}

/* As norm_forward, but over x where nothing is remembered. */
static struct tensor *norm_over(struct tape *t, const struct norm *n, struct tensor *x)
{
    return layernorm_over(t, x, n->gain, n->shift, n->eps);
}

/* How many ids of its text, queries left aside, the cache has before sequence i of the input. */
static int cached_ids(const struct bert_input *in, int i)
{
    return in->cache ? in->cache->own->length[in->cache_row[i]] - in->cache->queries : 0;
}

/* Sum of the tables' rows, normalised; a text that goes on counts positions from its length.
 * Queries have no positions. */
struct tensor *bert_embeddings(struct tape *t, struct bert *b, const struct bert_input *in)
{
    const struct spans *s = in->texts;
    int count = s->start[s->count], *at = tape_alloc(t, (size_t)count * sizeof *at);
    int first = b->config.first_position;
    struct tensor *x;

    for (int i = 0; i < s->count; i++)
        for (int k = s->start[i]; k < s->start[i + 1]; k++)
            at[k] = k - s->start[i] + (in->queries ? 0 : first + cached_ids(in, i));
    if (in->queries)
        return dropout(t, norm_over(t, &b->norm, embed(t, b->queries, at, count)), t->dropout);
    x = embed(t, b->words, in->ids, count);
    x = add(t, x, embed(t, b->positions, at, count));
    if (b->types) {
        int *zero = tape_alloc(t, (size_t)count * sizeof *zero);

        memset(zero, 0, (size_t)count * sizeof *zero);
        x = add(t, x, embed(t, b->types, zero, count));
    }
    return dropout(t, norm_over(t, &b->norm, x), t->dropout);
}

/* scale: 1 over the root of a head's width. */
struct attention_plan bert_plan(const struct bert *b, const struct spans *queries,
                                const struct spans *keys)
{
    return (struct attention_plan){
        .heads = b->config.heads,
        .scale = 1 / sqrtf((float)(b->config.width / b->config.heads)),
        .queries = queries,
        .keys = keys,
    };
}

struct tensor *bert_onto(struct tape *t, struct linear *out, struct norm *norm, struct tensor *x,
                         struct tensor *h)
{
    return norm_over(t, norm, linear_onto_dropping(t, out, x, h, NULL, t->dropout));
}

static struct cached_texts cached_of(const struct bert_input *in)
{
    return (struct cached_texts){ in->cache ? in->cache->own : NULL, in->texts, in->cache_row };
}

/* onto: x, or its wanted rows. */
static struct tensor *self_attention(struct tape *t, struct bert *b, struct bert_layer *l,
                                     const struct bert_input *in, struct tensor *x,
                                     struct tensor *onto)
{
    long w = b->config.width;
    struct tensor *qkv = linear(t, &l->qkv, x, ACTIVATION_NONE);
    struct tensor *q = tensor_columns(t, qkv, 0, w);
    struct tensor *k = tensor_columns(t, qkv, w, w), *v = tensor_columns(t, qkv, 2 * w, w);
    const struct cached_texts cached = cached_of(in);
    struct attention_plan a =
        bert_plan(b, in->texts, in->cache ? key_cache_spans(t, &cached) : in->texts);

    if (onto != x) {
        q = take_rows(t, q, in->first_only, in->texts->count);
        a.queries = spans_even(t, in->texts->count, 1);
    }
    a.causal = in->causal;
    if (in->cache)
        key_cache_append(t, &cached, (int)(l - b->layers), &k, &v);
    return bert_onto(t, &l->out, &l->norm, onto, attention(t, &a, q, k, v));
}

/* Neighbouring texts that look at the same image are one sequence of queries: its keys are read
 * once for all of them. */
static void look_together(struct tape *t, const struct bert_input *in, struct attention_plan *a)
{
    const struct spans *each = a->queries;
    int *lengths = tape_alloc(t, ((size_t)each->count + 1) * sizeof *lengths);
    int *image_of = tape_alloc(t, ((size_t)each->count + 1) * sizeof *image_of), count = 0;

    for (int i = 0; i < each->count; i++) {
        if (!count || image_of[count - 1] != in->image_of[i]) {
            image_of[count] = in->image_of[i];
            lengths[count++] = 0;
        }
        lengths[count - 1] += each->start[i + 1] - each->start[i];
    }
    a->queries = spans_of(t, count, lengths);
    a->key_of = image_of;
}

/* Keys and values side by side. */
static struct tensor *look_at(struct tape *t, struct bert *b, struct bert_layer *l,
                              const struct bert_input *in)
{
    int layer = (int)(l - b->layers);
    bool second = in->other && (layer - b->config.cross_from) % 2;
    struct tensor *k;

    if (in->looked && in->looked[layer])
        return in->looked[layer];
    k = linear(t, &l->cross_key_value, second ? in->other : in->image, ACTIVATION_NONE);
    if (in->looked && wants(k))
        in->looked[layer] = k;
    return k;
}

/* texts: which rows of x make a text. */
struct tensor *bert_cross_attention(struct tape *t, struct bert *b, struct bert_layer *l,
                                    const struct bert_input *in, const struct spans *texts,
                                    struct tensor *x)
{
    long w = b->config.width;
    struct tensor *q = linear(t, &l->cross_query, x, ACTIVATION_NONE), *k = NULL, *v = NULL, *y;
    struct attention_plan a = bert_plan(b, texts, in->images);

    a.wide = !in->causal && !in->cache;
    if (in->image_of)
        look_together(t, in, &a);
    if (in->cache && in->cache->image) {
        a.packed = in->cache->image[l - b->layers];
        a.keys = in->cache->image_spans;
    } else {
        k = look_at(t, b, l, in);
        v = tensor_columns(t, k, w, w);
        k = tensor_columns(t, k, 0, w);
    }
    y = attention(t, &a, q, k, v);
    if (in->watch && in->watch->layer == l - b->layers) {
        tensor_watch(t, y);
        *in->watch = (struct bert_watch){ in->watch->layer, a, q, k, v, y };
    }
    return bert_onto(t, &l->cross_out, &l->cross_norm, x, y);
}

/* [rows, width] twice -> [rows, 2 width] */
static struct tensor *side_by_side(struct tape *t, struct tensor *x, struct tensor *z)
{
    long n = rows(x), w = width(x);
    int *index = tape_alloc(t, 2 * (size_t)n * sizeof *index);

    for (long i = 0; i < n; i++) {
        index[2 * i] = (int)i;
        index[2 * i + 1] = (int)(n + i);
    }
    x = take_rows(t, concat_rows(t, x, z), index, 2 * n);
    return tensor_reshape(t, x, 2, (long[]){ n, 2 * w });
}

/* What the texts see of one of two pictures. */
static struct tensor *look_at_one(struct tape *t, const struct attention_plan *a,
                                  struct linear *const by[3], struct tensor *image,
                                  struct tensor *x)
{
    struct tensor *q = linear(t, by[0], x, ACTIVATION_NONE);
    struct tensor *k = linear(t, by[1], image, ACTIVATION_NONE);
    long w = width(q);

    k = attention(t, a, q, tensor_columns(t, k, 0, w), tensor_columns(t, k, w, w));
    return linear(t, by[2], k, ACTIVATION_NONE);
}

/* Source: salesforce/BLIP models/nlvr_encoder.py. */
static struct tensor *look_at_both(struct tape *t, struct bert *b, struct bert_layer *l,
                                   const struct bert_input *in, const struct spans *texts,
                                   struct tensor *x)
{
    struct bert_second *s = &l->second;
    struct linear *first[] = { &l->cross_query, &l->cross_key_value, &l->cross_out };
    struct linear *second[] = { &s->query, &s->key_value, &s->out };
    struct attention_plan a = bert_plan(b, texts, in->images);
    struct tensor *u, *v;

    a.wide = true;
    if (in->image_of)
        look_together(t, in, &a);
    u = look_at_one(t, &a, first, in->image, x);
    v = look_at_one(t, &a, second, in->other, x);
    if (s->merge.parts)
        return bert_onto(t, &s->merge, &l->cross_norm, x, side_by_side(t, u, v));
    u = dropout(t, scale(t, add(t, u, v), 0.5f), t->dropout);
    return norm_over(t, &l->cross_norm, add(t, x, u));
}

struct tensor *bert_feed_forward(struct tape *t, struct bert_layer *l, bool queries,
                                 struct tensor *x)
{
    struct tensor *h = linear(t, queries ? &l->query_fc1 : &l->fc1, x, ACTIVATION_GELU);

    return queries ? bert_onto(t, &l->query_fc2, &l->query_norm, x, h)
                   : bert_onto(t, &l->fc2, &l->mlp_norm, x, h);
}

/* A causal text's wanted row sees all of its keys, as the kernel takes it to. */
static void check(const struct bert_input *in)
{
    for (int i = 0; in->first_only && i < in->texts->count; i++)
        assert(in->first_only[i] >= in->texts->start[i] &&
               in->first_only[i] < in->texts->start[i + 1] &&
               (!in->causal || in->first_only[i] == in->texts->start[i + 1] - 1));
}

/* [rows, width] behind layer `to`; with first_only [texts, width]. A layer's memory is used again
 * by the next where nothing is remembered. */
struct tensor *bert_forward(struct tape *t, struct bert *b, const struct bert_input *in)
{
    const struct cached_texts cached = cached_of(in);
    const struct spans *texts = in->texts;
    bool grounded = in->image || (in->cache && in->cache->image);
    int to = in->to ? in->to : b->config.layers;
    struct tensor *x = in->states ? in->states : bert_embeddings(t, b, in);

    check(in);
    for (int i = in->from; i < to; i++) {
        bool skip = in->first_only && i == to - 1 && rows(x) > texts->count;
        struct bert_layer *l = &b->layers[i];
        struct tensor *onto = skip ? take_rows(t, x, in->first_only, texts->count) : x;
        const struct spans *left = skip ? spans_even(t, texts->count, 1) : texts;
        struct tape_mark start = tape_mark(t);

        x = self_attention(t, b, l, in, x, onto);
        if (grounded && l->second.query.parts)
            x = look_at_both(t, b, l, in, left, x);
        else if (grounded && l->cross_query.parts)
            x = bert_cross_attention(t, b, l, in, left, x);
        x = bert_feed_forward(t, l, in->queries, x);
        if (l->second.query.parts)
            x = tape_keep(t, start, x);
        else
            tape_drop(t, start); /* x was written over, or nothing is dropped */
    }
    if (in->cache)
        key_cache_advance(&cached);
    if (in->cache && in->queries)
        in->cache->queries = b->config.queries;
    return x;
}

struct tensor *bert_logits(struct tape *t, struct bert *b, struct tensor *x)
{
    assert(b->config.head);
    b->decoder.weight[0] = b->words; /* tied */
    x = norm_over(t, &b->head_norm, linear(t, &b->transform, x, ACTIVATION_GELU));
    return linear(t, &b->decoder, x, ACTIVATION_NONE);
}

void bert_close(struct bert *b)
{
    for (int i = 0; b->layers && i < b->config.layers; i++) {
        struct bert_layer *l = &b->layers[i];

        linear_close(&l->qkv);
        linear_close(&l->out);
        linear_close(&l->cross_query);
        linear_close(&l->cross_key_value);
        linear_close(&l->cross_out);
        linear_close(&l->second.query);
        linear_close(&l->second.key_value);
        linear_close(&l->second.out);
        linear_close(&l->second.merge);
        linear_close(&l->fc1);
        linear_close(&l->fc2);
        linear_close(&l->query_fc1);
        linear_close(&l->query_fc2);
    }
    linear_close(&b->transform);
    linear_close(&b->decoder);
    free(b->layers);
    *b = (struct bert){ 0 };
}

/* --- keys and values of texts being written, and of their images --- */

struct bert_cache *bert_cache_new(struct bert *b, int rows, int room)
{
    struct bert_cache *c = xalloc(1, sizeof *c);

    c->own = key_cache_new(b->config.layers, rows, room, b->config.width);
    return c;
}

/* Keys and values of the images, packed once for all steps of all texts. */
void bert_cache_images(struct tape *t, struct bert *b, struct bert_cache *c, struct tensor *image,
                       const struct spans *spans)
{
    long w = b->config.width;
    struct attention_plan plan = bert_plan(b, NULL, spans);

    c->image = xalloc((size_t)b->config.layers, sizeof *c->image);
    c->image_spans = spans;
    for (int i = 0; i < b->config.layers; i++) {
        struct linear *l = &b->layers[i].cross_key_value;
        struct tape_mark start = tape_mark(t);
        struct tensor *kv;

        if (!l->parts)
            continue;
        kv = linear(t, l, image, ACTIVATION_NONE);
        c->image[i] =
            attention_keys(t, &plan, tensor_columns(t, kv, 0, w), tensor_columns(t, kv, w, w));
        tape_drop(t, start);
    }
}

void bert_cache_copy(struct bert_cache *c, int from, int to)
{
    key_cache_copy(c->own, from, to);
}

void bert_cache_free(struct bert_cache *c)
{
    if (!c)
        return;
    for (int i = 0; c->image && i < c->own->layers; i++)
        packed_keys_free(c->image[i]);
    free(c->image);
    key_cache_free(c->own);
    free(c);
}
