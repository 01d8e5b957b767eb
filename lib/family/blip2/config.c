/* SPDX-License-Identifier: MIT
 * config.c - what a BLIP-2 checkpoint is: from config.json, or from the shapes of its tensors; and
 * its config.json, written
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
#include "checkpoint/save_parts.h"
#include "checkpoint/sizes.h"

#define AT(member) .at = offsetof(struct blip2_config, member)

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

/* --- Hugging Face: missing fields have the defaults of transformers' Blip2Config --- */

static const struct field vision_fields[] = {
    FIELD("hidden_size", LONG, AT(vision.width), .otherwise = 1408),
    FIELD("intermediate_size", LONG, AT(vision.mlp), .otherwise = 6144),
    FIELD("num_hidden_layers", INT, AT(vision.layers), .otherwise = EVA_LAYERS),
    FIELD("num_attention_heads", INT, AT(vision.heads), .otherwise = 16),
    FIELD("image_size", INT, AT(vision.image), .otherwise = 224),
    FIELD("patch_size", INT, AT(vision.patch), .otherwise = 14),
    FIELD("hidden_act", ACTIVATION, AT(vision.activation), .otherwise = ACTIVATION_GELU),
    FIELD("layer_norm_eps", REAL, AT(vision.eps), .otherwise = 1e-6),
    FIELD("qkv_bias", IS_FLAG, .otherwise = true),
    { 0 },
};

static const struct field qformer_words[] = {
    /* of one that reads texts */
    FIELD("vocab_size", LONG, AT(qformer.vocabulary), .otherwise = 30522),
    FIELD("max_position_embeddings", LONG, AT(qformer.positions), .otherwise = 512),
    { 0 },
};

