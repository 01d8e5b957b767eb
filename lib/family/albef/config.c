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
#include "checkpoint/sizes.h"

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

static void read_vision(struct reader *r, struct vit_config *c)
{
    *c = (struct vit_config){
        .image = (int)read_whole(r, "image_size", 256),
        .patch = (int)read_whole(r, "patch_size", 16),
        .width = read_whole(r, "hidden_size", 768),
        .mlp = read_whole(r, "intermediate_size", 3072),
        .layers = (int)read_whole(r, "num_hidden_layers", 12),
        .heads = (int)read_whole(r, "num_attention_heads", 12),
        .eps = 1e-6f,
        .activation = ACTIVATION_GELU,
        .patch_bias = true,
        .norm_after = true,
    };
}

static void read_text(struct reader *r, struct bert_config *c, long looks_at)
{
    *c = (struct bert_config){
        .vocabulary = read_whole(r, "vocab_size", 30522),
        .positions = read_whole(r, "max_position_embeddings", 512),
        .width = read_whole(r, "hidden_size", 768),
        .mlp = read_whole(r, "intermediate_size", 3072),
        .token_types = read_whole(r, "type_vocab_size", 2),
        .layers = (int)read_whole(r, "num_hidden_layers", 12),
        .heads = (int)read_whole(r, "num_attention_heads", 12),
        .eps = 1e-12f,
        .cross_width = looks_at,
        .cross_from = (int)read_whole(r, "fusion_layer", 6),
        .cross_every = 1,
    };
}

int albef_config_new(const cJSON *root, struct albef_config *c)
{
    struct reader r = { root, "config.json", false };
    struct reader vision = { json_get(root, "vision_config"), "config.json: vision_config", false };
    struct reader text = { json_get(root, "text_config"), "config.json: text_config", false };
    const cJSON *kind = cJSON_GetArrayItem(json_get(root, "architectures"), 0);

    *c = (struct albef_config){ .images = 1, .match = true };
    read_vision(&vision, &c->vision);
    read_text(&text, &c->text, c->vision.width);
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
