/* SPDX-License-Identifier: MIT
 * words_bert.c - RoBERTa and XLM-RoBERTa: the mean of a text's tokens
 *
 * Source: huggingface/transformers models/roberta/configuration_roberta.py
 */
#include "base/error.h"
#include "checkpoint/sizes.h"
#include "family/open_clip/open_clip.h"

static const struct words_name names[] = { { "xlm-roberta-base", 12 },
                                           { "xlm-roberta-large", 16 },
                                           { "roberta-base", 12 },
                                           { "roberta-large", 16 },
                                           { 0 } };

static void describe(const struct weights *w, int heads, struct words_config *c)
{
    sizes_bert(w, WORDS_AT, &c->bert);
    c->bert.heads = heads;
    c->bert.eps = 1e-5f;
    c->bert.first_position = 2; /* <pad> has 1 */
}

static int check(const struct words_config *c)
{
    struct bert_config bert = c->bert;

    if (c->context + bert.first_position > bert.positions)
        return fail("texts of %d tokens in a tower of %ld places", c->context, bert.positions);
    bert.cross_width = 1; /* it looks at no image, which that check asks for */
    return sizes_check_bert("open_clip", &bert);
}

static void init(struct words_tower *x)
{
    bert_init(&x->bert, &x->config.bert);
}

static void params(struct words_tower *x, struct params *p)
{
    bert_params(&x->bert, p);
}

static long vocabulary(const struct words_config *c)
{
    return c->bert.vocabulary;
}

static long wide(const struct words_config *c)
{
    return c->bert.width;
}

static struct tensor *pooled(struct tape *t, struct words_tower *x, const int *ids,
                             const int *counts, int texts)
{
    const struct spans *spans = spans_of(t, texts, counts);
    const struct bert_input in = { .ids = ids, .texts = spans };

    return mean_rows(t, bert_forward(t, &x->bert, &in), spans);
}

static void close(struct words_tower *x)
{
    bert_close(&x->bert);
}

static const struct section sections[] = {
    { "text.bert.layer.*.", WORDS_AT "encoder.layer.*.", layout_bert_layer },
    { "text.bert.", WORDS_AT, layout_bert },
    { 0 },
};

const struct words words_bert = {
    .names = names,
    .called = "bert",
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
