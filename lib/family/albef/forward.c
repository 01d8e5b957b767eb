/* SPDX-License-Identifier: MIT
 * forward.c - ALBEF: an image tower and one BERT in two halves
 */
#include <string.h>
#include "family/albef/albef.h"

void albef_init(struct albef *m, const struct albef_config *config)
{
    *m = (struct albef){ .config = *config };
    vit_init(&m->vision, &config->vision);
    bert_init(&m->encoder, &config->text);
    if (config->decoder.layers) {
        struct bert_config decoder = config->decoder;

        decoder.writes = true;
        bert_init(&m->decoder, &decoder);
    }
}

/* Parameters of a BERT under its own prefix. */
static void tower_params(struct params *p, const char *name, struct bert *b)
{
    params_in(p, "%s", name);
    bert_params(b, p);
    params_out(p);
}

/* Transformers have deviation 0.02 and biases 0; the patches and the heads are PyTorch's Linear as
 * it comes.  Source: salesforce/ALBEF models/vit.py, models/xbert.py. */
void albef_params(struct albef *m, struct params *p)
{
    const struct albef_config *c = &m->config;
    long width = c->text.width;
    struct vit_initial initial = vit_normal(0.02f);

    initial.patch = linear_uniform(3L * c->vision.patch * c->vision.patch);
    params_in(p, "vision");
    vit_params(&m->vision, p, &initial);
    params_out(p);
    tower_params(p, "encoder", &m->encoder);
    if (c->decoder.layers)
        tower_params(p, "decoder", &m->decoder);
    if (c->embedding) {
        linear_params(&m->vision_projection, p, "vision_projection", c->embedding, c->vision.width,
                      linear_uniform(c->vision.width));
        linear_params(&m->text_projection, p, "text_projection", c->embedding, width,
                      linear_uniform(width));
        param_scalar(p, &m->temperature, INIT_VALUE(albef_first_temperature), "temperature");
        params_optional(p);
    }
    if (c->match)
        linear_params(&m->match_head, p, "match_head", 2, width, linear_uniform(width));
    if (c->classes) {
        linear_params(&m->class_hidden, p, "class_head.hidden", width, width,
                      linear_uniform(width));
        linear_params(&m->class_out, p, "class_head.out", c->classes, width, linear_uniform(width));
    }
}

void albef_close(struct albef *m)
{
    vit_close(&m->vision);
    bert_close(&m->encoder);
    bert_close(&m->decoder);
    linear_close(&m->vision_projection);
    linear_close(&m->text_projection);
    linear_close(&m->match_head);
    linear_close(&m->class_hidden);
    linear_close(&m->class_out);
}

/* [n, 3, size, size] -> [n * tokens, width], normed. */
struct tensor *albef_image(struct tape *t, struct albef *m, struct tensor *pixels)
{
    struct tensor *x = vit_finish(t, &m->vision, vit_forward(t, &m->vision, pixels, false));

    return tensor_as_rows(t, x);
}

/* The rows at which sequences begin: class tokens, [CLS]. */
static int *firsts(struct tape *t, const struct spans *s)
{
    int *at = tape_alloc(t, (size_t)s->count * sizeof *at);

    memcpy(at, s->start, (size_t)s->count * sizeof *at);
    return at;
}

/* The class token, projected: [images, embedding]. */
struct tensor *albef_image_embedding(struct tape *t, struct albef *m, struct tensor *image,
                                     int images)
{
    const struct spans *s = spans_even(t, images, (int)(rows(image) / images));
    struct tensor *x = take_rows(t, image, firsts(t, s), images);

    return linear(t, &m->vision_projection, x, ACTIVATION_NONE);
}

static struct tensor *project_text(struct tape *t, struct albef *m, struct tensor *first)
{
    return linear(t, &m->text_projection, first, ACTIVATION_NONE);
}

/* Only the layers before fusion read a text alone; the last of them skips all rows but [CLS]. */
struct tensor *albef_text_embedding(struct tape *t, struct albef *m, const int *ids,
                                    const struct spans *texts)
{
    struct bert_input in = {
        .ids = ids,
        .texts = texts,
        .to = m->config.text.cross_from,
        .first_only = firsts(t, texts),
    };

    return project_text(t, m, bert_forward(t, &m->encoder, &in));
}

struct tensor *albef_text(struct tape *t, struct albef *m, const int *ids,
                          const struct spans *texts)
{
    struct bert_input in = { .ids = ids, .texts = texts, .to = m->config.text.cross_from };

    return bert_forward(t, &m->encoder, &in);
}

struct tensor *albef_states_embedding(struct tape *t, struct albef *m, struct tensor *states,
                                      const struct spans *texts)
{
    return project_text(t, m, take_rows(t, states, firsts(t, texts), texts->count));
}

/* With `states` the first half is not computed again: one text looks at several images in training.
 */
struct tensor *albef_states(struct tape *t, struct albef *m, const struct albef_pairs *p,
                            bool first_only)
{
    struct bert_input in = {
        .ids = p->ids,
        .states = p->states,
        .from = p->states ? m->config.text.cross_from : 0,
        .texts = p->texts,
        .image = p->image,
        .other = p->other,
        .images = p->images,
        .image_of = p->image_of,
        .watch = p->watch,
        .first_only = first_only ? firsts(t, p->texts) : NULL,
    };

    return bert_forward(t, &m->encoder, &in);
}

/* first: [texts, width], the states of [CLS] -> logits [texts, 2], or [texts, classes] by two
 * layers with a ReLU between them. */
struct tensor *albef_match(struct tape *t, struct albef *m, struct tensor *first)
{
    if (!m->config.classes)
        return linear(t, &m->match_head, first, ACTIVATION_NONE);
    first = linear(t, &m->class_hidden, first, ACTIVATION_RELU);
    return linear(t, &m->class_out, first, ACTIVATION_NONE);
}
