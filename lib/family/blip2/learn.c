/* SPDX-License-Identifier: MIT
 * learn.c - BLIP-2's losses over a frozen image tower, and before a frozen language model
 *
 *     itc   the closest of an image's vectors and the text's, over a temperature; smoothed by 0.1
 *     itm   queries and text together, beside the image, a wrong image, a wrong text
 *     itg   [DEC] text, each id from those before it and the queries
 *     lm    the second stage: what the language model says of the text behind the queries
 *
 * The queries of itc and itg are one pass: a text that follows them does not change them.
 *
 * lm's texts.  OPT learns all ids but those of the prompt, and the line's end behind them.  T5
 * reads the prompt, or without one the text up to a point that is drawn from its first half, and
 * learns the rest.  Source: salesforce/LAVIS models/blip2_models/blip2_qformer.py, blip2_opt.py,
 * blip2_t5.py; its issue 139.
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "family/blip2/blip2.h"
#include "family/registry.h"

static const float itc_smoothing = 0.1f;

static unsigned objectives(const struct model *m)
{
    const struct blip2_config *c = &((const struct blip2 *)m->self)->config;

    return (c->language ? OBJECTIVE_LM : 0) |
           (c->embedding && !c->qformer.wordless ? OBJECTIVE_ITC : 0) |
           (c->embedding && c->match ? OBJECTIVE_ITM : 0) | (c->qformer.head ? OBJECTIVE_ITG : 0);
}

/* The image tower does not learn, so none of its layers are passed by. */
static unsigned reads(const struct model *m, unsigned what)
{
    return (model_learns(m, "qformer.") ? READS_DROPOUT : 0) |
           (what & OBJECTIVE_ITC ? READS_POSITIVES : 0) |
           (what & OBJECTIVE_ITM ? READS_NEGATIVES : 0) |
           (what & OBJECTIVE_ITG ? READS_SMOOTHING : 0);
}

/* Source: salesforce/LAVIS models/blip2_models (max_txt_len), processors/blip_processors.py
 * (max_words). */
static struct learning_texts texts(const struct model *m, unsigned what)
{
    const struct blip2_config *c = &((const struct blip2 *)m->self)->config;
    long places = c->language == LANGUAGE_OPT ? c->opt.positions - c->qformer.queries
                  : c->language               ? m->reading.context
                                              : c->qformer.positions;

    return (struct learning_texts){
        .context = 32,
        .longest = (int)places,
        .behind_prompt = c->language == LANGUAGE_T5,
        .words = 50,
        .positives = what & OBJECTIVE_ITG ? POSITIVES_PAIR : POSITIVES_PICTURE,
    };
}

struct batch {
    struct tape *t;
    struct model *m;
    struct blip2 *blip2;
    const struct pairs *pairs;
    const struct loss_options *options;
    const struct spans *images, *texts;
    struct tensor *image, *queries;    /* tokens; what the queries saw */
    struct tensor *by_image, *by_text; /* logits of itc */
};

/* (1 - smoothing) of the targets, the rest even over all */
static const float *smoothed(const struct batch *s)
{
    int n = s->pairs->count;
    const struct loss_options plain = { .positives = s->options->positives };
    const float *hard = contrast_targets(s->t, s->pairs, &plain, NULL);
    float *soft = tape_floats(s->t, (long)n * n);

    for (long i = 0; i < (long)n * n; i++)
        soft[i] = (1 - itc_smoothing) * hard[i] + itc_smoothing / (float)n;
    return soft;
}

static struct tensor *itc(struct batch *s)
{
    struct blip2 *b = s->blip2;
    int each = b->config.qformer.queries;
    struct tensor *u = unit_rows(s->t, blip2_image_embedding(s->t, b, s->queries));
    struct tensor *v = unit_rows(s->t, blip2_text_embedding(s->t, b, s->pairs->ids, s->texts));
    struct tensor *all = matmul_transposed(s->t, u, v); /* [images * queries, texts] */
    const float *targets = smoothed(s);

