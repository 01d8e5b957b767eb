/* SPDX-License-Identifier: MIT
 * save.c - a CLIP model's config.json: transformers' where that can say it, else ours
 */
#include <string.h>
#include "base/error.h"
#include "family/clip/clip.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"

/* --- Hugging Face --- */

static bool hf_can_say(const struct clip_config *c)
{
    const struct text_config *x = &c->text;

    if (c->has_vision && (c->is_resnet || c->mean_pool || !c->vit.norm_before))
        return false;
    return !c->has_text || (!x->bag && x->causal && !x->pad &&
                            (x->pooling == POOL_LARGEST || x->pooling == POOL_END));
}

static void hf_vision(cJSON *o, const struct clip_config *c)
{
    const struct vit_config *v = &c->vit;

    config_word(o, "model_type", "clip_vision_model");
    config_whole(o, "image_size", v->image);
    config_whole(o, "patch_size", v->patch);
    config_whole(o, "hidden_size", v->width);
    config_whole(o, "intermediate_size", v->mlp);
    config_whole(o, "num_hidden_layers", v->layers);
    config_whole(o, "num_attention_heads", v->heads);
    config_real(o, "layer_norm_eps", v->eps);
    config_activation(o, "hidden_act", v->activation);
    config_whole(o, "projection_dim", c->embedding);
}

/* Where the largest id counts, it is the vocabulary's last, which ends a text: the same place. */
static void hf_text(cJSON *o, const struct clip_config *c)
{
    const struct text_config *x = &c->text;
    bool largest = x->pooling == POOL_LARGEST;

    config_word(o, "model_type", "clip_text_model");
    config_whole(o, "vocab_size", x->vocabulary);
    config_whole(o, "hidden_size", x->width);
    config_whole(o, "intermediate_size", x->mlp);
    config_whole(o, "max_position_embeddings", x->context);
    config_whole(o, "num_hidden_layers", x->layers);
    config_whole(o, "num_attention_heads", x->heads);
    config_real(o, "layer_norm_eps", x->eps);
    config_activation(o, "hidden_act", x->activation);
    config_whole(o, "eos_token_id", largest ? x->vocabulary - 1 : x->end_id);
    config_whole(o, "bos_token_id", x->vocabulary - 2);
    config_whole(o, "projection_dim", c->embedding);
}

static cJSON *hf_config(const struct clip_config *c)
{
    static const char *const whole[] = { "CLIPModel", NULL };
    static const char *const vision[] = { "CLIPVisionModelWithProjection", NULL };
    static const char *const text[] = { "CLIPTextModelWithProjection", NULL };
    bool both = c->has_vision && c->has_text;
    cJSON *root = config_begin(both            ? "clip"
                               : c->has_vision ? "clip_vision_model"
                                               : "clip_text_model");

    config_words(root, "architectures", both ? whole : c->has_vision ? vision : text);
    config_whole(root, "projection_dim", c->embedding);
    if (c->has_vision)
        hf_vision(both ? config_object(root, "vision_config") : root, c);
    if (c->has_text)
        hf_text(both ? config_object(root, "text_config") : root, c);
    return root;
}

/* --- ours: names are those of the structs --- */

static void own_resnet(cJSON *o, const struct resnet_config *c)
{
    cJSON *layers = cJSON_CreateIntArray(c->layers, COUNT(c->layers));

    config_whole(o, "image", c->image);
    config_whole(o, "width", c->width);
    cJSON_AddItemToObject(o, "layers", layers);
}

static void own_vision(cJSON *o, const struct clip_config *c)
{
    const struct vit_config *v = &c->vit;

    config_flag(o, "mean_pool", c->mean_pool);
    config_flag(o, "norm_after_pool", c->norm_after_pool);
    config_whole(o, "image", v->image);
    config_whole(o, "patch", v->patch);
    config_whole(o, "width", v->width);
    config_whole(o, "mlp", v->mlp);
    config_whole(o, "layers", v->layers);
    config_whole(o, "heads", v->heads);
    config_real(o, "eps", v->eps);
    config_activation(o, "activation", v->activation);
    config_flag(o, "norm_before", v->norm_before);
    config_flag(o, "norm_after", v->norm_after);
}

static void own_text(cJSON *o, const struct text_config *x)
{
    config_whole(o, "vocabulary", x->vocabulary);
    config_whole(o, "width", x->width);
    config_whole(o, "context", x->context);
    config_flag(o, "bag", x->bag);
    if (x->bag)
        return;
    config_whole(o, "mlp", x->mlp);
    config_whole(o, "layers", x->layers);
    config_whole(o, "heads", x->heads);
    config_real(o, "eps", x->eps);
    config_activation(o, "activation", x->activation);
    config_flag(o, "causal", x->causal);
    config_word(o, "pooling", clip_pooling_name(x->pooling));
    config_flag(o, "norm_after_pool", x->norm_after_pool);
    config_flag(o, "pad", x->pad);
    config_whole(o, "pad_id", x->pad_id);
    config_whole(o, "end_id", x->end_id);
}

static cJSON *own_config(const struct clip_config *c)
{
    cJSON *root = config_begin("vlm-clip");

    config_whole(root, "embedding", c->embedding);
    if (c->has_vision && c->is_resnet)
        own_resnet(config_object(root, "resnet"), &c->resnet);
    else if (c->has_vision)
        own_vision(config_object(root, "vision"), c);
    if (c->has_text)
        own_text(config_object(root, "text"), &c->text);
    return root;
}

cJSON *clip_save_config(const struct model *m, const struct tokenizer *t,
                        const struct layout **layout)
{
    const struct clip_config *c = &model_clip(m)->config;
    bool hf = hf_can_say(c);

    (void)t;
    *layout = hf ? &clip_layout_hf : &clip_layout_own;
    return hf ? hf_config(c) : own_config(c);
}

/* --- OpenAI: what its code makes of the shapes --- */

static bool usual_block(long width, int heads, long mlp, float eps, enum activation act)
{
    return heads == width / 64 && mlp == 4 * width && eps == 1e-5f && act == ACTIVATION_QUICK_GELU;
}

static bool openai_can_read(const struct clip_config *c)
{
    const struct vit_config *v = &c->vit;
    const struct text_config *x = &c->text;

    if (!c->has_vision || !c->has_text || x->bag || !x->causal || x->pad ||
        !usual_block(x->width, x->heads, x->mlp, x->eps, x->activation))
        return false;
    if (x->pooling != POOL_LARGEST && (x->pooling != POOL_END || x->end_id != x->vocabulary - 1))
        return false;
    return c->is_resnet || (!c->mean_pool && v->norm_before &&
                            usual_block(v->width, v->heads, v->mlp, v->eps, v->activation));
}

int clip_save_original(const struct model *m, struct original *o)
{
    const struct clip_config *c = &model_clip(m)->config;

    if (!openai_can_read(c))
        return fail_as("unsupported",
                       "OpenAI's code takes both towers, heads 64 wide, layers four times as wide "
                       "inside, quick_gelu and the class token for granted; this model is another");
    *o = (struct original){
        .layout = &clip_layout_openai,
        .numbers = { { "input_resolution", clip_image_size(c) },
                     { "context_length", c->text.context },
                     { "vocab_size", c->text.vocabulary } },
    };
    return 0;
}
