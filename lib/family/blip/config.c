/* SPDX-License-Identifier: MIT
 * config.c - what a BLIP checkpoint is: from config.json, or from the shapes of its tensors; and
 * its config.json, written
 *
 * All roles go into one folder: each of transformers' classes takes the tensors that it knows.
 * Ids: [DEC] and [ENC] were appended to the vocabulary in this order, so they are the last two.
 */
#include <string.h>
#include "base/error.h"
#include "family/blip/files.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"
#include "checkpoint/sizes.h"

#define AT(member) .at = offsetof(struct blip_config, member)

enum { BERT_END = 102 }; /* [SEP] of bert-base-uncased */

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

static bool looks_at_two(const struct weights *w)
{
    return sizes_has(w, "text_encoder.encoder.layer.0.crossattention.self0.key.weight");
}

bool blip_is_original(const struct weights *w)
{
    return sizes_has(w, "visual_encoder.patch_embed.proj.weight") &&
           (sizes_has(w, "text_encoder.encoder.layer.0.crossattention.self.key.weight") ||
            sizes_has(w, "text_decoder.bert.encoder.layer.0.crossattention.self.key.weight") ||
            looks_at_two(w));
}

static const char two_images[] = "BlipForTwoImages"; /* ours: transformers has none */

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
        c->text.pairs |= !strcmp(name, two_images);
    }
    c->text.pairs = c->text.pairs && !c->match && !c->decoder && !c->answers;
    c->classes = c->text.pairs ? 2 : 0;
    c->contrastive = c->contrastive && !c->match && !c->decoder && !c->answers;
    c->answers = c->answers && !c->match && !c->decoder;
    c->decoder |= c->answers;
    c->encoder = c->match || c->answers || c->contrastive || c->text.pairs;
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
    c->text.pairs = looks_at_two(w);
    c->classes = (int)sizes_dim(w, "cls_head.2.weight", 0);
}

