/* SPDX-License-Identifier: MIT
 * model.c - a checkpoint of open_clip with other towers becomes a model
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "checkpoint/config.h"
#include "family/open_clip/open_clip.h"
#include "family/registry.h"

/* Buffers without data of their own. */
static const char *const ignored[] = { "position_ids", "num_batches_tracked", "attn_mask",
                                       "embed_positions.weights", NULL };

/* open_clip's own model_configs/NAME.json has no outer object. */
static const cJSON *model_cfg(const struct model *m)
{
    const cJSON *inner = json_get(m->open_clip, "model_cfg");

    return inner ? inner : m->open_clip;
}

static bool says(const cJSON *o, const char *name)
{
    const cJSON *item = json_get(o, name);

    return item && !cJSON_IsNull(item) && !cJSON_IsFalse(item);
}

static bool knows(const struct model *m)
{
    const cJSON *model = m->open_clip ? model_cfg(m) : NULL;
    const cJSON *image = json_get(model, "vision_cfg"), *text = json_get(model, "text_cfg");

    return model && (says(image, "timm_model_name") || says(text, "hf_model_name") ||
                     says(text, "hf_tokenizer_name") || says(model, "init_logit_bias") ||
                     says(model, "multimodal_cfg") || says(image, "ls_init_value") ||
                     says(text, "ls_init_value"));
}

/* The tokenizer by the name of its repository; what open_clip does to a text before it. */
static int choose_tokenizer(struct model *m, const cJSON *text)
{
    static const struct {
        const char *part;
        const struct tokenizer_kind *kind;
    } names[] = {
        { "SigLIP", &tokenizer_kind_siglip },   { "bert-base-uncased", &tokenizer_kind_bert },
        { "xlm-v", &tokenizer_kind_xlm },       { "xlm-roberta", &tokenizer_kind_xlm },
        { "roberta", &tokenizer_kind_roberta }, { "mt5", &tokenizer_kind_t5 },
        { "nllb", &tokenizer_kind_nllb },
    };
    const char *name =
        json_string(text, "hf_tokenizer_name", json_string(text, "hf_model_name", ""));
    const cJSON *kwargs = json_get(text, "tokenizer_kwargs");
    const char *clean = json_string(kwargs, "clean", "whitespace");
    struct text_side *r = &m->reading;

    r->clean = CLEAN_OPEN_CLIP;
    if (!*name)
        return 0;
    r->kind = NULL;
    for (int i = 0; i < COUNT(names) && !r->kind; i++)
        if (strstr(name, names[i].part))
            r->kind = names[i].kind;
    if (!r->kind)
        return fail_as("unsupported", "the tokenizer %.60s is not known here", name);
    if (json_string(kwargs, "language", NULL))
        return fail_as("unsupported", "tokenizer_kwargs: a language besides the tokenizer's own");
    r->clean = !strcmp(clean, "canonicalize") ? CLEAN_OPEN_CANONICAL
               : !strcmp(clean, "lower")      ? CLEAN_OPEN_LOWER
                                              : CLEAN_OPEN_SPACES;
    r->no_end = json_bool(kwargs, "strip_sep_token", false);
    return 0;
}

static int configure(struct model *m, struct open_clip_config *c)
{
    const cJSON *model = model_cfg(m);

    if (!m->weights)
        return fail_as("unsupported", "a new model of these towers cannot be made");
    if (open_clip_config(model, m->weights, c) || choose_tokenizer(m, json_get(model, "text_cfg")))
        return -1;
    m->layout = c->flat ? &open_clip_layout_flat : &open_clip_layout_custom;
    m->image.size = c->image.size;
    return preprocess_open_clip(&m->image.preprocess, json_get(m->open_clip, "preprocess_cfg"),
                                m->image.size);
}

static void describe(struct model *m, const struct open_clip *o)
{
    const cJSON *model = model_cfg(m);
    const char *image = json_string(json_get(model, "vision_cfg"), "timm_model_name", NULL);
    const char *text = json_string(json_get(model, "text_cfg"), "hf_model_name", NULL);
    const struct image_config *c = &o->config.image;
    struct buffer b = { 0 };

    buffer_string(&b, o->config.sigmoid ? "SigLIP" : o->config.writes ? "CoCa" : "CLIP");
    if (image)
        buffer_printf(&b, " %.60s", image);
    else
        buffer_printf(&b, " ViT of %d layers, width %ld, squares of %d in %d", c->vit.layers,
                      c->vit.width, c->vit.patch, c->vit.image);
    if (text)
        buffer_printf(&b, " with %.60s", text);
    buffer_printf(&b, ", open_clip layout, %s", dtype_name(image_tower_matrix(&o->image)->type));
    m->about = b.data;
}

void open_clip_init(struct open_clip *o, const struct open_clip_config *c)
{
    *o = (struct open_clip){ .config = *c };
    image_tower_init(&o->image, &c->image);
    words_tower_init(&o->words, &c->words);
    if (c->writes)
        coca_init(&o->decoder, &c->decoder);
}

