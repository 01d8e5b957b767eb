/* SPDX-License-Identifier: MIT
 * blip_config.c - what a BLIP checkpoint is: from config.json, or from the shapes of its tensors
 *
 * Ids: [DEC] and [ENC] were appended to the vocabulary in this order, so they are the last two.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/blip_files.h"

const char *const blip_ignored[] = {
    "*visual_encoder_m.",
    "*text_encoder_m.",
    "*vision_proj_m.",
    "*text_proj_m.",
    "*text_decoder_m.",
    "*image_queue",
    "*text_queue",
    "*idx_queue",
    "*queue_ptr",
    "*ptr_queue",
    "*temp",
    "*itm_head_m.",
    "position_ids",
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
    "*logit_scale",
    "*text_encoder.pooler.",
    "*text_decoder.bert.pooler.",
    NULL,
};

static bool has(const struct weights *w, const char *name)
{
    return weights_find(w, name) != NULL;
}

bool blip_is_original(const struct weights *w)
{
    return has(w, "visual_encoder.patch_embed.proj.weight") &&
           (has(w, "text_encoder.encoder.layer.0.crossattention.self.key.weight") ||
            has(w, "text_decoder.bert.encoder.layer.0.crossattention.self.key.weight"));
}

static long dim(const struct weights *w, const char *name, int axis)
{
    const struct stored *s = weights_find(w, name);

    return s && axis < s->rank ? s->shape[axis] : 0;
}

static int count_layers(const struct weights *w, const char *pattern)
{
    char name[160];
    int n = 0;

    do
        snprintf(name, sizeof name, pattern, n);
    while (has(w, name) && ++n < 1000);
    return n;
}

static void roles(const struct weights *w, struct blip_config *c)
{
    c->contrastive = has(w, "text_model.pooler.dense.weight");
    c->encoder = has(w, "text_encoder.embeddings.word_embeddings.weight");
    c->decoder = has(w, "text_decoder.bert.embeddings.word_embeddings.weight");
    c->match = c->encoder && has(w, "itm_head.weight") && has(w, "vision_proj.weight") &&
               has(w, "text_proj.weight");
    c->answers = c->encoder && c->decoder && !has(w, "vision_proj.weight");
    c->embedding = dim(w, c->contrastive ? "visual_projection.weight" : "vision_proj.weight", 0);
    c->encoder = c->encoder || c->contrastive;
}

static int check(const struct blip_config *c)
{
    const struct vit_config *v = &c->vision;
    const struct bert_config *t = &c->text;

    if (!c->encoder && !c->decoder)
        return fail("the BLIP model has neither a text encoder nor a text decoder");
    if (v->width < 1 || v->width > 65536 || v->layers < 1 || v->layers > 1000 || v->heads < 1 ||
        v->width % v->heads || v->patch < 1 || v->patch > 1024 || v->image < v->patch ||
        v->image > 16384 || v->image % v->patch || v->mlp < 1 || v->mlp > 1 << 20)
        return fail("the BLIP model's image tower makes no sense: width %ld, %d heads, %d layers, "
                    "image %d, patch %d",
                    v->width, v->heads, v->layers, v->image, v->patch);
    if (t->width < 1 || t->width > 65536 || t->layers < 1 || t->layers > 1000 || t->heads < 1 ||
        t->width % t->heads || t->vocabulary < 8 || t->vocabulary > 1 << 24 || t->positions < 2 ||
        t->positions > 1 << 20 || t->mlp < 1 || t->mlp > 1 << 20 || t->cross_width < 1)
        return fail("the BLIP model's text transformer makes no sense: width %ld, %d heads, %d "
                    "layers, vocabulary %ld",
                    t->width, t->heads, t->layers, t->vocabulary);
    return 0;
}

static void ids(struct blip_config *c)
{
    c->begin = (int)c->text.vocabulary - 2;
    c->encode = (int)c->text.vocabulary - 1;
    c->pad = 0;
    c->text.cross_every = 1;
    c->text.eps = 1e-12f;
}

int blip_config_original(const struct weights *w, struct blip_config *c)
{
    const char *text;
    char name[160];
    long tokens;

    *c = (struct blip_config){ 0 };
    roles(w, c);
    text = c->encoder ? "text_encoder." : "text_decoder.bert.";
    c->vision = (struct vit_config){
        .patch = (int)dim(w, "visual_encoder.patch_embed.proj.weight", 3),
        .width = dim(w, "visual_encoder.patch_embed.proj.weight", 0),
        .mlp = dim(w, "visual_encoder.blocks.0.mlp.fc1.weight", 0),
        .layers = count_layers(w, "visual_encoder.blocks.%d.norm1.weight"),
        .eps = 1e-6f,
        .activation = ACTIVATION_GELU,
        .patch_bias = true,
        .norm_after = true,
    };
    tokens = dim(w, "visual_encoder.pos_embed", 1);
    c->vision.image = (int)lround(sqrt((double)tokens - 1)) * c->vision.patch;
    snprintf(name, sizeof name, "%sembeddings.word_embeddings.weight", text);
    c->text.vocabulary = dim(w, name, 0);
    c->text.width = dim(w, name, 1);
    snprintf(name, sizeof name, "%sembeddings.position_embeddings.weight", text);
    c->text.positions = dim(w, name, 0);
    snprintf(name, sizeof name, "%sencoder.layer.0.intermediate.dense.weight", text);
    c->text.mlp = dim(w, name, 0);
    snprintf(name, sizeof name, "%sencoder.layer.0.crossattention.self.key.weight", text);
    c->text.cross_width = dim(w, name, 1);
    snprintf(name, sizeof name, "%sencoder.layer.%%d.output.dense.weight", text);
    c->text.layers = count_layers(w, name);
    /* Heads are 64 wide in every released file; no tensor tells.  Tiny ones have two. */
    c->vision.heads = c->vision.width % 64 ? 2 : (int)(c->vision.width / 64);
    c->text.heads = c->text.width % 64 ? 2 : (int)(c->text.width / 64);
    ids(c);
    return check(c);
}

