/* SPDX-License-Identifier: MIT
 * model.c - a CLIP checkpoint of any layout becomes a model
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "family/clip/clip.h"
#include "checkpoint/config.h"
#include "family/registry.h"

/* Buffers without data of their own. */
static const char *const ignored[] = {
    "position_ids",   "num_batches_tracked", "attn_mask", "input_resolution",
    "context_length", "vocab_size",          NULL,
};

struct clip *model_clip(const struct model *m)
{
    return m->family == &family_clip ? m->self : NULL;
}

static bool is_type(const cJSON *config, const char *type)
{
    return !strcmp(json_string(config, "model_type", ""), type);
}

/* OpenAI's names alone do not say which activation is computed, so open() asks where nothing else
 * says it. */
static bool knows(const struct model *m)
{
    if (m->weights && clip_is_openai(m->weights))
        return true;
    if (m->open_clip || (!m->config && m->weights && clip_is_spelt_openai(m->weights)))
        return true;
    return m->config &&
           (clip_is_hf(json_string(m->config, "model_type", "")) || is_type(m->config, "vlm-clip"));
}

static int configure_open_clip(struct model *m, struct clip_config *c)
{
    const cJSON *model = json_get(m->open_clip, "model_cfg");
    bool custom = weights_find(m->weights, "text.token_embedding.weight");

    /* open_clip's own model_configs/NAME.json has no outer object, and no preprocess_cfg */
    if (!model && json_get(m->open_clip, "embed_dim"))
        model = m->open_clip;
    if (!cJSON_IsObject(model))
        return fail("%s/open_clip_config.json: has no model_cfg", m->folder);
    if (clip_config_open_clip(model, c))
        return -1;
    m->layout = custom ? &clip_layout_open_clip_custom : &clip_layout_openai;
    m->reading.clean = CLEAN_OPEN_CLIP;
    m->image.size = clip_image_size(c);
    return preprocess_open_clip(&m->image.preprocess, json_get(m->open_clip, "preprocess_cfg"),
                                m->image.size);
}

/* A folder in Hugging Face's layout whose numbers came out of OpenAI's way of preparing inputs. */
static void follow_openai(struct model *m)
{
    m->reading.clean = CLEAN_OPENAI;
    m->image.preprocess.rounding = CROP_HALF_EVEN;
    m->image.preprocess.convert_first = false;
    preprocess_as_stored(&m->image.preprocess);
}

/* In this order: open_clip_config.json, the shapes of OpenAI's own file, config.json. */
static int configure(struct model *m, struct clip_config *c)
{
    static const struct preprocess_source usual = { .processor = "CLIPImageProcessor" };

    if (m->open_clip)
        return configure_open_clip(m, c);
    if (!m->config && !clip_is_openai(m->weights) &&
        (!m->wanted.compat || strcmp(m->wanted.compat, "original")))
        return fail_as("unsupported",
                       "these are CLIP's tensors, and nothing says whether it computes OpenAI's "
                       "quick_gelu or open_clip's gelu: say --compat=original for OpenAI's, or put "
                       "open_clip_config.json or config.json beside it");
    if (!m->config) {
        m->layout = &clip_layout_openai;
        m->reading.clean = CLEAN_OPENAI;
        if (clip_config_shapes(m->weights, c))
            return -1;
        preprocess_clip(&m->image.preprocess, clip_image_size(c));
        return 0;
    }
    m->reading.clean = CLEAN_HF;
    if (is_type(m->config, "vlm-clip")) {
        m->layout = &clip_layout_own;
        if (clip_config_own(m->config, c))
            return -1;
    } else {
        m->layout = &clip_layout_hf;
        if (clip_config_hf(m->config, c))
            return -1;
    }
    if (c->worldwide)
        m->reading.kind = &tokenizer_kind_xlm;
    m->image.size = clip_image_size(c);
    if (c->has_vision && (preprocess_hf(&m->image.preprocess, &usual, m->image.size) ||
                          preprocess_model(m, true, m->image.size)))
        return -1;
    if (model_is_original(m))
        follow_openai(m);
    return 0;
}

/* A file of one tower alone. */
static void leave_out_absent(const struct model *m, struct clip_config *c)
{
    struct place place;

    if (!m->weights)
        return;
    if (layout_place(m->layout, "text.token", &place) && !weights_find(m->weights, place.name))
        c->has_text = false;
    if (!c->is_resnet && layout_place(m->layout, "vision.class", &place) &&
        !weights_find(m->weights, place.name))
        c->has_vision = false;
}

/* The papers' depth: two layers of the stem and the head, three in each block. */
static void name_resnet(struct buffer *b, const struct resnet_config *c)
{
    int depth = 2 + 3 * (c->layers[0] + c->layers[1] + c->layers[2] + c->layers[3]);

    if (c->width == 64)
        buffer_printf(b, " RN%d", depth);
    else
        buffer_printf(b, " ModifiedResNet-%d of width %d", depth, c->width);
}

