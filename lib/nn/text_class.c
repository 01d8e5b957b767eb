/* SPDX-License-Identifier: MIT
 * text_class.c - CoCa's text tower: causal, with a class token behind the text (arXiv 2205.01917,
 * section 3.2)
 *
 * open_clip masks padding one place too late, and the published weights learned with that: place j
 * is seen by places behind it if place j - 1 is no padding.  So what is seen are the text's places
 * and the first of padding behind it.  The class token behind them all sees these, and itself only
 * where the last place is no padding.  A place that is not seen, by itself neither, stands beside:
 * it looks at the seen ones before it and nobody looks at it.
 *
 * Padding behind that is not computed: it changes nothing.
 *
 * Source: mlfoundations/open_clip src/open_clip/transformer.py, TextTransformer.
 */
#include <assert.h>
#include <string.h>
#include "nn/text.h"

/* Places in two groups, each in the order of texts.  A place's token is its id, -1 for the class
 * token. */
struct group {
    int *token, *place, *text;
    int count;
};
struct places {
    struct group seen, beside;
    const struct spans *spans; /* of seen */
    const struct spans *keys;  /* what each of beside looks at, of seen */
    int *row; /* of each place, or each text's class token, in concat(seen, beside) */
    int rows;
};

static struct group room_for(struct tape *t, size_t count)
{
    int *all = tape_alloc(t, 3 * count * sizeof *all);

    return (struct group){ all, all + count, all + 2 * count, 0 };
}

static void put(struct places *p, struct group *g, int token, int place, int text)
{
    p->row[p->rows++] = g == &p->seen ? g->count : -1 - g->count;
    g->token[g->count] = token;
    g->place[g->count] = place;
    g->text[g->count++] = text;
}

/* One text's places; with the class token also that one, and the padding that is seen, but no
 * others beside: they change no class token. */
static void divide(const struct text_config *c, struct places *p, const int *ids, int count,
                   int text, bool class)
{
    int length = class && count < c->context ? count + 1 : count;

    for (int i = 0; i < length; i++) {
        bool seen = !i || ids[i - 1] != c->pad_id;

        if (seen || !class)
            put(p, seen ? &p->seen : &p->beside, i < count ? ids[i] : c->pad_id, i, text);
    }
    if (class) {
        bool sees = count == c->context && ids[count - 1] != c->pad_id;

        put(p, sees ? &p->seen : &p->beside, -1, c->context, text);
    }
}

/* How many of a text's seen places each one beside looks at: those before it. */
static void find_keys(struct tape *t, struct places *p, int texts)
{
    int *lengths = tape_alloc(t, (size_t)texts * sizeof *lengths), at = 0;
    int *start = tape_alloc(t, (size_t)(2 * p->beside.count + 2) * sizeof *start);
    struct spans *keys = tape_alloc(t, sizeof *keys);

    memset(lengths, 0, (size_t)texts * sizeof *lengths);
    for (int i = 0; i < p->seen.count; i++)
        lengths[p->seen.text[i]]++;
    p->spans = spans_of(t, texts, lengths);
    *keys = (struct spans){ p->beside.count, start, start + p->beside.count + 1 };
    for (int i = 0; i < p->beside.count; i++) {
        int text = p->beside.text[i], first = p->spans->start[text];

        for (at = first; at < p->spans->start[text + 1];)
            if (p->seen.place[at] < p->beside.place[i])
                at++;
            else
                break;
        start[i] = first;
        start[p->beside.count + 1 + i] = at - first;
    }
    start[p->beside.count] = p->seen.count;
    p->keys = keys;
    for (int i = 0; i < p->rows; i++)
        if (p->row[i] < 0)
            p->row[i] = p->seen.count - 1 - p->row[i];
}

static struct places lay_out(struct tape *t, const struct text_config *c, const int *ids,
                             const int *counts, int texts, bool class)
{
    struct places p = { .rows = 0 };
    size_t most = 0;

    for (int i = 0; i < texts; i++)
        most += (size_t)counts[i] + 2;
    p.seen = room_for(t, most);
    p.beside = room_for(t, most);
    p.row = tape_alloc(t, most * sizeof *p.row);
    for (int i = 0; i < texts; ids += counts[i++]) {
        assert(counts[i] > 0 && counts[i] <= c->context);
        divide(c, &p, ids, counts[i], i, class);
        if (class) { /* its row alone is asked for */
            p.row[i] = p.row[p.rows - 1];
            p.rows = i + 1;
        }
    }
    find_keys(t, &p, texts);
    return p;
}

/* Token and position of each place; the class token is row `vocabulary` of the ids' table. */
static struct tensor *embedded(struct tape *t, struct text *x, const struct group *g)
{
    int *index = tape_alloc(t, 2 * (size_t)(g->count + 1) * sizeof *index);
    int *ids = index + g->count + 1, words = 0;
    struct tensor *y;

    for (int i = 0; i < g->count; i++)
        if (g->token[i] >= 0)
            ids[words++] = g->token[i];
    for (int i = 0, k = 0; i < g->count; i++)
        index[i] = g->token[i] >= 0 ? k++ : words;
    y = embed(t, x->token, ids, words);
    if (words < g->count) {
        struct tensor *class = tensor_reshape(t, x->class_token, 2, (long[]){ 1, x->config.width });

        y = take_rows(t, words ? concat_rows(t, y, class) : class, index, g->count);
    }
    return add(t, y, embed(t, x->position, g->place, g->count));
}

static struct tensor *run(struct tape *t, struct text *x, const struct places *p)
{
    const struct spans *each = spans_even(t, p->beside.count, 1);
    struct tensor *seen = embedded(t, x, &p->seen);
    struct tensor *beside = p->beside.count ? embedded(t, x, &p->beside) : NULL;

    for (int i = 0; i < x->config.layers; i++) {
        struct block *b = &x->blocks[i];

        if (beside)
            beside =
                block_across(t, b, beside,
                             &(struct across){ each, p->keys, NULL, block_seen(t, b, seen, NULL) });
        seen = block_forward(t, b, seen, p->spans, true, NULL);
    }
    return beside ? concat_rows(t, seen, beside) : seen;
}

struct tensor *text_class_forward(struct tape *t, struct text *x, const int *ids, const int *counts,
                                  int texts)
{
    struct places p = lay_out(t, &x->config, ids, counts, texts, true);

    return norm_forward(t, &x->norm, take_rows(t, run(t, x, &p), p.row, texts));
}

struct tensor *text_class_states(struct tape *t, struct text *x, const int *ids, const int *counts,
                                 int texts)
{
    struct places p = lay_out(t, &x->config, ids, counts, texts, false);

    return take_rows(t, run(t, x, &p), p.row, p.rows);
}
