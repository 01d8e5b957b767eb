/* SPDX-License-Identifier: MIT
 * model.c - a BLIP-2 checkpoint of either tradition becomes a model
 *
 * What the traditions compute differently (`--compat` chooses):
 *
 *                                     original   Hugging Face
 *     epsilon behind the image tower  1e-5       as in the tower, config.json's
 *     beam search, as transformers    4.29       4.50
 *     tokens of a language model      30         20
 *     repetitions of the prompt       count not  count
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "family/blip2/files.h"
#include "checkpoint/config.h"
#include "family/registry.h"
#include "checkpoint/position.h"

enum { TEXT_LIMIT = 32, PROMPT_LIMIT = 512 }; /* ids of a text; of a language model's prompt */

static bool is_hf(const struct model *m)
{
    return m->config && !strcmp(json_string(m->config, "model_type", ""), "blip-2");
}

static bool knows(const struct model *m)
{
    return is_hf(m) || (m->weights && blip2_is_lavis(m->weights));
}

static void describe(struct model *m, const struct blip2 *b)
{
    const struct blip2_config *c = &b->config;
    char *kind = c->language == LANGUAGE_OPT ? xprintf("OPT of %d layers", c->opt.layers)
                 : c->language == LANGUAGE_T5
                     ? xprintf("T5 of %d layers", c->t5.layers)
                     : xstrdup(c->match ? "image-text matching" : "embedding");

    m->about = xprintf("BLIP-2 ViT-%s/%d@%d, %d queries, %s, %s layout, %s",
                       c->vision.width == 1408   ? "g"
                       : c->vision.width == 1024 ? "L"
                                                 : "tiny",
                       c->vision.patch, m->image.size, c->qformer.queries, kind, m->layout->name,
                       dtype_name(b->qformer.layers[0].qkv.weight[0]->type));
    free(kind);
}

/* `tuned`: a LAVIS captioner, whose image tower was trained too */
static void set_writing(struct model *m, const struct blip2_config *c, bool original, bool tuned)
{
    m->writing.rules = (struct decoding){
        .beams = c->language ? 5 : 3,
        DECODING_USUAL,
        .max_length = c->language && !original ? 21 : 30,
        .min_length = !c->language ? 10
                      : tuned      ? 8
                      : original   ? 1
                                   : 0,
        .end = c->end,
        .version = original ? BEAM_4_29 : BEAM_4_50,
    };
    if (original && c->language == LANGUAGE_T5)
        m->writing.rules.max_length++; /* new ones, behind <pad> */
    m->writing.sampling_penalty = 1;
    m->writing.sampling_beams = original && c->language ? 5 : 1;
    m->writing.prompt = tuned ? "a photo of" : "";
    m->writing.begin = c->begin;
    m->writing.positions = c->language == LANGUAGE_OPT ? (int)c->opt.positions - c->qformer.queries
                           : c->language               ? 0
                                                       : (int)c->qformer.positions;
    m->matching.begin = -1;
    m->writing.prompt_apart = c->language;
}

/* What the texts are made of: BERT's words, or the language model's. */
static void set_texts(struct model *m, const struct blip2_config *c, bool original)
{
    m->reading.clean = original ? CLEAN_OPENAI : CLEAN_HF;
    m->reading.context = TEXT_LIMIT < c->qformer.positions ? TEXT_LIMIT : (int)c->qformer.positions;
    m->reading.vocabulary = (int)c->qformer.vocabulary;
    m->reading.kind = &tokenizer_kind_bert;
    if (!c->language)
        return;
    m->reading.context = original && c->language == LANGUAGE_OPT ? TEXT_LIMIT : PROMPT_LIMIT;
    m->reading.vocabulary =
        (int)(c->language == LANGUAGE_OPT ? c->opt.vocabulary : c->t5.vocabulary);
    m->reading.kind = c->language == LANGUAGE_OPT ? &tokenizer_kind_opt : &tokenizer_kind_t5;
    m->writing.end_word = "\xc4\x8a"; /* how OPT's vocabulary spells the end of a line */
}

static int configure(struct model *m, struct blip2_config *c)
{
    const struct weights *vision;

    if (is_hf(m)) {
        m->layout = &blip2_layout_hf;
        return blip2_config_hf(m->config, m->weights, c);
    }
    if (blip2_open_vision(m, &vision))
        return -1;
    m->layout = blip2_is_clip(m->weights, "visual_encoder.") ? &blip2_layout_lavis_clip
                                                             : &blip2_layout_lavis;
    if (blip2_config_lavis(m->weights, vision, c))
        return -1;
    return c->language ? blip2_open_language(m, c) : 0;
}

/* Keys' biases that LAVIS's files leave out are zero, for the layout that has them. */
static void add_key_biases(struct model *m)
{
    for (int i = 0; i < m->params.count; i++) {
        struct param *p = &m->params.list[i];
        size_t bytes = (size_t)p->shape[0] * sizeof(float);
        struct tensor *x;

        if (*p->slot || !strstr(p->name, ".attention.key.bias"))
            continue;
        x = *p->slot = arena_alloc(&m->memory, sizeof *x);
        *x = (struct tensor){ .rank = 1, .shape = { p->shape[0] }, .stride = p->shape[0] };
        x->data = arena_alloc(&m->memory, bytes);
        memset(x->data, 0, bytes);
    }
}

