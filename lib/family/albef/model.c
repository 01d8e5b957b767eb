/* SPDX-License-Identifier: MIT
 * model.c - an ALBEF checkpoint becomes a model
 *
 * What its two traditions do with a text:
 *
 *                          original            LAVIS
 *     its end              none                [SEP]
 *     token types          added               none
 *     ids, at most         30                  35; classes 40
 *
 * Which it is the tensors say: without a table of token types it is LAVIS'.  The original cuts
 * texts where it ranks them, at 30; questions, and texts that get a class, it leaves whole.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "family/albef/files.h"
#include "checkpoint/config.h"
#include "family/registry.h"
#include "checkpoint/position.h"
#include "decode/writer.h"

static const char *const entailment[] = { "contradiction", "neutral", "entailment" };
static const char *const truth[] = { "false", "true" };

/* A config.json that names no model may lie beside the authors' file. */
static bool knows(const struct model *m)
{
    const char *type = m->config ? json_string(m->config, "model_type", NULL) : NULL;

    if (type && strcmp(type, "albef"))
        return false;
    return m->weights ? albef_is(m->weights) : type != NULL;
}

static void describe(struct model *m, const struct albef *a)
{
    const struct albef_config *c = &a->config;
    const char *kind = c->images == 2 && c->classes ? "NLVR2"
                       : c->images == 2             ? "pre-training for NLVR2"
                       : c->classes                 ? "visual entailment"
                       : c->decoder.layers          ? "question answering"
                       : c->text.head               ? "pre-training"
                                                    : "image-text matching";

    m->about =
        xprintf("ALBEF ViT-%s/%d@%d, %s, %s layout, %s", c->vision.width == 768 ? "B" : "tiny",
                c->vision.patch, m->image.size, kind, c->lavis ? "LAVIS" : m->layout->name,
                dtype_name(vit_matrix(&a->vision)->type));
}

/* Answers are written as BLIP's; the originals only rank a list of them (vlm_rank). */
static void set_writing(struct model *m, const struct albef_config *c)
{
    m->writing.rules = (struct decoding){
        .beams = 3,
        DECODING_USUAL,
        .max_length = 10,
        .min_length = 1,
        .version = BEAM_4_26,
    };
    m->writing.sampling_penalty = 1;
    m->writing.prompt = "";
    m->writing.answers = true;
    m->writing.positions = (int)c->decoder.positions;
    m->matching.begin = -1;
}

static void set_texts(struct model *m, const struct albef_config *c)
{
    int limit = c->match ? 30 : c->text.positions > 512 ? 512 : (int)c->text.positions;

    if (c->lavis)
        limit = c->classes ? 40 : 35;
    m->reading.context = limit < c->text.positions ? limit : (int)c->text.positions;
    m->reading.vocabulary = (int)c->text.vocabulary;
    m->reading.kind = &tokenizer_kind_bert;
    m->reading.no_end = !c->lavis;
    m->reading.clean = CLEAN_OPENAI;
    m->reading.caption_style = c->lavis            ? CAPTION_BLIP
                               : c->decoder.layers ? QUESTION_ALBEF
                                                   : CAPTION_ALBEF;
    m->reading.caption_words = c->lavis || c->decoder.layers ? 50 : 30;
}

static void set_abilities(struct model *m, const struct albef_config *c)
{
    m->abilities = (c->embedding ? VLM_EMBED_IMAGE | VLM_EMBED_TEXT : 0) |
                   (c->match || c->classes ? VLM_MATCH : 0) |
                   ((c->match || c->classes) && c->images == 1 ? VLM_GROUND : 0) |
                   (c->decoder.layers ? VLM_CAPTION | VLM_ANSWER : 0) |
                   (c->text.head ? VLM_FILL : 0);
    m->matching.classes = c->classes;
    m->matching.class_names = c->images == 2 ? truth : c->classes == 3 ? entailment : NULL;
    m->image.per_text = c->images;
    m->matching.without_cosine = !c->lavis;
    m->matching.map_frame = true;
    m->answering.first_twice = !c->lavis;
    m->answering.smoothing = c->lavis ? 0.1f : 0;
}

static int open(struct model *m)
{
    struct albef *a = xalloc(1, sizeof *a);
    struct albef_config c;

    m->self = a;
    if (m->wanted.compat && !strcmp(m->wanted.compat, "hf"))
        return fail_as("unsupported", "--compat=hf: %s: Hugging Face's transformers has no ALBEF",
                       m->path);
    if (m->weights ? albef_config_read(m->weights, m->config, &c) : albef_config_new(m->config, &c))
        return fail_in(m->path);
    m->layout = m->weights    ? albef_layout(m->weights)
                : c.text.head ? &albef_layout_pretraining
                              : &albef_layout_task;
    albef_init(a, &c);
    albef_params(a, &m->params);
    if (model_bind(m, albef_ignored))
        return -1;
    if (position_fit(&a->vision, m->wanted.image_size, &m->memory))
        return fail_in(m->path);
    m->image.size = a->config.vision.image = a->vision.config.image;
    preprocess_squash(&m->image.preprocess, m->image.size);
    m->embedding.width = (int)c.embedding;
    m->image.tokens = vit_tokens(&a->vision.config);
    m->image.width = c.vision.width;
    m->embedding.scale =
        a->temperature && a->temperature->data[0] > 0 ? 1 / a->temperature->data[0] : 1;
    set_texts(m, &c);
    set_abilities(m, &c);
    set_writing(m, &c);
    describe(m, a);
    return 0;
}

