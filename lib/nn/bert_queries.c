/* SPDX-License-Identifier: MIT
 * bert_queries.c - a Q-Former's queries and texts in one sequence
 *
 *     x = queries, y = texts; rows of both attend to [queries, text] of their sequence
 *     x = norm(x + cross_out(attend(cross_query(x), image)))          where the layer has it
 *     x = norm(x + query_fc2(gelu(query_fc1(x))))     y = norm(y + fc2(gelu(fc1(y))))
 *
 * The two are kept apart, so that each half is one block of rows for its own feed-forward; only
 * keys and values are brought together.  Source: salesforce/LAVIS models/blip2_models/Qformer.py.
 */
#include <assert.h>
#include "nn/bert.h"

struct together {
    struct bert *bert;
    const struct bert_input *in;
    const struct spans *queries, *both; /* queries alone; queries and text */
    bool wants_queries, wants_texts;    /* after the last layer */
    int *order, rows;                   /* rows of [all queries, all texts] sequence by sequence */
};

static void plan_rows(struct tape *t, const struct bert_input *in, struct together *g)
{
    int each = g->bert->config.queries, n = in->texts->count, at = 0;
    int *lengths = tape_alloc(t, ((size_t)n + 1) * sizeof *lengths);

    g->in = in;
    g->rows = n * each + in->texts->start[n];
    g->order = tape_alloc(t, (size_t)g->rows * sizeof *g->order);
    for (int i = 0; i < n; i++) {
        lengths[i] = each + in->texts->start[i + 1] - in->texts->start[i];
        for (int k = 0; k < each; k++)
            g->order[at++] = i * each + k;
        for (int k = in->texts->start[i]; k < in->texts->start[i + 1]; k++)
            g->order[at++] = n * each + k;
    }
    g->queries = spans_even(t, n, each);
    g->both = spans_of(t, n, lengths);
}

/* Part `part` of [query key value] of both halves, as the sequences have it. */
static struct tensor *gather(struct tape *t, const struct together *g, long part, struct tensor *x,
                             struct tensor *y)
{
    long w = width(x) / 3;
    struct tensor *all =
        concat_rows(t, tensor_columns(t, x, part * w, w), tensor_columns(t, y, part * w, w));

    return take_rows(t, all, g->order, g->rows);
}

/* Halves that nobody wants after the last layer are left as they are. */
static void self_attention(struct tape *t, struct bert_layer *l, const struct together *g,
                           bool last, struct tensor **x, struct tensor **y)
{
    struct bert *b = g->bert;
    bool causal = g->in->causal;
    long w = b->config.width;
    struct tensor *of_x = linear(t, &l->qkv, *x, ACTIVATION_NONE);
    struct tensor *of_y = linear(t, &l->qkv, *y, ACTIVATION_NONE);
    struct tensor *k = gather(t, g, 1, of_x, of_y), *v = gather(t, g, 2, of_x, of_y), *h;
    struct attention_plan alone = bert_plan(b, g->queries, g->queries);
    struct attention_plan asking = bert_plan(b, g->queries, g->both);
    struct attention_plan reading = bert_plan(b, g->in->texts, g->both);

    if (!last || g->wants_queries) {
        struct tensor *q = tensor_columns(t, of_x, 0, w);

        h = causal ? attention(t, &alone, q, tensor_columns(t, of_x, w, w),
                               tensor_columns(t, of_x, 2 * w, w))
                   : attention(t, &asking, q, k, v);
        *x = bert_onto(t, &l->out, &l->norm, *x, h);
    }
    if (!last || g->wants_texts) {
        reading.causal = causal;
        h = attention(t, &reading, tensor_columns(t, of_y, 0, w), k, v);
        *y = bert_onto(t, &l->out, &l->norm, *y, h);
    }
}

struct tensor *bert_together(struct tape *t, struct bert *b, const struct bert_input *in,
                             struct tensor **queries)
{
    struct bert_input asking = { .queries = true }, reading = { .ids = in->ids };
    struct together g = { .bert = b };
    struct tensor *x, *y;

    assert(b->config.queries && in->texts->count > 0 && !in->cache && !in->first_only);
    plan_rows(t, in, &g);
    g.wants_queries = queries || !in->causal;
    g.wants_texts = in->causal;
    asking.texts = g.queries;
    reading.texts = in->texts;
    x = bert_embeddings(t, b, &asking);
    y = bert_embeddings(t, b, &reading);
    for (int i = 0; i < b->config.layers; i++) {
        struct bert_layer *l = &b->layers[i];
        struct tape_mark start = tape_mark(t);
        bool last = i == b->config.layers - 1;

        self_attention(t, l, &g, last, &x, &y);
        if (!last || g.wants_queries) {
            if (l->cross_query.parts)
                x = bert_cross_attention(t, b, l, in, g.queries, x);
            x = bert_feed_forward(t, l, true, x);
        }
        if (!last || g.wants_texts)
            y = bert_feed_forward(t, l, false, y);
        tape_drop(t, start); /* both were written over, or nothing is dropped */
    }
    if (queries)
        *queries = x;
    return in->causal ? y : x;
}
