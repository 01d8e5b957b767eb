/* SPDX-License-Identifier: MIT
 * trunk_vit.c - vision transformers: open_clip's own, and timm's
 *
 * Source: huggingface/pytorch-image-models 1.0.31, timm/models/vision_transformer.py, eva.py.
 */
#include <string.h>
#include "checkpoint/sizes.h"
#include "family/open_clip/open_clip.h"

enum kind {
    GAP_SIGLIP, /* not known here */
    CLIP,
    SIGLIP,
    GAP,
    EVA01,
    EVA02,
    EVA02_AFTER,
    PE,
    PE_NO_CLASS
};

/* The first that a name begins with. */
static const struct known {
    const char *begins;
    enum kind kind;
    int heads;
    enum activation activation;
    int reference; /* squares a side of the grid in whose places it turns */
} names[] = {
    { "vit_base_patch16_siglip_gap", GAP_SIGLIP, 0, 0, 0 },
    { "vit_base_patch16_siglip_", SIGLIP, 12, ACTIVATION_GELU, 0 },
    { "vit_base_patch32_siglip_256", SIGLIP, 12, ACTIVATION_GELU_TANH, 0 },
    { "vit_large_patch16_siglip_gap", GAP_SIGLIP, 0, 0, 0 },
    { "vit_large_patch16_siglip_512", SIGLIP, 16, ACTIVATION_GELU_TANH, 0 },
    { "vit_large_patch16_siglip_", SIGLIP, 16, ACTIVATION_GELU, 0 },
    { "vit_so400m_patch14_siglip_gap", GAP_SIGLIP, 0, 0, 0 },
    { "vit_so400m_patch14_siglip_", SIGLIP, 16, ACTIVATION_GELU, 0 },
    { "vit_so400m_patch16_siglip_gap", GAP_SIGLIP, 0, 0, 0 },
    { "vit_so400m_patch16_siglip_", SIGLIP, 16, ACTIVATION_GELU_TANH, 0 },
    { "vit_giantopt_patch16_siglip_gap", GAP_SIGLIP, 0, 0, 0 },
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
};

void trunk_vit_begin(const struct weights *w, int heads, enum activation act,
                     struct image_config *c)
{
    c->spelling = "trunk";
    c->vit = (struct vit_config){
        .image = c->size,
        .patch = (int)open_clip_axis(w, TRUNK "patch_embed.proj.weight", 3),
        .width = open_clip_axis(w, TRUNK "patch_embed.proj.weight", 0),
        .layers = open_clip_count(w, TRUNK "blocks.", ".norm1.weight"),
        .mlp = open_clip_axis(w, TRUNK "blocks.0.mlp.fc1.weight", 0),
        .heads = heads,
        .eps = 1e-6f,
        .activation = act,
        .patch_bias = true,
        .norm_after = true,
    };
    c->pool_heads = heads;
    c->pool_activation = act;
    c->pool_mlp = open_clip_axis(w, TRUNK "attn_pool.mlp.fc1.weight", 0);
    c->projection_bias = true;
}

static void describe_known(const struct known *k, const struct weights *w, struct image_config *c)
{
    struct vit_config *v = &c->vit;

    trunk_vit_begin(w, k->heads, k->activation, c);
    if (k->kind == EVA02) {
        c->spelling = "eva02";
        v->gated = v->has_inner = true;
        v->mlp = open_clip_axis(w, TRUNK "blocks.0.mlp.fc1_g.weight", 0);
    }
    if (k->kind == EVA01 || k->kind == EVA02_AFTER)
        c->spelling = "eva";
    if (k->kind == CLIP || k->kind == PE || k->kind == PE_NO_CLASS) {
        v->eps = 1e-5f;
        v->norm_before = true;
        v->patch_bias = false;
        c->pool_heads = 8; /* PE's query has heads of its own */
    }
    v->no_class = k->kind == SIGLIP || k->kind == GAP || k->kind == PE_NO_CLASS;
    v->no_qkv_bias = v->scaled = k->kind == GAP;
    v->no_key_bias = k->kind == EVA01 || k->kind == EVA02 || k->kind == EVA02_AFTER;
    v->after = k->kind == EVA02_AFTER;
    v->turns = (struct vit_turns){ .on = k->reference,
                                   .reference = k->reference,
                                   .across_first = k->kind != EVA02,
                                   .offset = k->kind == PE ? 1 : 0 };
}

static bool describe(const char *name, const struct weights *w, struct image_config *c)
{
    for (int i = 0; i < COUNT(names); i++)
        if (!strncmp(name, names[i].begins, strlen(names[i].begins))) {
            if (names[i].kind != GAP_SIGLIP)
                describe_known(&names[i], w, c);
            return names[i].kind != GAP_SIGLIP;
        }
    return false;
}

