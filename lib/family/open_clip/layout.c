/* SPDX-License-Identifier: MIT
 * layout.c - open_clip's names of tensors; timm's inside visual.trunk. and Hugging Face's inside
 * text.transformer. are in the files of their towers
 *
 * The same table serves every tower: the first word behind "vision." tells them apart.
 */
#include "family/open_clip/open_clip.h"

/* --- open_clip's own transformers --- */

static const struct rename own_block[] = {
    RENAME_QKV("attn.in_proj_"),      PLAIN("attention.out.", "attn.out_proj."),
    PLAIN("norm1.", "ln_1."),         PLAIN("seen_norm.", "ln_1_kv."),
    PLAIN("norm2.", "ln_2."),         PLAIN("scale1", "ls_1.gamma"),
    PLAIN("scale2", "ls_2.gamma"),    PLAIN("mlp.fc1.", "mlp.c_fc."),
    PLAIN("mlp.fc2.", "mlp.c_proj."), { 0 },
};

static const struct rename own_pooler[] = {
    PLAIN("queries", "attn_pool.query"),
    PLAIN("norm_queries.", "attn_pool.ln_q."),
    PLAIN("norm_keys.", "attn_pool.ln_k."),
    PLAIN("query.weight", "attn_pool.attn.q_proj_weight"),
    PLAIN("key.weight", "attn_pool.attn.k_proj_weight"),
    PLAIN("value.weight", "attn_pool.attn.v_proj_weight"),
    RENAME_PART("query.bias", "attn_pool.attn.in_proj_bias", 0, 3),
    RENAME_PART("key.bias", "attn_pool.attn.in_proj_bias", 1, 3),
    RENAME_PART("value.bias", "attn_pool.attn.in_proj_bias", 2, 3),
    PLAIN("out.", "attn_pool.attn.out_proj."),
    PLAIN("norm.", "ln_post."),
    { 0 },
};

static const struct rename decoder[] = {
    PLAIN("norm.", "ln_final."),
    { .ours = "head.weight", .theirs = "text_projection", .transpose = true },
    { 0 },
};

static const struct rename own_vit[] = {
    PLAIN("patch.weight", "conv1.weight"),
    PLAIN("class", "class_embedding"),
    PLAIN("position", "positional_embedding"),
    PLAIN("norm_before.", "ln_pre."),
    PLAIN("norm_after.", "ln_post."),
    { .ours = "projection.weight", .theirs = "proj", .transpose = true },
    { 0 },
};

static const struct rename own_text[] = {
    PLAIN("token", "token_embedding.weight"),
    PLAIN("position", "positional_embedding"),
    PLAIN("class", "cls_emb"),
    PLAIN("norm.", "ln_final."),
    { .ours = "plain.projection.weight", .theirs = "text_projection", .transpose = true },
    PLAIN("biased.projection.", "text_projection."),
    { 0 },
};

static const struct rename root[] = {
    PLAIN("logit_scale", "logit_scale"),
    PLAIN("logit_bias", "logit_bias"),
    { 0 },
};

/* --- what stands behind timm's towers, and Hugging Face's --- */

static const struct rename head[] = {
    PLAIN("projection.weight", "proj.weight"),
    PLAIN("projection.bias", "proj.bias"),
    PLAIN("projection.fc1.", "mlp.fc1."),
    PLAIN("projection.fc2.", "mlp.fc2."),
    { 0 },
};

static const struct rename bert_mlp[] = {
    PLAIN("projection.fc1.", "0."),
    PLAIN("projection.fc2.", "2."),
    { 0 },
};

static const struct rename bert_single[] = { PLAIN("projection.", "proj."), { 0 } };

/* --- all of it --- */

#define VISION                                                                                     \
    { "vision.own.block.*.", "visual.transformer.resblocks.*.", own_block },                       \
        { "vision.own.pooler.", "visual.", own_pooler }, { "vision.own.", "visual.", own_vit },    \
        { "vision.head.", "visual.head.", head },                                                  \
    {                                                                                              \
        "", "", root                                                                               \
    }
#define TRUNK_TABLE(name) &trunk_##name.sections,
#define WORDS_TABLE(name) &words_##name.sections,
static const struct section *const *const towers[] = { TRUNKS(TRUNK_TABLE) WORDS(WORDS_TABLE)
                                                           NULL };

static const struct section flat[] = {
    VISION,
    { "text.block.*.", "transformer.resblocks.*.", own_block },
    { "text.", "", own_text },
    { 0 },
};
const struct layout open_clip_layout_flat = { .name = "open_clip",
                                              .sections = flat,
                                              .others = towers };

static const struct section custom[] = {
    VISION,
    { "decoder.own.*.", "text_decoder.resblocks.*.", own_block },
    { "decoder.cross.*.", "text_decoder.cross_attn.*.", own_block },
    { "decoder.", "text_decoder.", decoder },
    { "text.mlp.", "text.proj.", bert_mlp },
    { "text.single.", "text.", bert_single },
    { "text.block.*.", "text.transformer.resblocks.*.", own_block },
    { "text.", "text.", own_text },
    { 0 },
};
const struct layout open_clip_layout_custom = { .name = "open_clip",
                                                .sections = custom,
                                                .others = towers };
