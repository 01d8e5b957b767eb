/* SPDX-License-Identifier: MIT
 * timm.c - image towers by timm's names
 *
 * Source: huggingface/pytorch-image-models 1.0.31, timm/models/vision_transformer.py, eva.py,
 * convnext.py, fastvit.py, vitamin.py: the arguments of each name.
 */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/open_clip/open_clip.h"

enum kind {
    CLIP,
    SIGLIP,
    GAP,
    EVA01,
    EVA02,
    EVA02_AFTER,
    PE,
    PE_NO_CLASS,
    CONVNEXT,
    FASTVIT,
    STEM,
    VITAMIN,
    UNKNOWN
};

/* The first that a name begins with. */
static const struct known {
    const char *begins;
    enum kind kind;
    int heads;
    enum activation activation;
    int reference; /* squares a side of the grid in whose places it turns */
} names[] = {
    { "vit_base_patch16_siglip_gap", UNKNOWN, 0, 0, 0 },
    { "vit_base_patch16_siglip_", SIGLIP, 12, ACTIVATION_GELU, 0 },
    { "vit_base_patch32_siglip_256", SIGLIP, 12, ACTIVATION_GELU_TANH, 0 },
    { "vit_large_patch16_siglip_gap", UNKNOWN, 0, 0, 0 },
    { "vit_large_patch16_siglip_512", SIGLIP, 16, ACTIVATION_GELU_TANH, 0 },
    { "vit_large_patch16_siglip_", SIGLIP, 16, ACTIVATION_GELU, 0 },
    { "vit_so400m_patch14_siglip_gap", UNKNOWN, 0, 0, 0 },
    { "vit_so400m_patch14_siglip_", SIGLIP, 16, ACTIVATION_GELU, 0 },
    { "vit_so400m_patch16_siglip_gap", UNKNOWN, 0, 0, 0 },
    { "vit_so400m_patch16_siglip_", SIGLIP, 16, ACTIVATION_GELU_TANH, 0 },
    { "vit_giantopt_patch16_siglip_gap", UNKNOWN, 0, 0, 0 },
    { "vit_giantopt_patch16_siglip_", SIGLIP, 16, ACTIVATION_GELU_TANH, 0 },
    { "vit_base_patch32_clip_quickgelu_", CLIP, 12, ACTIVATION_QUICK_GELU, 0 },
    { "vit_base_patch16_clip_quickgelu_", CLIP, 12, ACTIVATION_QUICK_GELU, 0 },
    { "vit_large_patch14_clip_quickgelu_", CLIP, 16, ACTIVATION_QUICK_GELU, 0 },
    { "vit_base_patch32_clip_", CLIP, 12, ACTIVATION_GELU, 0 },
    { "vit_base_patch16_clip_", CLIP, 12, ACTIVATION_GELU, 0 },
    { "vit_large_patch14_clip_", CLIP, 16, ACTIVATION_GELU, 0 },
    { "vit_huge_patch14_clip_2", CLIP, 16, ACTIVATION_GELU, 0 },
    { "vit_medium_patch16_gap_256", GAP, 8, ACTIVATION_GELU, 0 },
    { "eva_giant_patch14_", EVA01, 16, ACTIVATION_GELU, 0 },
    { "eva02_base_patch16_clip_", EVA02, 12, ACTIVATION_SILU, 16 },
    { "eva02_large_patch14_clip_", EVA02, 16, ACTIVATION_SILU, 16 },
    { "eva02_enormous_patch14_", EVA02_AFTER, 16, ACTIVATION_GELU, 0 },
    { "vit_pe_core_tiny_", PE, 3, ACTIVATION_GELU, 24 },
    { "vit_pe_core_small_", PE, 6, ACTIVATION_GELU, 24 },
    { "vit_pe_core_base_", PE, 12, ACTIVATION_GELU, 14 },
    { "vit_pe_core_large_", PE, 16, ACTIVATION_GELU, 24 },
    { "vit_pe_core_gigantic_", PE_NO_CLASS, 16, ACTIVATION_GELU, 32 },
    { "convnext_tiny", CONVNEXT, 0, ACTIVATION_GELU, 0 },
    { "convnext_small", CONVNEXT, 0, ACTIVATION_GELU, 0 },
    { "convnext_base", CONVNEXT, 0, ACTIVATION_GELU, 0 },
    { "convnext_large", CONVNEXT, 0, ACTIVATION_GELU, 0 },
    { "convnext_xlarge", CONVNEXT, 0, ACTIVATION_GELU, 0 },
    { "convnext_xxlarge", CONVNEXT, 0, ACTIVATION_GELU, 0 },
    { "fastvit_mci", FASTVIT, 0, ACTIVATION_GELU, 0 },
    { "vit_base_mci_224", STEM, 12, ACTIVATION_GELU, 0 },
    { "vitamin_small_", VITAMIN, 6, ACTIVATION_GELU, 0 },
    { "vitamin_base_", VITAMIN, 12, ACTIVATION_GELU, 0 },
    { "vitamin_large", VITAMIN, 16, ACTIVATION_GELU, 0 },
    { "vitamin_xlarge_", VITAMIN, 16, ACTIVATION_GELU, 0 },
};

