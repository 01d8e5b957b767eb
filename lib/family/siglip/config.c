/* SPDX-License-Identifier: MIT
 * config.c - SigLIP's sizes, read from config.json and written
 *
 * Source: huggingface/transformers models/siglip/configuration_siglip.py.
 */
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"
#include "family/registry.h"
#include "family/siglip/siglip.h"

#define AT(member) .at = offsetof(struct siglip_config, member)

static const struct field hf_vision[] = {
    FIELD("num_channels", IS_NUMBER, .otherwise = 3),
    FIELD("image_size", INT, AT(vit.image), .otherwise = 224),
    FIELD("patch_size", INT, AT(vit.patch), .otherwise = 16),
    FIELD("hidden_size", LONG, AT(vit.width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(vit.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(vit.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(vit.heads), .otherwise = 12),
    FIELD("layer_norm_eps", REAL, AT(vit.eps), .otherwise = 1e-6),
    FIELD("hidden_act", ACTIVATION, AT(vit.activation), .otherwise = ACTIVATION_GELU_TANH),
    FIELD("vision_use_head", IS_FLAG, .otherwise = true),
    { 0 },
};

static const struct field hf_text[] = {
    FIELD("vocab_size", LONG, AT(text.vocabulary), .otherwise = 32000),
    FIELD("hidden_size", LONG, AT(text.width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(text.mlp), .otherwise = 3072),
    FIELD("max_position_embeddings", INT, AT(text.context), .otherwise = 64),
    FIELD("num_hidden_layers", INT, AT(text.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(text.heads), .otherwise = 12),
    FIELD("layer_norm_eps", REAL, AT(text.eps), .otherwise = 1e-6),
    FIELD("hidden_act", ACTIVATION, AT(text.activation), .otherwise = ACTIVATION_GELU_TANH),
    FIELD("projection_size", LONG, AT(embedding)),
    { 0 },
};

enum { GEMMA_VOCABULARY = 256000 };

static bool sane(long value, long most)
{
    return value > 0 && value <= most;
}

static int check(const struct siglip_config *c)
{
    const struct vit_config *v = &c->vit;
    const struct text_config *x = &c->text;

    if (c->has_vision &&
        (!sane(v->patch, 1 << 10) || !sane(v->image, 1 << 13) || v->patch > v->image ||
         !sane(v->width, 1 << 16) || !sane(v->heads, 1 << 10) || v->width % v->heads ||
         !sane(v->mlp, 1 << 18) || v->layers < 0 || v->layers > 1000))
        return fail(
            "an image tower of width %ld, %d heads, %d layers for %d pixels is not possible",
            v->width, v->heads, v->layers, v->image);
    if (c->has_text &&
        (!sane(x->width, 1 << 16) || !sane(x->vocabulary, 1 << 22) || !sane(x->context, 1 << 16) ||
         !sane(x->heads, 1 << 10) || x->width % x->heads || !sane(x->mlp, 1 << 18) ||
         x->layers < 0 || x->layers > 1000 || x->pad_id >= x->vocabulary))
        return fail("a text tower of width %ld, %d heads, %ld ids, %d places is not possible",
                    x->width, x->heads, x->vocabulary, x->context);
    if (!sane(c->embedding, 1 << 16) || (c->has_vision && c->embedding != v->width))
        return fail("images have %ld numbers and texts %ld: they cannot be compared", v->width,
                    c->embedding);
    return 0;
}

/* The tokenizer of SigLIP pads by </s>, which is 1, that of SigLIP 2 by <pad>, which is 0; what
 * config.json says of it is a default that neither uses. */
static void read_text(struct reader *r, struct siglip_config *c)
{
    c->has_text = c->text.pad = true;
    c->text.pooling = POOL_LAST;
    config_read(r, hf_text, c);
    c->text.pad_id = c->text.vocabulary < GEMMA_VOCABULARY;
    if (!c->embedding)
        c->embedding = c->text.width;
}

int siglip_config_hf(const cJSON *root, struct siglip_config *c)
{
    const char *type = json_string(root, "model_type", "siglip");
    bool vision_alone = !strcmp(type, "siglip_vision_model");
    bool text_alone = !strcmp(type, "siglip_text_model");
    struct reader vision = { root, "config.json: vision_config", false };
    struct reader text = { root, "config.json: text_config", false };

    *c = (struct siglip_config){ 0 };
    if (!vision_alone && !text_alone) {
        vision.object = json_get(root, "vision_config");
        text.object = json_get(root, "text_config");
    }
    if (!text_alone) {
        c->has_vision = c->vit.no_class = c->vit.patch_bias = c->vit.norm_after = true;
        config_read(&vision, hf_vision, c);
    }
    if (!vision_alone)
        read_text(&text, c);
    else
        c->embedding = c->vit.width;
    return vision.bad || text.bad ? -1 : check(c);
}

cJSON *siglip_save_config(const struct model *m, const struct tokenizer *t,
                          const struct layout **layout)
{
    static const char *const whole[] = { "SiglipModel", NULL };
    static const char *const vision[] = { "SiglipVisionModel", NULL };
    static const char *const text[] = { "SiglipTextModel", NULL };
    const struct siglip_config *c = &((const struct siglip *)m->self)->config;
    bool both = c->has_vision && c->has_text;
    const char *type = both            ? "siglip"
                       : c->has_vision ? "siglip_vision_model"
                                       : "siglip_text_model";
    cJSON *root = config_begin(type), *part;

    (void)t;
    *layout = &siglip_layout_hf;
    config_words(root, "architectures", both ? whole : c->has_vision ? vision : text);
    if (c->has_vision) {
        part = both ? config_object(root, "vision_config") : root;
        config_word(part, "model_type", "siglip_vision_model");
        config_write(part, hf_vision, c);
    }
    if (c->has_text) {
        part = both ? config_object(root, "text_config") : root;
        config_word(part, "model_type", "siglip_text_model");
        config_write(part, hf_text, c);
        config_whole(part, "pad_token_id", c->text.pad_id);
    }
    return root;
}
