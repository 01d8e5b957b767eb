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
#include "checkpoint/sizes.h"

#define AT(member) .at = offsetof(struct clip_config, member)

#define KEPT(member) AT(member), .kept = true

/* What a file leaves out is as in ViT-B/32: transformers, open_clip and we have these defaults. */
static const struct vit_config usual_vit = {
    .image = 224,
    .patch = 32, /* open_clip: 16 */
    .width = 768,
    .mlp = 3072,
    .layers = 12,
    .heads = 12,
    .eps = 1e-5f,
    .activation = ACTIVATION_QUICK_GELU,
    .norm_before = true,
    .norm_after = true,
};
static const struct text_config usual_text = {
    .vocabulary = 49408,
    .width = 512,
    .mlp = 2048,
    .context = 77,
    .layers = 12,
    .heads = 8,
    .eps = 1e-5f,
    .activation = ACTIVATION_QUICK_GELU,
    .causal = true,
    .end_id = 49407,
    .pooling = POOL_LARGEST,
};

/* --- Hugging Face --- */

static const struct field hf_channels[] = {
    FIELD("num_channels", IS_NUMBER, .otherwise = 3, .to = READ),
    { 0 },
};
static const struct field hf_end[] = {
    FIELD("eos_token_id", INT, KEPT(text.end_id), .to = READ),
    { 0 },
};

/* MetaCLIP 2 is CLIP under other names; huggingface/transformers
 * models/metaclip_2/modeling_metaclip_2.py. */
enum part { WHOLE, IMAGES, TEXTS };
static const struct spelling {
    const char *type[3], *class[3];
} spellings[] = {
    { { "clip", "clip_vision_model", "clip_text_model" },
      { "CLIPModel", "CLIPVisionModelWithProjection", "CLIPTextModelWithProjection" } },
    { { "metaclip_2", "metaclip_2_vision_model", "metaclip_2_text_model" },
      { "MetaClip2Model", "MetaClip2VisionModelWithProjection",
        "MetaClip2TextModelWithProjection" } },
};

/* By model_type: which towers the folder has, and whether it is MetaCLIP 2 ("worldwide"), which
 * reads texts with XLM-RoBERTa's tokenizer. */
static bool find_type(const char *type, enum part *part, bool *worldwide)
{
    for (int i = 0; i < COUNT(spellings); i++)
        for (int k = WHOLE; k <= TEXTS; k++)
            if (!strcmp(type, spellings[i].type[k])) {
                *part = (enum part)k;
                *worldwide = i;
                return true;
            }
    return false;
}

bool clip_is_hf(const char *type)
{
    enum part part;
    bool worldwide;

    return find_type(type, &part, &worldwide);
}

/* Defaults are those of transformers' CLIPVisionConfig: ViT-B/32. */
static void read_hf_vision(struct reader *r, struct clip_config *c)
{
    c->has_vision = true;
    c->vit = usual_vit;
    config_read(r, hf_channels, c);
    config_read(r, fields_vit, &c->vit);
    config_read(r, fields_vit_kind, &c->vit);
}

/* Configurations of OpenAI's weights long said 2 for the end, and the code took the largest id. */
static void read_hf_text(struct reader *r, struct clip_config *c)
{
    c->has_text = true;
    c->text = usual_text;
    config_read(r, fields_text, &c->text);
    config_read(r, hf_end, c);
    c->text.pooling = c->text.end_id == 2 && !c->worldwide ? POOL_LARGEST : POOL_END;
}

/* NAME_dict, where there is one, stands in for NAME. */
static const cJSON *either(const cJSON *root, const char *name, const char *override)
{
    const cJSON *item = json_get(root, override);

    return cJSON_IsObject(item) ? item : json_get(root, name);
}

/* A folder of one tower has that tower's fields at the top, not under vision_config or text_config.
 */
int clip_config_hf(const cJSON *root, struct clip_config *c)
{
    enum part part = WHOLE;
    struct reader r = { root, "config.json", false };
    struct reader vision = { root, "config.json: vision_config", false };
    struct reader text = { root, "config.json: text_config", false };

    *c = (struct clip_config){ .embedding = read_whole(&r, "projection_dim", 512) };
    find_type(json_string(root, "model_type", ""), &part, &c->worldwide);
    if (part == WHOLE) {
        vision.object = either(root, "vision_config", "vision_config_dict");
        text.object = either(root, "text_config", "text_config_dict");
    }
    if (part != TEXTS)
        read_hf_vision(&vision, c);
    if (part != IMAGES)
        read_hf_text(&text, c);
    return r.bad || vision.bad || text.bad ? -1 : clip_config_check(c);
}

/* transformers' CLIPModel has pre-norm towers, one class token, causal texts without padding, and
 * the end's state as the text's.  What is otherwise is written in our own layout. */
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
    config_word(o, "model_type", spellings[c->worldwide].type[IMAGES]);
    config_write(o, fields_vit, &c->vit);
    config_write(o, fields_vit_kind, &c->vit);
    config_whole(o, "projection_dim", c->embedding);
}

/* Where the largest id counts, it is the vocabulary's last, which ends a text: the same place. */
static void write_hf_text(cJSON *o, const struct clip_config *c)
{
    const struct text_config *x = &c->text;

    config_word(o, "model_type", spellings[c->worldwide].type[TEXTS]);
    config_write(o, fields_text, &c->text);
    config_whole(o, "eos_token_id", x->pooling == POOL_LARGEST ? x->vocabulary - 1 : x->end_id);
    config_whole(o, "bos_token_id", c->worldwide ? 0 : x->vocabulary - 2);
    config_whole(o, "projection_dim", c->embedding);
}

