/* SPDX-License-Identifier: MIT
 * layout.c - SigLIP's layout in Hugging Face's folders
 *
 * Source: huggingface/transformers models/siglip/modeling_siglip.py.  The pool's attention is
 * PyTorch's own layer: query, key and value lie in one tensor.
 */
#include "family/siglip/siglip.h"

static const struct rename pool[] = {
    RENAME_QKV("attention.in_proj_"),
    { .ours = "attention.out.", .theirs = "attention.out_proj." },
    { .ours = "probe", .theirs = "probe" },
    { .ours = "norm.", .theirs = "layernorm." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

static const struct rename root[] = {
    { .ours = "logit_scale", .theirs = "logit_scale" },
    { .ours = "logit_bias", .theirs = "logit_bias" },
    { 0 },
};

static const struct section hf[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", layout_hf_block },
    { "vision.pool.", "vision_model.head.", pool },
    { "text.block.*.", "text_model.encoder.layers.*.", layout_hf_block },
    { "", "", root },
    { "vision.", "vision_model.", layout_hf_vision },
    { "text.", "text_model.", layout_hf_text },
    { 0 },
};
const struct layout siglip_layout_hf = { "Hugging Face", hf, NULL, false };
