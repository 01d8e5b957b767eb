/* SPDX-License-Identifier: MIT
 * config.c - what an ALBEF checkpoint is, from its tensors
 *
 * Cross-attention begins in the middle of the encoder, which tells ALBEF from BLIP.  Two pictures
 * are compared where neighbouring layers share the keys of their cross-attention: each layer of the
 * pre-trained model became two, one for either picture.
 *
 * Models that were taught here have a config.json beside them; its form is ours, in the manner of
 * Hugging Face's.  "architectures" says whether there is a head for masked words.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "family/albef/files.h"
#include "checkpoint/config.h"
#include "checkpoint/save_parts.h"
#include "checkpoint/sizes.h"

#define AT(member) .at = offsetof(struct albef_config, member)

const char *const albef_ignored[] = {
    "*visual_encoder_m.",
    "*text_encoder_m.",
    "*text_decoder_m.",
    "*vision_proj_m.",
    "*text_proj_m.",
    "*cls_head_m.",
    "*itm_head_m.",
    "*image_queue",
    "*text_queue",
    "*idx_queue",
    "*queue_ptr",
    "*ptr_queue",
    "position_ids",
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
    "*text_encoder.pooler.",
    "*text_encoder.bert.pooler.",
    "*ta_head.", /* a step between pre-training and NLVR2 */
    NULL,
};

static const char *encoder_of(const struct weights *w)
{
    return albef_layout(w) == &albef_layout_pretraining ? "text_encoder.bert." : "text_encoder.";
}

bool albef_is(const struct weights *w)
{
    struct bert_config text;

    if (!sizes_has(w, "visual_encoder.patch_embed.proj.weight"))
        return false;
    sizes_bert(w, encoder_of(w), &text);
    return text.vocabulary && text.cross_width && text.cross_from > 0;
}

static const struct stored *layer_tensor(const struct weights *w, const char *prefix, int layer,
                                         const char *name)
{
    char *full = xprintf("%sencoder.layer.%d.crossattention.self.%s.weight", prefix, layer, name);
    const struct stored *s = weights_find(w, full);

    free(full);
    return s;
}

/* Layers `fusion` and the next have one key, or the next has none of its own. */
static bool looks_at_two(const struct weights *w, const char *prefix, int fusion)
{
    const struct stored *key = layer_tensor(w, prefix, fusion, "key");
    const struct stored *next = layer_tensor(w, prefix, fusion + 1, "key");

    if (!next)
        return layer_tensor(w, prefix, fusion + 1, "query") != NULL;
    return key->bytes == next->bytes &&
           (key->data == next->data || !memcmp(key->data, next->data, key->bytes));
}

static int check(const struct albef_config *c)
{
    if (sizes_check_vit("ALBEF", &c->vision) || sizes_check_bert("ALBEF", &c->text))
        return -1;
    if (c->text.cross_width != c->vision.width)
        return fail("the ALBEF model's text transformer looks at states of width %ld, its image "
                    "tower has %ld",
                    c->text.cross_width, c->vision.width);
    if (c->decoder.layers && sizes_check_bert("ALBEF", &c->decoder))
        return -1;
    if (c->decoder.layers && (c->decoder.cross_width != c->text.width || c->decoder.cross_from))
        return fail("the ALBEF model's decoder does not look at its encoder");
    if (c->classes < 0 || c->classes == 1 || c->classes > 3)
        return fail("the ALBEF model has %d classes; 2 or 3 are known", c->classes);
    return 0;
}

static int read_heads(const cJSON *root, struct albef_config *c)
{
    struct reader vision = { json_get(root, "vision_config"), "config.json: vision_config", false };
    struct reader text = { json_get(root, "text_config"), "config.json: text_config", false };

    c->vision.heads = (int)read_whole(&vision, "num_attention_heads", c->vision.heads);
    c->text.heads = (int)read_whole(&text, "num_attention_heads", c->text.heads);
    if (c->decoder.layers)
        c->decoder.heads = c->text.heads;
    return vision.bad || text.bad ? -1 : 0;
}

int albef_config_read(const struct weights *w, const cJSON *root, struct albef_config *c)
{
    const char *text = encoder_of(w);

    *c = (struct albef_config){ .images = 1 };
    sizes_vit(w, "visual_encoder.", &c->vision);
    sizes_bert(w, text, &c->text);
    c->text.head = sizes_has(w, "text_encoder.cls.predictions.transform.dense.weight");
    if (sizes_has(w, "text_decoder.bert.embeddings.word_embeddings.weight")) {
        sizes_bert(w, "text_decoder.bert.", &c->decoder);
        c->decoder.head = true;
    }
    if (sizes_has(w, "vision_proj.weight") && sizes_has(w, "text_proj.weight"))
        c->embedding = sizes_dim(w, "vision_proj.weight", 0);
    c->match = sizes_has(w, "itm_head.weight");
    c->classes = (int)sizes_dim(w, "cls_head.2.weight", 0);
    if (!c->match && !c->decoder.layers && looks_at_two(w, text, c->text.cross_from))
        c->images = 2;
    c->lavis = !c->text.token_types;
    return (root && read_heads(root, c)) || check(c) ? -1 : 0;
}

