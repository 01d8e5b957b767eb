/* SPDX-License-Identifier: MIT
 * language.c - OPT and T5 behind a picture: its rows stand in front of the text
 *
 * Sources: salesforce/LAVIS models/blip2_models/blip2_opt.py, blip2_t5.py.
 */
#include <assert.h>
#include <string.h>
#include "decode/language.h"

struct tensor *join_rows(struct tape *t, struct tensor *pictures, struct tensor *words,
                         const int *counts, int items, const struct spans **spans)
{
    int each = (int)(rows(pictures) / items);
    int *index = tape_alloc(t, (size_t)(rows(pictures) + rows(words)) * sizeof *index);
    int *lengths = tape_alloc(t, (size_t)items * sizeof *lengths), n = 0, word = items * each;

    assert(rows(pictures) == (long)items * each);
    for (int i = 0; i < items; i++) {
        for (int k = 0; k < each; k++)
            index[n++] = i * each + k;
        for (int k = 0; k < counts[i]; k++)
            index[n++] = word++;
        lengths[i] = each + counts[i];
    }
    assert(word == rows(pictures) + rows(words));
    *spans = spans_of(t, items, lengths);
    return take_rows(t, concat_rows(t, pictures, words), index, n);
}

static int sum(const int *counts, int items)
{
    int total = 0;

    for (int i = 0; i < items; i++)
        total += counts[i];
    return total;
}

/* The last row of each sequence. */
static int *lasts(struct tape *t, const struct spans *s)
{
    int *at = tape_alloc(t, (size_t)s->count * sizeof *at);

    for (int i = 0; i < s->count; i++)
        at[i] = s->start[i + 1] - 1;
    return at;
}

static void copy_rows(float *logits, const struct tensor *x)
{
    assert(x->stride == width(x));
    memcpy(logits, x->data, (size_t)tensor_count(x) * sizeof *logits);
}

/* Embeddings of what is fed; a row that has nothing yet begins with its picture.  All have
 * something or none has: prompts are fed first. */
static struct tensor *opt_rows(struct opt_writer *w, const int *row, const int *counts,
                               const int *ids, int count, const struct spans **spans)
{
    struct tape *t = &w->step;
    struct tensor *words = opt_words(t, w->model, ids, sum(counts, count));
    int *index = tape_alloc(t, (size_t)count * (size_t)w->each * sizeof *index + 1), n = 0;

    *spans = spans_of(t, count, counts);
    if (!w->pictures || w->cache->length[row[0]])
        return words;
    for (int i = 0; i < count; i++) {
        assert(!w->cache->length[row[i]]);
        for (int k = 0; k < w->each; k++)
            index[n++] = row[i] / w->rows * w->each + k;
    }
    return join_rows(t, take_rows(t, w->pictures, index, n), words, counts, count, spans);
}

/* Logits of the last id of each row alone: no other is asked for. */
static void opt_feed(void *self, int count, const int *row, const int *counts, const int *ids,
                     float *logits)
{
    struct opt_writer *w = self;
    struct opt_input in = { .cache = w->cache, .cache_row = row, .wanted_count = count };

    tape_clear(&w->step);
    in.x = opt_rows(w, row, counts, ids, count, &in.texts);
    in.wanted = lasts(&w->step, in.texts);
    copy_rows(logits, opt_logits(&w->step, w->model, opt_forward(&w->step, w->model, &in)));
}

static void opt_copy(void *self, int from, int to)
{
    struct opt_writer *w = self;

    key_cache_copy(w->cache, from, to);
}

/* The cache has room for the picture's rows, which no length counts. */
void opt_writer_open(struct opt_writer *w, struct opt *m, struct tensor *pictures, int each,
                     int items, const struct decoding *d)
{
    *w = (struct opt_writer){
        .model = m, .pictures = pictures, .each = pictures ? each : 0, .rows = decode_rows(d)
    };
    w->cache = opt_cache(m, items * w->rows, w->each + d->max_length);
    w->language = (struct language_model){ w, (int)m->config.vocabulary, opt_feed, opt_copy };
}

void opt_writer_close(struct opt_writer *w)
{
    key_cache_free(w->cache);
    tape_free(&w->step);
}

