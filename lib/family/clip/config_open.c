/* SPDX-License-Identifier: MIT
 * config_open.c - CLIP's sizes from open_clip_config.json, or from shapes alone
 *
 * Source: mlfoundations/open_clip src/open_clip/model.py; openai/CLIP clip/model.py, build_model.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/clip/clip.h"
#include "checkpoint/config.h"

/* --- open_clip --- */

static float norm_eps(const cJSON *tower)
{
    return (float)json_number(json_get(tower, "norm_kwargs"), "eps", 1e-5);
}

/* Sizes come as a number or as [height, width]. */
static long read_square(struct reader *r, const char *name, long otherwise)
{
    const cJSON *item = r->object ? json_get(r->object, name) : NULL;
    const cJSON *first = cJSON_GetArrayItem(item, 0), *second = cJSON_GetArrayItem(item, 1);

    if (!cJSON_IsArray(item))
        return read_whole(r, name, otherwise);
    if (cJSON_IsNumber(first) && cJSON_IsNumber(second) &&
        first->valuedouble == second->valuedouble && first->valuedouble == first->valueint)
        return first->valueint;
    read_refuse(r, name, NULL);
    return otherwise;
}

static void refuse_all(struct reader *r, const char *const *names)
{
    for (; *names; names++)
        read_refuse(r, *names, NULL);
}

static bool open_resnet(struct reader *r, const cJSON *layers, struct clip_config *c)
{
    c->is_resnet = true;
    c->resnet.image = (int)read_square(r, "image_size", 224);
    c->resnet.width = (int)read_whole(r, "width", 64);
    c->resnet.out = c->embedding;
    for (int i = 0; i < 4; i++) {
        const cJSON *item = cJSON_GetArrayItem(layers, i);

        c->resnet.layers[i] = cJSON_IsNumber(item) ? item->valueint : 0;
    }
    return !r->bad;
}

static bool open_vision(const cJSON *o, bool quick, struct clip_config *c)
{
    static const char *const unsupported[] = { "timm_model_name",    "attentional_pool",
                                               "ls_init_value",      "act_kwargs",
                                               "input_patchnorm",    "qk_norm",
                                               "scaled_cosine_attn", NULL };
    struct reader r = { o, "open_clip_config.json: vision_cfg", false };
    const char *pool;
    long head;

    c->has_vision = true;
    refuse_all(&r, unsupported);
    read_refuse(&r, "pos_embed_type", "learnable");
    if (o && cJSON_IsArray(json_get(o, "layers")))
        return open_resnet(&r, json_get(o, "layers"), c);
    c->vit = (struct vit_config){
        .image = (int)read_square(&r, "image_size", 224),
        .patch = (int)read_square(&r, "patch_size", 16),
        .width = read_whole(&r, "width", 768),
        .layers = (int)read_whole(&r, "layers", 12),
        .eps = norm_eps(o),
        .activation = quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU,
        .norm_before = !read_flag(&r, "no_ln_pre", false),
        .norm_after = true,
    };
    head = read_whole(&r, "head_width", 64);
    c->vit.heads = head ? (int)(c->vit.width / head) : 0;
    c->vit.mlp = (long)((double)c->vit.width * read_real(&r, "mlp_ratio", 4));
    c->norm_after_pool = read_flag(&r, "final_ln_after_pool", false);
    pool = read_word(&r, "pool_type", "tok");
    c->mean_pool = !strcmp(pool, "avg") || read_flag(&r, "global_average_pool", false);
    if (!c->mean_pool)
        read_refuse(&r, "pool_type", "tok");
    return !r.bad;
}

static bool open_pooling(struct reader *r, struct text_config *x)
{
    static const struct {
        const char *name;
        enum pooling pooling;
    } known[] = { { "argmax", POOL_LARGEST },
                  { "eos", POOL_END },
                  { "first", POOL_FIRST },
                  { "last", POOL_LAST } };
    const char *name = read_word(r, "pool_type", "argmax");

    for (int i = 0; i < COUNT(known); i++)
        if (!strcmp(name, known[i].name)) {
            x->pooling = known[i].pooling;
            return true;
        }
    fail("%s: pool_type \"%s\" is not supported", r->where, name);
    return false;
}

