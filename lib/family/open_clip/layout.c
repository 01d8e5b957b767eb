/* SPDX-License-Identifier: MIT
 * layout.c - open_clip's names of tensors; timm's inside visual.trunk., Hugging Face's inside
 * text.transformer.
 *
 * The same table serves every tower: the first word behind "vision." tells them apart.
 */
#include "family/open_clip/open_clip.h"

#define PLAIN(ours_, theirs_)                                                                      \
    {                                                                                              \
        .ours = ours_, .theirs = theirs_                                                           \
    }
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

/* --- timm's --- */

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

static const struct rename head[] = {
    PLAIN("projection.weight", "proj.weight"),
    PLAIN("projection.bias", "proj.bias"),
    PLAIN("projection.fc1.", "mlp.fc1."),
    PLAIN("projection.fc2.", "mlp.fc2."),
    { 0 },
};

static const struct rename convnext[] = {
    PLAIN("stem.", "stem.0."),
    PLAIN("stem_norm.", "stem.1."),
    PLAIN("norm.", "head.norm."),
    { 0 },
};

static const struct rename convnext_stage[] = {
    PLAIN("down_norm.", "downsample.0."),
    PLAIN("down.", "downsample.1."),
    { 0 },
};

static const struct rename convnext_block[] = {
    PLAIN("filter.", "conv_dw."), PLAIN("norm.", "norm."), PLAIN("fc1.", "mlp.fc1."),
    PLAIN("fc2.", "mlp.fc2."),    PLAIN("scale", "gamma"), { 0 },
};

/* FastViT's names are ours, but for what is one tensor there. */
static const struct rename fastvit_attention[] = {
    RENAME_QKV("qkv."),
    PLAIN("proj.", "proj."),
    { 0 },
};

static const struct rename fastvit[] = {
    PLAIN("stem.", "stem."),
    PLAIN("stages.", "stages."),
    PLAIN("final_conv.", "final_conv."),
    PLAIN("projection.", "head.fc."),
    { 0 },
};

/* --- Hugging Face's --- */

static const struct rename bert_mlp[] = {
    PLAIN("projection.fc1.", "0."),
    PLAIN("projection.fc2.", "2."),
    { 0 },
};

static const struct rename bert_single[] = { PLAIN("projection.", "proj."), { 0 } };

static const struct rename t5_encoder[] = { PLAIN("words", "embed_tokens.weight"), { 0 } };

static const struct rename nllb[] = {
    PLAIN("token", "embed_tokens.weight"),
    PLAIN("norm.", "layer_norm."),
    { 0 },
};

/* --- layers as timm spells them in three ways --- */

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

static const struct rename vitamin_block[] = {
    RENAME_QKV("attn.qkv."),
    PLAIN("mlp.again.", "mlp.norm."),
    PLAIN("mlp.gate.", "mlp.w0."),
    TRUNK_LAYER,
    PLAIN("mlp.fc1.", "mlp.w1."),
    PLAIN("mlp.fc2.", "mlp.w2."),
    { 0 },
};

static const struct rename vitamin[] = {
    PLAIN("stem.", "patch_embed.backbone."),
    { .ours = "position", .theirs = "pos_embed", .axes = 3 },
    PLAIN("norm_after.", "fc_norm."),
    { 0 },
};

#define TRUNK(name, block)                                                                         \
    { "vision." name ".block.*.", "visual.trunk.blocks.*.", block },                               \
        { "vision." name ".pool.", "visual.trunk.attn_pool.", pool },                              \
    {                                                                                              \
        "vision." name ".", "visual.trunk.", trunk                                                 \
    }
#define VISION                                                                                     \
    { "vision.own.block.*.", "visual.transformer.resblocks.*.", own_block },                       \
        { "vision.own.pooler.", "visual.", own_pooler }, { "vision.own.", "visual.", own_vit },    \
        TRUNK("trunk", trunk_block), TRUNK("eva", eva_block), TRUNK("eva02", eva02_block),         \
        { "vision.vitamin.block.*.", "visual.trunk.blocks.*.", vitamin_block },                    \
        { "vision.vitamin.", "visual.trunk.", vitamin },                                           \
        { "vision.convnext.stage.*.block.*.", "visual.trunk.stages.*.blocks.*.", convnext_block }, \
        { "vision.convnext.stage.*.", "visual.trunk.stages.*.", convnext_stage },                  \
        { "vision.convnext.", "visual.trunk.", convnext },                                         \
        { "vision.fastvit.stages.*.blocks.*.token_mixer.",                                         \
          "visual.trunk.stages.*.blocks.*.token_mixer.", fastvit_attention },                      \
        { "vision.fastvit.", "visual.trunk.", fastvit }, { "vision.head.", "visual.head.", head }, \
    {                                                                                              \
        "", "", root                                                                               \
    }

static const struct section flat[] = {
    VISION,
    { "text.block.*.", "transformer.resblocks.*.", own_block },
    { "text.", "", own_text },
    { 0 },
};
const struct layout open_clip_layout_flat = { "open_clip", flat, NULL, false };

static const struct section custom[] = {
    VISION,
    { "decoder.own.*.", "text_decoder.resblocks.*.", own_block },
    { "decoder.cross.*.", "text_decoder.cross_attn.*.", own_block },
    { "decoder.", "text_decoder.", decoder },
    { "text.bert.layer.*.", "text.transformer.encoder.layer.*.", layout_bert_layer },
    { "text.bert.", "text.transformer.", layout_bert },
    { "text.t5.encoder.layer.*.", "text.transformer.block.*.", layout_t5_encoder_layer },
    { "text.t5.encoder.", "text.transformer.", layout_t5_stack },
    { "text.t5.", "text.transformer.", t5_encoder },
    { "text.nllb.block.*.", "text.transformer.layers.*.", layout_opt_block },
    { "text.nllb.", "text.transformer.", nllb },
    { "text.mlp.", "text.proj.", bert_mlp },
    { "text.single.", "text.", bert_single },
    { "text.block.*.", "text.transformer.resblocks.*.", own_block },
    { "text.", "text.", own_text },
    { 0 },
};
const struct layout open_clip_layout_custom = { "open_clip", custom, NULL, false };
