/* SPDX-License-Identifier: MIT
 * model.c - a BLIP checkpoint of either tradition becomes a model
 *
 * What the traditions compute differently (`--compat` chooses):
 *
 *                            original                 Hugging Face
 *     image tower's epsilon  1e-6                     config.json's
 *     first id of ITM        [ENC]                    [CLS]
 *     first id of a question [ENC]                    [CLS]
 *     prompt of captions     "a picture of "          none
 *     beam search, as in     transformers 4.26        4.50
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "family/blip/files.h"
#include "checkpoint/config.h"
#include "family/registry.h"
#include "checkpoint/position.h"
#include "decode/writer.h"

enum { TEXT_LIMIT = 35 }; /* ids of a text that is matched, or of a question */

static bool is_hf(const struct model *m)
{
    return m->config && !strcmp(json_string(m->config, "model_type", ""), "blip");
}

static bool knows(const struct model *m)
{
    return is_hf(m) || blip_is_original(m->weights);
}

static void describe(struct model *m, const struct blip *b)
{
    const struct blip_config *c = &b->config;
    const struct vit_config *v = &c->vision.vit;
    const char *kind = c->contrastive             ? "two pooled towers"
                       : c->answers               ? "question answering"
                       : c->text.pairs            ? "NLVR2"
                       : c->decoder && c->encoder ? "pre-training"
                       : c->decoder               ? "captioning"
                                                  : "image-text matching";
    char *tower = c->vision.convolves ? xstrdup("EfficientNet-Lite")
                                      : xprintf("ViT-%s/%d",
                                                v->width == 1024  ? "L"
                                                : v->width == 768 ? "B"
                                                                  : "tiny",
                                                v->patch);

    m->about = xprintf("BLIP %s@%d, %s, %s layout, %s", tower, m->image.size, kind, m->layout->name,
                       dtype_name(tower_matrix(&b->vision)->type));
    free(tower);
}

/* How texts are written unless the user says otherwise. */
static void set_writing(struct model *m, const struct blip_config *c, bool original)
{
    m->writing.rules = (struct decoding){
        .beams = 3,
        DECODING_USUAL,
        .max_length = c->answers && original ? 10 : 20,
        .min_length = !original    ? 0
                      : c->answers ? 1
                                   : 5,
        .end = c->end,
        .version = original ? BEAM_4_26 : BEAM_4_50,
    };
    m->writing.sampling_penalty = original && !c->answers ? 1.1 : 1;
    /* captioners were tuned behind the prompt, pre-training saw none */
    m->writing.prompt = original && !c->encoder ? "a picture of " : "";
    m->writing.answers = c->answers;
    m->answering.smoothing = 0.1f;
    m->writing.begin = c->begin;
    m->writing.positions = (int)c->text.positions;
    m->matching.begin = original ? c->encode : -1;
}

static int configure(struct model *m, struct blip_config *c)
{
    bool hf = is_hf(m);

    if (hf ? blip_config_hf(m->config, m->weights, c) : blip_config_original(m->weights, c))
        return -1;
    if (c->text.pairs && m->wanted.compat && !strcmp(m->wanted.compat, "hf"))
        return fail_as("unsupported",
                       "--compat=hf: Hugging Face's transformers has no BLIP for NLVR2");
    m->layout = c->contrastive  ? &blip_layout_hf_pooled
                : c->text.pairs ? (hf ? &blip_layout_hf_pairs : &blip_layout_original_pairs)
                                : (hf ? &blip_layout_hf : &blip_layout_original);
    return 0;
}

/* Another size of pictures: a tower of convolutions takes any, positions are interpolated. */
static int fit_size(struct model *m, struct blip *b)
{
    struct tower_config *c = &b->vision.config;

    if (c->convolves && m->wanted.image_size)
        b->vision.net.config.image = c->net.image = m->wanted.image_size;
    else if (!c->convolves && position_fit(&b->vision.vit, m->wanted.image_size, &m->memory))
        return -1;
    else if (!c->convolves)
        c->vit.image = b->vision.vit.config.image;
    b->config.vision = *c;
    m->image.size = tower_image(c);
    return 0;
}