    s->by_image = divided_by(s->t, max_rows(s->t, all, each, false), b->temperature);
    s->by_text = divided_by(s->t, max_rows(s->t, all, each, true), b->temperature);
    return contrast_loss(s->t, s->by_image, targets, s->by_text, targets);
}

static struct tensor *itm(const struct batch *s)
{
    const int *wrong_image = draw_negatives(s->t, s->by_text, s->pairs, s->options, 0);
    const int *wrong_text = draw_negatives(s->t, s->by_image, s->pairs, s->options, 0);
    struct matches m = pair_matches(s->t, s->pairs, wrong_image, wrong_text, -1);
    struct bert_input in = {
        .ids = m.ids,
        .texts = m.texts,
        .image = s->image,
        .images = s->images,
        .image_of = m.image_of,
    };

    return cross_entropy(s->t, blip2_match(s->t, s->blip2, &in), m.target, 0);
}

/* The ids with [DEC] in front. */
static const int *begun(const struct batch *s)
{
    const int *start = s->texts->start;
    size_t bytes = (size_t)start[s->texts->count] * sizeof(int);
    int *ids = tape_alloc(s->t, bytes);

    memcpy(ids, s->pairs->ids, bytes);
    for (int i = 0; i < s->texts->count; i++)
        ids[start[i]] = s->blip2->config.begin;
    return ids;
}

/* states: of all ids; the last of a text predicts nothing */
static struct tensor *itg(const struct batch *s, struct tensor *states, const int *ids)
{
    const int *start = s->texts->start;
    int all = start[s->texts->count], *at = tape_alloc(s->t, (size_t)all * sizeof *at);
    int *target = tape_alloc(s->t, (size_t)all * sizeof *target), count = 0;

    for (int i = 0; i < s->texts->count; i++)
        for (int k = start[i]; k + 1 < start[i + 1]; k++) {
            at[count] = k;
            target[count++] = ids[k + 1];
        }
    states = take_rows(s->t, states, at, count);
    return cross_entropy(s->t, bert_logits(s->t, &s->blip2->qformer, states), target,
                         s->options->smoothing);
}

/* --- the second stage --- */

/* Texts under way to a language model. */
struct text_buffer {
    struct language_texts texts;
    int *ids, *counts, used;
};

static void text_buffer_open(struct text_buffer *to, struct tape *t, const struct pairs *p)
{
    size_t room = 2 * (size_t)p->count; /* what frames each */

    for (int i = 0; i < p->count; i++)
        room += (size_t)p->counts[i];
    *to = (struct text_buffer){ .ids = tape_alloc(t, room * sizeof *to->ids),
                                .counts = tape_alloc(t, (size_t)p->count * sizeof *to->counts) };
    to->texts = (struct language_texts){ to->ids, to->counts, p->count };
    memset(to->counts, 0, (size_t)p->count * sizeof *to->counts);
}

static void append_ids(struct text_buffer *to, int item, const int *ids, int count)
{
    memcpy(to->ids + to->used, ids, (size_t)count * sizeof *ids);
    to->used += count;
    to->counts[item] += count;
}

/* A text that has room for it ends with the end of a line. */
static struct tensor *lm_opt(const struct batch *s, struct tensor *pictures)
{
    const int *start = s->texts->start, *ids = s->pairs->ids;
    int context = s->options->context ? s->options->context : s->m->reading.context;
    struct text_buffer to;

    text_buffer_open(&to, s->t, s->pairs);
    for (int i = 0; i < s->pairs->count; i++) {
        append_ids(&to, i, ids + start[i], s->pairs->counts[i]);
        if (s->pairs->counts[i] < context)
            append_ids(&to, i, &s->m->writing.rules.end, 1);
    }
    return opt_loss(s->t, &s->blip2->opt, pictures, s->blip2->config.qformer.queries, &to.texts,
                    s->options->prompt);
}

