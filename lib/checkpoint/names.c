/* SPDX-License-Identifier: MIT
 * names.c - spellings that several families' checkpoints share: BERT's, timm's ViT, those of
 * CLIP's and SigLIP's towers in Hugging Face's folders, OPT's and T5's
 */
#include "checkpoint/layout.h"

const struct rename layout_bert[] = {
    { .ours = "words", .theirs = "embeddings.word_embeddings.weight" },
    { .ours = "positions", .theirs = "embeddings.position_embeddings.weight" },
    { .ours = "types", .theirs = "embeddings.token_type_embeddings.weight" },
    { .ours = "norm.", .theirs = "embeddings.LayerNorm." },
    { 0 },
};

const struct rename layout_bert_layer[] = {
    { .ours = "self.query.", .theirs = "attention.self.query." },
    { .ours = "self.key.", .theirs = "attention.self.key." },
    { .ours = "self.value.", .theirs = "attention.self.value." },
    { .ours = "self.out.", .theirs = "attention.output.dense." },
    { .ours = "self.norm.", .theirs = "attention.output.LayerNorm." },
    { .ours = "cross.query.", .theirs = "crossattention.self.query." },
    { .ours = "cross.key.", .theirs = "crossattention.self.key." },
    { .ours = "cross.value.", .theirs = "crossattention.self.value." },
    { .ours = "cross.out.", .theirs = "crossattention.output.dense." },
    { .ours = "cross.norm.", .theirs = "crossattention.output.LayerNorm." },
    { .ours = "fc1.", .theirs = "intermediate.dense." },
    { .ours = "fc2.", .theirs = "output.dense." },
    { .ours = "norm.", .theirs = "output.LayerNorm." },
    { 0 },
};

const struct rename layout_bert_head[] = {
    { .ours = "transform.", .theirs = "transform.dense." },
    { .ours = "norm.", .theirs = "transform.LayerNorm." },
    { .ours = "bias", .theirs = "bias" },
    { 0 },
};

const struct rename layout_vit[] = {
    { .ours = "patch.", .theirs = "patch_embed.proj." },
    { .ours = "class", .theirs = "cls_token" },
    { .ours = "position", .theirs = "pos_embed" },
    { .ours = "norm_after.", .theirs = "norm." },
    { 0 },
};

