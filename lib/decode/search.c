/* SPDX-License-Identifier: MIT
 * search.c - the loop that feeds tokens and chooses the next ones, for many items at once
 *
 * Cache rows.  Item i owns the rows from i * decode_rows on.  When beams are reordered, the first
 * child of a parent inherits the parent's row, further children are copied into the rows of parents
 * without children: as many rows as beams are enough, and nothing is copied twice.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "decode/decode.h"

struct line {  /* one row of an item that is being written */
    int cache; /* its cache row */
    int token; /* the id to feed next */
    bool done; /* feeds no more */
};

struct text { /* what a line that samples or takes the best has written */
    int *ids;
    int count;
    double raw; /* sum of plain log-probabilities */
    struct random random;
};

struct item {
    const struct prompt *prompt;
    struct line *lines;       /* [rows] */
    int live;                 /* lines in use: 1 while only the prompt is there */
    bool begun, done;         /* the prompt's scores have been used; nothing is left to write */
    struct beam_search *beam; /* either this ... */
    struct text *texts;       /* ... or these, [rows] */
};

struct pass {
    const struct language_model *model;
    const struct decoding *rules;
    struct item *items;
    int rows;            /* cache rows an item */
    int *first;          /* where an item's rows begin among those fed */
    int *owner, fed;     /* item of each row fed, and how many there are */
    float *logits, *raw; /* [fed rows, vocabulary] */
};

static bool searching(const struct decoding *d)
{
    return d->beams > 1;
}

int decode_rows(const struct decoding *d)
{
    return searching(d) ? d->beams : d->sequences;
}

/* Texts of one item draw from seeds of their own, which depend on the item's seed alone: not on its
 * neighbours. */
static void item_start(struct item *item, const struct decoding *d, const struct prompt *p, int row)
{
    int rows = decode_rows(d);

    *item = (struct item){ .prompt = p, .live = 1 };
    item->lines = xalloc((size_t)rows, sizeof *item->lines);
    for (int i = 0; i < rows; i++)
        item->lines[i].cache = row + i;
    if (searching(d)) {
        item->beam = beam_new(d, p);
        return;
    }
    item->texts = xalloc((size_t)rows, sizeof *item->texts);
    for (int i = 0; i < rows; i++) {
        struct text *t = &item->texts[i];

        t->ids = xalloc((size_t)d->max_length + 1, sizeof *t->ids);
        memcpy(t->ids, p->ids, (size_t)p->count * sizeof *t->ids);
        t->count = p->count;
        t->random.state = p->seed + (uint64_t)i * 0x9e3779b97f4a7c15u;
    }
}

/* Gives the `after` new beams cache rows; see the head of this file. */
static void reorder(const struct language_model *m, struct line *lines,
                    const struct beam_step *next, int before, int after, int rows)
{
    int *old = xalloc((size_t)rows, 3 * sizeof *old), *heir = old + rows, *spare = heir + rows;
    int spares = 0;

    for (int i = 0; i < rows; i++) {
        old[i] = lines[i].cache;
        heir[i] = -1;
    }
    for (int i = after; i-- > 0;)
        heir[next[i].parent] = i;
    for (int i = rows; i-- > 0;)
        if (i >= before || heir[i] < 0)
            spare[spares++] = old[i];
    for (int i = 0; i < after; i++) {
        int from = old[next[i].parent];

        lines[i].token = next[i].token;
        lines[i].cache = heir[next[i].parent] == i ? from : spare[--spares];
        if (lines[i].cache != from)
            m->copy(m->self, from, lines[i].cache);
    }
    for (int i = after; i < rows; i++)
        lines[i].cache = spare[--spares];
    free(old);
}

/* Leaves plain log-probabilities in raw, and processed log-probabilities (beam search) or logits
 * (else) in scores. */
static void score_row(const struct pass *p, const struct item *item, float *scores, float *raw,
                      const int *ids, int count)
{
    size_t bytes = (size_t)p->model->vocabulary * sizeof *scores;
    struct scoring s = { p->rules,           p->model->vocabulary,    scores, raw, ids, count,
                         item->prompt->seen, item->prompt->seen_count };

    memcpy(raw, scores, bytes);
    scores_log_softmax(raw, p->model->vocabulary);
    if (searching(p->rules) && !p->rules->sums_logits)
        memcpy(scores, raw, bytes);
    scores_process(&s);
}

/* Rows of a search are scored side by side, also those of one item. */
static void beam_score(void *pass, long row, int worker)
{
    const struct pass *p = pass;
    int item = p->owner[row], count;
    const int *ids = beam_ids(p->items[item].beam, (int)row - p->first[item], &count);
    long at = row * p->model->vocabulary;

    (void)worker;
    score_row(p, &p->items[item], p->logits + at, p->raw + at, ids, count);
}

/* One step of beam search: choose, then give each surviving beam its parent's keys. */
static void item_search(const struct pass *p, struct item *item, float *scores, const float *raw)
{
    struct beam_step *next = xalloc((size_t)p->rows, sizeof *next);
    int before = beam_running(item->beam);

    item->done = !beam_advance(item->beam, scores, raw, p->model->vocabulary, next);
    item->live = beam_running(item->beam);
    if (!item->done)
        reorder(p->model, item->lines, next, before, item->live, p->rows);
    free(next);
}

/* One token by chance or by rank. The end token is written too, and taken off at the end. */
static void text_advance(const struct pass *p, struct text *t, struct line *line, float *scores,
                         const float *raw)
{
    const struct decoding *d = p->rules;
    struct scoring s = { .rules = d, .vocabulary = p->model->vocabulary, .scores = scores };

    if (d->sample)
        line->token = scores_draw(&s, d->draw ? d->draw(d->draw_from) : random_uniform(&t->random));
    else
        line->token = scores_best(scores, p->model->vocabulary);
    t->raw += raw[line->token];
    t->ids[t->count++] = line->token;
    line->done = line->token == d->end || t->count >= d->max_length;
}

