/* SPDX-License-Identifier: MIT
 * layout_tables.c - spellings that several families' checkpoints share: BERT's, and timm's ViT
 */
#include "model/layout.h"

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
    { "attention.query.weight", "attn.qkv.weight", 0, 3, false },
    { "attention.key.weight", "attn.qkv.weight", 1, 3, false },
    { "attention.value.weight", "attn.qkv.weight", 2, 3, false },
    { "attention.query.bias", "attn.qkv.bias", 0, 3, false },
    { "attention.key.bias", "attn.qkv.bias", 1, 3, false },
    { "attention.value.bias", "attn.qkv.bias", 2, 3, false },
    { .ours = "attention.out.", .theirs = "attn.proj." },
    { .ours = "norm1.", .theirs = "norm1." },
    { .ours = "norm2.", .theirs = "norm2." },
    { .ours = "mlp.", .theirs = "mlp." },
    { 0 },
};
