/* SPDX-License-Identifier: MIT
 * config.c - what a BLIP-2 checkpoint is: from config.json, or from the shapes of its tensors
 *
 * LAVIS has two image towers: EVA-CLIP's ViT-g/14 without its last layer, heads 88 wide, no bias of
 * keys; and CLIP's ViT-L/14 without its last layer.  [DEC] was appended to BERT's vocabulary.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/blip2/files.h"
#include "checkpoint/config.h"
#include "checkpoint/sizes.h"

enum { EVA_LAYERS = 39, CLIP_LAYERS = 23, EVA_HEAD = 88, HEAD = 64 };

const char *const blip2_ignored[] = {
    "position_ids",
    "Qformer.cls.predictions.decoder.weight",
    "Qformer.cls.predictions.decoder.bias",
    "*language_model.lm_head.", /* OPT's, which is tied to the words; T5's is known */
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "decoder.version",
    NULL,
};

bool blip2_is_lavis(const struct weights *w)
{
    return sizes_has(w, "query_tokens") &&
           sizes_has(w, "Qformer.bert.encoder.layer.0.attention.self.query.weight");
}

bool blip2_is_clip(const struct weights *w, const char *prefix)
{
    char name[80];

    snprintf(name, sizeof name, "%sconv1.weight", prefix);
    return sizes_has(w, name);
}

bool blip2_has_vision(const struct weights *w)
{
    return sizes_has(w, "visual_encoder.patch_embed.proj.weight") ||
           blip2_is_clip(w, "visual_encoder.");
}

static int check(const struct blip2_config *c)
{
    struct bert_config worded = c->qformer;
    const struct bert_config *q = &c->qformer;

    if (q->wordless)
        worded.vocabulary = worded.positions = 8; /* it has none */
    if (sizes_check_vit("BLIP-2", &c->vision) || sizes_check_bert("BLIP-2", &worded))
        return -1;
    if (q->queries < 1 || q->queries > 4096)
        return fail("the BLIP-2 model has %d queries", q->queries);
    if (q->cross_width != c->vision.width)
        return fail("the Q-Former looks at tokens of width %ld, the image tower makes %ld",
                    q->cross_width, c->vision.width);
    if (c->embedding < 0 || c->embedding > 65536)
        return fail("the BLIP-2 model embeds in %ld numbers", c->embedding);
    if (q->wordless && !c->language && !c->embedding)
        return fail("the Q-Former has no words, and nothing is behind it");
    return 0;
}

static int heads_of(long width, int head)
{
    return width % head ? 2 : (int)(width / head); /* tiny ones, which the head does not divide */
}

/* `whole`: the tower's own file, which has layers that BLIP-2 leaves out. */
static void eva(const struct weights *w, const char *prefix, bool whole, struct vit_config *c)
{
    sizes_vit(w, prefix, c);
    c->heads = heads_of(c->width, EVA_HEAD);
    c->no_key_bias = true;
    if (whole && c->layers > EVA_LAYERS)
        c->layers = EVA_LAYERS;
}

static long clip_dim(const struct weights *w, const char *prefix, const char *name, int axis)
{
    char full[96];

    snprintf(full, sizeof full, "%s%s", prefix, name);
    return sizes_dim(w, full, axis);
}

static void clip(const struct weights *w, const char *prefix, bool whole, struct vit_config *c)
{
    char pattern[96];
    long tokens = clip_dim(w, prefix, "positional_embedding", 0);

    snprintf(pattern, sizeof pattern, "%stransformer.resblocks.%%d.ln_1.weight", prefix);
    *c = (struct vit_config){
        .patch = (int)clip_dim(w, prefix, "conv1.weight", 3),
        .width = clip_dim(w, prefix, "conv1.weight", 0),
        .mlp = clip_dim(w, prefix, "transformer.resblocks.0.mlp.c_fc.weight", 0),
        .layers = sizes_layers(w, pattern),
        .eps = 1e-5f,
        .activation = ACTIVATION_QUICK_GELU,
        .norm_before = true,
        .norm_after = true,
        .corners = true,
    };
    c->image = tokens > 1 ? (int)lround(sqrt((double)tokens - 1)) * c->patch : 0;
    c->heads = heads_of(c->width, HEAD);
    if (whole && c->layers > CLIP_LAYERS)
        c->layers = CLIP_LAYERS;
}

/* Which layers look at the image: 0, n, 2 n .. */
static void cross_layers(const struct weights *w, struct bert_config *c)
{
    char name[96];

    c->cross_from = 0;
    c->cross_every = 0;
    for (int i = 1; i <= c->layers && !c->cross_every; i++) {
        snprintf(name, sizeof name, "Qformer.bert.encoder.layer.%d.crossattention.self.key.weight",
                 i);
        if (i == c->layers || sizes_has(w, name))
            c->cross_every = i;
    }
}

int blip2_config_lavis(const struct weights *w, const struct weights *vision,
                       struct blip2_config *c)
{
    struct bert_config *q = &c->qformer;
    const struct weights *tower = vision ? vision : w;
    const char *prefix = vision ? "" : "visual_encoder.";

