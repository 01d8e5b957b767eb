/* SPDX-License-Identifier: MIT
 * words.c - the text side: open_clip's own tower, or one of Hugging Face's
 *
 *     own, NLLB:         y = W pool(norm(tower(ids))) + b
 *     RoBERTa, mT5:      y = W2 gelu(W1 mean(tower(ids)))      over the text's own tokens, padding
 *                                                              left out
 */
#include "family/open_clip/open_clip.h"

/* What a kind of tower does; pooled: [texts, width]. */
struct words {
    const char *name; /* before its parameters */
    void (*init)(struct words_tower *x);
    void (*params)(struct words_tower *x, struct params *p);
    struct tensor *(*pooled)(struct tape *t, struct words_tower *x, const int *ids,
                             const int *counts, int texts);
    void (*close)(struct words_tower *x);
};

/* --- open_clip's own; NLLB's encoder is such a one --- */

static void own_init(struct words_tower *x)
{
    text_init(&x->text, &x->config.text);
}

static void own_params(struct words_tower *x, struct params *p)
{
    text_params(&x->text, p);
}

static struct tensor *own_pooled(struct tape *t, struct words_tower *x, const int *ids,
                                 const int *counts, int texts)
{
    return text_forward(t, &x->text, ids, counts, texts);
}

static void own_close(struct words_tower *x)
{
    text_close(&x->text);
}

/* --- RoBERTa --- */

static void bert_begin(struct words_tower *x)
{
    bert_init(&x->bert, &x->config.bert);
}

static void bert_list(struct words_tower *x, struct params *p)
{
    bert_params(&x->bert, p);
}

static struct tensor *bert_mean(struct tape *t, struct words_tower *x, const int *ids,
                                const int *counts, int texts)
{
    const struct spans *spans = spans_of(t, texts, counts);
    const struct bert_input in = { .ids = ids, .texts = spans };

    return mean_rows(t, bert_forward(t, &x->bert, &in), spans);
}

static void bert_end(struct words_tower *x)
{
    bert_close(&x->bert);
}

/* --- T5's encoder --- */

static void t5_begin(struct words_tower *x)
{
    t5_init(&x->t5, &x->config.t5);
}

static void t5_list(struct words_tower *x, struct params *p)
{
    t5_params(&x->t5, p);
}

static struct tensor *t5_mean(struct tape *t, struct words_tower *x, const int *ids,
                              const int *counts, int texts)
{
    const struct spans *spans = spans_of(t, texts, counts);
    struct tensor *words = t5_words(t, &x->t5, ids, spans->start[texts]);

    return mean_rows(t, t5_encode(t, &x->t5, words, spans), spans);
}

static void t5_end(struct words_tower *x)
{
    t5_close(&x->t5);
}

static const struct words kinds[] = {
    [WORDS_OWN] = { NULL, own_init, own_params, own_pooled, own_close },
    [WORDS_BERT] = { "bert", bert_begin, bert_list, bert_mean, bert_end },
    [WORDS_T5] = { "t5", t5_begin, t5_list, t5_mean, t5_end },
    [WORDS_NLLB] = { "nllb", own_init, own_params, own_pooled, own_close },
};

void words_tower_init(struct words_tower *x, const struct words_config *config)
{
    *x = (struct words_tower){ .config = *config };
    kinds[config->kind].init(x);
}

void words_tower_params(struct words_tower *x, struct params *p, long embedding)
{
    const struct words_config *c = &x->config;
    const struct words *kind = &kinds[c->kind];
    long wide = words_tower_width(c);
    long middle = c->projection == PROJECTION_MLP ? (wide + embedding) / 2 : 0;

    params_in(p, "text");
    if (kind->name)
        params_in(p, "%s", kind->name);
    kind->params(x, p);
    if (kind->name)
        params_out(p);
    if (c->projection) {
        params_in(p, "%s",
                  middle               ? "mlp"
                  : kind->name         ? "single"
                  : c->projection_bias ? "biased"
                                       : "plain");
        projection_params(&x->projection, &x->second, p, (long[]){ wide, middle, embedding },
                          c->projection_bias);
        params_out(p);
    }
    params_out(p);
}

void words_tower_close(struct words_tower *x)
{
    kinds[x->config.kind].close(x);
    linear_close(&x->projection);
    linear_close(&x->second);
}

long words_tower_vocabulary(const struct words_config *c)
{
    return c->kind == WORDS_BERT ? c->bert.vocabulary
           : c->kind == WORDS_T5 ? c->t5.vocabulary
                                 : c->text.vocabulary;
}

long words_tower_width(const struct words_config *c)
{
    return c->kind == WORDS_BERT ? c->bert.width
           : c->kind == WORDS_T5 ? c->t5.width
                                 : c->text.width;
}

struct tensor *words_tower_embed(struct tape *t, struct words_tower *x, const int *ids,
                                 const int *counts, int texts)
{
    struct tensor *y = kinds[x->config.kind].pooled(t, x, ids, counts, texts);

    if (x->config.projection == PROJECTION_MLP)
        return linear(t, &x->second, linear(t, &x->projection, y, ACTIVATION_GELU),
                      ACTIVATION_NONE);
    return x->config.projection ? linear(t, &x->projection, y, ACTIVATION_NONE) : y;
}