void open_clip_params(struct open_clip *o, struct params *p)
{
    image_tower_params(&o->image, p, o->config.embedding);
    words_tower_params(&o->words, p, o->config.embedding);
    param_scalar(p, &o->logit_scale, INIT_VALUE(2.6592f), "logit_scale");
    if (o->config.sigmoid)
        param_scalar(p, &o->logit_bias, INIT_VALUE(-10), "logit_bias");
    if (o->config.writes) {
        params_in(p, "decoder");
        coca_params(&o->decoder, p);
        params_out(p);
    }
}

/* CoCa.generate's own: of its three groups of two beams each does the same.  A text begins and ends
 * with the last two words of CLIP's vocabulary. */
static void set_writing(struct model *m, const struct open_clip_config *c)
{
    int vocabulary = (int)words_tower_vocabulary(&c->words);

    m->abilities |= VLM_CAPTION;
    m->writing.rules = (struct decoding){
        .beams = 2,
        DECODING_USUAL,
        .min_length = 5,
        .max_length = 30,
        .end = vocabulary - 1,
        .version = BEAM_4_36,
        .counts_prompt = true,
        .sums_logits = true,
    };
    m->writing.sampling_penalty = 1;
    m->writing.prompt = "";
    m->writing.begin = vocabulary - 2;
    m->writing.positions =
        c->words.context < c->decoder.context ? c->words.context : c->decoder.context;
    m->writing.rules.positions = m->writing.positions;
    if (m->writing.rules.max_length > m->writing.positions)
        m->writing.rules.max_length = m->writing.positions;
}

static int open(struct model *m)
{
    struct open_clip *o = xalloc(1, sizeof *o);
    struct open_clip_config c;

    m->self = o;
    if (configure(m, &c))
        return fail_in(m->path);
    if (m->wanted.image_size && m->wanted.image_size != m->image.size)
        return fail_as("unsupported", "%s: takes images of %d pixels, no others", m->path,
                       m->image.size);
    open_clip_init(o, &c);
    open_clip_params(o, &m->params);
    if (model_bind(m, ignored))
        return -1;
    m->abilities = VLM_EMBED_IMAGE | VLM_EMBED_TEXT;
    m->embedding.width = (int)c.embedding;
    m->embedding.scale = expf(o->logit_scale->data[0]);
    m->embedding.sigmoid = c.sigmoid;
    m->embedding.bias = c.sigmoid ? o->logit_bias->data[0] : 0;
    m->image.tokens = image_tower_tokens(&c.image);
    m->image.width = image_tower_width(&c.image);
    m->image.room = image_tower_room(&c.image);
    m->reading.context = c.words.context - m->reading.no_end; /* where [SEP] was, padding is */
    m->reading.vocabulary = (int)words_tower_vocabulary(&c.words);
    if (c.writes && c.words.text.has_class) /* with other towers CoCa embeds */
        set_writing(m, &c);
    describe(m, o);
    return 0;
}

static void close(struct model *m)
{
    struct open_clip *o = m->self;

    image_tower_close(&o->image);
    words_tower_close(&o->words);
    coca_close(&o->decoder);
    free(o);
}

static struct tensor *features(struct tape *t, struct model *m, struct tensor *pixels)
{
    return image_tower_features(t, &((struct open_clip *)m->self)->image, pixels);
}

static struct tensor *image_of(struct tape *t, struct model *m, struct tensor *x)
{
    return image_tower_embed(t, &((struct open_clip *)m->self)->image, x);
}

static struct tensor *text(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts)
{
    return words_tower_embed(t, &((struct open_clip *)m->self)->words, ids, counts, texts);
}

static int write(struct tape *t, struct model *m, struct tensor *x, const struct prompt *prompts,
                 const struct decoding *d, struct hypothesis *out)
{
    (void)t;
    return open_clip_write(m->self, x, prompts, d, out);
}

/* As it was read; open_clip's own loader wants the outer object. */
static cJSON *config(const struct model *m, const struct tokenizer *t, const struct layout **layout)
{
    cJSON *copy = xcheck(cJSON_Duplicate(m->open_clip, true)), *root;

    (void)t;
    *layout = m->layout;
    if (json_get(copy, "model_cfg"))
        return copy;
    root = xcheck(cJSON_CreateObject());
    config_put(root, "model_cfg", copy);
    config_put(root, "preprocess_cfg", cJSON_CreateObject());
    return root;
}

const struct family family_open_clip = {
    .name = "open_clip",
    .image_processor = "CLIPImageProcessor",
    .processor = "CLIPProcessor",
    .knows = knows,
    .open = open,
    .close = close,
    .features = features,
    .image_of = image_of,
    .text = text,
    .write = write,
    .learn = &open_clip_learner,
    .config = config,
    .config_name = "open_clip_config.json",
    .weights_name = "open_clip_model.safetensors",
};
