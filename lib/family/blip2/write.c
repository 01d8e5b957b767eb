/* SPDX-License-Identifier: MIT
 * write.c - BLIP-2's language models at work
 *
 *     OPT   [picture] </s> prompt | what is written
 *     T5    encoder: [picture] prompt </s>      decoder: <pad> | what is written
 *
 * The originals' libraries see nothing of a prompt that is given as embeddings: ids begin anew,
 * with one that stands for it.  So decode() gets that one alone; the first time that OPT is fed,
 * the prompt takes its place.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "family/blip2/blip2.h"

struct speaker {
    struct language_model inner;
    const struct prompt *prompts;
    int each; /* cache rows an item */
    bool begun;
};

static void feed_prompts(struct speaker *s, int count, const int *row, float *logits)
{
    int *counts = xalloc((size_t)count, sizeof *counts), total = 0, *ids;

    for (int i = 0; i < count; i++)
        total += counts[i] = s->prompts[row[i] / s->each].count;
    ids = xalloc((size_t)total, sizeof *ids);
    for (int i = 0, at = 0; i < count; at += counts[i++])
        memcpy(ids + at, s->prompts[row[i] / s->each].ids, (size_t)counts[i] * sizeof *ids);
    s->inner.feed(s->inner.self, count, row, counts, ids, logits);
    free(ids);
    free(counts);
}

static void feed(void *self, int count, const int *row, const int *counts, const int *ids,
                 float *logits)
{
    struct speaker *s = self;

    if (s->begun)
        s->inner.feed(s->inner.self, count, row, counts, ids, logits);
    else
        feed_prompts(s, count, row, logits);
    s->begun = true;
}

static void copy(void *self, int from, int to)
{
    struct speaker *s = self;

    s->inner.copy(s->inner.self, from, to);
}

static int longest(const struct prompt *prompts, int count)
{
    int most = 0;

    for (int i = 0; i < count; i++)
        most = prompts[i].count > most ? prompts[i].count : most;
    return most;
}

/* The prompt's ids and the one that stands for a query. */
static void heed(struct tape *t, struct prompt *start, const struct prompt *prompt, int image_token)
{
    int *seen = tape_alloc(t, ((size_t)prompt->count + 1) * sizeof *seen);

    memcpy(seen, prompt->ids, (size_t)prompt->count * sizeof *seen);
    start->seen_count = prompt->count;
    if (image_token >= 0)
        seen[start->seen_count++] = image_token;
    start->seen = seen;
}

/* A text for each picture: `prompts` as they are read, `starts` as decode() sees them. */
struct speech {
    struct blip2 *model;
    struct tensor *pictures; /* [count * queries, width] */
    const struct prompt *prompts;
    struct prompt *starts;
    int count;
};

static int speak_opt(const struct speech *p, const struct decoding *d, struct hypothesis *out)
{
    struct speaker s = { .prompts = p->prompts, .each = decode_rows(d) };
    const struct blip2_config *c = &p->model->config;
    struct language_model outer = { &s, (int)c->opt.vocabulary, feed, copy };
    struct decoding room = *d;
    struct opt_writer w;
    int status;

    room.max_length += longest(p->prompts, p->count);
    if (c->qformer.queries + room.max_length > c->opt.positions)
        return fail("prompt and text of %d tokens; the language model has %ld places, the image "
                    "takes %d",
                    room.max_length, c->opt.positions, c->qformer.queries);
    opt_writer_open(&w, &p->model->opt, p->pictures, c->qformer.queries, p->count, &room);
    s.inner = w.language;
    status = decode(&outer, d, p->starts, p->count, out);
    opt_writer_close(&w);
    return status;
}

static int speak_t5(struct tape *t, const struct speech *p, const struct decoding *d,
                    struct hypothesis *out)
{
    struct t5 *m = &p->model->t5;
    int total = 0, status, *counts, *ids = prompts_join(t, p->prompts, p->count, &counts);
    const struct spans *spans;
    struct tensor *x;
    struct t5_writer w;

    for (int i = 0; i < p->count; i++)
        total += counts[i];
    x = join_rows(t, p->pictures, t5_words(t, m, ids, total), counts, p->count, &spans);
    t5_writer_open(&w, m, t5_encode(t, m, x, spans), spans, d);
    status = decode(&w.language, d, p->starts, p->count, out);
    t5_writer_close(&w);
    return status;
}

/* Since transformers 4.50 a penalty of repetition knows OPT's prompt. */
int blip2_speak(struct tape *t, struct blip2 *m, struct tensor *pictures,
                const struct prompt *prompts, const struct decoding *d, struct hypothesis *out)
{
    bool opt = m->config.language == LANGUAGE_OPT;
    struct speech s = { m, pictures, prompts, .count = 0 };

    s.count = (int)(rows(pictures) / m->config.qformer.queries);
    s.starts = tape_alloc(t, (size_t)s.count * sizeof *s.starts);
    for (int i = 0; i < s.count; i++) {
        s.starts[i] = (struct prompt){ &m->config.begin, 1, prompts[i].seed, NULL, 0 };
        if (opt && d->version == BEAM_4_50)
            heed(t, &s.starts[i], &prompts[i], m->config.image_token);
    }
    return opt ? speak_opt(&s, d, out) : speak_t5(t, &s, d, out);
}
