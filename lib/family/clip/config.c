/* SPDX-License-Identifier: MIT
 * config.c - CLIP's sizes: read from config.json, open_clip_config.json or shapes, and written
 *
 * Sources: huggingface/transformers models/clip/configuration_clip.py; mlfoundations/open_clip
 * src/open_clip/model.py; openai/CLIP clip/model.py, build_model.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/clip/clip.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"

#define AT(member) .at = offsetof(struct clip_config, member)

/* --- Hugging Face: missing fields have the defaults of transformers' classes --- */

static const struct field hf_vision[] = {
    FIELD("num_channels", IS_NUMBER, .otherwise = 3, .to = READ),
    FIELD("image_size", INT, AT(vit.image), .otherwise = 224),
    FIELD("patch_size", INT, AT(vit.patch), .otherwise = 32),
    FIELD("hidden_size", LONG, AT(vit.width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(vit.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(vit.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(vit.heads), .otherwise = 12),
    FIELD("layer_norm_eps", REAL, AT(vit.eps), .otherwise = 1e-5),
    FIELD("hidden_act", ACTIVATION, AT(vit.activation), .otherwise = ACTIVATION_QUICK_GELU),
    { 0 },
};

static const struct field hf_text[] = {
    FIELD("vocab_size", LONG, AT(text.vocabulary), .otherwise = 49408),
    FIELD("hidden_size", LONG, AT(text.width), .otherwise = 512),
    FIELD("intermediate_size", LONG, AT(text.mlp), .otherwise = 2048),
    FIELD("max_position_embeddings", INT, AT(text.context), .otherwise = 77),
    FIELD("num_hidden_layers", INT, AT(text.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(text.heads), .otherwise = 8),
    FIELD("layer_norm_eps", REAL, AT(text.eps), .otherwise = 1e-5),
    FIELD("hidden_act", ACTIVATION, AT(text.activation), .otherwise = ACTIVATION_QUICK_GELU),
    FIELD("eos_token_id", INT, AT(text.end_id), .otherwise = 49407, .to = READ),
    { 0 },
};

static void read_hf_vision(struct reader *r, struct clip_config *c)
{
    c->has_vision = c->vit.norm_before = c->vit.norm_after = true;
    config_read(r, hf_vision, c);
}

/* Configurations of OpenAI's weights long said 2 for the end, and the code took the largest id. */
static void read_hf_text(struct reader *r, struct clip_config *c)
{
    c->has_text = c->text.causal = true;
    config_read(r, hf_text, c);
    c->text.pooling = c->text.end_id == 2 ? POOL_LARGEST : POOL_END;
}

/* NAME_dict, where there is one, stands in for NAME. */
static const cJSON *either(const cJSON *root, const char *name, const char *override)
{
    const cJSON *item = json_get(root, override);

    return cJSON_IsObject(item) ? item : json_get(root, name);
}

int clip_config_hf(const cJSON *root, struct clip_config *c)
{
    const char *type = json_string(root, "model_type", "clip");
    bool vision_alone = !strcmp(type, "clip_vision_model");
    bool text_alone = !strcmp(type, "clip_text_model");
    struct reader r = { root, "config.json", false };
    struct reader vision = { root, "config.json: vision_config", false };
    struct reader text = { root, "config.json: text_config", false };

    *c = (struct clip_config){ .embedding = read_whole(&r, "projection_dim", 512) };
    if (!vision_alone && !text_alone) {
        vision.object = either(root, "vision_config", "vision_config_dict");
        text.object = either(root, "text_config", "text_config_dict");
    }
    if (!text_alone)
        read_hf_vision(&vision, c);
    if (!vision_alone)
        read_hf_text(&text, c);
    return r.bad || vision.bad || text.bad ? -1 : clip_config_check(c);
}

static bool hf_can_say(const struct clip_config *c)
{
    const struct text_config *x = &c->text;

    if (c->has_vision && (c->is_resnet || c->mean_pool || !c->vit.norm_before))
        return false;
    return !c->has_text || (!x->bag && x->causal && !x->pad &&
                            (x->pooling == POOL_LARGEST || x->pooling == POOL_END));
}

static void write_hf_vision(cJSON *o, const struct clip_config *c)
{
    config_word(o, "model_type", "clip_vision_model");
    config_write(o, hf_vision, c);
    config_whole(o, "projection_dim", c->embedding);
}

/* Where the largest id counts, it is the vocabulary's last, which ends a text: the same place. */
static void write_hf_text(cJSON *o, const struct clip_config *c)
{
    const struct text_config *x = &c->text;

    config_word(o, "model_type", "clip_text_model");
    config_write(o, hf_text, c);
    config_whole(o, "eos_token_id", x->pooling == POOL_LARGEST ? x->vocabulary - 1 : x->end_id);
    config_whole(o, "bos_token_id", x->vocabulary - 2);
    config_whole(o, "projection_dim", c->embedding);
}

static cJSON *write_hf(const struct clip_config *c)
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
        write_hf_vision(both ? config_object(root, "vision_config") : root, c);
    if (c->has_text)
        write_hf_text(both ? config_object(root, "text_config") : root, c);
    return root;
}

/* --- ours: every field is written, names are those of the structs --- */

static const char *const poolings[] = {
    [POOL_LARGEST] = "largest", [POOL_END] = "end",   [POOL_FIRST] = "first",
    [POOL_LAST] = "last",       [POOL_MEAN] = "mean", NULL
};

static const struct field own_vision[] = {
    FIELD("mean_pool", FLAG, AT(mean_pool)),
    FIELD("norm_after_pool", FLAG, AT(norm_after_pool)),
    FIELD("image", INT, AT(vit.image), .otherwise = 224),
    FIELD("patch", INT, AT(vit.patch), .otherwise = 32),
    FIELD("width", LONG, AT(vit.width), .otherwise = 768),
    FIELD("mlp", LONG, AT(vit.mlp), .otherwise = 3072),
    FIELD("layers", INT, AT(vit.layers), .otherwise = 12),
    FIELD("heads", INT, AT(vit.heads), .otherwise = 12),
    FIELD("eps", REAL, AT(vit.eps), .otherwise = 1e-5),
    FIELD("activation", ACTIVATION, AT(vit.activation), .otherwise = ACTIVATION_QUICK_GELU),
    FIELD("norm_before", FLAG, AT(vit.norm_before), .otherwise = true),
    FIELD("norm_after", FLAG, AT(vit.norm_after), .otherwise = true),
    { 0 },
};

static const struct field own_resnet[] = {
    FIELD("image", INT, AT(resnet.image), .otherwise = 224),
    FIELD("width", INT, AT(resnet.width), .otherwise = 64),
    { 0 },
};

static const struct field own_words[] = {
    FIELD("vocabulary", LONG, AT(text.vocabulary), .otherwise = 49408),
    FIELD("width", LONG, AT(text.width), .otherwise = 512),
    FIELD("context", INT, AT(text.context), .otherwise = 77),
    FIELD("bag", FLAG, AT(text.bag)),
    { 0 },
};

static const struct field own_text[] = {
    /* behind those, unless it is a bag of words */
    FIELD("mlp", LONG, AT(text.mlp), .otherwise = 2048),
    FIELD("layers", INT, AT(text.layers), .otherwise = 12),
    FIELD("heads", INT, AT(text.heads), .otherwise = 8),
    FIELD("eps", REAL, AT(text.eps), .otherwise = 1e-5),
    FIELD("activation", ACTIVATION, AT(text.activation), .otherwise = ACTIVATION_QUICK_GELU),
    FIELD("causal", FLAG, AT(text.causal), .otherwise = true),
    FIELD("pooling", CHOICE, AT(text.pooling), .otherwise = POOL_LARGEST, .words = poolings),
    FIELD("norm_after_pool", FLAG, AT(text.norm_after_pool)),
    FIELD("pad", FLAG, AT(text.pad)),
    FIELD("pad_id", INT, AT(text.pad_id)),
    FIELD("end_id", INT, AT(text.end_id), .otherwise = 49407),
    { 0 },
};

static void read_stages(const cJSON *layers, struct clip_config *c)
{
    c->has_vision = c->is_resnet = true;
    c->resnet.out = c->embedding;
    for (int i = 0; i < COUNT(c->resnet.layers); i++) {
        const cJSON *item = cJSON_GetArrayItem(layers, i);

        c->resnet.layers[i] = cJSON_IsNumber(item) ? item->valueint : 0;
    }
}

int clip_config_own(const cJSON *root, struct clip_config *c)
{
    struct reader r = { root, "config.json", false };
    struct reader vision = { json_get(root, "vision"), "config.json: vision", false };
    struct reader resnet = { json_get(root, "resnet"), "config.json: resnet", false };
    struct reader text = { json_get(root, "text"), "config.json: text", false };

    *c = (struct clip_config){ .embedding = read_whole(&r, "embedding", 512) };
    c->has_vision = vision.object;
    c->has_text = text.object;
    if (vision.object)
        config_read(&vision, own_vision, c);
    if (resnet.object) {
        config_read(&resnet, own_resnet, c);
        read_stages(json_get(resnet.object, "layers"), c);
    }
    if (text.object)
        config_read(&text, own_words, c);
    if (text.object && !c->text.bag)
        config_read(&text, own_text, c);
    if (c->text.bag)
        c->text.pooling = POOL_MEAN;
    return r.bad || vision.bad || resnet.bad || text.bad ? -1 : clip_config_check(c);
}

static void write_resnet(cJSON *o, const struct clip_config *c)
{
    config_write(o, own_resnet, c);
    config_put(o, "layers", cJSON_CreateIntArray(c->resnet.layers, COUNT(c->resnet.layers)));
}

static cJSON *write_own(const struct clip_config *c)
{
    cJSON *root = config_begin("vlm-clip"), *text;

    config_whole(root, "embedding", c->embedding);
    if (c->has_vision && c->is_resnet)
        write_resnet(config_object(root, "resnet"), c);
    else if (c->has_vision)
        config_write(config_object(root, "vision"), own_vision, c);
    if (!c->has_text)
        return root;
    text = config_object(root, "text");
    config_write(text, own_words, c);
    if (!c->text.bag)
        config_write(text, own_text, c);
    return root;
}

cJSON *clip_save_config(const struct model *m, const struct tokenizer *t,
                        const struct layout **layout)
{
    const struct clip_config *c = &model_clip(m)->config;
    bool hf = hf_can_say(c);

    (void)t;
    *layout = hf ? &clip_layout_hf : &clip_layout_own;
    return hf ? write_hf(c) : write_own(c);
}

/* --- open_clip --- */

static const char *const open_poolings[] = { [POOL_LARGEST] = "argmax",
                                             [POOL_END] = "eos",
                                             [POOL_FIRST] = "first",
                                             [POOL_LAST] = "last",
                                             NULL };

static const struct field open_any_vision[] = {
    FIELD("timm_model_name", REFUSED),
    FIELD("attentional_pool", REFUSED),
    FIELD("ls_init_value", REFUSED),
    FIELD("act_kwargs", REFUSED),
    FIELD("input_patchnorm", REFUSED),
    FIELD("qk_norm", REFUSED),
    FIELD("scaled_cosine_attn", REFUSED),
    FIELD("pos_embed_type", REFUSED, .word = "learnable"),
    { 0 },
};

static const struct field open_resnet[] = {
    FIELD("image_size", SQUARE, AT(resnet.image), .otherwise = 224),
    FIELD("width", INT, AT(resnet.width), .otherwise = 64),
    { 0 },
};

static const struct field open_vision[] = {
    FIELD("image_size", SQUARE, AT(vit.image), .otherwise = 224),
    FIELD("patch_size", SQUARE, AT(vit.patch), .otherwise = 16),
    FIELD("width", LONG, AT(vit.width), .otherwise = 768),
    FIELD("layers", INT, AT(vit.layers), .otherwise = 12),
    FIELD("no_ln_pre", NOT, AT(vit.norm_before), .otherwise = true),
    FIELD("final_ln_after_pool", FLAG, AT(norm_after_pool)),
    { 0 },
};

static const struct field open_text[] = {
    FIELD("hf_model_name", REFUSED),
    FIELD("hf_tokenizer_name", REFUSED),
    FIELD("tokenizer_kwargs", REFUSED),
    FIELD("embed_cls", REFUSED),
    FIELD("proj_bias", REFUSED),
    FIELD("ls_init_value", REFUSED),
    FIELD("act_kwargs", REFUSED),
    FIELD("proj_type", REFUSED, .word = "linear"),
    FIELD("vocab_size", LONG, AT(text.vocabulary), .otherwise = 49408),
    FIELD("width", LONG, AT(text.width), .otherwise = 512),
    FIELD("context_length", INT, AT(text.context), .otherwise = 77),
    FIELD("layers", INT, AT(text.layers), .otherwise = 12),
    FIELD("heads", INT, AT(text.heads), .otherwise = 8),
    FIELD("no_causal_mask", NOT, AT(text.causal), .otherwise = true),
    FIELD("pad_id", INT, AT(text.pad_id)),
    FIELD("eos_id", INT, AT(text.end_id), .otherwise = 49407),
    FIELD("final_ln_after_pool", FLAG, AT(text.norm_after_pool)),
    FIELD("pool_type", CHOICE, AT(text.pooling), .otherwise = POOL_LARGEST, .words = open_poolings),
    { 0 },
};

static float norm_eps(const cJSON *tower)
{
    return (float)json_number(json_get(tower, "norm_kwargs"), "eps", 1e-5);
}

static void read_open_vision(struct reader *r, enum activation act, struct clip_config *c)
{
    const cJSON *layers = r->object ? json_get(r->object, "layers") : NULL;
    long head;

    c->has_vision = true;
    config_read(r, open_any_vision, c);
    if (cJSON_IsArray(layers)) {
        config_read(r, open_resnet, c);
        read_stages(layers, c);
        return;
    }
    config_read(r, open_vision, c);
    c->vit.eps = norm_eps(r->object);
    c->vit.activation = act;
    c->vit.norm_after = true;
    head = read_whole(r, "head_width", 64);
    c->vit.heads = head ? (int)(c->vit.width / head) : 0;
    c->vit.mlp = (long)((double)c->vit.width * read_real(r, "mlp_ratio", 4));
    c->mean_pool = !strcmp(read_word(r, "pool_type", "tok"), "avg") ||
                   read_flag(r, "global_average_pool", false);
    if (!c->mean_pool)
        read_refuse(r, "pool_type", "tok");
}

static void read_open_text(struct reader *r, enum activation act, struct clip_config *c)
{
    struct text_config *x = &c->text;

    c->has_text = true;
    config_read(r, open_text, c);
    x->eps = norm_eps(r->object);
    x->activation = act;
    x->mlp = (long)((double)x->width * read_real(r, "mlp_ratio", 4));
    x->pad = !x->causal || x->pooling == POOL_LAST;
}

int clip_config_open_clip(const cJSON *model, struct clip_config *c)
{
    struct reader r = { model, "open_clip_config.json: model_cfg", false };
    struct reader vision = { json_get(model, "vision_cfg"), "open_clip_config.json: vision_cfg",
                             false };
    struct reader text = { json_get(model, "text_cfg"), "open_clip_config.json: text_cfg", false };
    bool quick = read_flag(&r, "quick_gelu", false);
    enum activation act = quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;

    *c = (struct clip_config){ .embedding = read_whole(&r, "embed_dim", 512) };
    read_refuse(&r, "multimodal_cfg", NULL);
    read_refuse(&r, "init_logit_bias", NULL);
    if (!r.bad)
        read_open_vision(&vision, act, c);
    if (!r.bad && !vision.bad)
        read_open_text(&text, act, c);
    return r.bad || vision.bad || text.bad ? -1 : clip_config_check(c);
}

/* --- what every source must satisfy --- */

static bool sane(long value, long most)
{
    return value > 0 && value <= most;
}

static int check_resnet(const struct resnet_config *c)
{
    for (int i = 0; i < 4; i++)
        if (!sane(c->layers[i], 1000))
            return fail("a stage of the image tower has %d layers", c->layers[i]);
    if (!sane(c->image, 1 << 13) || c->image % 32 || !sane(c->width, 1 << 12) || c->width % 2)
        return fail("an image tower of width %d for %d pixels is not possible", c->width, c->image);
    return 0;
}

static int check_vit(const struct vit_config *v)
{
    if (!sane(v->patch, 1 << 10) || !sane(v->image, 1 << 13) || v->patch > v->image)
        return fail("images of %d pixels in squares of %d are not possible", v->image, v->patch);
    if (!sane(v->width, 1 << 16) || !sane(v->heads, 1 << 10) || v->width % v->heads ||
        !sane(v->mlp, 1 << 18) || v->layers < 0 || v->layers > 1000)
        return fail("an image tower of width %ld, %d heads, %d layers is not possible", v->width,
                    v->heads, v->layers);
    return 0;
}

static int check_text(const struct text_config *x)
{
    if (!sane(x->width, 1 << 16) || !sane(x->vocabulary, 1 << 22) || !sane(x->context, 1 << 16) ||
        x->layers < 0 || x->layers > 1000)
        return fail("a text tower of width %ld, %ld ids, %d places is not possible", x->width,
                    x->vocabulary, x->context);
    if (x->pad_id >= x->vocabulary)
        return fail("the text tower's pad_id is not in its vocabulary");
    if (!x->bag && (!sane(x->heads, 1 << 10) || x->width % x->heads || !sane(x->mlp, 1 << 18)))
        return fail("a text tower of width %ld with %d heads is not possible", x->width, x->heads);
    return 0;
}

int clip_config_check(const struct clip_config *c)
{
    if (!sane(c->embedding, 1 << 16))
        return fail("an embedding of %ld numbers is not possible", c->embedding);
    if (c->has_vision && (c->is_resnet ? check_resnet(&c->resnet) : check_vit(&c->vit)))
        return -1;
    return c->has_text ? check_text(&c->text) : 0;
}