    *c = (struct blip2_config){ 0 };
    if (blip2_is_clip(tower, prefix))
        clip(tower, prefix, vision, &c->vision);
    else
        eva(tower, prefix, vision, &c->vision);
    c->vision.after_eps = 1e-5f;
    sizes_bert(w, "Qformer.bert.", q);
    q->queries = (int)sizes_dim(w, "query_tokens", 1);
    q->width = sizes_dim(w, "query_tokens", 2);
    q->heads = heads_of(q->width, HEAD);
    q->mlp = sizes_dim(w, "Qformer.bert.encoder.layer.0.intermediate_query.dense.weight", 0);
    q->layers = sizes_layers(w, "Qformer.bert.encoder.layer.%d.output_query.dense.weight");
    q->cross_width = sizes_dim(w, "Qformer.bert.encoder.layer.0.crossattention.self.key.weight", 1);
    q->wordless = !q->vocabulary;
    q->head = sizes_has(w, "Qformer.cls.predictions.bias");
    cross_layers(w, q);
    c->embedding = sizes_dim(w, "vision_proj.weight", 0);
    c->match = sizes_has(w, "itm_head.weight");
    c->begin = (int)q->vocabulary - 1;
    c->language = sizes_has(w, "opt_proj.weight")  ? LANGUAGE_OPT
                  : sizes_has(w, "t5_proj.weight") ? LANGUAGE_T5
                                                   : LANGUAGE_NONE;
    c->image_token = -1;
    return check(c);
}

static void read_vision(const cJSON *root, struct vit_config *c, struct reader *r)
{
    *r = (struct reader){ json_get(root, "vision_config"), "vision_config", false };
    *c = (struct vit_config){
        .image = (int)read_whole(r, "image_size", 224),
        .patch = (int)read_whole(r, "patch_size", 14),
        .width = read_whole(r, "hidden_size", 1408),
        .mlp = read_whole(r, "intermediate_size", 6144),
        .layers = (int)read_whole(r, "num_hidden_layers", EVA_LAYERS),
        .heads = (int)read_whole(r, "num_attention_heads", 16),
        .eps = (float)read_real(r, "layer_norm_eps", 1e-6),
        .activation = read_activation(r, "hidden_act", "gelu"),
        .patch_bias = true,
        .norm_after = true,
    };
}

static void read_qformer(const cJSON *root, struct bert_config *c, struct reader *r)
{
    *r = (struct reader){ json_get(root, "qformer_config"), "qformer_config", false };
    *c = (struct bert_config){
        .vocabulary = read_whole(r, "vocab_size", 30522),
        .positions = read_whole(r, "max_position_embeddings", 512),
        .width = read_whole(r, "hidden_size", 768),
        .mlp = read_whole(r, "intermediate_size", 3072),
        .layers = (int)read_whole(r, "num_hidden_layers", 12),
        .heads = (int)read_whole(r, "num_attention_heads", 12),
        .eps = (float)read_real(r, "layer_norm_eps", 1e-12),
        .cross_width = read_whole(r, "encoder_hidden_size", 1408),
        .cross_every = (int)read_whole(r, "cross_attention_frequency", 2),
    };
    if (read_activation(r, "hidden_act", "gelu") != ACTIVATION_GELU)
        read_refuse(r, "hidden_act", NULL);
}

/* A model that is to be made has the parts that its first architecture has. */
static bool has(const cJSON *root, const struct weights *w, const char *tensor,
                const char *architecture)
{
    const cJSON *names = json_get(root, "architectures");
    const cJSON *first = cJSON_IsArray(names) ? names->child : NULL;

    if (w)
        return sizes_has(w, tensor);
    return cJSON_IsString(first) && !strcmp(first->valuestring, architecture);
}

static int read_language(const cJSON *root, struct blip2_config *c)
{
    const cJSON *text = json_get(root, "text_config");
    struct reader r = { text, "text_config", false };
    const char *kind = read_word(&r, "model_type", "opt");

    if (r.bad)
        return -1;
    if (strcmp(kind, "opt") && strcmp(kind, "t5"))
        return fail_as("unsupported", "text_config: model_type \"%s\" is not supported", kind);
    c->language = *kind == 'o' ? LANGUAGE_OPT : LANGUAGE_T5;
    return blip2_config_language(text, false, c);
}

int blip2_config_hf(const cJSON *root, const struct weights *w, struct blip2_config *c)
{
    struct reader top = { root, "config.json", false }, vision, qformer;
    const char *matcher = "Blip2ForImageTextRetrieval", *writer = "Blip2ForConditionalGeneration";

    *c = (struct blip2_config){ 0 };
    read_vision(root, &c->vision, &vision);
    read_qformer(root, &c->qformer, &qformer);
    c->qformer.queries = (int)read_whole(&top, "num_query_tokens", 32);
    c->qformer.wordless = !has(root, w, "embeddings.word_embeddings.weight", matcher);
    c->qformer.head = has(root, w, "cls.predictions.bias", matcher);
    c->embedding = has(root, w, "vision_projection.weight", matcher)
                       ? read_whole(&top, "image_text_hidden_size", 256)
                       : 0;
    c->match = has(root, w, "itm_head.weight", matcher);
    c->begin = (int)c->qformer.vocabulary - 1;
    c->image_token = (int)read_whole(&top, "image_token_index", 0);
    if (!c->image_token)
        c->image_token = -1;
    if (top.bad || vision.bad || qformer.bad)
        return -1;
    if (has(root, w, "language_projection.weight", writer) && read_language(root, c))
        return -1;
    return check(c);
}
