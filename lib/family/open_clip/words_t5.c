/* SPDX-License-Identifier: MIT
 * words_t5.c - mT5's encoder: the mean of a text's tokens
 *
 * Source: huggingface/transformers models/mt5/configuration_mt5.py
 */
#include "base/error.h"
#include "family/open_clip/open_clip.h"

static const struct words_name names[] = {
    { "mt5-base", 12 }, { "mt5-large", 16 }, { "mt5-xl", 32 }, { 0 }
};

static void describe(const struct weights *w, int heads, struct words_config *c)
{
    c->t5 = (struct t5_config){
        .vocabulary = open_clip_axis(w, WORDS_AT "embed_tokens.weight", 0),
        .width = open_clip_axis(w, WORDS_AT "embed_tokens.weight", 1),
        .mlp = open_clip_axis(w, WORDS_AT "block.0.layer.1.DenseReluDense.wi_0.weight", 0),
        .layers = open_clip_count(w, WORDS_AT "block.", ".layer.0.SelfAttention.q.weight"),
        .heads = heads,
        .head_width =
            open_clip_axis(w, WORDS_AT "block.0.layer.0.SelfAttention.q.weight", 0) / heads,
        .buckets = 32,
        .distance = 128,
        .eps = 1e-6f,
        .activation = ACTIVATION_GELU_TANH,
    };
}

static int check(const struct words_config *c)
{
    const struct t5_config *t = &c->t5;

    if (t->vocabulary < 1 || t->width < 1 || t->mlp < 1 || t->head_width < 1 || t->layers < 1 ||
        t->layers > 1000 || c->context < 1)
        return fail("an encoder of %d layers, width %ld, with heads of %ld is not possible",
                    t->layers, t->width, t->head_width);
    return 0;
}

static void init(struct words_tower *x)
{
    t5_init(&x->t5, &x->config.t5);
}

static void params(struct words_tower *x, struct params *p)
{
    t5_params(&x->t5, p);
}

static long vocabulary(const struct words_config *c)
{
    return c->t5.vocabulary;
}

static long wide(const struct words_config *c)
{
    return c->t5.width;
}

static struct tensor *pooled(struct tape *t, struct words_tower *x, const int *ids,
                             const int *counts, int texts)
{
    const struct spans *spans = spans_of(t, texts, counts);
    struct tensor *words = t5_words(t, &x->t5, ids, spans->start[texts]);

    return mean_rows(t, t5_encode(t, &x->t5, words, spans), spans);
}

static void close(struct words_tower *x)
{
    t5_close(&x->t5);
}

static const struct rename outside[] = { PLAIN("words", "embed_tokens.weight"), { 0 } };

static const struct section sections[] = {
    { "text.t5.encoder.layer.*.", WORDS_AT "block.*.", layout_t5_encoder_layer },
    { "text.t5.encoder.", WORDS_AT, layout_t5_stack },
    { "text.t5.", WORDS_AT, outside },
    { 0 },
};

const struct words words_t5 = {
    .names = names,
    .called = "t5",
    .pooler = "mean_pooler",
    .describe = describe,
    .check = check,
    .sections = sections,
    .init = init,
    .params = params,
    .vocabulary = vocabulary,
    .width = wide,
    .pooled = pooled,
    .close = close,
};
