/* SPDX-License-Identifier: MIT
 * layout.c - BLIP-2's released layouts: LAVIS's files, the image towers' own, Hugging Face's
 */
#include "family/blip2/files.h"
#include "family/blip/files.h"
#include "family/clip/clip.h"

static const struct rename eva_block[] = {
    RENAME_PART("attention.query.weight", "attn.qkv.weight", 0, 3),
    RENAME_PART("attention.key.weight", "attn.qkv.weight", 1, 3),
    RENAME_PART("attention.value.weight", "attn.qkv.weight", 2, 3),
    { .ours = "attention.query.bias", .theirs = "attn.q_bias" },
    { .ours = "attention.value.bias", .theirs = "attn.v_bias" },
    { .ours = "attention.out.", .theirs = "attn.proj." },
    { .ours = "norm1.", .theirs = "norm1." },
    { .ours = "norm2.", .theirs = "norm2." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

static const struct rename queries_of_layer[] = {
    { .ours = "query_fc1.", .theirs = "intermediate_query.dense." },
    { .ours = "query_fc2.", .theirs = "output_query.dense." },
    { .ours = "query_norm.", .theirs = "output_query.LayerNorm." },
    { 0 },
};

static const struct rename lavis_outside[] = {
    { .ours = "vision.norm_after.", .theirs = "ln_vision." },
    { .ours = "qformer.queries", .theirs = "query_tokens" },
    { .ours = "vision_projection.", .theirs = "vision_proj." },
    { .ours = "text_projection.", .theirs = "text_proj." },
    { .ours = "match_head.", .theirs = "itm_head." },
    { .ours = "temperature", .theirs = "temp" },
    { .ours = "opt_projection.", .theirs = "opt_proj." },
    { .ours = "t5_projection.", .theirs = "t5_proj." },
    { 0 },
};

#define LAVIS_QFORMER                                                                              \
    { "", "", lavis_outside },                                                                     \
        { "qformer.layer.*.", "Qformer.bert.encoder.layer.*.", queries_of_layer },                 \
        { "qformer.layer.*.", "Qformer.bert.encoder.layer.*.", layout_bert_layer },                \
        { "qformer.head.", "Qformer.cls.predictions.", layout_bert_head },                         \
    {                                                                                              \
        "qformer.", "Qformer.bert.", layout_bert                                                   \
    }

static const struct section lavis[] = {
    LAVIS_QFORMER,
    { "vision.block.*.", "visual_encoder.blocks.*.", eva_block },
    { "vision.", "visual_encoder.", layout_vit },
    { 0 },
};
const struct layout blip2_layout_lavis = { .name = "LAVIS", .sections = lavis };

static const struct section lavis_clip[] = {
    LAVIS_QFORMER,
    { "vision.block.*.", "visual_encoder.transformer.resblocks.*.", clip_names_block },
    { "vision.", "visual_encoder.", clip_names_vit },
    { 0 },
};
const struct layout blip2_layout_lavis_clip = { .name = "LAVIS", .sections = lavis_clip };

static const struct section eva_file[] = {
    { "vision.block.*.", "blocks.*.", eva_block },
    { "vision.", "", layout_vit },
    { 0 },
};
const struct layout blip2_layout_eva_file = { .name = "LAVIS", .sections = eva_file };

static const struct section clip_file[] = {
    { "vision.block.*.", "transformer.resblocks.*.", clip_names_block },
    { "vision.", "", clip_names_vit },
    { 0 },
};
const struct layout blip2_layout_clip_file = { .name = "LAVIS", .sections = clip_file };

static const struct rename hf_layer[] = {
    { .ours = "self.query.", .theirs = "attention.attention.query." },
    { .ours = "self.key.", .theirs = "attention.attention.key." },
    { .ours = "self.value.", .theirs = "attention.attention.value." },
    { .ours = "self.out.", .theirs = "attention.output.dense." },
    { .ours = "self.norm.", .theirs = "attention.output.LayerNorm." },
    { .ours = "cross.query.", .theirs = "crossattention.attention.query." },
    { .ours = "cross.key.", .theirs = "crossattention.attention.key." },
    { .ours = "cross.value.", .theirs = "crossattention.attention.value." },
    { .ours = "cross.out.", .theirs = "crossattention.output.dense." },
    { .ours = "cross.norm.", .theirs = "crossattention.output.LayerNorm." },
    { .ours = "fc1.", .theirs = "intermediate.dense." },
    { .ours = "fc2.", .theirs = "output.dense." },
    { .ours = "norm.", .theirs = "output.LayerNorm." },
    { 0 },
};

static const struct rename hf_outside[] = {
    { .ours = "qformer.queries", .theirs = "query_tokens" },
    { .ours = "qformer.words", .theirs = "embeddings.word_embeddings.weight" },
    { .ours = "qformer.positions", .theirs = "embeddings.position_embeddings.weight" },
    { .ours = "qformer.norm.", .theirs = "qformer.layernorm." },
    { .ours = "vision_projection.", .theirs = "vision_projection." },
    { .ours = "text_projection.", .theirs = "text_projection." },
    { .ours = "match_head.", .theirs = "itm_head." },
    { .ours = "temperature", .theirs = "temp" },
    { .ours = "opt_projection.", .theirs = "language_projection." },
    { .ours = "t5_projection.", .theirs = "language_projection." },
    { 0 },
};

#define OPT(theirs)                                                                                \
    { "opt.block.*.", theirs "layers.*.", layout_opt_block },                                      \
    {                                                                                              \
        "opt.", theirs, layout_opt                                                                 \
    }
#define T5(theirs)                                                                                 \
    { "t5.encoder.layer.*.", theirs "encoder.block.*.", layout_t5_encoder_layer },                 \
        { "t5.decoder.layer.*.", theirs "decoder.block.*.", layout_t5_decoder_layer },             \
        { "t5.encoder.", theirs "encoder.", layout_t5_stack },                                     \
        { "t5.decoder.", theirs "decoder.", layout_t5_stack },                                     \
    {                                                                                              \
        "t5.", theirs, layout_t5                                                                   \
    }

static const struct section opt_file[] = { OPT("model.decoder."), { 0 } };
const struct layout blip2_layout_opt_file = { .name = "Hugging Face", .sections = opt_file };

static const struct section opt_bare_file[] = { OPT("decoder."), { 0 } };
const struct layout blip2_layout_opt_bare_file = { .name = "Hugging Face",
                                                   .sections = opt_bare_file };

static const struct section t5_file[] = { T5(""), { 0 } };
const struct layout blip2_layout_t5_file = { .name = "Hugging Face", .sections = t5_file };

static const struct section hf[] = {
    OPT("language_model.model.decoder."),
    T5("language_model."),
    { "", "", hf_outside },
    { "qformer.head.", "cls.predictions.", layout_bert_head },
    { "qformer.layer.*.", "qformer.encoder.layer.*.", queries_of_layer },
    { "qformer.layer.*.", "qformer.encoder.layer.*.", hf_layer },
    { "vision.block.*.", "vision_model.encoder.layers.*.", blip_names_hf_block },
    { "vision.", "vision_model.", blip_names_hf_vit },
    { 0 },
};

/* T5's head where it is the words' table, unscaled. */
static const struct rename tied_head[] = { { .ours = "t5.head.weight", .theirs = "t5.words" },
                                           { 0 } };
static const struct section tied[] = { { "", "", tied_head }, { 0 } };
static const struct layout ties = { .name = "ties", .sections = tied };
const struct layout blip2_layout_hf = {
    .name = "Hugging Face", .sections = hf, .ties = &ties, .batched = true
};