static const struct field text_fields[] = {
    FIELD("vocab_size", LONG, AT(text.vocabulary), .otherwise = 30522),
    FIELD("hidden_size", LONG, AT(text.width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(text.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(text.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(text.heads), .otherwise = 12),
    FIELD("max_position_embeddings", LONG, AT(text.positions), .otherwise = 512),
    FIELD("type_vocab_size", LONG, AT(text.token_types), .otherwise = 2),
    FIELD("fusion_layer", INT, AT(text.cross_from), .otherwise = 6),
    FIELD("encoder_width", SAME, AT(text.cross_width)), /* the image tower's */
    { 0 },
};

int albef_config_new(const cJSON *root, struct albef_config *c)
{
    struct reader r = { root, "config.json", false };
    struct reader vision = { json_get(root, "vision_config"), "config.json: vision_config", false };
    struct reader text = { json_get(root, "text_config"), "config.json: text_config", false };
    const cJSON *kind = cJSON_GetArrayItem(json_get(root, "architectures"), 0);

    *c = (struct albef_config){
        .images = 1,
        .match = true,
        .vision = { .image = 256,
                    .patch = 16,
                    .width = 768,
                    .mlp = 3072,
                    .layers = 12,
                    .heads = 12,
                    .eps = 1e-6f,
                    .activation = ACTIVATION_GELU,
                    .patch_bias = true,
                    .norm_after = true },
        .text = { .eps = 1e-12f, .cross_every = 1 },
    };
    config_read(&vision, fields_vit, &c->vision);
    c->text.cross_width = c->vision.width;
    config_read(&text, text_fields, c);
    c->embedding = read_whole(&r, "projection_dim", 256);
    c->text.head = !cJSON_IsString(kind) || !strcmp(kind->valuestring, "AlbefForPretraining");
    c->lavis = !c->text.token_types;
    if (r.bad || vision.bad || text.bad || check(c))
        return -1;
    if (c->embedding < 1 || c->embedding > 65536)
        return fail("config.json: projection_dim is %ld", c->embedding);
    if (c->text.cross_from < 1 || c->text.cross_from >= c->text.layers)
        return fail("config.json: fusion_layer is %d of %d layers", c->text.cross_from,
                    c->text.layers);
    return 0;
}

/* --- saving: names of values are as in transformers, which has no class for ALBEF; tensors keep
 * the authors' names --- */

static const char *architecture(const struct albef_config *c)
{
    return c->decoder.layers ? "AlbefForQuestionAnswering"
           : c->images == 2  ? "AlbefForTwoImages"
           : c->classes      ? "AlbefForVisualEntailment"
           : c->text.head    ? "AlbefForPretraining"
                             : "AlbefForRetrieval";
}

cJSON *albef_save_config(const struct model *m, const struct tokenizer *t,
                         const struct layout **layout)
{
    const struct albef *a = m->self;
    struct albef_config c = a->config;
    cJSON *root = config_begin("albef");

    (void)t;
    c.vision = a->vision.config;
    *layout = m->layout;
    config_words(root, "architectures", (const char *const[]){ architecture(&c), NULL });
    if (c.embedding)
        config_whole(root, "projection_dim", c.embedding);
    config_write(config_object(root, "text_config"), text_fields, &c);
    config_write(config_object(root, "vision_config"), fields_vit, &c.vision);
    return root;
}

int albef_save_original(const struct model *m, struct original *o)
{
    const struct albef_config *c = &((const struct albef *)m->self)->config;

    if (c->vision.heads != sizes_heads(c->vision.width) ||
        c->text.heads != sizes_heads(c->text.width))
        return fail_as("unsupported", "the authors' file cannot say that heads are not 64 wide");
    *o = (struct original){
        .layout = m->layout,
        .wrapper = "model",
        .position_ids = true,
        .aliases = { { "text_encoder.cls.predictions.decoder.weight",
                       "text_encoder.bert.embeddings.word_embeddings.weight" },
                     { "text_encoder.cls.predictions.decoder.bias",
                       "text_encoder.cls.predictions.bias" },
                     { "text_decoder.cls.predictions.decoder.weight",
                       "text_decoder.bert.embeddings.word_embeddings.weight" },
                     { "text_decoder.cls.predictions.decoder.bias",
                       "text_decoder.cls.predictions.bias" } },
    };
    return 0;
}