long open_clip_axis(const struct weights *w, const char *name, int which)
{
    const struct stored *s = weights_find(w, name);
    long size = s && which < s->rank ? s->shape[which] : 0;

    return size < 1 << 24 ? size : 0;
}

int open_clip_count(const struct weights *w, const char *before, const char *after)
{
    enum { MOST = 1000 };
    char name[128];

    for (int i = 0; i <= MOST; i++) {
        snprintf(name, sizeof name, "%s%d%s", before, i, after);
        if (!weights_find(w, name))
            return i;
    }
    return MOST + 1;
}

#define TRUNK "visual.trunk."

static void read_vit_shapes(const struct weights *w, struct vit_config *v)
{
    v->patch = (int)open_clip_axis(w, TRUNK "patch_embed.proj.weight", 3);
    v->width = open_clip_axis(w, TRUNK "patch_embed.proj.weight", 0);
    v->layers = open_clip_count(w, TRUNK "blocks.", ".norm1.weight");
    v->mlp = open_clip_axis(
        w, v->gated ? TRUNK "blocks.0.mlp.fc1_g.weight" : TRUNK "blocks.0.mlp.fc1.weight", 0);
}

static void describe_vit(const struct known *k, const struct weights *w, struct image_config *c)
{
    struct vit_config *v = &c->vit;

    c->kind = IMAGE_TIMM;
    c->spelling = k->kind == EVA02                             ? "eva02"
                  : k->kind == EVA01 || k->kind == EVA02_AFTER ? "eva"
                                                               : "trunk";
    *v = (struct vit_config){ .heads = k->heads, .activation = k->activation, .norm_after = true };
    v->eps = k->kind == CLIP || k->kind == PE || k->kind == PE_NO_CLASS ? 1e-5f : 1e-6f;
    v->norm_before = k->kind == CLIP || k->kind == PE || k->kind == PE_NO_CLASS;
    v->patch_bias = !v->norm_before;
    v->no_class = k->kind == SIGLIP || k->kind == GAP || k->kind == PE_NO_CLASS;
    v->no_qkv_bias = v->scaled = k->kind == GAP;
    v->no_key_bias = k->kind == EVA01 || k->kind == EVA02 || k->kind == EVA02_AFTER;
    v->gated = v->has_inner = k->kind == EVA02;
    v->after = k->kind == EVA02_AFTER;
    read_vit_shapes(w, v);
    v->turns.on = k->reference;
    v->turns.reference = k->reference;
    v->turns.across_first = k->kind != EVA02;
    v->turns.offset = k->kind == PE ? 1 : 0;
    c->pool_heads = v->norm_before ? 8 : k->heads; /* PE's query has heads of its own */
    c->pool_activation = k->activation;
    c->pool_mlp = open_clip_axis(w, TRUNK "attn_pool.mlp.fc1.weight", 0);
    c->projection_bias = true;
}

/* Convolutions of 4, 2 and 2 pixels a side, each beside the next, make the squares. */
static void describe_stem(const struct known *k, const struct weights *w, struct image_config *c)
{
    describe_vit(k, w, c);
    c->kind = IMAGE_STEM;
    c->stem = open_clip_axis(w, TRUNK "patch_embed.backbone.0.conv.weight", 0);
    c->vit.width = open_clip_axis(w, TRUNK "patch_embed.backbone.2.conv.weight", 0);
    c->vit.patch = STEM_PATCH;
    c->vit.squares = SQUARES_GIVEN;
    c->vit.class_unplaced = true;
}

#define BACKBONE TRUNK "patch_embed.backbone."