const struct rename layout_vit_block[] = {
    RENAME_QKV("attn.qkv."),
    { .ours = "attention.out.", .theirs = "attn.proj." },
    { .ours = "norm1.", .theirs = "norm1." },
    { .ours = "norm2.", .theirs = "norm2." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

/* huggingface/transformers models/clip/modeling_clip.py, models/siglip/modeling_siglip.py.  A row
 * whose parameter a model lacks means nothing: CLIP's patches have no bias, SigLIP's towers no
 * class token. */
#define HF_ATTENTION                                                                               \
    { .ours = "attention.query.", .theirs = "self_attn.q_proj." },                                 \
        { .ours = "attention.key.", .theirs = "self_attn.k_proj." },                               \
        { .ours = "attention.value.", .theirs = "self_attn.v_proj." },                             \
    {                                                                                              \
        .ours = "attention.out.", .theirs = "self_attn.out_proj."                                  \
    }

const struct rename layout_hf_block[] = {
    HF_ATTENTION,
    { .ours = "norm1.", .theirs = "layer_norm1." },
    { .ours = "norm2.", .theirs = "layer_norm2." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};

const struct rename layout_hf_vision[] = {
    { .ours = "patch.", .theirs = "embeddings.patch_embedding." },
    { .ours = "class", .theirs = "embeddings.class_embedding" },
    { .ours = "position", .theirs = "embeddings.position_embedding.weight" },
    { .ours = "norm_before.", .theirs = "pre_layrnorm." },
    { .ours = "norm_after.", .theirs = "post_layernorm." },
    { 0 },
};

const struct rename layout_hf_text[] = {
    { .ours = "token", .theirs = "embeddings.token_embedding.weight" },
    { .ours = "position", .theirs = "embeddings.position_embedding.weight" },
    { .ours = "norm.", .theirs = "final_layer_norm." },
    { .ours = "head.", .theirs = "head." },
    { 0 },
};

const struct rename layout_opt[] = {
    { .ours = "words", .theirs = "embed_tokens.weight" },
    { .ours = "position", .theirs = "embed_positions.weight" },
    { .ours = "norm.", .theirs = "final_layer_norm." },
    { 0 },
};

const struct rename layout_opt_block[] = {
    HF_ATTENTION,
    { .ours = "norm1.", .theirs = "self_attn_layer_norm." },
    { .ours = "norm2.", .theirs = "final_layer_norm." },
    { .ours = "mlp.", .theirs = "" },
    { 0 },
};

const struct rename layout_t5[] = {
    { .ours = "words", .theirs = "shared.weight" },
    { .ours = "head.", .theirs = "lm_head." },
    { 0 },
};

const struct rename layout_t5_stack[] = {
    { .ours = "bias", .theirs = "block.0.layer.0.SelfAttention.relative_attention_bias.weight" },
    { .ours = "norm.", .theirs = "final_layer_norm." },
    { 0 },
};

#define T5_ATTENTION(ours_, theirs_, layer)                                                        \
    { .ours = ours_ ".query.", .theirs = "layer." layer "." theirs_ ".q." },                       \
        { .ours = ours_ ".key.", .theirs = "layer." layer "." theirs_ ".k." },                     \
        { .ours = ours_ ".value.", .theirs = "layer." layer "." theirs_ ".v." },                   \
        { .ours = ours_ ".out.", .theirs = "layer." layer "." theirs_ ".o." },                     \
    {                                                                                              \
        .ours = ours_ ".norm.", .theirs = "layer." layer ".layer_norm."                            \
    }
#define T5_FEED_FORWARD(layer)                                                                     \
    { .ours = "mlp.fc1.", .theirs = "layer." layer ".DenseReluDense.wi_0." },                      \
        { .ours = "mlp.gate.", .theirs = "layer." layer ".DenseReluDense.wi_1." },                 \
        { .ours = "mlp.fc2.", .theirs = "layer." layer ".DenseReluDense.wo." },                    \
    {                                                                                              \
        .ours = "mlp.norm.", .theirs = "layer." layer ".layer_norm."                               \
    }

const struct rename layout_t5_encoder_layer[] = {
    T5_ATTENTION("self", "SelfAttention", "0"),
    T5_FEED_FORWARD("1"),
    { 0 },
};

const struct rename layout_t5_decoder_layer[] = {
    T5_ATTENTION("self", "SelfAttention", "0"),
    T5_ATTENTION("cross", "EncDecAttention", "1"),
    T5_FEED_FORWARD("2"),
    { 0 },
};

/* github.com/RangiLyu/EfficientNet-Lite */
#define NORM(our, their)                                                                           \
    { .ours = our ".weight", .theirs = their ".weight" },                                          \
        { .ours = our ".bias", .theirs = their ".bias" },                                          \
        { .ours = our ".mean", .theirs = their ".running_mean" },                                  \
    {                                                                                              \
        .ours = our ".variance", .theirs = their ".running_var"                                    \
    }

const struct rename layout_efficientnet[] = {
    { .ours = "stem.", .theirs = "_conv_stem." },
    NORM("stem_norm", "_bn0"),
    { .ours = "head.", .theirs = "_conv_head." },
    NORM("head_norm", "_bn1"),
    { 0 },
};

const struct rename layout_efficientnet_block[] = {
    { .ours = "expand.", .theirs = "_expand_conv." },
    NORM("expand_norm", "_bn0"),
    { .ours = "filter.", .theirs = "_depthwise_conv." },
    NORM("filter_norm", "_bn1"),
    { .ours = "project.", .theirs = "_project_conv." },
    NORM("project_norm", "_bn2"),
    { 0 },
};