/* After the prompt all texts draw from the same scores, and its cache row is copied for them. */
static void item_write(const struct pass *p, struct item *item, float *scores, float *raw)
{
    long vocabulary = p->model->vocabulary;
    bool prompt = !item->begun;
    float *spare = xresize(NULL, (size_t)vocabulary, sizeof *spare);
    int fed = 0;

    for (int i = 0; i < p->rows; i++) {
        struct line *line = &item->lines[i];
        long at = prompt ? 0 : fed * vocabulary;

        if (line->done)
            continue;
        if (!prompt || !i)
            score_row(p, item, scores + at, raw + at, item->texts[i].ids, item->texts[i].count);
        if (prompt && i)
            p->model->copy(p->model->self, item->lines[0].cache, line->cache);
        memcpy(spare, scores + at, (size_t)vocabulary * sizeof *spare);
        text_advance(p, &item->texts[i], line, spare, raw + at);
        fed++;
    }
    free(spare);
    item->live = p->rows;
    item->begun = true;
    item->done = true;
    for (int i = 0; i < p->rows; i++)
        item->done = item->done && item->lines[i].done;
}

/* Items are independent, so threads share them. */
static void item_advance(void *pass, long index, int worker)
{
    const struct pass *p = pass;
    struct item *item = &p->items[index];
    long at = (long)p->first[index] * p->model->vocabulary;

    (void)worker;
    if (item->done)
        return;
    if (item->beam)
        item_search(p, item, p->logits + at, p->raw + at);
    else
        item_write(p, item, p->logits + at, p->raw + at);
}

/* Feeds the last token of every live line of every item; false if none is left. */
static bool feed_tokens(struct pass *p, int count, int *row, int *counts, int *ids)
{
    int fed = 0;

    for (int i = 0; i < count; i++) {
        const struct item *item = &p->items[i];

        p->first[i] = fed;
        for (int k = 0; !item->done && k < item->live; k++) {
            if (item->lines[k].done)
                continue;
            p->owner[fed] = i;
            row[fed] = item->lines[k].cache;
            ids[fed] = item->lines[k].token;
            counts[fed++] = 1;
        }
    }
    p->fed = fed;
    if (fed)
        p->model->feed(p->model->self, fed, row, counts, ids, p->logits);
    return fed > 0;
}

/* Prompts of any lengths in one call; each begins the first cache row of its item. */
static void feed_prompts(struct pass *p, const struct prompt *prompts, int count, int *row,
                         int *counts)
{
    int *ids = NULL, total = 0;

    for (int i = 0; i < count; i++) {
        ids = xresize(ids, (size_t)(total + prompts[i].count), sizeof *ids);
        memcpy(ids + total, prompts[i].ids, (size_t)prompts[i].count * sizeof *ids);
        total += prompts[i].count;
        row[i] = p->items[i].lines[0].cache;
        counts[i] = prompts[i].count;
        p->first[i] = p->owner[i] = i;
    }
    p->fed = count;
    p->model->feed(p->model->self, count, row, counts, ids, p->logits);
    free(ids);
}

/* The end token is left out of the ids; it counts in the mean log-probability. */
static void item_results(struct item *item, const struct decoding *d, const struct prompt *prompt,
                         struct hypothesis *out)
{
    free(item->lines);
    if (item->beam) {
        beam_results(item->beam, out);
        return;
    }
    for (int i = 0; i < d->sequences; i++) {
        struct text *t = &item->texts[i];
        int written = t->count - prompt->count;

        out[i] = (struct hypothesis){ t->ids, t->count - (t->ids[t->count - 1] == d->end), t->raw,
                                      written ? t->raw / written : 0 };
    }
    free(item->texts);
}

/* Items leave one by one: only rows that still write are fed. The loop ends when none is left. */
int decode(const struct language_model *m, const struct decoding *d, const struct prompt *prompts,
           int count, struct hypothesis *out)
{
    struct pass p = { .model = m, .rules = d, .rows = decode_rows(d) };
    size_t rows = (size_t)count * (size_t)p.rows, scores = rows * (size_t)m->vocabulary;
    int *row = xalloc(rows, 4 * sizeof *row), *counts = row + rows, *ids = counts + rows;
    int status = 0;

    if (d->positions && d->max_length > d->positions)
        status = fail("a text of %d tokens: the model has %d places", d->max_length, d->positions);
    for (int i = 0; i < count && !status; i++)
        if (prompts[i].count < 1 || prompts[i].count >= d->max_length)
            status = fail("a prompt of %d tokens leaves no room for a text of at most %d",
                          prompts[i].count, d->max_length);
    p.items = xalloc((size_t)count, sizeof *p.items);
    p.first = xalloc((size_t)count, sizeof *p.first);
    p.owner = ids + rows;
    p.logits = xresize(NULL, scores, sizeof *p.logits);
    p.raw = xresize(NULL, scores, sizeof *p.raw);
    if (!status && count) {
        for (int i = 0; i < count; i++)
            item_start(&p.items[i], d, &prompts[i], i * p.rows);
        feed_prompts(&p, prompts, count, row, counts);
        do {
            if (searching(d))
                pool_run(beam_score, &p, p.fed);
            pool_run(item_advance, &p, count);
        } while (feed_tokens(&p, count, row, counts, ids));
        for (int i = 0; i < count; i++)
            item_results(&p.items[i], d, &prompts[i], out + (size_t)i * (size_t)d->sequences);
    }
    free(p.items);
    free(p.first);
    free(p.logits);
    free(p.raw);
    free(row);
    return status;
}