static int check(const struct image_config *c)
{
    return sizes_check_vit("open_clip", &c->vit);
}

static void init(struct image_tower *v)
{
    vit_init(&v->vit, &v->config.vit);
}

static void params(struct image_tower *v, struct params *p)
{
    struct vit_initial initial = vit_normal(0.02f);

    vit_params(&v->vit, p, &initial);
}

static int tokens(const struct image_config *c)
{
    return vit_tokens(&c->vit);
}

static long wide(const struct image_config *c)
{
    return c->vit.width;
}

static struct tensor *forward(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return vit_forward(t, &v->vit, pixels, false);
}

static const struct tensor *matrix(const struct image_tower *v)
{
    return vit_matrix(&v->vit);
}

static void close(struct image_tower *v)
{
    vit_close(&v->vit);
}

static const struct rename trunk[] = {
    PLAIN("patch.", "patch_embed.proj."),
    PLAIN("stem.", "patch_embed.backbone."),
    { .ours = "class", .theirs = "cls_token", .axes = 3 },
    { .ours = "position", .theirs = "pos_embed", .axes = 3 },
    PLAIN("norm_before.", "norm_pre."),
    PLAIN("norm_after.", "norm."),
    PLAIN("projection.", "head."),
    { 0 },
};

static const struct rename pool[] = {
    { .ours = "probe", .theirs = "latent", .axes = 3 },
    PLAIN("attention.query.", "q."),
    RENAME_PART("attention.key.weight", "kv.weight", 0, 2),
    RENAME_PART("attention.value.weight", "kv.weight", 1, 2),
    RENAME_PART("attention.key.bias", "kv.bias", 0, 2),
    RENAME_PART("attention.value.bias", "kv.bias", 1, 2),
    PLAIN("attention.out.", "proj."),
    PLAIN("norm.", "norm."),
    PLAIN("mlp.", "mlp."),
    { 0 },
};

/* Layers are spelled in three ways. */
#define TRUNK_LAYER                                                                                \
    PLAIN("norm1.", "norm1."), PLAIN("norm2.", "norm2."), PLAIN("mlp.gate.", "mlp.fc1_g."),        \
        PLAIN("scale1", "ls1.gamma"), PLAIN("scale2", "ls2.gamma"),                                \
        PLAIN("attention.out.", "attn.proj."), PLAIN("attention.norm.", "attn.norm.")

static const struct rename trunk_block[] = {
    RENAME_QKV("attn.qkv."),
    TRUNK_LAYER,
    PLAIN("mlp.", "mlp."),
    { 0 },
};

/* EVA01, EVA02-E: keys have no bias, and the others' are apart */
static const struct rename eva_block[] = {
    RENAME_PART("attention.query.weight", "attn.qkv.weight", 0, 3),
    RENAME_PART("attention.key.weight", "attn.qkv.weight", 1, 3),
    RENAME_PART("attention.value.weight", "attn.qkv.weight", 2, 3),
    PLAIN("attention.query.bias", "attn.q_bias"),
    PLAIN("attention.value.bias", "attn.v_bias"),
    TRUNK_LAYER,
    PLAIN("mlp.", "mlp."),
    { 0 },
};

static const struct rename eva02_block[] = {
    PLAIN("attention.query.", "attn.q_proj."),
    PLAIN("attention.key.", "attn.k_proj."),
    PLAIN("attention.value.", "attn.v_proj."),
    TRUNK_LAYER,
    PLAIN("mlp.fc1.", "mlp.fc1_x."),
    PLAIN("mlp.", "mlp."),
    { 0 },
};

#define SECTIONS(name, block)                                                                      \
    { "vision." name ".block.*.", TRUNK "blocks.*.", block },                                      \
        { "vision." name ".pool.", TRUNK "attn_pool.", pool },                                     \
    {                                                                                              \
        "vision." name ".", TRUNK, trunk                                                           \
    }
static const struct section sections[] = { SECTIONS("trunk", trunk_block),
                                           SECTIONS("eva", eva_block),
                                           SECTIONS("eva02", eva02_block),
                                           { 0 } };

const struct trunk trunk_vit = {
    .describe = describe,
    .check = check,
    .sections = sections,
    .init = init,
    .params = params,
    .tokens = tokens,
    .width = wide,
    .forward = forward,
    .matrix = matrix,
    .close = close,
};

/* Its sections are layout.c's, and its settings config.c's. */
const struct trunk trunk_own = {
    .check = check,
    .init = init,
    .params = params,
    .tokens = tokens,
    .width = wide,
    .forward = forward,
    .matrix = matrix,
    .close = close,
};
