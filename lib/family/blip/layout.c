/* SPDX-License-Identifier: MIT
 * layout.c - BLIP's released layouts: the authors' files, Hugging Face's folders
 *
 * The text side has one spelling everywhere, BERT's; image towers differ.
 */
#include "family/blip/files.h"

static const struct rename heads[] = {
    { .ours = "vision_projection.", .theirs = "vision_proj." },
    { .ours = "text_projection.", .theirs = "text_proj." },
    { .ours = "match_head.", .theirs = "itm_head." },
    { .ours = "match_product.", .theirs = "itm_product." },
    { .ours = "class_head.hidden.", .theirs = "cls_head.0." },
    { .ours = "class_head.out.", .theirs = "cls_head.2." },
    { .ours = "temperature", .theirs = "temp" },
    { .ours = "neck.", .theirs = "vision_neck." },
    { .ours = "neck_norm.", .theirs = "vision_neck_norm." },
    { 0 },
};

static const struct rename pooled_heads[] = {
    { .ours = "vision_projection.", .theirs = "visual_projection." },
    { .ours = "text_projection.", .theirs = "text_projection." },
    { .ours = "pooler.", .theirs = "text_model.pooler.dense." },
    { .ours = "logit_scale", .theirs = "logit_scale" },
    { 0 },
};

const struct rename blip_names_hf_vit[] = {
    { .ours = "patch.", .theirs = "embeddings.patch_embedding." },
    { .ours = "class", .theirs = "embeddings.class_embedding" },
    { .ours = "position", .theirs = "embeddings.position_embedding" },
    { .ours = "norm_after.", .theirs = "post_layernorm." },
    { 0 },
};

const struct rename blip_names_hf_block[] = {
    RENAME_QKV("self_attn.qkv."),
    { .ours = "attention.out.", .theirs = "self_attn.projection." },
    { .ours = "norm1.", .theirs = "layer_norm1." },
    { .ours = "norm2.", .theirs = "layer_norm2." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

/* What encoder and decoder of one pre-training share: all but self-attention. */
static const struct rename shared[] = {
    { .ours = "words", .theirs = "words" },
    { .ours = "positions", .theirs = "positions" },
    { .ours = "norm.", .theirs = "norm." },
    { 0 },
};

static const struct rename shared_layer[] = {
    { .ours = "cross.", .theirs = "cross." },
    { .ours = "fc1.", .theirs = "fc1." },
    { .ours = "fc2.", .theirs = "fc2." },
    { .ours = "norm.", .theirs = "norm." },
    { 0 },
};

static const struct section ties[] = {
    { "decoder.layer.*.", "encoder.layer.*.", shared_layer },
    { "decoder.", "encoder.", shared },
    { 0 },
};
static const struct layout blip_ties = { .name = "shared", .sections = ties };

#define TEXT_SECTIONS                                                                              \
    { "encoder.layer.*.", "text_encoder.encoder.layer.*.", layout_bert_layer },                    \
        { "encoder.", "text_encoder.", layout_bert },                                              \
        { "decoder.layer.*.", "text_decoder.bert.encoder.layer.*.", layout_bert_layer },           \
        { "decoder.head.", "text_decoder.cls.predictions.", layout_bert_head },                    \
        { "decoder.", "text_decoder.bert.", layout_bert },                                         \
    {                                                                                              \
        "", "", heads                                                                              \
    }

static const struct section original[] = {
    { "vision.block.*.", "visual_encoder.blocks.*.", layout_vit_block },
    { "vision.", "visual_encoder.", layout_vit },
    TEXT_SECTIONS,
    { 0 },
};
const struct layout blip_layout_original = {
    .name = "original", .sections = original, .ties = &blip_ties, .batched = true
};

static const struct section hf[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", blip_names_hf_block },
    { "vision.", "vision_model.", blip_names_hf_vit },
    { "vision.block.*.", "vision_model._blocks.*.", layout_efficientnet_block },
    { "vision.", "vision_model.", layout_efficientnet },
    TEXT_SECTIONS,
    { 0 },
};
const struct layout blip_layout_hf = {
    .name = "Hugging Face", .sections = hf, .ties = &blip_ties, .batched = true
};

/* NLVR2: a cross-attention for each of two pictures.  Hugging Face has no such model; a folder of
 * one keeps the authors' names for the text side, as their other models' folders do. */
static const struct rename pair_layer[] = {
    { .ours = "cross.second.query.", .theirs = "crossattention.self1.query." },
    { .ours = "cross.second.key.", .theirs = "crossattention.self1.key." },
    { .ours = "cross.second.value.", .theirs = "crossattention.self1.value." },
    { .ours = "cross.second.out.", .theirs = "crossattention.output.dense1." },
    { .ours = "cross.merge.", .theirs = "crossattention.output.merge_layer." },
    { .ours = "cross.query.", .theirs = "crossattention.self0.query." },
    { .ours = "cross.key.", .theirs = "crossattention.self0.key." },
    { .ours = "cross.value.", .theirs = "crossattention.self0.value." },
    { .ours = "cross.out.", .theirs = "crossattention.output.dense0." },
    { 0 },
};
#define PAIR_LAYERS                                                                                \
    {                                                                                              \
        "encoder.layer.*.", "text_encoder.encoder.layer.*.", pair_layer                            \
    }

static const struct section original_pairs[] = {
    { "vision.block.*.", "visual_encoder.blocks.*.", layout_vit_block },
    { "vision.", "visual_encoder.", layout_vit },
    PAIR_LAYERS,
    TEXT_SECTIONS,
    { 0 },
};
const struct layout blip_layout_original_pairs = { .name = "original",
                                                   .sections = original_pairs,
                                                   .batched = true };

static const struct section hf_pairs[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", blip_names_hf_block },
    { "vision.", "vision_model.", blip_names_hf_vit },
    PAIR_LAYERS,
    TEXT_SECTIONS,
    { 0 },
};
const struct layout blip_layout_hf_pairs = { .name = "Hugging Face",
                                             .sections = hf_pairs,
                                             .batched = true };

static const struct section hf_pooled[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", blip_names_hf_block },
    { "vision.", "vision_model.", blip_names_hf_vit },
    { "encoder.layer.*.", "text_model.encoder.layer.*.", layout_bert_layer },
    { "encoder.", "text_model.", layout_bert },
    { "", "", pooled_heads },
    { 0 },
};
const struct layout blip_layout_hf_pooled = { .name = "Hugging Face",
                                              .sections = hf_pooled,
                                              .batched = true };
