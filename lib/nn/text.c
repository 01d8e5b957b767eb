/* SPDX-License-Identifier: MIT
 * text.c - CLIP's text towers: token ids in, one vector a text out
 *
 *     x = token[ids] + position[0..]                  NLLB: token[ids] sqrt(width) + sinusoids
 *     x = block(x) for every layer, causal
 *     y = norm(x)[the pooled row]
 *
 * or, for the bag of words ("CBOW" in arXiv 2103.00020, figure 3), the mean of token[ids].
 *
 * In a causal tower no row sees those behind it, so a text is cut right behind its pooled row; the
 * result is exact, and a short caption costs a fifth of a padded one.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "nn/text.h"

/* sin and cos of (place + 2) 10000^(-i / (width / 2 - 1)), for padding has the places before.
 * Source: huggingface/transformers models/m2m_100/modeling_m2m_100.py,
 * M2M100SinusoidalPositionalEmbedding. */
static void make_waves(struct text *x)
{
    long wide = x->config.width, half = wide / 2;
    float ratio = logf(10000) / (float)(half - 1);

    x->waves = xalloc((size_t)x->config.context * (size_t)wide, sizeof *x->waves);
    for (int place = 0; place < x->config.context; place++)
        for (long i = 0; i < half; i++) {
            float angle = (float)(place + 2) * expf((float)i * -ratio);

            x->waves[place * wide + i] = sinf(angle);
            x->waves[place * wide + half + i] = cosf(angle);
        }
}

void text_init(struct text *x, const struct text_config *config)
{
    *x = (struct text){ .config = *config };
    if (config->sinusoids)
        make_waves(x);
    x->norm.eps = config->eps;
    x->blocks = xalloc((size_t)config->layers, sizeof *x->blocks);
    for (int i = 0; i < config->layers; i++) {
        struct block *b = &x->blocks[i];

        b->heads = config->heads;
        b->activation = config->activation;
        b->scaled = config->scaled;
        b->norm1.eps = b->norm2.eps = config->eps;
    }
}

/* Source: openai/CLIP clip/model.py, CLIP.initialize_parameters. */
static struct block_initial block_initial(const struct text_config *c)
{
    float thin = 1 / sqrtf((float)c->width), residual = thin / sqrtf(2 * (float)c->layers);

    return (struct block_initial){ .qkv = linear_normal(thin),
                                   .out = linear_normal(residual),
                                   .fc1 = linear_normal(thin / sqrtf(2)),
                                   .fc2 = linear_normal(residual) };
}

void text_params(struct text *x, struct params *p)
{
    const struct text_config *c = &x->config;
    struct block_initial initial = block_initial(c);

    param(p, &x->token, INIT_NORMAL(0.02f), "token", c->vocabulary, c->width);
    if (c->bag)
        return;
    if (!c->sinusoids)
        param(p, &x->position, INIT_NORMAL(0.01f), "position", c->context + c->has_class, c->width);
    if (c->has_class)
        param(p, &x->class_token, INIT_NORMAL(0.01f), "class", c->width);
    for (int i = 0; i < c->layers; i++) {
        params_in(p, "block.%d", i);
        block_params(&x->blocks[i], p, c->width, c->mlp, &initial);
        params_out(p);
    }
    params_in(p, "norm");
    norm_params(&x->norm, p, c->width);
    params_out(p);
}

static int find_first(const int *ids, int count, int id)
{
    for (int i = 0; i < count; i++)
        if (ids[i] == id)
            return i;
    return 0;
}

/* The pooled row of one text. */
static int pooled(const struct text_config *c, const int *ids, int count)
{
    int largest = 0;

    switch (c->pooling) {
    case POOL_LARGEST:
        for (int i = 1; i < count; i++)
            largest = ids[i] > ids[largest] ? i : largest;
        return largest;
    case POOL_END:
        return find_first(ids, count, c->end_id);
    case POOL_FIRST:
        return 0;
    default:
        return count - 1;
    }
}

struct layout {                        /* which ids are computed */
    int *ids, *place, *lengths, *last; /* id and place of each row; rows and pooled row of a text */
    int rows;
};

/* Pads or cuts every text to the rows that its result depends on. */
static struct layout lay_out(struct tape *t, const struct text_config *c, const int *ids,
                             const int *counts, int texts)
{
    size_t room = 0;
    struct layout l = { 0 };

    for (int i = 0; i < texts; i++)
        room += (size_t)(c->pad ? c->context : counts[i]);
    l.ids = tape_alloc(t, 2 * room * sizeof *l.ids);
    l.place = l.ids + room;
    l.lengths = tape_alloc(t, 2 * (size_t)texts * sizeof *l.lengths);
    l.last = l.lengths + texts;
    for (int i = 0; i < texts; ids += counts[i++]) {
        int *row = l.ids + l.rows, length = counts[i], at;

        assert(length > 0 && (c->bag || length <= c->context));
        memcpy(row, ids, (size_t)length * sizeof *row);
        while (c->pad && length < c->context)
            row[length++] = c->pad_id;
        at = pooled(c, row, length);
        l.lengths[i] = c->causal ? at + 1 : length;
        l.last[i] = l.rows + at;
        for (int k = 0; k < l.lengths[i]; k++)
            l.place[l.rows + k] = k;
        l.rows += l.lengths[i];
    }
    return l;
}

static struct tensor *place_words(struct tape *t, struct text *m, const struct layout *l,
                                  struct tensor *x)
{
    const struct text_config *c = &m->config;
    struct tensor *places = m->position;

    if (c->sinusoids) {
        places = tensor_from(t, m->waves, 2, (long[]){ c->context, c->width });
        x = scale(t, x, sqrtf((float)c->width));
    }
    return add(t, x, embed(t, places, l->place, l->rows));
}

struct tensor *text_forward(struct tape *t, struct text *m, const int *ids, const int *counts,
                            int texts)
{
    const struct text_config *c = &m->config;
    struct layout l = lay_out(t, c, ids, counts, texts);
    const struct spans *spans = spans_of(t, texts, l.lengths);
    const struct pick pick = { l.last, texts };
    bool mean = c->pooling == POOL_MEAN;
    struct tensor *x;

    if (c->has_class)
        return text_class_forward(t, m, ids, counts, texts);
    x = embed(t, m->token, l.ids, l.rows);
    if (c->bag)
        return mean_rows(t, x, spans);
    x = place_words(t, m, &l, x);
    for (int i = 0; i < c->layers; i++)
        x = block_forward(t, &m->blocks[i], x, spans, c->causal,
                          i + 1 == c->layers && !mean ? &pick : NULL);
    if (mean && c->norm_after_pool)
        return norm_forward(t, &m->norm, mean_rows(t, x, spans));
    if (mean)
        return mean_rows(t, norm_forward(t, &m->norm, x), spans);
    return norm_forward(t, &m->norm, c->layers ? x : take_rows(t, x, l.last, texts));
}

void text_close(struct text *x)
{
    for (int i = 0; i < x->config.layers; i++)
        block_close(&x->blocks[i]);
    free(x->blocks);
    free(x->waves);
    *x = (struct text){ 0 };
}