static const struct field qformer_fields[] = {
    FIELD("hidden_size", LONG, AT(qformer.width), .otherwise = 768),
    FIELD("intermediate_size", LONG, AT(qformer.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(qformer.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(qformer.heads), .otherwise = 12),
    FIELD("layer_norm_eps", REAL, AT(qformer.eps), .otherwise = 1e-12),
    FIELD("hidden_act", IS_WORD, .word = "gelu", .to = READ),
    FIELD("position_embedding_type", REFUSED, .word = "absolute"),
    FIELD("encoder_hidden_size", LONG, AT(qformer.cross_width), .otherwise = 1408),
    FIELD("cross_attention_frequency", INT, AT(qformer.cross_every), .otherwise = 2),
    { 0 },
};

static const struct field opt_fields[] = {
    FIELD("vocab_size", LONG, AT(opt.vocabulary), .otherwise = 50272),
    FIELD("max_position_embeddings", LONG, AT(opt.positions), .otherwise = 2048),
    FIELD("hidden_size", LONG, AT(opt.width), .otherwise = 768),
    FIELD("word_embed_proj_dim", SAME, AT(opt.width)),
    FIELD("ffn_dim", LONG, AT(opt.mlp), .otherwise = 3072),
    FIELD("num_hidden_layers", INT, AT(opt.layers), .otherwise = 12),
    FIELD("num_attention_heads", INT, AT(opt.heads), .otherwise = 12),
    FIELD("do_layer_norm_before", IS_FLAG, .otherwise = true, .to = READ),
    FIELD("activation_function", IS_WORD, .word = "relu", .to = READ),
    FIELD("tie_word_embeddings", IS_FLAG, .otherwise = true, .to = READ),
    FIELD("enable_bias", IS_FLAG, .otherwise = true, .to = READ),
    FIELD("layer_norm_elementwise_affine", IS_FLAG, .otherwise = true, .to = READ),
    /* transformers 5 takes these, of all rules of writing, from here */
    FIELD("max_new_tokens", REFUSED),
    FIELD("min_new_tokens", REFUSED),
    FIELD("sequence_bias", REFUSED),
    FIELD("stop_strings", REFUSED),
    FIELD("penalty_alpha", REFUSED),
    FIELD("pad_token_id", IS_NUMBER, .otherwise = 1, .to = WRITE),
    { 0 },
};

static const struct field t5_fields[] = {
    FIELD("vocab_size", LONG, AT(t5.vocabulary), .otherwise = 32128),
    FIELD("d_model", LONG, AT(t5.width), .otherwise = 512),
    FIELD("d_ff", LONG, AT(t5.mlp), .otherwise = 2048),
    FIELD("d_kv", LONG, AT(t5.head_width), .otherwise = 64),
    FIELD("num_layers", INT, AT(t5.layers), .otherwise = 6),
    FIELD("num_decoder_layers", INT, AT(t5.decoder_layers)), /* 0: as many */
    FIELD("num_heads", INT, AT(t5.heads), .otherwise = 8),
    FIELD("relative_attention_num_buckets", INT, AT(t5.buckets), .otherwise = 32),
    FIELD("relative_attention_max_distance", INT, AT(t5.distance), .otherwise = 128),
    FIELD("layer_norm_epsilon", REAL, AT(t5.eps), .otherwise = 1e-6),
    FIELD("feed_forward_proj", IS_WORD, .word = "gated-gelu", .to = WRITE),
    FIELD("dense_act_fn", ACTIVATION, AT(t5.activation), .otherwise = ACTIVATION_GELU_TANH),
    FIELD("scale_decoder_outputs", IS_FLAG, .to = WRITE),
    FIELD("tie_word_embeddings", IS_FLAG, .to = WRITE),
    FIELD("pad_token_id", IS_NUMBER, .to = WRITE),
    { 0 },
};

static bool sensible(long value, long most)
{
    return value >= 1 && value <= most;
}

static int read_opt(struct reader *r, struct blip2_config *c)
{
    const struct opt_config *o = &c->opt;

    config_read(r, opt_fields, c);
    c->begin = (int)read_whole(r, "bos_token_id", 2);
    if (r->bad)
        return -1;
    if (!sensible(o->vocabulary, 1 << 24) || !sensible(o->positions, 1 << 20) ||
        !sensible(o->width, 65536) || !sensible(o->mlp, 1 << 20) || !sensible(o->layers, 1000) ||
        !sensible(o->heads, o->width) || o->width % o->heads || c->begin >= o->vocabulary)
        return fail("%s: OPT of width %ld, %d heads, %d layers makes no sense", r->where, o->width,
                    o->heads, o->layers);
    return 0;
}

/* LAVIS takes the exact gelu, whatever T5's own file says. */
static int read_t5(struct reader *r, bool lavis, struct blip2_config *c)
{
    struct t5_config *o = &c->t5;

    config_read(r, t5_fields, c);
    if (lavis)
        o->activation = ACTIVATION_GELU;
    if (!o->decoder_layers)
        o->decoder_layers = o->layers;
    c->begin = (int)read_whole(r, "decoder_start_token_id", 0);
    if (r->bad)
        return -1;
    if (!sensible(o->vocabulary, 1 << 24) || !sensible(o->width, 65536) ||
        !sensible(o->mlp, 1 << 20) || !sensible(o->head_width, 4096) ||
        !sensible(o->layers, 1000) || !sensible(o->decoder_layers, 1000) ||
        !sensible(o->heads, 4096) || o->buckets < 4 || o->buckets > 4096 ||
        o->distance < o->buckets || c->begin >= o->vocabulary)
        return fail("%s: T5 of width %ld, %d heads, %d layers makes no sense", r->where, o->width,
                    o->heads, o->layers);
    if (strcmp(read_word(r, "feed_forward_proj", "relu"), "gated-gelu") ||
        read_flag(r, "scale_decoder_outputs", read_flag(r, "tie_word_embeddings", true)))
        return fail_as("unsupported", "%s: this form of T5 is not supported, only that of 1.1",
                       r->where);
    return 0;
}

int blip2_config_language(const cJSON *o, bool lavis, struct blip2_config *c)
{
    struct reader r = { o, lavis ? "the language model's config.json" : "text_config", false };
    const char *kind = read_word(&r, "model_type", "opt");

    if (strcmp(kind, c->language == LANGUAGE_OPT ? "opt" : "t5"))
        return fail("%s: model_type is \"%s\"", r.where, kind);
    if (c->language == LANGUAGE_OPT ? read_opt(&r, c) : read_t5(&r, lavis, c))
        return -1;
    /* LAVIS ends OPT's texts with a line's end, which the tokenizer knows */
    c->end = (int)read_whole(&r, "eos_token_id", c->language == LANGUAGE_OPT ? 2 : 1);
    if (lavis && c->language == LANGUAGE_OPT)
        c->end = 0;
    return r.bad ? -1 : 0;
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
    struct reader top = { root, "config.json", false };
    struct reader vision = { json_get(root, "vision_config"), "vision_config", false };
    struct reader qformer = { json_get(root, "qformer_config"), "qformer_config", false };
    const char *matcher = "Blip2ForImageTextRetrieval", *writer = "Blip2ForConditionalGeneration";

    *c = (struct blip2_config){ .vision = { .patch_bias = true, .norm_after = true } };
    config_read(&vision, vision_fields, c);
    config_read(&qformer, qformer_words, c);
    config_read(&qformer, qformer_fields, c);
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

static void write_qformer(cJSON *o, const struct blip2_config *c)
{
    config_word(o, "model_type", "blip_2_qformer");
    if (!c->qformer.wordless)
        config_write(o, qformer_words, c);
    config_write(o, qformer_fields, c);
    config_flag(o, "use_qformer_text_input", !c->qformer.wordless);
}

static void write_language(const struct model *m, cJSON *o, const struct blip2_config *c,
                           const struct tokenizer *t)
{
    bool is_opt = c->language == LANGUAGE_OPT;
    int end = m->writing.rules.end;

    config_word(o, "model_type", is_opt ? "opt" : "t5");
    config_write(o, is_opt ? opt_fields : t5_fields, c);
    config_whole(o, is_opt ? "bos_token_id" : "decoder_start_token_id", c->begin);
    if (!is_opt)
        config_whole(o, "bos_token_id", 1);
    if (end > 0 || t)
        config_whole(o, "eos_token_id", end > 0 ? end : tokenizer_id(t, m->writing.end_word));
}

/* The id that stands for a query among a prompt's: transformers' processor gives <image> the first
 * id behind the tokenizer's, whatever config.json says; -1: the model has no row there. */
static int image_token(const struct model *m, const struct blip2_config *c,
                       const struct tokenizer *t)
{
    int id = t && c->language ? tokenizer_id(t, "<image>") : c->image_token;

    if (t && c->language && id < 0) {
        id = tokenizer_size(t);
        if (c->language == LANGUAGE_T5 && tokenizer_id(t, "<extra_id_0>") < 0)
            id += tokenizer_extra_ids(t);
    }
    return id < m->reading.vocabulary ? id : -1;
}

/* transformers has no place for the Q-Former's head and the temperature: it passes them by. */
cJSON *blip2_save_config(const struct model *m, const struct tokenizer *t,
                         const struct layout **layout)
{
    static const char *const matcher[] = { "Blip2ForImageTextRetrieval", NULL };
    static const char *const writer[] = { "Blip2ForConditionalGeneration", NULL };
    const struct blip2 *b = m->self;
    struct blip2_config c = b->config;
    cJSON *root, *vision;

    c.vision = b->vision.config;
    *layout = &blip2_layout_hf;
    if (c.vision.norm_before) {
        fail_as("unsupported", "Hugging Face's BLIP-2 has no place for CLIP's image tower");
        return NULL;
    }
    root = config_begin("blip-2");
    config_words(root, "architectures", c.language ? writer : matcher);
    config_whole(root, "num_query_tokens", c.qformer.queries);
    if (c.embedding)
        config_whole(root, "image_text_hidden_size", c.embedding);
    if (image_token(m, &c, t) >= 0)
        config_whole(root, "image_token_index", image_token(m, &c, t));
    if (*m->writing.prompt)
        config_word(root, "vlm_prompt", m->writing.prompt);
    vision = config_object(root, "vision_config");
    config_word(vision, "model_type", "blip_2_vision_model");
    config_write(vision, vision_fields, &c);
    write_qformer(config_object(root, "qformer_config"), &c);
    if (c.language) {
        config_flag(root, "use_decoder_only_language_model", c.language == LANGUAGE_OPT);
        write_language(m, config_object(root, "text_config"), &c, t);
    }
    return root;
}
