/* SPDX-License-Identifier: MIT
 * config.c - CLIP's sizes, from Hugging Face's config.json and from ours
 */
#include <string.h>
#include "base/error.h"
#include "family/clip/clip.h"
#include "checkpoint/config.h"

/* --- Hugging Face: missing fields have the defaults of transformers' classes --- */

static bool hf_vision(const cJSON *o, struct clip_config *c)
{
    struct reader r = { o, "config.json: vision_config", false };

    c->has_vision = true;
    if (read_whole(&r, "num_channels", 3) != 3) {
        fail("%s: num_channels is not 3", r.where);
        return false;
    }
    c->vit = (struct vit_config){
        .image = (int)read_whole(&r, "image_size", 224),
        .patch = (int)read_whole(&r, "patch_size", 32),
        .width = read_whole(&r, "hidden_size", 768),
        .mlp = read_whole(&r, "intermediate_size", 3072),
        .layers = (int)read_whole(&r, "num_hidden_layers", 12),
        .heads = (int)read_whole(&r, "num_attention_heads", 12),
        .eps = (float)read_real(&r, "layer_norm_eps", 1e-5),
        .activation = read_activation(&r, "hidden_act", "quick_gelu"),
        .norm_before = true,
        .norm_after = true,
    };
    return !r.bad;
}

static bool hf_text(const cJSON *o, struct clip_config *c)
{
    struct reader r = { o, "config.json: text_config", false };

    c->has_text = true;
    c->text = (struct text_config){
        .vocabulary = read_whole(&r, "vocab_size", 49408),
        .width = read_whole(&r, "hidden_size", 512),
        .mlp = read_whole(&r, "intermediate_size", 2048),
        .context = (int)read_whole(&r, "max_position_embeddings", 77),
        .layers = (int)read_whole(&r, "num_hidden_layers", 12),
        .heads = (int)read_whole(&r, "num_attention_heads", 8),
        .eps = (float)read_real(&r, "layer_norm_eps", 1e-5),
        .activation = read_activation(&r, "hidden_act", "quick_gelu"),
        .causal = true,
        .end_id = (int)read_whole(&r, "eos_token_id", 49407),
    };
    /* Configurations of OpenAI's weights long said 2, and the code took the largest id instead. */
    c->text.pooling = c->text.end_id == 2 ? POOL_LARGEST : POOL_END;
    return !r.bad;
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
    struct reader r = { root, "config.json", false };
    bool good;

    *c = (struct clip_config){ .embedding = read_whole(&r, "projection_dim", 512) };
    if (!strcmp(type, "clip_vision_model"))
        good = hf_vision(root, c);
    else if (!strcmp(type, "clip_text_model"))
        good = hf_text(root, c);
    else
        good = hf_vision(either(root, "vision_config", "vision_config_dict"), c) &&
               hf_text(either(root, "text_config", "text_config_dict"), c);
    return good && !r.bad ? clip_config_check(c) : -1;
}

/* --- ours: every field is written, names are those of the structs --- */

static bool own_vision(const cJSON *o, struct clip_config *c)
{
    struct reader r = { o, "config.json: vision", false };

    if (!o)
        return true;
    c->has_vision = true;
    c->mean_pool = read_flag(&r, "mean_pool", false);
    c->norm_after_pool = read_flag(&r, "norm_after_pool", false);
    c->vit = (struct vit_config){
        .image = (int)read_whole(&r, "image", 224),
        .patch = (int)read_whole(&r, "patch", 32),
        .width = read_whole(&r, "width", 768),
        .mlp = read_whole(&r, "mlp", 3072),
        .layers = (int)read_whole(&r, "layers", 12),
        .heads = (int)read_whole(&r, "heads", 12),
        .eps = (float)read_real(&r, "eps", 1e-5),
        .activation = read_activation(&r, "activation", "quick_gelu"),
        .norm_before = read_flag(&r, "norm_before", true),
        .norm_after = read_flag(&r, "norm_after", true),
    };
    return !r.bad;
}