/* Cosine to logit; transformers' matcher keeps no temperature, and takes the cosine as it is. */
static float scale_of(const struct blip *b)
{
    if (b->logit_scale)
        return expf(b->logit_scale->data[0]);
    return b->temperature && b->temperature->data[0] > 0 ? 1 / b->temperature->data[0] : 1;
}

static const char *const truth[] = { "false", "true" };

/* NLVR2: a text, which is left whole, and two pictures.  Source: salesforce/BLIP
 * models/blip_nlvr.py, data/nlvr_dataset.py. */
static void set_pairs(struct model *m, const struct blip_config *c)
{
    m->abilities = VLM_MATCH;
    m->matching.classes = c->classes;
    m->matching.class_names = truth;
    m->matching.without_cosine = true;
    m->image.per_text = 2;
    m->reading.context = c->text.positions > 512 ? 512 : (int)c->text.positions;
    m->reading.caption_words = 40;
}

static int open(struct model *m)
{
    struct blip *b = xalloc(1, sizeof *b);
    struct blip_config c;
    bool original =
        is_hf(m) ? model_is_original(m) : !m->wanted.compat || strcmp(m->wanted.compat, "hf");

    m->self = b;
    m->compat = ~0u;
    if (configure(m, &c))
        return fail_in(m->path);
    if (m->wanted.compat && (original || !is_hf(m)))
        c.vision.vit.eps = original ? 1e-6f : 1e-5f;
    blip_init(b, &c);
    blip_params(b, &m->params);
    if (model_bind(m, blip_ignored))
        return -1;
    if (fit_size(m, b))
        return fail_in(m->path);
    preprocess_squash(&m->image.preprocess, tower_image(&c.vision));
    if (preprocess_model(m, is_hf(m), tower_image(&c.vision)))
        return fail_in(m->path);
    if (original)
        preprocess_as_stored(&m->image.preprocess);
    m->abilities = (c.match || c.contrastive ? VLM_EMBED_IMAGE | VLM_EMBED_TEXT : 0) |
                   (c.match ? VLM_MATCH | VLM_GROUND : 0) | (c.decoder ? VLM_CAPTION : 0) |
                   (c.answers ? VLM_ANSWER : 0);
    m->embedding.width = (int)c.embedding;
    m->image.tokens = tower_tokens(&b->vision.config);
    m->image.width = tower_width(&b->vision.config);
    m->image.room = tower_room(&b->vision);
    m->image.folded = b->vision.config.convolves;
    m->reading.context = TEXT_LIMIT < c.text.positions ? TEXT_LIMIT : (int)c.text.positions;
    m->reading.vocabulary = (int)c.text.vocabulary;
    m->embedding.scale = scale_of(b);
    m->reading.kind = &tokenizer_kind_bert;
    m->reading.clean = original ? CLEAN_OPENAI : CLEAN_HF;
    if (c.text.pairs)
        set_pairs(m, &c);
    set_writing(m, &c, original);
    m->writing.rules.positions = (int)c.text.positions;
    describe(m, b);
    return 0;
}

static void close(struct model *m)
{
    blip_close(m->self);
    free(m->self);
}

static struct tensor *features(struct tape *t, struct model *m, struct tensor *pixels)
{
    return blip_features(t, m->self, pixels);
}

static struct tensor *image_of(struct tape *t, struct model *m, struct tensor *x)
{
    return blip_image_embedding(t, m->self, blip_bridge(t, m->self, x), (int)x->shape[0]);
}

static struct tensor *text(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts)
{
    return blip_text_embedding(t, m->self, ids, spans_of(t, texts, counts));
}

/* The ids with what begins a text that looks at an image. */
static int *grounded(struct tape *t, const struct model *m, const int *ids,
                     const struct spans *spans)
{
    int count = spans->start[spans->count], *own = tape_alloc(t, (size_t)count * sizeof *own);

    memcpy(own, ids, (size_t)count * sizeof *own);
    for (int i = 0; m->matching.begin >= 0 && i < spans->count; i++)
        own[spans->start[i]] = m->matching.begin;
    return own;
}

