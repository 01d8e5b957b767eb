/* SPDX-License-Identifier: MIT
 * words.c - the text side: open_clip's own tower, or one of Hugging Face's
 *
 *     own:   y = W pool(norm(tower(ids))) + b
 *     BERT:  y = W2 gelu(W1 mean(tower(ids)))        over the text's own tokens, padding left out
 */
#include "family/open_clip/open_clip.h"

void words_tower_init(struct words_tower *x, const struct words_config *config)
{
    *x = (struct words_tower){ .config = *config };
    if (config->hugging_face)
        bert_init(&x->bert, &config->bert);
    else
        text_init(&x->text, &config->text);
}

void words_tower_params(struct words_tower *x, struct params *p, long embedding)
{
    const struct words_config *c = &x->config;
    long wide = c->hugging_face ? c->bert.width : c->text.width;
    long middle = c->projection == PROJECTION_MLP ? (wide + embedding) / 2 : 0;

    params_in(p, "text");
    if (c->hugging_face) {
        params_in(p, "bert");
        bert_params(&x->bert, p);
        params_out(p);
    } else {
        text_params(&x->text, p);
    }
    if (c->projection) {
        const char *kind = middle               ? "mlp"
                           : c->hugging_face    ? "single"
                           : c->projection_bias ? "biased"
                                                : "plain";

        params_in(p, "%s", kind);
        projection_params(&x->projection, &x->second, p, (long[]){ wide, middle, embedding },
                          c->projection_bias);
        params_out(p);
    }
    params_out(p);
}

void words_tower_close(struct words_tower *x)
{
    if (x->config.hugging_face)
        bert_close(&x->bert);
    else
        text_close(&x->text);
    linear_close(&x->projection);
    linear_close(&x->second);
}

long words_tower_vocabulary(const struct words_config *c)
{
    return c->hugging_face ? c->bert.vocabulary : c->text.vocabulary;
}

static struct tensor *bert_mean(struct tape *t, struct words_tower *x, const int *ids,
                                const int *counts, int texts)
{
    const struct spans *spans = spans_of(t, texts, counts);
    const struct bert_input in = { .ids = ids, .texts = spans };

    return mean_rows(t, bert_forward(t, &x->bert, &in), spans);
}

struct tensor *words_tower_embed(struct tape *t, struct words_tower *x, const int *ids,
                                 const int *counts, int texts)
{
    struct tensor *y = x->config.hugging_face ? bert_mean(t, x, ids, counts, texts)
                                              : text_forward(t, &x->text, ids, counts, texts);

    if (x->config.projection == PROJECTION_MLP)
        return linear(t, &x->second, linear(t, &x->projection, y, ACTIVATION_GELU),
                      ACTIVATION_NONE);
    return x->config.projection ? linear(t, &x->projection, y, ACTIVATION_NONE) : y;
}
