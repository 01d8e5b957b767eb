/* SPDX-License-Identifier: MIT
 * shapes.c - CLIP as OpenAI's file has it: the shapes of its tensors say everything
 *
 * Source: openai/CLIP clip/model.py, build_model.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/clip/clip.h"
#include "checkpoint/save_parts.h"

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

bool clip_is_spelt_openai(const struct weights *w)
{
    return weights_find(w, "text_projection") && weights_find(w, "visual.conv1.weight") &&
           (weights_find(w, "visual.proj") || weights_find(w, "visual.attnpool.q_proj.weight"));
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
