/* SPDX-License-Identifier: MIT
 * fields.c - fields of config.json that several families share, as transformers names them
 *
 * Sources: huggingface/transformers models/clip/configuration_clip.py,
 * models/siglip/configuration_siglip.py.  Each family's defaults stand in a struct of its own,
 * which is copied before the fields are read.
 */
#include "checkpoint/config.h"
#include "nn/text.h"
#include "nn/vit.h"

#define VIT(member)  .at = offsetof(struct vit_config, member), .kept = true
#define TEXT(member) .at = offsetof(struct text_config, member), .kept = true

const struct field fields_vit[] = {
    FIELD("image_size", INT, VIT(image)),
    FIELD("patch_size", INT, VIT(patch)),
    FIELD("hidden_size", LONG, VIT(width)),
    FIELD("intermediate_size", LONG, VIT(mlp)),
    FIELD("num_hidden_layers", INT, VIT(layers)),
    FIELD("num_attention_heads", INT, VIT(heads)),
    { 0 },
};

const struct field fields_vit_kind[] = {
    FIELD("layer_norm_eps", REAL, VIT(eps)),
    FIELD("hidden_act", ACTIVATION, VIT(activation)),
    { 0 },
};

const struct field fields_text[] = {
    FIELD("vocab_size", LONG, TEXT(vocabulary)),
    FIELD("hidden_size", LONG, TEXT(width)),
    FIELD("intermediate_size", LONG, TEXT(mlp)),
    FIELD("max_position_embeddings", INT, TEXT(context)),
    FIELD("num_hidden_layers", INT, TEXT(layers)),
    FIELD("num_attention_heads", INT, TEXT(heads)),
    FIELD("layer_norm_eps", REAL, TEXT(eps)),
    FIELD("hidden_act", ACTIVATION, TEXT(activation)),
    { 0 },
};