/* All rows of an item look at the same encoded text. */
static void t5_feed(void *self, int count, const int *row, const int *counts, const int *ids,
                    float *logits)
{
    struct t5_writer *w = self;
    struct t5_input in = { .ids = ids, .cache = w->cache, .cache_row = row, .wanted_count = count };
    int *states_of;

    tape_clear(&w->step);
    states_of = tape_alloc(&w->step, (size_t)count * sizeof *states_of);
    for (int i = 0; i < count; i++)
        states_of[i] = row[i] / w->rows;
    in.states_of = states_of;
    in.texts = spans_of(&w->step, count, counts);
    in.wanted = lasts(&w->step, in.texts);
    copy_rows(logits, t5_logits(&w->step, w->model, t5_decode(&w->step, w->model, &in)));
}

static void t5_copy(void *self, int from, int to)
{
    struct t5_writer *w = self;

    key_cache_copy(w->cache->own, from, to);
}

/* Keys and values of the encoder's states are computed once, for all steps and beams. */
void t5_writer_open(struct t5_writer *w, struct t5 *m, struct tensor *states,
                    const struct spans *spans, const struct decoding *d)
{
    *w = (struct t5_writer){ .model = m, .rows = decode_rows(d) };
    w->cache = t5_cache_new(&w->tape, m, states, spans, spans->count * w->rows, d->max_length);
    w->language = (struct language_model){ w, (int)m->config.vocabulary, t5_feed, t5_copy };
}

void t5_writer_close(struct t5_writer *w)
{
    t5_cache_free(w->model, w->cache);
    tape_free(&w->tape);
    tape_free(&w->step);
}

/* Rows of the sequences in front of an id that counts, and that id. */
struct targets {
    int *row, *id, count;
};

/* Id k of text i follows row start[i] + before + k - 1. */
static struct targets targets_of(struct tape *t, const struct spans *s, int before,
                                 const struct language_texts *texts, int skip)
{
    size_t room = (size_t)sum(texts->counts, texts->items) + 1;
    struct targets a = { .row = tape_alloc(t, room * sizeof(int)),
                         .id = tape_alloc(t, room * sizeof(int)) };
    const int *ids = texts->ids;

    for (int i = 0; i < texts->items; ids += texts->counts[i++])
        for (int k = skip; k < texts->counts[i]; k++) {
            if (before + k < 1)
                continue; /* nothing is before it */
            a.row[a.count] = s->start[i] + before + k - 1;
            a.id[a.count++] = ids[k];
        }
    return a;
}

/* Only rows in front of an id that counts are multiplied by the vocabulary, the largest matrix
 * here. */
struct tensor *opt_loss(struct tape *t, struct opt *m, struct tensor *pictures, int each,
                        const struct language_texts *texts, int skip)
{
    struct opt_input in = { 0 };
    struct tensor *words = opt_words(t, m, texts->ids, sum(texts->counts, texts->items));
    struct targets a;

    in.x = join_rows(t, pictures, words, texts->counts, texts->items, &in.texts);
    a = targets_of(t, in.texts, each, texts, skip);
    in.wanted = a.row;
    in.wanted_count = a.count;
    return cross_entropy(t, opt_logits(t, m, opt_forward(t, m, &in)), a.id, 0);
}

/* A pad token in front of each text, whose last id is only learnt. */
static int *shifted(struct tape *t, const struct language_texts *texts, int pad)
{
    int n = 0, *ids = tape_alloc(t, (size_t)sum(texts->counts, texts->items) * sizeof *ids);
    const int *from = texts->ids;

    for (int i = 0; i < texts->items; from += texts->counts[i++])
        for (int k = 0; k < texts->counts[i]; k++)
            ids[n++] = k ? from[k - 1] : pad;
    return ids;
}

/* The decoder sees the text moved by one place: each id is predicted from those before it. */
struct tensor *t5_loss(struct tape *t, struct t5 *m, struct tensor *pictures,
                       const struct language_texts *read, const struct language_texts *written,
                       int pad)
{
    const struct spans *spans;
    struct tensor *words = t5_words(t, m, read->ids, sum(read->counts, read->items));
    struct tensor *x = join_rows(t, pictures, words, read->counts, read->items, &spans);
    struct t5_input in = { .ids = shifted(t, written, pad),
                           .texts = spans_of(t, written->items, written->counts),
                           .states = t5_encode(t, m, x, spans),
                           .spans = spans };

    assert(read->items == written->items);
    return cross_entropy(t, t5_logits(t, m, t5_decode(t, m, &in)), written->ids, 0);
}
