/* SPDX-License-Identifier: MIT
 * layout.c - SigLIP's layout in Hugging Face's folders
 *
 * Source: huggingface/transformers models/siglip/modeling_siglip.py.  The pool's attention is
 * PyTorch's own layer: query, key and value lie in one tensor.
 */
#include "family/siglip/siglip.h"

static const struct rename block[] = {
    { .ours = "attention.query.", .theirs = "self_attn.q_proj." },
    { .ours = "attention.key.", .theirs = "self_attn.k_proj." },
    { .ours = "attention.value.", .theirs = "self_attn.v_proj." },
    { .ours = "attention.out.", .theirs = "self_attn.out_proj." },
    { .ours = "norm1.", .theirs = "layer_norm1." },
    { .ours = "norm2.", .theirs = "layer_norm2." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

static const struct rename pool[] = {
    { "attention.query.weight", "attention.in_proj_weight", 0, 3, false },
    { "attention.key.weight", "attention.in_proj_weight", 1, 3, false },
    { "attention.value.weight", "attention.in_proj_weight", 2, 3, false },
    { "attention.query.bias", "attention.in_proj_bias", 0, 3, false },
    { "attention.key.bias", "attention.in_proj_bias", 1, 3, false },
    { "attention.value.bias", "attention.in_proj_bias", 2, 3, false },
    { .ours = "attention.out.", .theirs = "attention.out_proj." },
    { .ours = "probe", .theirs = "probe" },
    { .ours = "norm.", .theirs = "layernorm." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

static const struct rename vision[] = {
    { .ours = "patch.", .theirs = "embeddings.patch_embedding." },
    { .ours = "position", .theirs = "embeddings.position_embedding.weight" },
    { .ours = "norm_after.", .theirs = "post_layernorm." },
    { 0 },
};

static const struct rename text[] = {
    { .ours = "token", .theirs = "embeddings.token_embedding.weight" },
    { .ours = "position", .theirs = "embeddings.position_embedding.weight" },
    { .ours = "norm.", .theirs = "final_layer_norm." },
    { .ours = "head.", .theirs = "head." },
    { 0 },
};

static const struct rename root[] = {
    { .ours = "logit_scale", .theirs = "logit_scale" },
    { .ours = "logit_bias", .theirs = "logit_bias" },
    { 0 },
};

static const struct section hf[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", block },
    { "vision.pool.", "vision_model.head.", pool },
    { "text.block.*.", "text_model.encoder.layers.*.", block },
    { "", "", root },
    { "vision.", "vision_model.", vision },
    { "text.", "text_model.", text },
    { 0 },
};
const struct layout siglip_layout_hf = { "Hugging Face", hf, NULL, false };