static bool open_text(const cJSON *o, bool quick, struct clip_config *c)
{
    static const char *const unsupported[] = { "hf_model_name",    "hf_tokenizer_name",
                                               "tokenizer_kwargs", "embed_cls",
                                               "proj_bias",        "ls_init_value",
                                               "act_kwargs",       NULL };
    struct reader r = { o, "open_clip_config.json: text_cfg", false };
    struct text_config *x = &c->text;

    c->has_text = true;
    refuse_all(&r, unsupported);
    read_refuse(&r, "proj_type", "linear");
    *x = (struct text_config){
        .vocabulary = read_whole(&r, "vocab_size", 49408),
        .width = read_whole(&r, "width", 512),
        .context = (int)read_whole(&r, "context_length", 77),
        .layers = (int)read_whole(&r, "layers", 12),
        .heads = (int)read_whole(&r, "heads", 8),
        .eps = norm_eps(o),
        .activation = quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU,
        .causal = !read_flag(&r, "no_causal_mask", false),
        .pad_id = (int)read_whole(&r, "pad_id", 0),
        .end_id = (int)read_whole(&r, "eos_id", 49407),
        .norm_after_pool = read_flag(&r, "final_ln_after_pool", false),
    };
    x->mlp = (long)((double)x->width * read_real(&r, "mlp_ratio", 4));
    if (!open_pooling(&r, x))
        return false;
    x->pad = !x->causal || x->pooling == POOL_LAST;
    if (x->pad_id >= x->vocabulary && !r.bad) {
        fail("%s: pad_id is not in the vocabulary", r.where);
        return false;
    }
    return !r.bad;
}

int clip_config_open_clip(const cJSON *model, struct clip_config *c)
{
    struct reader r = { model, "open_clip_config.json: model_cfg", false };
    bool quick = read_flag(&r, "quick_gelu", false);

    *c = (struct clip_config){ .embedding = read_whole(&r, "embed_dim", 512) };
    read_refuse(&r, "multimodal_cfg", NULL);
    read_refuse(&r, "init_logit_bias", NULL);
    if (r.bad || !open_vision(json_get(model, "vision_cfg"), quick, c) ||
        !open_text(json_get(model, "text_cfg"), quick, c))
        return -1;
    return clip_config_check(c);
}

/* --- OpenAI: everything is said by shapes --- */

static long axis(const struct weights *w, const char *name, int which)
{
    const struct stored *s = weights_find(w, name);

    return s && which < s->rank ? s->shape[which] : 0;
}

/* How many numbers from 0 on make a name that is there. */
static int count_names(const struct weights *w, const char *format_before, const char *after)
{
    char name[128];

    for (int i = 0; i <= 1000; i++) {
        snprintf(name, sizeof name, "%s%d%s", format_before, i, after);
        if (!weights_find(w, name))
            return i;
    }
    return 1001;
}

static int square_root(long n)
{
    return n > 0 && n < 1 << 28 ? (int)lround(sqrt((double)n)) : 0;
}

static void shapes_vit(const struct weights *w, struct clip_config *c)
{
    static const char *const block = "visual.transformer.resblocks.";
    int grid = square_root(axis(w, "visual.positional_embedding", 0) - 1);

    c->vit = (struct vit_config){
        .patch = (int)axis(w, "visual.conv1.weight", 3) & 0xffff,
        .width = axis(w, "visual.conv1.weight", 0),
        .mlp = axis(w, "visual.transformer.resblocks.0.mlp.c_fc.weight", 0),
        .layers = count_names(w, block, ".attn.in_proj_weight"),
        .eps = 1e-5f,
        .activation = ACTIVATION_QUICK_GELU,
        .norm_before = true,
        .norm_after = true,
    };
    c->vit.image = grid * c->vit.patch;
    c->vit.heads = (int)(c->vit.width / 64 & 0xffff);
}

static void shapes_resnet(const struct weights *w, struct clip_config *c)
{
    c->is_resnet = true;
    c->resnet.image = 32 * square_root(axis(w, "visual.attnpool.positional_embedding", 0) - 1);
    c->resnet.width = (int)axis(w, "visual.layer1.0.conv1.weight", 0) & 0xffff;
    c->resnet.out = c->embedding;
    for (int i = 0; i < 4; i++) {
        char prefix[32];

        snprintf(prefix, sizeof prefix, "visual.layer%d.", i + 1);
        c->resnet.layers[i] = count_names(w, prefix, ".conv1.weight");
    }
}

bool clip_is_openai(const struct weights *w)
{
    return weights_find(w, "text_projection") &&
           (!strcmp(weights_kind(w), "torchscript") || weights_find(w, "input_resolution"));
}

int clip_config_shapes(const struct weights *w, struct clip_config *c)
{
    *c = (struct clip_config){ .has_vision = true, .has_text = true };
    c->embedding = axis(w, "text_projection", 1);
    c->text = (struct text_config){
        .vocabulary = axis(w, "token_embedding.weight", 0),
        .width = axis(w, "ln_final.weight", 0),
        .mlp = axis(w, "transformer.resblocks.0.mlp.c_fc.weight", 0),
        .context = (int)axis(w, "positional_embedding", 0) & 0xffff,
        .layers = count_names(w, "transformer.resblocks.", ".attn.in_proj_weight"),
        .eps = 1e-5f,
        .activation = ACTIVATION_QUICK_GELU,
        .causal = true,
        .pooling = POOL_LARGEST,
    };
    c->text.heads = (int)(c->text.width / 64 & 0xffff);
    if (weights_find(w, "visual.proj"))
        shapes_vit(w, c);
    else
        shapes_resnet(w, c);
    return clip_config_check(c);
}
