/* SPDX-License-Identifier: MIT
 * model.c - a SigLIP checkpoint becomes a model
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "checkpoint/config.h"
#include "family/registry.h"
#include "family/siglip/siglip.h"

/* Buffers without data of their own. */
static const char *const ignored[] = { "position_ids", NULL };

static bool knows(const struct model *m)
{
    const char *type = m->config ? json_string(m->config, "model_type", "") : "";

    if (!m->config && !m->open_clip && m->weights && siglip_is_big_vision(m->weights))
        return true;
    return siglip_is_hf(type, false);
}

static bool knows_shapes(const struct model *m)
{
    return m->config && siglip_is_hf(json_string(m->config, "model_type", ""), true);
}

/* What is done to texts: as big_vision and open_clip do, which made the weights; or as
 * transformers, where SigLIP's tokenizer keeps no underscore and SigLIP 2's all punctuation. */
static enum text_clean cleaning(const struct model *m, const struct siglip_config *c)
{
    bool second = c->text.pad_id == 0;

    if (!m->config || model_is_original(m))
        return CLEAN_CANONICAL;
    return second ? CLEAN_LOWER : CLEAN_CANONICAL_HF;
}

/* Both sides are resized to the image size, whatever the picture's shape, and pixels become -1 ..
 * 1; preprocessor_config.json may say otherwise. */
static int prepare_images(struct model *m, const struct siglip_config *c)
{
    struct preprocess *p = &m->image.preprocess;

    m->image.size = c->vit.image;
    if (c->squares)
        preprocess_shapes(p, c->vit.patch);
    else
        preprocess_squash(p, c->vit.image);
    for (int i = 0; i < 3; i++)
        p->mean[i] = p->std[i] = 0.5f;
    if (preprocess_model(m, m->config != NULL, c->vit.image))
        return -1;
    if (c->squares && (p->geometry != GEOMETRY_PATCHES || p->patch != c->vit.patch))
        return fail("its pictures are not cut into squares of %d pixels, which its tower takes",
                    c->vit.patch);
    return 0;
}

/* For --info and -v, and for the sentences that refuse something. */
static void describe(struct model *m, const struct siglip *s)
{
    const struct siglip_config *c = &s->config;
    const struct tensor *weight = c->has_vision ? vit_matrix(&s->vit) : s->text_head.weight[0];
    struct buffer b = { 0 };

    buffer_string(&b, c->squares || (c->has_text && c->text.pad_id == 0) ? "SigLIP 2" : "SigLIP");
    if (c->has_vision && c->squares)
        buffer_printf(&b, " NaFlex ViT of %d layers, width %ld, %d squares of %d", c->vit.layers,
                      c->vit.width, m->image.preprocess.most, c->vit.patch);
    else if (c->has_vision)
        buffer_printf(&b, " ViT of %d layers, width %ld, squares of %d in %d", c->vit.layers,
                      c->vit.width, c->vit.patch, c->vit.image);
    if (!c->has_text)
        buffer_string(&b, ", image tower alone");
    if (!c->has_vision)
        buffer_string(&b, ", text tower alone");
    buffer_printf(&b, ", %s layout, %s", m->layout->name, dtype_name(weight->type));
    m->about = b.data;
}

/* The configuration, then the names, then the tensors; a part that the folder lacks is an ability
 * that the model lacks. */
static int open(struct model *m)
{
    struct siglip *s = xalloc(1, sizeof *s);
    struct siglip_config c;

    m->self = s;
    m->layout = m->config ? &siglip_layout_hf : &siglip_layout_big_vision;
    m->compat = m->config ? VLM_EMBED_TEXT : 0;
    m->reading.kind = &tokenizer_kind_siglip;
    if ((m->config ? siglip_config_hf(m->config, &c) : siglip_config_big_vision(m->weights, &c)) ||
        (c.has_vision && prepare_images(m, &c)))
        return fail_in(m->path);
    if (m->wanted.image_size && c.squares)
        return fail_as("unsupported", "--image-size=%d: %s keeps the shape of each picture",
                       m->wanted.image_size, m->path);
    if (m->wanted.image_size && m->wanted.image_size != c.vit.image)
        return fail_as("unsupported", "%s: takes images of %d pixels, no others", m->path,
                       c.vit.image);
    siglip_init(s, &c);
    siglip_params(s, &m->params);
    if (model_bind(m, ignored))
        return -1;
    m->abilities = (c.has_vision ? VLM_EMBED_IMAGE : 0) | (c.has_text ? VLM_EMBED_TEXT : 0);
    m->embedding.width = (int)c.embedding;
    m->embedding.sigmoid = true;
    m->embedding.scale = s->logit_scale ? expf(s->logit_scale->data[0]) : 1;
    m->embedding.bias = s->logit_bias ? s->logit_bias->data[0] : 0;
    if (c.has_vision && !c.squares) { /* else every picture has as many as it has */
        m->image.tokens = vit_tokens(&c.vit);
        m->image.width = c.vit.width;
    }
    m->reading.clean = cleaning(m, &c);
    m->reading.context = c.has_text ? c.text.context : 0;
    m->reading.vocabulary = c.has_text ? (int)c.text.vocabulary : 0;
    describe(m, s);
    return 0;
}

static void close(struct model *m)
{
    siglip_close(m->self);
    free(m->self);
}

static struct tensor *features(struct tape *t, struct model *m, struct tensor *pixels)
{
    return siglip_features(t, m->self, pixels);
}

static struct tensor *image_of(struct tape *t, struct model *m, struct tensor *x)
{
    return siglip_image_of(t, m->self, x);
}

static struct tensor *image(struct tape *t, struct model *m, struct tensor *pixels)
{
    return siglip_image(t, m->self, pixels);
}

static struct tensor *text(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts)
{
    return siglip_text(t, m->self, ids, counts, texts);
}

const struct family family_siglip = {
    .name = "siglip",
    .alone = siglip_is_big_vision,
    .image_processor = "SiglipImageProcessor",
    .processor = "SiglipProcessor",
    .knows = knows,
    .open = open,
    .close = close,
    .features = features,
    .image_of = image_of,
    .text = text,
    .learn = &siglip_learner,
    .config = siglip_save_config,
};

/* NaFlex: pictures keep their shape, and have no features of one size. */
const struct family family_siglip2 = {
    .name = "siglip2",
    .image_processor = "Siglip2ImageProcessor",
    .processor = "Siglip2Processor",
    .knows = knows_shapes,
    .open = open,
    .close = close,
    .image = image,
    .text = text,
    .learn = &siglip_learner,
    .config = siglip_save_config,
};