/* The published sizes have letters; anything else is described by numbers. */
static void name_vit(struct buffer *b, const struct vit_config *c)
{
    static const struct {
        long width;
        int layers;
        const char *name;
    } known[] = { { 384, 12, "S" },  { 768, 12, "B" },  { 1024, 24, "L" },
                  { 1280, 32, "H" }, { 1408, 40, "g" }, { 1664, 48, "bigG" } };

    for (int i = 0; i < COUNT(known); i++)
        if (known[i].width == c->width && known[i].layers == c->layers) {
            buffer_printf(b, " ViT-%s/%d", known[i].name, c->patch);
            if (c->image != 224)
                buffer_printf(b, "@%d", c->image);
            return;
        }
    buffer_printf(b, " ViT of %d layers, width %ld, squares of %d in %d", c->layers, c->width,
                  c->patch, c->image);
}

static void describe(struct model *m, const struct clip *clip)
{
    const struct clip_config *c = &clip->config;
    struct buffer b = { 0 };
    const struct tensor *weight = clip->text_projection.weight[0];

    buffer_string(&b, c->worldwide ? "MetaCLIP 2" : "CLIP");
    if (c->has_vision && c->is_resnet)
        name_resnet(&b, &c->resnet);
    else if (c->has_vision)
        name_vit(&b, &c->vit);
    if (c->has_vision)
        weight = c->is_resnet ? clip->resnet.query.weight[0] : vit_matrix(&clip->vit);
    if (!c->has_text)
        buffer_string(&b, ", image tower alone");
    if (!c->has_vision)
        buffer_string(&b, ", text tower alone");
    buffer_printf(&b, ", %s layout, %s", m->open_clip ? "open_clip" : m->layout->name,
                  dtype_name(weight->type));
    m->about = b.data;
}

static int open(struct model *m)
{
    struct clip *clip = xalloc(1, sizeof *clip);
    struct clip_config c;

    m->self = clip;
    m->compat = m->config && !m->open_clip ? ~0u : 0;
    if (configure(m, &c))
        return fail_in(m->path);
    leave_out_absent(m, &c);
    if (m->wanted.image_size && m->wanted.image_size != clip_image_size(&c))
        return fail_as("unsupported", "%s: takes images of %d pixels, no others", m->path,
                       clip_image_size(&c));
    if (!m->weights && c.is_resnet)
        return fail_as("unsupported", "%s: a new model with a ResNet cannot be made", m->path);
    c.first_scale =
        (float)json_number(m->config, "logit_scale_init_value", 2.6592f /* ln 1/0.07 */);
    clip_init(clip, &c);
    clip_params(clip, &m->params);
    if (model_bind(m, ignored))
        return -1;
    m->abilities = (c.has_vision ? VLM_EMBED_IMAGE : 0) | (c.has_text ? VLM_EMBED_TEXT : 0);
    m->embedding.width = (int)c.embedding;
    m->image.size = c.has_vision ? clip_image_size(&c) : 0;
    m->image.tokens = c.has_vision ? clip_feature_tokens(&c) : 0;
    m->image.width = c.has_vision ? clip_feature_width(&c) : 0;
    m->image.room = c.has_vision && c.is_resnet ? resnet_room(&c.resnet) : 0;
    m->image.folded = c.has_vision && c.is_resnet;
    m->reading.context = c.has_text ? c.text.context : 0;
    m->reading.vocabulary = c.has_text ? (int)c.text.vocabulary : 0;
    m->embedding.scale = clip->logit_scale ? expf(clip->logit_scale->data[0]) : 1;
    describe(m, clip);
    return 0;
}

static void close(struct model *m)
{
    clip_close(m->self);
    free(m->self);
}

static struct tensor *features(struct tape *t, struct model *m, struct tensor *pixels)
{
    return clip_features(t, m->self, pixels);
}

static struct tensor *image(struct tape *t, struct model *m, struct tensor *pixels)
{
    return clip_image(t, m->self, pixels);
}

static struct tensor *image_of(struct tape *t, struct model *m, struct tensor *x)
{
    return clip_image_of(t, m->self, x);
}

static struct tensor *text(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts)
{
    return clip_text(t, m->self, ids, counts, texts);
}

const struct family family_clip = {
    .name = "clip",
    .image_processor = "CLIPImageProcessor",
    .processor = "CLIPProcessor",
    .knows = knows,
    .alone = clip_is_openai,
    .open = open,
    .close = close,
    .features = features,
    .image = image,
    .image_of = image_of,
    .text = text,
    .learn = &clip_learner,
    .config = clip_save_config,
    .original = clip_save_original,
};
