/* SPDX-License-Identifier: MIT
 * layout.c - CLIP's released layouts: OpenAI and open_clip, open_clip with a custom text
 * tower, Hugging Face, and ours
 *
 * OpenAI's projections are applied on the right (x W), so they are the transposes of ours.  Most
 * text projections are square: a transpose forgotten there is seen in the scores alone.
 */
#include "family/clip/clip.h"

/* --- OpenAI, open_clip --- */

const struct rename clip_names_block[] = {
    RENAME_QKV("attn.in_proj_"),
    { .ours = "attention.out.", .theirs = "attn.out_proj." },
    { .ours = "norm1.", .theirs = "ln_1." },
    { .ours = "norm2.", .theirs = "ln_2." },
    { .ours = "mlp.fc1.", .theirs = "mlp.c_fc." },
    { .ours = "mlp.fc2.", .theirs = "mlp.c_proj." },
    { 0 },
};

const struct rename clip_names_vit[] = {
    { .ours = "patch.weight", .theirs = "conv1.weight" },
    { .ours = "class", .theirs = "class_embedding" },
    { .ours = "position", .theirs = "positional_embedding" },
    { .ours = "norm_before.", .theirs = "ln_pre." },
    { .ours = "norm_after.", .theirs = "ln_post." },
    { .ours = "projection.weight", .theirs = "proj", .transpose = true },
    { 0 },
};

static const struct rename openai_stem[] = {
    { .ours = "conv*.", .theirs = "conv*." },
    { .ours = "norm*.weight", .theirs = "bn*.weight" },
    { .ours = "norm*.bias", .theirs = "bn*.bias" },
    { .ours = "norm*.mean", .theirs = "bn*.running_mean" },
    { .ours = "norm*.variance", .theirs = "bn*.running_var" },
    { .ours = "down.", .theirs = "downsample.0." },
    { .ours = "down_norm.weight", .theirs = "downsample.1.weight" },
    { .ours = "down_norm.bias", .theirs = "downsample.1.bias" },
    { .ours = "down_norm.mean", .theirs = "downsample.1.running_mean" },
    { .ours = "down_norm.variance", .theirs = "downsample.1.running_var" },
    { 0 },
};

static const struct rename openai_pool[] = {
    { .ours = "position", .theirs = "positional_embedding" },
    { .ours = "query.", .theirs = "q_proj." },
    { .ours = "key.", .theirs = "k_proj." },
    { .ours = "value.", .theirs = "v_proj." },
    { .ours = "out.", .theirs = "c_proj." },
    { 0 },
};

static const struct rename openai_text[] = {
    { .ours = "token", .theirs = "token_embedding.weight" },
    { .ours = "position", .theirs = "positional_embedding" },
    { .ours = "norm.", .theirs = "ln_final." },
    { .ours = "projection.weight", .theirs = "text_projection", .transpose = true },
    { 0 },
};

static const struct rename same[] = { { .ours = "logit_scale", .theirs = "logit_scale" }, { 0 } };

#define OPENAI_VISION                                                                              \
    { "vision.block.*.", "visual.transformer.resblocks.*.", clip_names_block },                    \
        { "vision.pool.", "visual.attnpool.", openai_pool },                                       \
        { "vision.stage.0.*.", "visual.layer1.*.", openai_stem },                                  \
        { "vision.stage.1.*.", "visual.layer2.*.", openai_stem },                                  \
        { "vision.stage.2.*.", "visual.layer3.*.", openai_stem },                                  \
        { "vision.stage.3.*.", "visual.layer4.*.", openai_stem },                                  \
        { "vision.", "visual.", openai_stem }, { "vision.", "visual.", clip_names_vit },           \
    {                                                                                              \
        "", "", same                                                                               \
    }

static const struct section openai[] = {
    OPENAI_VISION,
    { "text.block.*.", "transformer.resblocks.*.", clip_names_block },
    { "text.", "", openai_text },
    { 0 },
};
const struct layout clip_layout_openai = { .name = "OpenAI", .sections = openai };

static const struct section open_clip_custom[] = {
    OPENAI_VISION,
    { "text.block.*.", "text.transformer.resblocks.*.", clip_names_block },
    { "text.", "text.", openai_text },
    { 0 },
};
const struct layout clip_layout_open_clip_custom = { .name = "open_clip",
                                                     .sections = open_clip_custom };

/* --- Hugging Face --- */

static const struct rename hf_root[] = {
    { .ours = "vision.projection.weight", .theirs = "visual_projection.weight" },
    { .ours = "text.projection.weight", .theirs = "text_projection.weight" },
    { .ours = "logit_scale", .theirs = "logit_scale" },
    { 0 },
};

static const struct section hf[] = {
    { "vision.block.*.", "vision_model.encoder.layers.*.", layout_hf_block },
    { "text.block.*.", "text_model.encoder.layers.*.", layout_hf_block },
    { "", "", hf_root },
    { "vision.", "vision_model.", layout_hf_vision },
    { "text.", "text_model.", layout_hf_text },
    { 0 },
};
const struct layout clip_layout_hf = { .name = "Hugging Face", .sections = hf };

const struct layout clip_layout_own = { .name = "vlm", .sections = NULL };
