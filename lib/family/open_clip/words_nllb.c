/* SPDX-License-Identifier: MIT
 * words_nllb.c - NLLB's encoder: open_clip's own tower with other settings
 *
 * Source: huggingface/transformers models/m2m_100/configuration_m2m_100.py
 */
#include "family/open_clip/open_clip.h"

static const struct words_name names[] = { { "nllb-200-distilled-600M", 16 },
                                           { "nllb-200-distilled-1.3B", 16 },
                                           { 0 } };

/* A text's first token is its language; that is what is looked at. */
static void describe(const struct weights *w, int heads, struct words_config *c)
{
    c->text = (struct text_config){
        .vocabulary = open_clip_axis(w, WORDS_AT "embed_tokens.weight", 0),
        .width = open_clip_axis(w, WORDS_AT "embed_tokens.weight", 1),
        .mlp = open_clip_axis(w, WORDS_AT "layers.0.fc1.weight", 0),
        .layers = open_clip_count(w, WORDS_AT "layers.", ".fc1.weight"),
        .context = c->context,
        .heads = heads,
        .eps = 1e-5f,
        .activation = ACTIVATION_RELU,
        .pooling = POOL_FIRST,
        .sinusoids = true,
    };
}

static int check(const struct words_config *c)
{
    return words_own.check(c);
}

static void init(struct words_tower *x)
{
    words_own.init(x);
}

static void params(struct words_tower *x, struct params *p)
{
    words_own.params(x, p);
}

static long vocabulary(const struct words_config *c)
{
    return words_own.vocabulary(c);
}

static long wide(const struct words_config *c)
{
    return words_own.width(c);
}

static struct tensor *pooled(struct tape *t, struct words_tower *x, const int *ids,
                             const int *counts, int texts)
{
    return words_own.pooled(t, x, ids, counts, texts);
}

static void close(struct words_tower *x)
{
    words_own.close(x);
}

static const struct rename outside[] = {
    PLAIN("token", "embed_tokens.weight"),
    PLAIN("norm.", "layer_norm."),
    { 0 },
};

static const struct section sections[] = {
    { "text.nllb.block.*.", WORDS_AT "layers.*.", layout_opt_block },
    { "text.nllb.", WORDS_AT, outside },
    { 0 },
};

const struct words words_nllb = {
    .names = names,
    .called = "nllb",
    .pooler = "cls_pooler",
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