static void close(struct model *m)
{
    albef_close(m->self);
    free(m->self);
}

static struct tensor *features(struct tape *t, struct model *m, struct tensor *pixels)
{
    struct tensor *x = albef_image(t, m->self, pixels);

    return tensor_reshape(t, x, 3, (long[]){ pixels->shape[0], m->image.tokens, width(x) });
}

static struct tensor *image_of(struct tape *t, struct model *m, struct tensor *x)
{
    return albef_image_embedding(t, m->self, tensor_as_rows(t, x), (int)x->shape[0]);
}

static struct tensor *text(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts)
{
    return albef_text_embedding(t, m->self, ids, spans_of(t, texts, counts));
}

static struct albef_pairs pairs_of(struct tape *t, struct model *m, struct tensor *x,
                                   const struct image_texts *texts)
{
    bool two = m->image.per_text == 2;

    return (struct albef_pairs){
        .ids = texts->ids,
        .texts = spans_of(t, texts->count, texts->counts),
        .image = two ? every_second(t, x, 0) : tensor_as_rows(t, x),
        .other = two ? every_second(t, x, 1) : NULL,
        .images = spans_even(t, (int)x->shape[0] / m->image.per_text, m->image.tokens),
        .image_of = texts->image_of,
    };
}

static struct tensor *match(struct tape *t, struct model *m, struct tensor *x,
                            const struct image_texts *texts)
{
    struct albef_pairs p = pairs_of(t, m, x, texts);

    return albef_match(t, m->self, albef_states(t, m->self, &p, true));
}

/* The third of six fusion layers was chosen by the authors: it has learnt most of where. */
static float *ground(struct tape *t, struct model *m, struct tensor *x, const int *ids, int count)
{
    const struct bert_config *c = &((struct albef *)m->self)->config.text;
    struct bert_watch watch = { .layer = c->cross_from + (c->layers - c->cross_from) / 3 };
    struct albef_pairs p =
        pairs_of(t, m, x, &(struct image_texts){ .ids = ids, .counts = &count, .count = 1 });
    struct tensor *first;

    p.watch = &watch;
    first = take_rows(t, albef_states(t, m->self, &p, false), (int[]){ 0 }, 1);
    first = albef_match(t, m->self, first);
    tape_backward(t, tensor_columns(t, first, width(first) - 1, 1));
    return attention_relevance(t, &watch.plan, watch.q, watch.k, watch.v, watch.out);
}

/* A question is read by the encoder; the decoder begins with its first id, [CLS], and looks at the
 * encoder's states. */
static struct bert *questions(struct tape *t, struct model *m, struct tensor *x,
                              const struct prompt *prompts, struct tensor **states,
                              const struct spans **spans)
{
    struct albef *a = m->self;
    int count = (int)x->shape[0], *counts, *ids = prompts_join(t, prompts, count, &counts);
    struct image_texts texts = { .ids = ids, .counts = counts, .count = count };
    struct albef_pairs p = pairs_of(t, m, x, &texts);

    *spans = p.texts;
    *states = albef_states(t, a, &p, false);
    return &a->decoder;
}

static int write(struct tape *t, struct model *m, struct tensor *x, const struct prompt *prompts,
                 const struct decoding *d, struct hypothesis *out)
{
    int count = (int)x->shape[0], status;
    struct prompt *starts = tape_alloc(t, (size_t)count * sizeof *starts);
    const struct spans *spans;
    struct tensor *states;
    struct bert *decoder = questions(t, m, x, prompts, &states, &spans);
    struct writer w;

    for (int i = 0; i < count; i++)
        starts[i] = (struct prompt){ .ids = prompts[i].ids, .count = 1, .seed = prompts[i].seed };
    writer_open(&w, decoder, states, spans, d);
    status = decode(&w.language, d, starts, count, out);
    writer_close(&w);
    return status;
}

static struct tensor *predict(struct tape *t, struct model *m, struct tensor *x,
                              const struct image_texts *texts, const int *at, int count)
{
    struct albef *a = m->self;
    struct albef_pairs p = pairs_of(t, m, x, texts);
    struct tensor *states = albef_states(t, a, &p, false);

    return bert_logits(t, &a->encoder, take_rows(t, states, at, count));
}

const struct family family_albef = {
    .name = "albef",
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
    .predict = predict,
    .ground = ground,
    .learn = &albef_learner,
    .config = albef_save_config,
    .original = albef_save_original,
};