static bool own_resnet(const cJSON *o, struct clip_config *c)
{
    struct reader r = { o, "config.json: resnet", false };
    const cJSON *layers = json_get(o, "layers");

    if (!o)
        return true;
    c->has_vision = c->is_resnet = true;
    c->resnet.image = (int)read_whole(&r, "image", 224);
    c->resnet.width = (int)read_whole(&r, "width", 64);
    c->resnet.out = c->embedding;
    for (int i = 0; i < 4; i++) {
        const cJSON *item = cJSON_GetArrayItem(layers, i);

        c->resnet.layers[i] = cJSON_IsNumber(item) ? item->valueint : 0;
    }
    return !r.bad;
}

static const char *const poolings[] = { [POOL_LARGEST] = "largest",
                                        [POOL_END] = "end",
                                        [POOL_FIRST] = "first",
                                        [POOL_LAST] = "last",
                                        [POOL_MEAN] = "mean" };

const char *clip_pooling_name(enum pooling pooling)
{
    return poolings[pooling];
}

static bool read_pooling(struct reader *r, struct text_config *x)
{
    const char *word = read_word(r, "pooling", "largest");

    for (int i = 0; i < COUNT(poolings); i++)
        if (!strcmp(word, poolings[i])) {
            x->pooling = (enum pooling)i;
            return !r->bad;
        }
    fail("%s: pooling \"%s\" is not known", r->where, word);
    return false;
}

static bool own_text(const cJSON *o, struct clip_config *c)
{
    struct reader r = { o, "config.json: text", false };

    if (!o)
        return true;
    c->has_text = true;
    c->text = (struct text_config){
        .vocabulary = read_whole(&r, "vocabulary", 49408),
        .width = read_whole(&r, "width", 512),
        .context = (int)read_whole(&r, "context", 77),
        .bag = read_flag(&r, "bag", false),
    };
    if (c->text.bag) {
        c->text.pooling = POOL_MEAN;
        return !r.bad;
    }
    c->text.mlp = read_whole(&r, "mlp", 2048);
    c->text.layers = (int)read_whole(&r, "layers", 12);
    c->text.heads = (int)read_whole(&r, "heads", 8);
    c->text.eps = (float)read_real(&r, "eps", 1e-5);
    c->text.activation = read_activation(&r, "activation", "quick_gelu");
    c->text.causal = read_flag(&r, "causal", true);
    c->text.norm_after_pool = read_flag(&r, "norm_after_pool", false);
    c->text.pad = read_flag(&r, "pad", false);
    c->text.pad_id = (int)read_whole(&r, "pad_id", 0);
    c->text.end_id = (int)read_whole(&r, "end_id", 49407);
    if (c->text.pad_id >= c->text.vocabulary && !r.bad) {
        fail("%s: pad_id is not in the vocabulary", r.where);
        return false;
    }
    return read_pooling(&r, &c->text) && !r.bad;
}

int clip_config_own(const cJSON *root, struct clip_config *c)
{
    struct reader r = { root, "config.json", false };

    *c = (struct clip_config){ .embedding = read_whole(&r, "embedding", 512) };
    if (!own_vision(json_get(root, "vision"), c) || !own_resnet(json_get(root, "resnet"), c) ||
        !own_text(json_get(root, "text"), c) || r.bad)
        return -1;
    return clip_config_check(c);
}

/* --- what every source must satisfy --- */

static bool sane(long value, long most)
{
    return value > 0 && value <= most;
}

static int check_vision(const struct clip_config *c)
{
    const struct vit_config *v = &c->vit;

    if (c->is_resnet) {
        for (int i = 0; i < 4; i++)
            if (!sane(c->resnet.layers[i], 1000))
                return fail("a stage of the image tower has %d layers", c->resnet.layers[i]);
        if (!sane(c->resnet.image, 1 << 13) || c->resnet.image % 32 ||
            !sane(c->resnet.width, 1 << 12) || c->resnet.width % 2)
            return fail("an image tower of width %d for %d pixels is not possible", c->resnet.width,
                        c->resnet.image);
        return 0;
    }
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
    if (!x->bag && (!sane(x->heads, 1 << 10) || x->width % x->heads || !sane(x->mlp, 1 << 18)))
        return fail("a text tower of width %ld with %d heads is not possible", x->width, x->heads);
    return 0;
}

int clip_config_check(const struct clip_config *c)
{
    if (!sane(c->embedding, 1 << 16))
        return fail("an embedding of %ld numbers is not possible", c->embedding);
    if ((c->has_vision && check_vision(c)) || (c->has_text && check_text(&c->text)))
        return -1;
    return 0;
}