static void describe_vitamin(const struct known *k, const struct weights *w, struct image_config *c)
{
    struct mbconv_config *m = &c->mbconv;
    struct vit_config *v = &c->vit;

    describe_vit(k, w, c);
    c->kind = IMAGE_MBCONV;
    c->spelling = "vitamin";
    c->norm_after_pool = true;
    m->stem = open_clip_axis(w, BACKBONE "stem.conv1.weight", 0);
    m->out = v->width = open_clip_axis(w, BACKBONE "pool.proj.weight", 0);
    v->mlp = open_clip_axis(w, TRUNK "blocks.0.mlp.w0.weight", 0);
    v->patch = MBCONV_PATCH;
    v->squares = SQUARES_GIVEN;
    v->no_class = v->gated = v->twice = true;
    v->no_position = !weights_find(w, TRUNK "pos_embed"); /* XL has none */
    for (int i = 0; i < MBCONV_STAGES; i++) {
        char before[64], name[96];

        snprintf(before, sizeof before, BACKBONE "stages.%d.", i);
        m->stage[i].blocks = open_clip_count(w, before, ".conv3_1x1.weight");
        snprintf(name, sizeof name, "%s0.conv3_1x1.weight", before);
        m->stage[i].width = open_clip_axis(w, name, 0);
        m->stage[i].middle = open_clip_axis(w, name, 1);
    }
}

static void describe_convnext(const char *name, const struct weights *w, struct image_config *c)
{
    struct convnext_config *n = &c->convnext;

    c->kind = IMAGE_CONVNEXT;
    c->spelling = "convnext";
    n->eps = strstr(name, "xxlarge") ? 1e-5f : 1e-6f;
    for (int i = 0; i < CONVNEXT_STAGES; i++) {
        char before[64], width[96];

        snprintf(before, sizeof before, TRUNK "stages.%d.blocks.", i);
        snprintf(width, sizeof width, "%s0.conv_dw.weight", before);
        n->blocks[i] = open_clip_count(w, before, ".conv_dw.weight");
        n->width[i] = open_clip_axis(w, width, 0);
    }
    c->projection_bias = false;
}

/* Which of the two is there says what a layer is.  The first stage halves nothing. */
static void describe_stage(const struct weights *w, int at, struct fastvit_stage_config *s)
{
    char before[48], name[96];

    snprintf(before, sizeof before, TRUNK "stages.%d.", at);
    snprintf(name, sizeof name, "%sblocks.", before);
    s->blocks = open_clip_count(w, name, ".mlp.fc1.weight");
    snprintf(name, sizeof name, "%sblocks.0.mlp.fc1.weight", before);
    s->mlp = open_clip_axis(w, name, 0);
    s->width = open_clip_axis(w, name, 1);
    snprintf(name, sizeof name, "%sdownsample.proj.0.se.fc1.weight", before);
    s->squeeze = open_clip_axis(w, name, 0);
    s->halves = at > 0;
    snprintf(name, sizeof name, "%spos_emb.pos_enc.weight", before);
    s->placed = weights_find(w, name);
    snprintf(name, sizeof name, "%spos_emb.reparam_conv.weight", before);
    s->placed |= weights_find(w, name) != NULL;
    snprintf(name, sizeof name, "%sblocks.0.token_mixer.qkv.weight", before);
    s->attends = weights_find(w, name);
}

static void describe_fastvit(const struct weights *w, struct image_config *c)
{
    struct fastvit_config *f = &c->fastvit;

    c->kind = IMAGE_FASTVIT;
    c->spelling = "fastvit";
    f->stages = open_clip_count(w, TRUNK "stages.", ".blocks.0.mlp.fc1.weight");
    f->stages = f->stages < FASTVIT_STAGES ? f->stages : FASTVIT_STAGES;
    for (int i = 0; i < f->stages; i++)
        describe_stage(w, i, &f->stage[i]);
    f->folded = weights_find(w, TRUNK "stem.0.reparam_conv.weight");
    f->stem_no_scale = !weights_find(w, TRUNK "stem.0.conv_scale.conv.weight");
    f->layer_norm = f->stages == FASTVIT_STAGES; /* MCi3, MCi4 */
    f->squeeze = open_clip_axis(w, TRUNK "final_conv.se.fc1.weight", 0);
    f->out = open_clip_axis(w, TRUNK "final_conv.se.fc1.weight", 1);
    c->projection_bias = true;
}

int open_clip_timm(const char *name, const struct weights *w, struct image_config *c)
{
    for (int i = 0; i < COUNT(names); i++)
        if (!strncmp(name, names[i].begins, strlen(names[i].begins)) && names[i].kind != UNKNOWN) {
            if (names[i].kind == CONVNEXT)
                describe_convnext(name, w, c);
            else if (names[i].kind == FASTVIT)
                describe_fastvit(w, c);
            else if (names[i].kind == STEM)
                describe_stem(&names[i], w, c);
            else if (names[i].kind == VITAMIN)
                describe_vitamin(&names[i], w, c);
            else
                describe_vit(&names[i], w, c);
            return 0;
        } else if (!strncmp(name, names[i].begins, strlen(names[i].begins))) {
            break;
        }
    return fail_as("unsupported", "timm's image tower %.60s is not known here", name);
}
