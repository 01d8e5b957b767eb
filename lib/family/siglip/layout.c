/* SPDX-License-Identifier: MIT
 * layout.c - SigLIP's layouts: Hugging Face's folders, and big_vision's .npz
 *
 * Sources: huggingface/transformers models/siglip/modeling_siglip.py, where the pool's attention is
 * PyTorch's own layer: query, key and value lie in one tensor; google-research/big_vision
 * big_vision/models/vit.py, proj/image_text/text_transformer.py, proj/image_text/two_towers.py,
 * whose matrices are [in, out].
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
const struct layout siglip_layout_hf = { .name = "Hugging Face", .sections = hf };

/* --- big_vision: the shapes are those of weights/flax.c --- */

#define KERNEL(our, their)                                                                         \
    { .ours = our ".weight", .theirs = their "/kernel", .transpose = true },                       \
    {                                                                                              \
        .ours = our ".bias", .theirs = their "/bias"                                               \
    }
#define NORM(our, their)                                                                           \
    { .ours = our ".weight", .theirs = their "/scale" },                                           \
    {                                                                                              \
        .ours = our ".bias", .theirs = their "/bias"                                               \
    }
#define ATTENTION                                                                                  \
    KERNEL("attention.query", "MultiHeadDotProductAttention_0/query"),                             \
        KERNEL("attention.key", "MultiHeadDotProductAttention_0/key"),                             \
        KERNEL("attention.value", "MultiHeadDotProductAttention_0/value"),                         \
        KERNEL("attention.out", "MultiHeadDotProductAttention_0/out"),                             \
        KERNEL("mlp.fc1", "MlpBlock_0/Dense_0"), KERNEL("mlp.fc2", "MlpBlock_0/Dense_1")

static const struct rename flax_block[] = {
    ATTENTION,
    NORM("norm1", "LayerNorm_0"),
    NORM("norm2", "LayerNorm_1"),
    { 0 },
};

static const struct rename flax_pool[] = {
    ATTENTION,
    NORM("norm", "LayerNorm_0"),
    { .ours = "probe", .theirs = "probe" },
    { 0 },
};

static const struct rename flax_vision[] = {
    { .ours = "patch.weight", .theirs = "embedding/kernel" },
    { .ours = "patch.bias", .theirs = "embedding/bias" },
    { .ours = "position", .theirs = "pos_embedding" },
    NORM("norm_after", "Transformer/encoder_norm"),
    { 0 },
};

static const struct rename flax_text[] = {
    { .ours = "token", .theirs = "Embed_0/embedding" },
    { .ours = "position", .theirs = "pos_embedding" },
    NORM("norm", "Encoder_0/encoder_norm"),
    KERNEL("head", "head"),
    { 0 },
};

static const struct rename flax_root[] = {
    { .ours = "logit_scale", .theirs = "t" },
    { .ours = "logit_bias", .theirs = "b" },
    { 0 },
};

static const struct section big_vision[] = {
    { "vision.block.*.", "params/img/Transformer/encoderblock_*/", flax_block },
    { "vision.pool.", "params/img/MAPHead_0/", flax_pool },
    { "text.block.*.", "params/txt/Encoder_0/encoderblock_*/", flax_block },
    { "", "params/", flax_root },
    { "vision.", "params/img/", flax_vision },
    { "text.", "params/txt/", flax_text },
    { 0 },
};
const struct layout siglip_layout_big_vision = { .name = "big_vision", .sections = big_vision };