static int read_vision(const cJSON *v, struct vit_config *c)
{
    const char *act = json_string(v, "hidden_act", "gelu");

    *c = (struct vit_config){
        .image = (int)json_number(v, "image_size", 384),
        .patch = (int)json_number(v, "patch_size", 16),
        .width = (long)json_number(v, "hidden_size", 768),
        .mlp = (long)json_number(v, "intermediate_size", 3072),
        .layers = (int)json_number(v, "num_hidden_layers", 12),
        .heads = (int)json_number(v, "num_attention_heads", 12),
        .eps = (float)json_number(v, "layer_norm_eps", 1e-5),
        .activation = ACTIVATION_GELU,
        .patch_bias = true,
        .norm_after = true,
    };
    return strcmp(act, "gelu") ? fail("hidden_act \"%s\" is not BLIP's gelu", act) : 0;
}

int blip_config_hf(const cJSON *root, const struct weights *w, struct blip_config *c)
{
    const cJSON *text = json_get(root, "text_config"), *vision = json_get(root, "vision_config");

    *c = (struct blip_config){ 0 };
    roles(w, c);
    c->text = (struct bert_config){
        .vocabulary = (long)json_number(text, "vocab_size", 30524),
        .positions = (long)json_number(text, "max_position_embeddings", 512),
        .width = (long)json_number(text, "hidden_size", 768),
        .mlp = (long)json_number(text, "intermediate_size", 3072),
        .layers = (int)json_number(text, "num_hidden_layers", 12),
        .heads = (int)json_number(text, "num_attention_heads", 8),
        .cross_width = (long)json_number(text, "encoder_hidden_size", 768),
    };
    if (read_vision(vision, &c->vision))
        return -1;
    ids(c);
    c->text.eps = (float)json_number(text, "layer_norm_eps", 1e-12);
    c->begin = (int)json_number(text, "bos_token_id", c->begin);
    c->end = (int)json_number(text, "sep_token_id", 102);
    return check(c);
}
