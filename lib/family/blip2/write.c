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

static int speak_opt(struct blip2 *m, struct tensor *pictures, const struct prompt *prompts,
                     const struct prompt *starts, int count, const struct decoding *d,
                     struct hypothesis *out)
{
    struct speaker s = { .prompts = prompts, .each = decode_rows(d) };
    struct language_model outer = { &s, (int)m->config.opt.vocabulary, feed, copy };
    struct decoding room = *d;
    struct opt_writer w;
    int status;

    room.max_length += longest(prompts, count);
    if (m->config.qformer.queries + room.max_length > m->config.opt.positions)
        return fail("prompt and text of %d tokens; the language model has %ld places, the image "
                    "takes %d",
                    room.max_length, m->config.opt.positions, m->config.qformer.queries);
    opt_writer_open(&w, &m->opt, pictures, m->config.qformer.queries, count, &room);
    s.inner = w.language;
    status = decode(&outer, d, starts, count, out);
    opt_writer_close(&w);
    return status;
}

static int speak_t5(struct tape *t, struct blip2 *m, struct tensor *pictures,
                    const struct prompt *prompts, const struct prompt *starts, int count,
                    const struct decoding *d, struct hypothesis *out)
{
    int *counts = tape_alloc(t, (size_t)count * sizeof *counts), total = 0, status, *ids;
    const struct spans *spans;
    struct tensor *x;
    struct t5_writer w;

    for (int i = 0; i < count; i++)
        total += counts[i] = prompts[i].count;
    ids = tape_alloc(t, (size_t)total * sizeof *ids);
    for (int i = 0, at = 0; i < count; at += counts[i++])
        memcpy(ids + at, prompts[i].ids, (size_t)counts[i] * sizeof *ids);
    x = join_rows(t, pictures, t5_words(t, &m->t5, ids, total), counts, count, &spans);
    t5_writer_open(&w, &m->t5, t5_encode(t, &m->t5, x, spans), spans, d);
    status = decode(&w.language, d, starts, count, out);
    t5_writer_close(&w);
    return status;
}

int blip2_speak(struct tape *t, struct blip2 *m, struct tensor *pictures,
                const struct prompt *prompts, int count, bool heeds, const struct decoding *d,
                struct hypothesis *out)
{
    struct prompt *starts = tape_alloc(t, (size_t)count * sizeof *starts);
    bool opt = m->config.language == LANGUAGE_OPT;

    for (int i = 0; i < count; i++) {
        starts[i] = (struct prompt){ &m->config.begin, 1, prompts[i].seed, NULL, 0 };
        if (heeds && opt)
            heed(t, &starts[i], &prompts[i], m->config.image_token);
    }
    return opt ? speak_opt(m, pictures, prompts, starts, count, d, out)
               : speak_t5(t, m, pictures, prompts, starts, count, d, out);
}
