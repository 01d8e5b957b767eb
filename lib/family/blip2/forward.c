/* SPDX-License-Identifier: MIT
 * forward.c - BLIP-2: a frozen image tower, a Q-Former, and behind it a language model
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "family/blip2/blip2.h"

/* The parts that this checkpoint has; the first stage has no language model. */
void blip2_init(struct blip2 *m, const struct blip2_config *config)
{
    *m = (struct blip2){ .config = *config };
    vit_init(&m->vision, &config->vision);
    bert_init(&m->qformer, &config->qformer);
    if (config->language == LANGUAGE_OPT)
        opt_init(&m->opt, &config->opt);
    if (config->language == LANGUAGE_T5)
        t5_init(&m->t5, &config->t5);
}

/* Behind the queries stands one linear layer, and then the language model as it was released. */
static void language_params(struct blip2 *m, struct params *p)
{
    const struct blip2_config *c = &m->config;
    long from = c->qformer.width;

    if (c->language == LANGUAGE_OPT) {
        linear_params(&m->language_projection, p, "opt_projection", c->opt.width, from,
                      linear_uniform(from));
        params_in(p, "opt");
        opt_params(&m->opt, p);
        params_out(p);
    }
    if (c->language == LANGUAGE_T5) {
        linear_params(&m->language_projection, p, "t5_projection", c->t5.width, from,
                      linear_uniform(from));
        params_in(p, "t5");
        t5_params(&m->t5, p);
        params_out(p);
    }
}

/* Transformers have deviation 0.02 and biases 0; the heads are PyTorch's Linear as it comes. */
void blip2_params(struct blip2 *m, struct params *p)
{
    const struct blip2_config *c = &m->config;
    long width = c->qformer.width;
    struct vit_initial initial = vit_normal(0.02f);

    params_in(p, "vision");
    vit_params(&m->vision, p, &initial);
    params_out(p);
    params_in(p, "qformer");
    bert_params(&m->qformer, p);
    params_out(p);
    if (c->embedding) {
        linear_params(&m->vision_projection, p, "vision_projection", c->embedding, width,
                      linear_uniform(width));
        if (!c->qformer.wordless)
            linear_params(&m->text_projection, p, "text_projection", c->embedding, width,
                          linear_uniform(width));
        param_scalar(p, &m->temperature, INIT_VALUE(blip2_first_temperature), "temperature");
        params_optional(p);
    }
    if (c->match)
        linear_params(&m->match_head, p, "match_head", 2, width, linear_uniform(width));
    language_params(m, p);
}

void blip2_close(struct blip2 *m)
{
    vit_close(&m->vision);
    bert_close(&m->qformer);
    linear_close(&m->vision_projection);
    linear_close(&m->text_projection);
    linear_close(&m->match_head);
    linear_close(&m->language_projection);
    opt_close(&m->opt);
    t5_close(&m->t5);
}

/* pixels: [n, 3, side, side]; the result: [n tokens, width], normed as LAVIS's ln_vision does. */
struct tensor *blip2_image(struct tape *t, struct blip2 *m, struct tensor *pixels)
{
    struct tensor *x = vit_finish(t, &m->vision, vit_forward(t, &m->vision, pixels, false));

    return tensor_as_rows(t, x);
}

/* The queries attend to each other in every layer, and to the image in every second one. */
struct tensor *blip2_queries(struct tape *t, struct blip2 *m, struct tensor *image,
                             const struct spans *images)
{
    struct bert_input in = {
        .queries = true,
        .texts = spans_even(t, images->count, m->config.qformer.queries),
        .image = image,
        .images = images,
    };

    return bert_forward(t, &m->qformer, &in);
}

/* [n queries, embedding], not yet scaled to length 1.  An image has as many vectors as there are
 * queries, and its cosine with a text is the largest of theirs (BLIP-2, section 3.2). */
struct tensor *blip2_image_embedding(struct tape *t, struct blip2 *m, struct tensor *queries)
{
    return linear(t, &m->vision_projection, queries, ACTIVATION_NONE);
}

/* [texts, embedding], not yet scaled to length 1, from each text's first state. */
struct tensor *blip2_text_embedding(struct tape *t, struct blip2 *m, const int *ids,
                                    const struct spans *texts)
{
    struct bert_input in = { .ids = ids, .texts = texts, .first_only = texts->start };
    struct tensor *x = bert_forward(t, &m->qformer, &in);

    return linear(t, &m->text_projection, x, ACTIVATION_NONE);
}

/* Queries and text together; the mean over the queries of their two logits. */
struct tensor *blip2_match(struct tape *t, struct blip2 *m, const struct bert_input *in)
{
    struct tensor *x = bert_together(t, &m->qformer, in, NULL);

    x = linear(t, &m->match_head, x, ACTIVATION_NONE);
    return mean_rows(t, x, spans_even(t, in->texts->count, m->config.qformer.queries));
}

/* A mask as in UniLM: queries do not see the text, the text sees the queries and its past. */
struct tensor *blip2_decode(struct tape *t, struct blip2 *m, const struct bert_input *in,
                            struct tensor **queries)
{
    assert(in->causal);
    return bert_together(t, &m->qformer, in, queries);
}

/* The queries as the language model's first "words": [n queries, its width]. */
struct tensor *blip2_pictures(struct tape *t, struct blip2 *m, struct tensor *queries)
{
    return linear(t, &m->language_projection, queries, ACTIVATION_NONE);
}

/* The queries' keys and values are in the cache already: a step computes the new ids alone. */
static void feed(void *self, int count, const int *row, const int *counts, const int *ids,
                 float *logits)
{
    struct blip2_writer *w = self;
    struct bert *b = &w->model->qformer;
    struct tensor *x;
    int *last;

    tape_clear(&w->step);
    last = tape_alloc(&w->step, (size_t)count * sizeof *last);
    struct bert_input in = {
        .ids = ids,
        .texts = spans_of(&w->step, count, counts),
        .causal = true,
        .cache = w->cache,
        .cache_row = row,
        .first_only = last,
    };
    for (int i = 0; i < count; i++)
        last[i] = in.texts->start[i + 1] - 1;
    x = bert_logits(&w->step, b, bert_forward(&w->step, b, &in));
    memcpy(logits, x->data, (size_t)count * (size_t)width(x) * sizeof *logits);
}

/* A beam goes on from another one's text: what the cache holds of that is copied. */
static void copy(void *self, int from, int to)
{
    struct blip2_writer *w = self;

    bert_cache_copy(w->cache, from, to);
}

/* The queries go first into the row in which an item's text begins. */
void blip2_writer_open(struct blip2_writer *w, struct blip2 *m, struct tensor *image,
                       const struct spans *images, const struct decoding *d)
{
    int queries = m->config.qformer.queries, each = decode_rows(d);
    int *row = xalloc((size_t)images->count, sizeof *row);

    *w = (struct blip2_writer){ .model = m };
    w->cache = bert_cache_new(&m->qformer, images->count * each, queries + d->max_length);
    w->language = (struct language_model){ w, (int)m->config.qformer.vocabulary, feed, copy };
    for (int i = 0; i < images->count; i++)
        row[i] = i * each;
    struct bert_input in = {
        .queries = true,
        .texts = spans_even(&w->step, images->count, queries),
        .image = image,
        .images = images,
        .cache = w->cache,
        .cache_row = row,
    };
    bert_forward(&w->step, &m->qformer, &in);
    free(row);
}

void blip2_writer_close(struct blip2_writer *w)
{
    bert_cache_free(w->cache);
    tape_free(&w->step);
}