static struct tensor *match(struct tape *t, struct model *m, struct tensor *x,
                            const struct image_texts *texts)
{
    const struct spans *spans = spans_of(t, texts->count, texts->counts);
    bool two = m->image.per_text == 2;
    struct bert_input in = {
        .ids = grounded(t, m, texts->ids, spans),
        .texts = spans,
        .image = two ? every_second(t, x, 0) : blip_bridge(t, m->self, x),
        .other = two ? every_second(t, x, 1) : NULL,
        .images = spans_even(t, (int)x->shape[0] / m->image.per_text, m->image.tokens),
        .image_of = texts->image_of,
    };

    return two ? blip_classify(t, m->self, &in) : blip_match(t, m->self, &in);
}

/* LAVIS chose the seventh of twelve layers; behind the last one [ENC] alone matters. */
static float *ground(struct tape *t, struct model *m, struct tensor *x, const int *ids, int count)
{
    struct blip *b = m->self;
    int from = b->config.text.cross_from, layers = b->config.text.layers;
    int middle = layers < 4 ? 0 : layers / 2;
    struct bert_watch watch = { .layer = middle < from ? from : middle };
    const struct spans *spans = spans_of(t, 1, &count);
    struct tensor *logits =
        blip_match_watched(t, b, blip_bridge(t, b, x), grounded(t, m, ids, spans), count, &watch);

    tape_backward(t, tensor_columns(t, logits, 1, 1));
    return attention_relevance(t, &watch.plan, watch.q, watch.k, watch.v, watch.out);
}

/* A question is read by the encoder; the decoder begins anew and looks at the encoder's states. */
static struct tensor *read_questions(struct tape *t, struct model *m, struct tensor *x,
                                     const struct spans *images, const struct prompt *prompts,
                                     const struct spans **spans)
{
    int count = images->count, *counts, *ids = prompts_join(t, prompts, count, &counts);

    *spans = spans_of(t, count, counts);
    return blip_questions(t, m->self, x, images, grounded(t, m, ids, *spans), *spans);
}

static struct bert *questions(struct tape *t, struct model *m, struct tensor *x,
                              const struct prompt *prompts, struct tensor **states,
                              const struct spans **spans)
{
    struct blip *b = m->self;
    const struct spans *images = spans_even(t, (int)x->shape[0], m->image.tokens);

    *states = read_questions(t, m, blip_bridge(t, b, x), images, prompts, spans);
    return &b->decoder;
}

static int write(struct tape *t, struct model *m, struct tensor *x, const struct prompt *prompts,
                 const struct decoding *d, struct hypothesis *out)
{
    struct blip *b = m->self;
    int count = (int)x->shape[0], status;
    const struct spans *spans = spans_even(t, count, m->image.tokens);
    struct prompt *starts = tape_alloc(t, (size_t)count * sizeof *starts);
    struct tensor *states = blip_bridge(t, b, x);
    struct writer w;

    memcpy(starts, prompts, (size_t)count * sizeof *starts);
    if (b->config.answers) {
        states = read_questions(t, m, states, spans, prompts, &spans);
        for (int i = 0; i < count; i++)
            starts[i] =
                (struct prompt){ .ids = &b->config.begin, .count = 1, .seed = prompts[i].seed };
    }
    writer_open(&w, &b->decoder, states, spans, d);
    status = decode(&w.language, d, starts, count, out);
    writer_close(&w);
    return status;
}

const struct family family_blip = {
    .name = "blip",
    .image_processor = "BlipImageProcessor",
    .processor = "BlipProcessor",
    .knows = knows,
    .open = open,
    .close = close,
    .features = features,
    .image_of = image_of,
    .text = text,
    .match = match,
    .write = write,
    .questions = questions,
    .ground = ground,
    .learn = &blip_learner,
    .config = blip_save_config,
    .original = blip_save_original,
};