static int check_net(const struct efficientnet_config *c)
{
    if (c->image < 32 || c->image > 4096 || !(c->width >= 0.05f && c->width <= 8) ||
        !(c->depth >= 0.05f && c->depth <= 8) || c->stem < 1 || c->stem > 4096 || c->head < 1 ||
        c->head > 65536 || !(c->eps > 0) || c->grid < 0 || c->grid > (c->image + 31) / 32)
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
    if (c->text.cross_from < 0 || c->text.cross_from >= c->text.layers)
        return fail("the BLIP model looks at images from layer %d on, of %d", c->text.cross_from,
                    c->text.layers);
    if (c->text.pairs ? c->classes != 2 || c->decoder || c->match : c->classes != 0)
        return fail("the BLIP model has %d classes; 2 are known, where texts look at two images",
                    c->classes);
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

/* --- Hugging Face: missing fields have the defaults of transformers' BlipConfig --- */

static const struct field vision_fields[] = {
    FIELD("hidden_size", LONG, AT(vision.vit.width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(vision.vit.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(vision.vit.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(vision.vit.heads), .otherwise = 12),
    FIELD("image_size", INT, AT(vision.vit.image), .otherwise = 384),
    FIELD("patch_size", INT, AT(vision.vit.patch), .otherwise = 16),
    FIELD("hidden_act", IS_WORD, .word = "gelu"),
    FIELD("layer_norm_eps", REAL, AT(vision.vit.eps), .otherwise = 1e-5),
    { 0 },
};

static const struct field text_fields[] = {
    FIELD("vocab_size", LONG, AT(text.vocabulary), .otherwise = 30524),
    FIELD("hidden_size", LONG, AT(text.width), .otherwise = 768),
    FIELD("encoder_hidden_size", LONG, AT(text.cross_width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(text.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(text.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(text.heads), .otherwise = 8),
    FIELD("max_position_embeddings", LONG, AT(text.positions), .otherwise = 512),
    FIELD("hidden_act", IS_WORD, .word = "gelu"),
    FIELD("layer_norm_eps", REAL, AT(text.eps), .otherwise = 1e-12),
    FIELD("position_embedding_type", REFUSED, .word = "absolute"),
    FIELD("tie_word_embeddings", IS_FLAG, .otherwise = true, .to = READ),
    /* transformers 5 takes these, of all rules of writing, from here */
    FIELD("max_new_tokens", REFUSED),
    FIELD("min_new_tokens", REFUSED),
    FIELD("sequence_bias", REFUSED),
    FIELD("stop_strings", REFUSED),
    FIELD("penalty_alpha", REFUSED),
    { 0 },
};

/* Ours: EfficientNet-Lite, which stays as it is, and what is between it and the text side. */
static const char net_type[] = "efficientnet_lite";
static const struct field net_fields[] = {
    FIELD("image_size", INT, AT(vision.net.image), .otherwise = 224),
    FIELD("width_coefficient", REAL, AT(vision.net.width), .otherwise = 1),
    FIELD("depth_coefficient", REAL, AT(vision.net.depth), .otherwise = 1),
    FIELD("stem_size", LONG, AT(vision.net.stem), .otherwise = 32),
    FIELD("hidden_size", LONG, AT(vision.net.head), .otherwise = 1280),
    FIELD("batch_norm_eps", REAL, AT(vision.net.eps), .otherwise = 1e-3),
    FIELD("pooled_grid", INT, AT(vision.net.grid), .otherwise = 0),
    { 0 },
};

int blip_config_hf(const cJSON *root, const struct weights *w, struct blip_config *c)
{
    struct reader vision = { json_get(root, "vision_config"), "config.json: vision_config", false };
    struct reader text = { json_get(root, "text_config"), "config.json: text_config", false };
    struct reader top = { root, "config.json", false };

    *c = (struct blip_config){ 0 };
    if (w)
        roles(w, c);
    else
        roles_wanted(root, c);
    c->neck = read_whole(&top, "bridge_hidden_size", 0);
    c->vision.convolves = !strcmp(json_string(vision.object, "model_type", ""), net_type);
    config_read(&vision, c->vision.convolves ? net_fields : vision_fields, c);
    c->vision.vit.activation = ACTIVATION_GELU;
    c->vision.vit.patch_bias = c->vision.vit.norm_after = true;
    config_read(&text, text_fields, c);
    if (c->text.pairs)
        c->text.merge_from = (int)read_whole(&text, "merge_layer", c->text.layers / 2);
    c->text_mean = !strcmp(read_word(&text, "pooling", ""), "mean");
    c->text.token_types = read_whole(&text, "type_vocab_size", 0);
    c->text.cross_from = (int)read_whole(&text, "fusion_layer", 0);
    c->product = read_flag(&top, "match_products", false);
    ids(c);
    c->begin = (int)read_whole(&text, "bos_token_id", c->begin);
    c->end = (int)read_whole(&text, "sep_token_id", BERT_END);
    return top.bad || vision.bad || text.bad ? -1 : check(c);
}

static void set_architectures(cJSON *root, const struct blip_config *c)
{
    static const char *const pooled[] = { "BlipModel", NULL };
    static const char *const answers[] = { "BlipForQuestionAnswering", NULL };
    static const char *const both[] = { "BlipForConditionalGeneration", "BlipForImageTextRetrieval",
                                        NULL };
    static const char *const pairs[] = { two_images, NULL };
    static const char *const writes[] = { "BlipForConditionalGeneration", NULL };
    static const char *const matches[] = { "BlipForImageTextRetrieval", NULL };

    config_words(root, "architectures",
                 c->contrastive             ? pooled
                 : c->answers               ? answers
                 : c->text.pairs            ? pairs
                 : c->decoder && c->encoder ? both
                 : c->decoder               ? writes
                                            : matches);
}

static void write_text(cJSON *o, const struct blip_config *c, int end)
{
    config_word(o, "model_type", "blip_text_model");
    config_write(o, text_fields, c);
    config_whole(o, "bos_token_id", c->begin);
    config_whole(o, "sep_token_id", end);
    config_whole(o, "pad_token_id", c->pad);
    if (c->contrastive)
        config_whole(o, "projection_dim", c->embedding);
    if (c->text_mean)
        config_word(o, "pooling", "mean");
    if (c->text.token_types)
        config_whole(o, "type_vocab_size", c->text.token_types);
    if (c->text.cross_from)
        config_whole(o, "fusion_layer", c->text.cross_from);
    if (c->text.pairs)
        config_whole(o, "merge_layer", c->text.merge_from);
}

cJSON *blip_save_config(const struct model *m, const struct tokenizer *t,
                        const struct layout **layout)
{
    const struct blip *b = m->self;
    struct blip_config c = b->config;
    cJSON *root = config_begin("blip"), *vision;
    int end = m->writing.rules.end;

    if (!end)
        end = t ? tokenizer_id(t, "[SEP]") : BERT_END;
    c.vision = b->vision.config;
    *layout = c.contrastive  ? &blip_layout_hf_pooled
              : c.text.pairs ? &blip_layout_hf_pairs
                             : &blip_layout_hf;
    set_architectures(root, &c);
    if (c.contrastive)
        config_whole(root, "projection_dim", c.embedding);
    else if (c.match)
        config_whole(root, "image_text_hidden_size", c.embedding);
    write_text(config_object(root, "text_config"), &c, end);
    if (c.neck)
        config_whole(root, "bridge_hidden_size", c.neck);
    if (c.product)
        cJSON_AddTrueToObject(root, "match_products");
    vision = config_object(root, "vision_config");
    config_word(vision, "model_type", c.vision.convolves ? net_type : "blip_vision_model");
    config_write(vision, c.vision.convolves ? net_fields : vision_fields, &c);
    return root;
}

/* --- the authors' file --- */

/* What the authors' code takes for granted. */
int blip_save_original(const struct model *m, struct original *o)
{
    const struct blip_config *c = &((const struct blip *)m->self)->config;

    if (c->contrastive)
        return fail_as("unsupported", "BLIP's authors have no model of two pooled towers");
    if (c->vision.convolves || c->neck || c->text_mean || c->text.token_types ||
        c->text.cross_from || c->product)
        return fail_as("unsupported", "BLIP's authors have no such image tower or text encoder");
    if (c->vision.vit.heads != sizes_heads(c->vision.vit.width) ||
        c->text.heads != sizes_heads(c->text.width) || c->begin != c->text.vocabulary - 2)
        return fail_as("unsupported", "the authors' file cannot say that heads are not 64 wide, or "
                                      "that [DEC] is not the last id but one");
    *o = (struct original){
        .layout = c->text.pairs ? &blip_layout_original_pairs : &blip_layout_original,
        .wrapper = "model",
        .position_ids = true,
        .aliases = { { "text_decoder.cls.predictions.decoder.weight",
                       "text_decoder.bert.embeddings.word_embeddings.weight" },
                     { "text_decoder.cls.predictions.decoder.bias",
                       "text_decoder.cls.predictions.bias" } },
    };
    return 0;
}