/* How much of a text of `words` ids is read: the prompt, or 1 .. half of it. */
static int parted(const struct batch *s, int words)
{
    int most = words / 2;

    if (s->options->prompt)
        return s->options->prompt < words ? s->options->prompt : words;
    if (most < 2 || !s->options->draw)
        return most;
    return 1 + (int)(s->options->draw(s->options->draw_self) * most);
}

static struct tensor *lm_t5(const struct batch *s, struct tensor *pictures)
{
    struct blip2 *b = s->blip2;
    const int *start = s->texts->start;
    struct text_buffer read, written;

    text_buffer_open(&read, s->t, s->pairs);
    text_buffer_open(&written, s->t, s->pairs);
    for (int i = 0; i < s->pairs->count; i++) {
        const int *ids = s->pairs->ids + start[i];
        int words = s->pairs->counts[i] - 1, part = parted(s, words); /* </s> left aside */

        append_ids(&read, i, ids, part);
        append_ids(&read, i, ids + words, 1);
        append_ids(&written, i, ids + part, words - part + 1);
    }
    return t5_loss(s->t, &b->t5, pictures, &read.texts, &written.texts, b->config.begin);
}

static struct tensor *lm(const struct batch *s)
{
    struct tensor *pictures = blip2_pictures(s->t, s->blip2, s->queries);

    return s->blip2->config.language == LANGUAGE_OPT ? lm_opt(s, pictures) : lm_t5(s, pictures);
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct batch s = { .t = t, .m = m, .blip2 = m->self, .pairs = p, .options = l };
    struct tensor *states = NULL;
    const int *ids = NULL;

    s.texts = spans_of(t, p->count, p->counts);
    s.images = spans_even(t, p->count, m->image.tokens);
    s.image = pairs_features(t, m, p);
    if (l->objectives & OBJECTIVE_ITG) {
        ids = begun(&s);
        states = blip2_decode(t, s.blip2,
                              &(struct bert_input){ .ids = ids,
                                                    .texts = s.texts,
                                                    .image = s.image,
                                                    .images = s.images,
                                                    .causal = true },
                              &s.queries);
    } else {
        s.queries = blip2_queries(t, s.blip2, s.image, s.images);
    }
    if (l->objectives & (OBJECTIVE_ITC | OBJECTIVE_ITM))
        out->each[LOSS_ITC] = itc(&s);
    if (l->objectives & OBJECTIVE_ITM)
        out->each[LOSS_ITM] = itm(&s);
    if (!(l->objectives & OBJECTIVE_ITC))
        out->each[LOSS_ITC] = NULL;
    if (l->objectives & OBJECTIVE_LM)
        out->each[LOSS_LM] = lm(&s);
    if (l->objectives & OBJECTIVE_ITG)
        out->each[LOSS_ITG] = itg(&s, states, ids);
    if (s.blip2->temperature)
        out->temperature = s.blip2->temperature->data[0];
    return 0;
}

static bool begins(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

/* Image tower and language model stay as they are; the norm behind the tower learns. */
static void begin(struct model *m, const struct tokenizer *t)
{
    struct blip2 *b = m->self;

    if (b->config.embedding && !b->temperature)
        b->temperature = model_scalar(m, blip2_first_temperature);
    if (t && b->config.language == LANGUAGE_OPT && m->writing.rules.end <= 0)
        m->writing.rules.end = tokenizer_id(t, m->writing.end_word);
    params_freeze(&m->params, "vision.");
    params_freeze(&m->params, "opt.");
    params_freeze(&m->params, "t5.");
    for (int i = 0; i < m->params.count; i++)
        if (begins(m->params.list[i].name, "vision.norm_after."))
            m->params.list[i].frozen = false;
}

BUILD(blip2)

const struct learner blip2_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_unless_bias,
    .texts = texts,
    .learn = learn,
    .begin = begin,
    .build = build,
};
