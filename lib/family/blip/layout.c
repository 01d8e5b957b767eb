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
static const struct layout blip_ties = { "shared", ties, NULL, false };

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
const struct layout blip_layout_original = { "original", original, &blip_ties, true };

static const struct section hf[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", blip_names_hf_block },
    { "vision.", "vision_model.", blip_names_hf_vit },
    { "vision.block.*.", "vision_model._blocks.*.", layout_efficientnet_block },
    { "vision.", "vision_model.", layout_efficientnet },
    TEXT_SECTIONS,
    { 0 },
};
const struct layout blip_layout_hf = { "Hugging Face", hf, &blip_ties, true };

static const struct section hf_pooled[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", blip_names_hf_block },
    { "vision.", "vision_model.", blip_names_hf_vit },
    { "encoder.layer.*.", "text_model.encoder.layer.*.", layout_bert_layer },
    { "encoder.", "text_model.", layout_bert },
    { "", "", pooled_heads },
    { 0 },
};
const struct layout blip_layout_hf_pooled = { "Hugging Face", hf_pooled, NULL, true };
