/* SPDX-License-Identifier: MIT
 * forward.c - BLIP: an image tower and one kind of text transformer in three roles
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "family/blip/blip.h"
#include "learn/text_cache.h"

static const float neck_eps = 1e-6f;

/* The towers that this checkpoint has.  The decoder is built as the encoder is, with a head over
 * the vocabulary; in VQA a question's states stand where the image's would. */
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

static void class_params(struct blip *m, struct params *p)
{
    long width = m->config.text.width;

    linear_params(&m->class_hidden, p, "class_head.hidden", width, width, linear_uniform(width));
    linear_params(&m->class_out, p, "class_head.out", m->config.classes, width,
                  linear_uniform(width));
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
        if (c->product)
            linear_params(&m->match_product, p, "match_product", 2, c->embedding,
                          without_bias(linear_uniform(c->embedding)));
        param_scalar(p, &m->temperature, INIT_VALUE(blip_first_temperature), "temperature");
        params_optional(p);
    }
    if (c->classes)
        class_params(m, p);
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
    linear_close(&m->match_product);
    linear_close(&m->pooler);
    linear_close(&m->class_hidden);
    linear_close(&m->class_out);
    text_cache_free(m->kept_rows);
    text_cache_free(m->kept_below);
    text_cache_free(m->kept_causal);
}

/* pixels: [n, 3, side, side]; the result: [n, tokens, width], the class token first. */
struct tensor *blip_features(struct tape *t, struct blip *m, struct tensor *pixels)
{
    return tower_forward(t, &m->vision, pixels, false);
}

/* What the text transformers look at: [n tokens, width], made narrower where a neck is. */
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

/* x: [n, width], the class tokens; the result: [n, embedding], not yet scaled to length 1. */
static struct tensor *project_image(struct tape *t, struct blip *m, struct tensor *x)
{
    if (m->config.contrastive) /* the class token is normed twice there */
        x = vit_finish(t, &m->vision.vit, x);

    return linear(t, &m->vision_projection, x, ACTIVATION_NONE);
}

/* image: what blip_bridge() made of `images` pictures. */
struct tensor *blip_image_embedding(struct tape *t, struct blip *m, struct tensor *image,
                                    int images)
{
    const struct spans *s = spans_even(t, images, (int)(rows(image) / images));

    return project_image(t, m, take_rows(t, image, firsts(t, s), images));
}

/* The same from pixels.  The last layer computes the class token's row alone. */
struct tensor *blip_embed_image(struct tape *t, struct blip *m, struct tensor *pixels)
{
    return project_image(t, m, blip_bridge(t, m, tower_forward(t, &m->vision, pixels, true)));
}

/* One row a text, [texts, width]: its first state, or the mean of all.  Without an image the
 * encoder passes its cross attention by. */
struct tensor *blip_text_row(struct tape *t, struct blip *m, const int *ids,
                             const struct spans *texts)
{
    bool mean = m->config.text_mean;
    struct bert_input in = { .ids = ids,
                             .texts = texts,
                             .first_only = mean ? NULL : firsts(t, texts) };
    struct tensor *x = bert_forward(t, &m->encoder, &in);

    return mean ? mean_rows(t, x, texts) : x;
}

struct tensor *blip_project_text(struct tape *t, struct blip *m, struct tensor *x)
{
    if (m->config.contrastive)
        x = tensor_tanh(t, linear(t, &m->pooler, x, ACTIVATION_NONE));

    return linear(t, &m->text_projection, x, ACTIVATION_NONE);
}

struct tensor *blip_text_embedding(struct tape *t, struct blip *m, const int *ids,
                                   const struct spans *texts)
{
    return blip_project_text(t, m, blip_text_row(t, m, ids, texts));
}

/* The states of the layers below the first that looks at an image.  They are the same beside any
 * image, so vlm-itm computes them once a text. */
struct tensor *blip_text_below(struct tape *t, struct blip *m, const int *ids,
                               const struct spans *texts, bool causal)
{
    struct bert_input in = {
        .ids = ids, .texts = texts, .causal = causal, .to = m->config.text.cross_from
    };

    return bert_forward(t, causal ? &m->decoder : &m->encoder, &in);
}

/* The products are about 1 / embedding each, and are weighed as if they were about 1. */
static struct tensor *weigh_products(struct tape *t, struct blip *m, struct tensor *u,
                                     struct tensor *v)
{
    struct tensor *x = scale(t, multiply(t, u, v), (float)m->config.embedding);

    return linear(t, &m->match_product, x, ACTIVATION_NONE);
}

/* states: [pairs, width], of [ENC].  The result: [pairs, 2], logits of "no" and "yes". */
struct tensor *blip_match_logits(struct tape *t, struct blip *m, struct tensor *states,
                                 const struct blip_sides *sides)
{
    struct tensor *x = linear(t, &m->match_head, states, ACTIVATION_NONE), *u, *v;

    if (!m->config.product)
        return x;
    u = sides->image_of ? take_rows(t, sides->images, sides->image_of, rows(x)) : sides->images;
    v = sides->text_of ? take_rows(t, sides->texts, sides->text_of, rows(x)) : sides->texts;
    return add(t, x, weigh_products(t, m, u, v));
}

struct tensor *blip_match(struct tape *t, struct blip *m, const struct bert_input *in)
{
    struct bert_input begun = *in;
    struct blip_sides sides = { .image_of = in->image_of };

    begun.first_only = firsts(t, in->texts);
    if (m->config.product) {
        sides.images = unit_rows(t, blip_image_embedding(t, m, in->image, in->images->count));
        sides.texts = unit_rows(t, blip_text_embedding(t, m, in->ids, in->texts));
    }
    return blip_match_logits(t, m, bert_forward(t, &m->encoder, &begun), &sides);
}

/* One pair, and on the way the attention that heat maps are made of.  All rows are computed: a map
 * of a word needs that word's row of the last layer too. */
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

/* Source: salesforce/BLIP models/blip_nlvr.py. */
struct tensor *blip_classify(struct tape *t, struct blip *m, const struct bert_input *in)
{
    struct bert_input begun = *in;
    struct tensor *x;

    begun.first_only = firsts(t, in->texts);
    x = bert_forward(t, &m->encoder, &begun);
    x = linear(t, &m->class_hidden, x, ACTIVATION_RELU);
    return linear(t, &m->class_out, x, ACTIVATION_NONE);
}

/* The decoder over whole texts, for learning and for scores: logits [ids, vocabulary], of the id
 * behind each. */
struct tensor *blip_decode(struct tape *t, struct blip *m, struct tensor *image,
                           const struct spans *images, const int *ids, const struct spans *texts)
{
    struct bert_input in = {
        .ids = ids, .texts = texts, .image = image, .images = images, .causal = true
    };

    return bert_logits(t, &m->decoder, bert_forward(t, &m->decoder, &in));
}

/* BLIP's VQA: the encoder reads the question beside the image, and the decoder then looks at these
 * states, [ids, width], instead of the image. */
struct tensor *blip_questions(struct tape *t, struct blip *m, struct tensor *image,
                              const struct spans *images, const int *ids, const struct spans *texts)
{
    struct bert_input in = { .ids = ids, .texts = texts, .image = image, .images = images };

    return bert_forward(t, &m->encoder, &in);
}
