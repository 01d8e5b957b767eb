/* SPDX-License-Identifier: MIT
 * opt.c - OPT, forward
 *
 *     x = embeddings + position[2 + place]
 *     for each layer:
 *         x = x + out(attend(qkv(norm1(x))))      causal
 *         x = x + fc2(relu(fc1(norm2(x))))
 *     logits = norm(x) words^T
 *
 * Source: huggingface/transformers models/opt/modeling_opt.py; arXiv 2205.01068.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/opt.h"

void opt_init(struct opt *m, const struct opt_config *config)
{
    *m = (struct opt){ .config = *config,
                       .norm.eps = 1e-5f,
                       .head = { .parts = 1, .memory_bound = true } };
    m->blocks = xalloc((size_t)config->layers, sizeof *m->blocks);
    for (int i = 0; i < config->layers; i++) {
        struct block *b = &m->blocks[i];

        b->heads = config->heads;
        b->activation = ACTIVATION_RELU;
        b->qkv.memory_bound = b->out.memory_bound = b->fc1.memory_bound = b->fc2.memory_bound =
            true;
        b->norm1.eps = b->norm2.eps = 1e-5f;
    }
}

void opt_params(struct opt *m, struct params *p)
{
    const struct opt_config *c = &m->config;
    const float deviation = 0.02f; /* of a new model's numbers; biases are 0 */
    struct block_initial initial = block_normal(deviation);

    param(p, &m->words, INIT_NORMAL(deviation), "words", c->vocabulary, c->width);
    params_multiplies(p, m->head.memory_bound); /* tied */
    param(p, &m->position, INIT_NORMAL(deviation), "position", OPT_POSITIONS_BEFORE + c->positions,
          c->width);
    for (int i = 0; i < c->layers; i++) {
        params_in(p, "block.%d", i);
        block_params(&m->blocks[i], p, c->width, c->mlp, &initial);
        params_out(p);
    }
    params_in(p, "norm");
    norm_params(&m->norm, p, c->width);
    params_out(p);
}

struct tensor *opt_words(struct tape *t, struct opt *m, const int *ids, long count)
{
    return embed(t, m->words, ids, count);
}

/* A text that goes on counts its places from its length. */
static struct tensor *add_positions(struct tape *t, struct opt *m, const struct opt_input *in)
{
    const struct spans *s = in->texts;
    int count = s->start[s->count], *at = tape_alloc(t, (size_t)count * sizeof *at);

    assert(rows(in->x) == count && width(in->x) == m->config.width);
    for (int i = 0; i < s->count; i++)
        for (int k = s->start[i]; k < s->start[i + 1]; k++)
            at[k] = OPT_POSITIONS_BEFORE + k - s->start[i] +
                    (in->cache ? in->cache->length[in->cache_row[i]] : 0);
    return add(t, in->x, embed(t, m->position, at, count));
}

static struct tensor *attend(struct tape *t, struct opt *m, int layer, const struct opt_input *in,
                             const struct spans *keys, struct tensor *x)
{
    struct block *b = &m->blocks[layer];
    long w = width(x);
    struct tensor *qkv = linear(t, &b->qkv, norm_forward(t, &b->norm1, x), ACTIVATION_NONE);
    struct tensor *k = tensor_columns(t, qkv, w, w), *v = tensor_columns(t, qkv, 2 * w, w);
    struct attention_plan plan = { .heads = b->heads,
                                   .scale = 1 / sqrtf((float)(w / b->heads)),
                                   .causal = true,
                                   .queries = in->texts,
                                   .keys = keys };

    if (in->cache)
        key_cache_append(t, &(struct cached_texts){ in->cache, in->texts, in->cache_row }, layer,
                         &k, &v);
    return linear_onto(t, &b->out, x, attention(t, &plan, tensor_columns(t, qkv, 0, w), k, v));
}

struct tensor *opt_forward(struct tape *t, struct opt *m, const struct opt_input *in)
{
    const struct cached_texts cached = { in->cache, in->texts, in->cache_row };
    const struct spans *keys = in->cache ? key_cache_spans(t, &cached) : in->texts;
    struct tensor *x = add_positions(t, m, in), *h;

    for (int i = 0; i < m->config.layers; i++) {
        struct block *b = &m->blocks[i];
        struct tape_mark start = tape_mark(t);

        x = attend(t, m, i, in, keys, x);
        h = linear(t, &b->fc1, norm_forward(t, &b->norm2, x), b->activation);
        x = linear_onto(t, &b->fc2, x, h);
        tape_drop(t, start); /* x was written over, or nothing is dropped */
    }
    if (in->cache)
        key_cache_advance(&cached);
    if (in->wanted)
        x = take_rows(t, x, in->wanted, in->wanted_count);
    return norm_forward(t, &m->norm, x);
}

struct tensor *opt_logits(struct tape *t, struct opt *m, struct tensor *x)
{
    m->head.weight[0] = m->words; /* tied */
    return linear(t, &m->head, x, ACTIVATION_NONE);
}

struct key_cache *opt_cache(const struct opt *m, int rows, int room)
{
    return key_cache_new(m->config.layers, rows, room, m->config.width);
}

void opt_close(struct opt *m)
{
    for (int i = 0; m->blocks && i < m->config.layers; i++)
        block_close(&m->blocks[i]);
    linear_close(&m->head);
    free(m->blocks);
    *m = (struct opt){ 0 };
}
