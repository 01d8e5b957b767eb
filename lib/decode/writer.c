/* SPDX-License-Identifier: MIT
 * writer.c - a BERT decoder at work, as decode.c takes a language model
 */
#include <string.h>
#include "decode/writer.h"

/* Cache rows of one item lie together, so what it looks at is found by dividing. */
static void feed(void *self, int count, const int *row, const int *counts, const int *ids,
                 float *logits)
{
    struct writer *w = self;
    int each = w->cache->own->rows / w->cache->image_spans->count;
    int *image_of, *last;
    struct tensor *x;

    tape_clear(&w->step);
    image_of = tape_alloc(&w->step, (size_t)count * sizeof *image_of);
    last = tape_alloc(&w->step, (size_t)count * sizeof *last);
    struct bert_input in = {
        .ids = ids,
        .texts = spans_of(&w->step, count, counts),
        .causal = true,
        .image_of = image_of,
        .cache = w->cache,
        .cache_row = row,
        .first_only = last,
    };
    for (int i = 0; i < count; i++) {
        image_of[i] = row[i] / each;
        last[i] = in.texts->start[i + 1] - 1;
    }
    x = bert_logits(&w->step, w->decoder, bert_forward(&w->step, w->decoder, &in));
    memcpy(logits, x->data, (size_t)count * (size_t)width(x) * sizeof *logits);
}

static void copy(void *self, int from, int to)
{
    struct writer *w = self;

    bert_cache_copy(w->cache, from, to);
}

void writer_open(struct writer *w, struct bert *decoder, struct tensor *states,
                 const struct spans *spans, const struct decoding *d)
{
    *w = (struct writer){ .decoder = decoder };
    w->cache = bert_cache_new(decoder, spans->count * decode_rows(d), d->max_length);
    bert_cache_images(&w->tape, decoder, w->cache, states, spans);
    w->language = (struct language_model){ w, (int)decoder->config.vocabulary, feed, copy };
}

void writer_close(struct writer *w)
{
    bert_cache_free(w->cache);
    tape_free(&w->tape);
    tape_free(&w->step);
}

int *prompts_join(struct tape *t, const struct prompt *prompts, int count, int **counts)
{
    int total = 0, *ids;

    *counts = tape_alloc(t, (size_t)count * sizeof **counts);
    for (int i = 0; i < count; i++)
        total += (*counts)[i] = prompts[i].count;
    ids = tape_alloc(t, (size_t)total * sizeof *ids);
    for (int i = 0, at = 0; i < count; at += prompts[i++].count)
        memcpy(ids + at, prompts[i].ids, (size_t)prompts[i].count * sizeof *ids);
    return ids;
}