/* A captioner of LAVIS's, whose image tower was trained too, or one that was saved from it. */
static bool is_tuned(const struct model *m, const struct blip2_config *c)
{
    return is_hf(m) ? *json_string(m->config, "vlm_prompt", "")
                    : c->language && blip2_has_vision(m->weights);
}

static void set_abilities(struct model *m, const struct blip2_config *c, float temperature)
{
    m->abilities = (c->embedding ? VLM_EMBED_IMAGE : 0) |
                   (c->embedding && !c->qformer.wordless ? VLM_EMBED_TEXT : 0) |
                   (c->match ? VLM_MATCH : 0) | (c->qformer.head || c->language ? VLM_CAPTION : 0);
    m->embedding.width = (int)c->embedding;
    m->embedding.per_image = c->embedding ? c->qformer.queries : 1;
    m->embedding.scale = temperature > 0 ? 1 / temperature : 1; /* 0: the cosine, as it is */
}

static int open(struct model *m)
{
    struct blip2 *b = xalloc(1, sizeof *b);
    struct blip2_config c;
    bool original, tuned;

    m->self = b;
    m->compat = is_hf(m) ? ~0u : ~(unsigned)VLM_FEATURES; /* of a file neither looks another way */
    if (configure(m, &c))
        return fail_in(m->path);
    original =
        is_hf(m) ? model_is_original(m) : !m->wanted.compat || strcmp(m->wanted.compat, "hf");
    tuned = is_tuned(m, &c);
    c.vision.after_eps = original ? 1e-5f : c.vision.eps;
    blip2_init(b, &c);
    blip2_params(b, &m->params);
    if (model_bind(m, blip2_ignored))
        return -1;
    add_key_biases(m);
    if (position_fit(&b->vision, m->wanted.image_size, &m->memory))
        return fail_in(m->path);
    m->image.size = b->config.vision.image = b->vision.config.image;
    preprocess_squash(&m->image.preprocess, c.vision.image);
    if (preprocess_model(m, is_hf(m), c.vision.image))
        return fail_in(m->path);
    if (original)
        preprocess_as_stored(&m->image.preprocess);
    set_abilities(m, &c, b->temperature ? b->temperature->data[0] : 0);
    m->image.tokens = vit_tokens(&b->vision.config);
    m->image.width = c.vision.width;
    set_texts(m, &c, original);
    set_writing(m, &c, original, tuned);
    if (!c.language)
        m->writing.rules.positions = (int)c.qformer.positions;
    describe(m, b);
    return 0;
}

static void close(struct model *m)
{
    blip2_close(m->self);
    free(m->self);
}

static struct tensor *features(struct tape *t, struct model *m, struct tensor *pixels)
{
    struct tensor *x = blip2_image(t, m->self, pixels);

    return tensor_reshape(t, x, 3, (long[]){ pixels->shape[0], m->image.tokens, width(x) });
}

static const struct spans *image_spans(struct tape *t, const struct model *m,
                                       const struct tensor *features)
{
    return spans_even(t, (int)features->shape[0], m->image.tokens);
}

static struct tensor *image_of(struct tape *t, struct model *m, struct tensor *x)
{
    struct tensor *seen = blip2_queries(t, m->self, tensor_as_rows(t, x), image_spans(t, m, x));

    return blip2_image_embedding(t, m->self, seen);
}

static struct tensor *text(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts)
{
    return blip2_text_embedding(t, m->self, ids, spans_of(t, texts, counts));
}

static struct tensor *match(struct tape *t, struct model *m, struct tensor *x,
                            const struct image_texts *texts)
{
    struct bert_input in = {
        .ids = texts->ids,
        .texts = spans_of(t, texts->count, texts->counts),
        .image = tensor_as_rows(t, x),
        .images = image_spans(t, m, x),
        .image_of = texts->image_of,
    };

    return blip2_match(t, m->self, &in);
}

static int write(struct tape *t, struct model *m, struct tensor *x, const struct prompt *prompts,
                 const struct decoding *d, struct hypothesis *out)
{
    struct blip2 *b = m->self;
    struct tensor *image = tensor_as_rows(t, x);
    const struct spans *images = image_spans(t, m, x);
    struct blip2_writer w;
    int status;

    if (b->config.language) {
        x = blip2_pictures(t, b, blip2_queries(t, b, image, images));
        return blip2_speak(t, b, x, prompts, d, out);
    }
    blip2_writer_open(&w, b, image, images, d);
    status = decode(&w.language, d, prompts, images->count, out);
    blip2_writer_close(&w);
    return status;
}

/* How many image tokens transformers' processor puts before a prompt. */
static void processor_config(const struct model *m, cJSON *o)
{
    config_whole(o, "num_query_tokens", ((const struct blip2 *)m->self)->config.qformer.queries);
}

const struct family family_blip2 = {
    .name = "blip2",
    .image_processor = "BlipImageProcessor",
    .processor = "Blip2Processor",
    .knows = knows,
    .open = open,
    .close = close,
    .features = features,
    .image_of = image_of,
    .text = text,
    .match = match,
    .write = write,
    .learn = &blip2_learner,
    .config = blip2_save_config,
    .processor_config = processor_config,
};
