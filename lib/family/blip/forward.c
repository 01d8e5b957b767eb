/* SPDX-License-Identifier: MIT
 * forward.c - BLIP: an image tower and one kind of text transformer in three roles
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "family/blip/blip.h"

static const float neck_eps = 1e-6f;

void blip_init(struct blip *m, const struct blip_config *config)
{
    struct bert_config text = config->text;

    *m = (struct blip){ .config = *config };
    tower_init(&m->vision, &config->vision);
    text.head = false;
    if (config->encoder)
        bert_init(&m->encoder, &text);
    text.head = text.writes = true;
    if (config->answers)
        text.cross_width = text.width; /* it looks at the question's states */
    if (config->decoder)
        bert_init(&m->decoder, &text);
}

/* Transformers have deviation 0.02 (the image tower's cut at 100 deviations is none) and biases 0;
 * the patches and the heads are PyTorch's Linear as it comes.  Source: salesforce/BLIP
 * models/vit.py, models/med.py. */
void blip_params(struct blip *m, struct params *p)
{
    const struct blip_config *c = &m->config;
    long wide = tower_width(&c->vision);
    struct vit_initial initial = vit_normal(0.02f);

    if (!c->vision.convolves)
        initial.patch = linear_uniform(3L * c->vision.vit.patch * c->vision.vit.patch);
    params_in(p, "vision");
    tower_params(&m->vision, p, &initial);
    params_out(p);
    if (c->neck) {
        linear_params(&m->neck, p, "neck", c->neck, wide, linear_uniform(wide));
        params_in(p, "neck_norm");
        m->neck_norm.eps = neck_eps;
        norm_params(&m->neck_norm, p, wide = c->neck);
        params_out(p);
    }
    if (c->encoder) {
        params_in(p, "encoder");
        bert_params(&m->encoder, p);
        params_out(p);
    }
    if (c->decoder) {
        params_in(p, "decoder");
        bert_params(&m->decoder, p);
        params_out(p);
    }
    if (c->contrastive) {
        linear_params(&m->pooler, p, "pooler", c->text.width, c->text.width, linear_normal(0.02f));
        linear_params(&m->vision_projection, p, "vision_projection", c->embedding, wide,
                      without_bias(linear_uniform(wide)));
        linear_params(&m->text_projection, p, "text_projection", c->embedding, c->text.width,
                      without_bias(linear_uniform(c->text.width)));
        param_scalar(p, &m->logit_scale, INIT_VALUE(logf(1 / blip_first_temperature)),
                     "logit_scale");
    }
    if (c->match) {
        linear_params(&m->vision_projection, p, "vision_projection", c->embedding, wide,
                      linear_uniform(wide));
        linear_params(&m->text_projection, p, "text_projection", c->embedding, c->text.width,
                      linear_uniform(c->text.width));
        linear_params(&m->match_head, p, "match_head", 2, c->text.width,
                      linear_uniform(c->text.width));
        param_scalar(p, &m->temperature, INIT_VALUE(blip_first_temperature), "temperature");
        params_optional(p);
    }
}

void blip_close(struct blip *m)
{
    tower_close(&m->vision);
    linear_close(&m->neck);
    bert_close(&m->encoder);
    bert_close(&m->decoder);
    linear_close(&m->vision_projection);
    linear_close(&m->text_projection);
    linear_close(&m->match_head);
    linear_close(&m->pooler);
}

struct tensor *blip_features(struct tape *t, struct blip *m, struct tensor *pixels)
{
    return tower_forward(t, &m->vision, pixels, false);
}

struct tensor *blip_bridge(struct tape *t, struct blip *m, struct tensor *features)
{
    struct tensor *x = tensor_as_rows(t, features);

    return m->config.neck ? norm_forward(t, &m->neck_norm, linear(t, &m->neck, x, ACTIVATION_GELU))
                          : x;
}

/* The rows at which sequences begin: class tokens, [CLS], [ENC]. */
static int *firsts(struct tape *t, const struct spans *s)
{
    int *at = tape_alloc(t, (size_t)s->count * sizeof *at);

    memcpy(at, s->start, (size_t)s->count * sizeof *at);
    return at;
}

static struct tensor *project_image(struct tape *t, struct blip *m, struct tensor *x)
{
    if (m->config.contrastive) /* the class token is normed twice there */
        x = vit_finish(t, &m->vision.vit, x);

    return normalize(t, linear(t, &m->vision_projection, x, ACTIVATION_NONE), 1e-12f);
}

struct tensor *blip_image_embedding(struct tape *t, struct blip *m, struct tensor *image,
                                    int images)
{
    const struct spans *s = spans_even(t, images, (int)(rows(image) / images));

    return project_image(t, m, take_rows(t, image, firsts(t, s), images));
}

struct tensor *blip_embed_image(struct tape *t, struct blip *m, struct tensor *pixels)
{
    return project_image(t, m, blip_bridge(t, m, tower_forward(t, &m->vision, pixels, true)));
}

struct tensor *blip_text_embedding(struct tape *t, struct blip *m, const int *ids,
                                   const struct spans *texts)
{
    bool mean = m->config.text_mean;
    struct bert_input in = { .ids = ids,
                             .texts = texts,
                             .first_only = mean ? NULL : firsts(t, texts) };
    struct tensor *x = bert_forward(t, &m->encoder, &in);

    if (mean)
        x = mean_rows(t, x, texts);
    if (m->config.contrastive)
        x = tensor_tanh(t, linear(t, &m->pooler, x, ACTIVATION_NONE));

    return normalize(t, linear(t, &m->text_projection, x, ACTIVATION_NONE), 1e-12f);
}

struct tensor *blip_match(struct tape *t, struct blip *m, const struct bert_input *in)
{
    struct bert_input begun = *in;

    begun.first_only = firsts(t, in->texts);
    return linear(t, &m->match_head, bert_forward(t, &m->encoder, &begun), ACTIVATION_NONE);
}

struct tensor *blip_match_watched(struct tape *t, struct blip *m, struct tensor *image,
                                  const int *ids, int count, struct bert_watch *watch)
{
    struct bert_input in = {
        .ids = ids,
        .texts = spans_even(t, 1, count),
        .image = image,
        .images = spans_even(t, 1, (int)rows(image)),
        .watch = watch,
    };
    struct tensor *x = bert_forward(t, &m->encoder, &in);

    return linear(t, &m->match_head, take_rows(t, x, (int[]){ 0 }, 1), ACTIVATION_NONE);
}

struct tensor *blip_decode(struct tape *t, struct blip *m, struct tensor *image,
                           const struct spans *images, const int *ids, const struct spans *texts)
{
    struct bert_input in = {
        .ids = ids, .texts = texts, .image = image, .images = images, .causal = true
    };

    return bert_logits(t, &m->decoder, bert_forward(t, &m->decoder, &in));
}

struct tensor *blip_questions(struct tape *t, struct blip *m, struct tensor *image,
                              const struct spans *images, const int *ids, const struct spans *texts)
{
    struct bert_input in = { .ids = ids, .texts = texts, .image = image, .images = images };

    return bert_forward(t, &m->encoder, &in);
}