/* What transformers' from_pretrained() needs to build the same model. */
static cJSON *write_hf(const struct clip_config *c)
{
    const struct spelling *s = &spellings[c->worldwide];
    bool both = c->has_vision && c->has_text;
    enum part part = both ? WHOLE : c->has_vision ? IMAGES : TEXTS;
    cJSON *root = config_begin(s->type[part]);

    config_words(root, "architectures", (const char *const[]){ s->class[part], NULL });
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
    FIELD("image", INT, KEPT(vit.image)),
    FIELD("patch", INT, KEPT(vit.patch)),
    FIELD("width", LONG, KEPT(vit.width)),
    FIELD("mlp", LONG, KEPT(vit.mlp)),
    FIELD("layers", INT, KEPT(vit.layers)),
    FIELD("heads", INT, KEPT(vit.heads)),
    FIELD("eps", REAL, KEPT(vit.eps)),
    FIELD("activation", ACTIVATION, KEPT(vit.activation)),
    FIELD("norm_before", FLAG, KEPT(vit.norm_before)),
    FIELD("norm_after", FLAG, KEPT(vit.norm_after)),
    { 0 },
};

static const struct field own_resnet[] = {
    FIELD("image", INT, AT(resnet.image), .otherwise = 224),
    FIELD("width", INT, AT(resnet.width), .otherwise = 64),
    { 0 },
};

static const struct field own_words[] = {
    FIELD("vocabulary", LONG, KEPT(text.vocabulary)),
    FIELD("width", LONG, KEPT(text.width)),
    FIELD("context", INT, KEPT(text.context)),
    FIELD("bag", FLAG, AT(text.bag)),
    { 0 },
};

static const struct field own_text[] = {
    /* behind those, unless it is a bag of words */
    FIELD("mlp", LONG, KEPT(text.mlp)),
    FIELD("layers", INT, KEPT(text.layers)),
    FIELD("heads", INT, KEPT(text.heads)),
    FIELD("eps", REAL, KEPT(text.eps)),
    FIELD("activation", ACTIVATION, KEPT(text.activation)),
    FIELD("causal", FLAG, KEPT(text.causal)),
    FIELD("pooling", CHOICE, KEPT(text.pooling), .words = poolings),
    FIELD("norm_after_pool", FLAG, AT(text.norm_after_pool)),
    FIELD("pad", FLAG, AT(text.pad)),
    FIELD("pad_id", INT, AT(text.pad_id)),
    FIELD("end_id", INT, KEPT(text.end_id)),
    { 0 },
};

static void read_own_text(struct reader *r, struct clip_config *c)
{
    struct text_config *x = &c->text;

    c->has_text = true;
    *x = usual_text;
    config_read(r, own_words, c);
    if (x->bag)
        *x = (struct text_config){ .vocabulary = x->vocabulary,
                                   .width = x->width,
                                   .context = x->context,
                                   .bag = true,
                                   .pooling = POOL_MEAN };
    else
        config_read(r, own_text, c);
}

/* Blocks of each of the four stages; 0, which clip_config_check() refuses, where the list is short.
 */
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
    if (vision.object) {
        c->has_vision = true;
        c->vit = usual_vit;
        config_read(&vision, own_vision, c);
    }
    if (resnet.object) {
        config_read(&resnet, own_resnet, c);
        read_stages(json_get(resnet.object, "layers"), c);
    }
    if (text.object)
        read_own_text(&text, c);
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
    FIELD("image_size", SQUARE, KEPT(vit.image)),
    FIELD("patch_size", SQUARE, AT(vit.patch), .otherwise = 16),
    FIELD("width", LONG, KEPT(vit.width)),
    FIELD("layers", INT, KEPT(vit.layers)),
    FIELD("no_ln_pre", NOT, KEPT(vit.norm_before)),
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
    FIELD("vocab_size", LONG, KEPT(text.vocabulary)),
    FIELD("width", LONG, KEPT(text.width)),
    FIELD("context_length", INT, KEPT(text.context)),
    FIELD("layers", INT, KEPT(text.layers)),
    FIELD("heads", INT, KEPT(text.heads)),
    FIELD("no_causal_mask", NOT, KEPT(text.causal)),
    FIELD("pad_id", INT, AT(text.pad_id)),
    FIELD("eos_id", INT, KEPT(text.end_id)),
    FIELD("final_ln_after_pool", FLAG, AT(text.norm_after_pool)),
    FIELD("pool_type", CHOICE, KEPT(text.pooling), .words = open_poolings),
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
    c->vit = usual_vit;
    config_read(r, open_vision, c);
    c->vit.eps = norm_eps(r->object);
    c->vit.activation = act;
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
    *x = usual_text;
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

int clip_config_check(const struct clip_config *c)
{
    if (!sane(c->embedding, 1 << 16))
        return fail("an embedding of %ld numbers is not possible", c->embedding);
    if (c->has_vision &&
        (c->is_resnet ? check_resnet(&c->resnet) : sizes_check_vit("CLIP", &c->vit)))
        return -1;
    return c->has_text ? sizes_check_text("CLIP", &c->text) : 0;
}
