/* SPDX-License-Identifier: MIT
 * config.c - what a BLIP checkpoint is: from config.json, or from the shapes of its tensors
 *
 * Ids: [DEC] and [ENC] were appended to the vocabulary in this order, so they are the last two.
 */
#include <string.h>
#include "base/error.h"
#include "family/blip/files.h"
#include "checkpoint/sizes.h"

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

bool blip_is_original(const struct weights *w)
{
    return sizes_has(w, "visual_encoder.patch_embed.proj.weight") &&
           (sizes_has(w, "text_encoder.encoder.layer.0.crossattention.self.key.weight") ||
            sizes_has(w, "text_decoder.bert.encoder.layer.0.crossattention.self.key.weight"));
}

/* Of a new model: what config.json says it is made for. */
static void roles_wanted(const cJSON *root, struct blip_config *c)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, json_get(root, "architectures"))
    {
        const char *name = cJSON_IsString(item) ? item->valuestring : "";

        c->contrastive |= !strcmp(name, "BlipModel");
        c->match |= !strcmp(name, "BlipForImageTextRetrieval");
        c->decoder |= !strcmp(name, "BlipForConditionalGeneration");
        c->answers |= !strcmp(name, "BlipForQuestionAnswering");
    }
    c->contrastive = c->contrastive && !c->match && !c->decoder && !c->answers;
    c->answers = c->answers && !c->match && !c->decoder;
    c->decoder |= c->answers;
    c->encoder = c->match || c->answers || c->contrastive;
    c->embedding =
        (long)json_number(root, c->contrastive ? "projection_dim" : "image_text_hidden_size",
                          c->contrastive ? 512 : 256);
}

static void roles(const struct weights *w, struct blip_config *c)
{
    c->contrastive = sizes_has(w, "text_model.pooler.dense.weight");
    c->encoder = sizes_has(w, "text_encoder.embeddings.word_embeddings.weight");
    /* what a decoder never shares with an encoder */
    c->decoder = sizes_has(w, "text_decoder.bert.encoder.layer.0.attention.self.query.weight");
    c->match = c->encoder && sizes_has(w, "itm_head.weight") &&
               sizes_has(w, "vision_proj.weight") && sizes_has(w, "text_proj.weight");
    c->answers = c->encoder && c->decoder && !sizes_has(w, "vision_proj.weight");
    c->embedding =
        sizes_dim(w, c->contrastive ? "visual_projection.weight" : "vision_proj.weight", 0);
    c->encoder = c->encoder || c->contrastive;
}

static int check_net(const struct efficientnet_config *c)
{
    if (c->image < 32 || c->image > 4096 || !(c->width >= 0.05f && c->width <= 8) ||
        !(c->depth >= 0.05f && c->depth <= 8) || c->stem < 1 || c->stem > 4096 || c->head < 1 ||
        c->head > 65536 || !(c->eps > 0))
        return fail("the BLIP model's image tower makes no sense: image %d, width %g, depth %g, "
                    "%ld channels at its end",
                    c->image, (double)c->width, (double)c->depth, c->head);
    return 0;
}

static int check(const struct blip_config *c)
{
    if (!c->encoder && !c->decoder)
        return fail("the BLIP model has neither a text encoder nor a text decoder");
    if (c->match && (c->embedding < 1 || c->embedding > 65536))
        return fail("the BLIP model's embeddings of %ld numbers make no sense", c->embedding);
    if (c->neck < 0 || c->neck > 65536)
        return fail("the BLIP model's bridge of %ld numbers makes no sense", c->neck);
    if (c->vision.convolves ? check_net(&c->vision.net) : sizes_check_vit("BLIP", &c->vision.vit))
        return -1;
    return sizes_check_bert("BLIP", &c->text);
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
    *c = (struct blip_config){ 0 };
    roles(w, c);
    sizes_vit(w, "visual_encoder.", &c->vision.vit);
    sizes_bert(w, c->encoder ? "text_encoder." : "text_decoder.bert.", &c->text);
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

/* Ours: EfficientNet-Lite, which stays as it is, and what is between it and the text side. */
static void read_net(const cJSON *v, struct tower_config *c)
{
    c->convolves = true;
    c->net = (struct efficientnet_config){
        .image = (int)json_number(v, "image_size", 224),
        .width = (float)json_number(v, "width_coefficient", 1),
        .depth = (float)json_number(v, "depth_coefficient", 1),
        .stem = (long)json_number(v, "stem_size", 32),
        .head = (long)json_number(v, "hidden_size", 1280),
        .eps = (float)json_number(v, "batch_norm_eps", 1e-3),
    };
}

int blip_config_hf(const cJSON *root, const struct weights *w, struct blip_config *c)
{
    const cJSON *text = json_get(root, "text_config"), *vision = json_get(root, "vision_config");

    *c = (struct blip_config){ 0 };
    if (w)
        roles(w, c);
    else
        roles_wanted(root, c);
    c->text = (struct bert_config){
        .vocabulary = (long)json_number(text, "vocab_size", 30524),
        .positions = (long)json_number(text, "max_position_embeddings", 512),
        .width = (long)json_number(text, "hidden_size", 768),
        .mlp = (long)json_number(text, "intermediate_size", 3072),
        .layers = (int)json_number(text, "num_hidden_layers", 12),
        .heads = (int)json_number(text, "num_attention_heads", 8),
        .cross_width = (long)json_number(text, "encoder_hidden_size", 768),
    };
    if (!strcmp(json_string(vision, "model_type", ""), "efficientnet_lite"))
        read_net(vision, &c->vision);
    else if (read_vision(vision, &c->vision.vit))
        return -1;
    c->neck = (long)json_number(root, "bridge_hidden_size", 0);
    c->text_mean = !strcmp(json_string(text, "pooling", ""), "mean");
    c->text.token_types = (long)json_number(text, "type_vocab_size", 0);
    ids(c);
    c->text.eps = (float)json_number(text, "layer_norm_eps", 1e-12);
    c->begin = (int)json_number(text, "bos_token_id", c->begin);
    c->end = (int)json_number(text, "sep_token_id", 102);
    return check(c);
}
