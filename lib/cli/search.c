/* SPDX-License-Identifier: MIT
 * search.c - the best records for each of several queries
 */
#include <stdlib.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "cli/search.h"

struct found {
    struct record *record;
    int users; /* queries that have it among their best */
};

void search_open(struct search *s, int queries, int top)
{
    s->best = xalloc((size_t)queries, sizeof *s->best);
    s->queries = queries;
    for (int q = 0; q < queries; q++)
        top_open(&s->best[q], top);
}

static void let_go(struct found *f)
{
    if (f && --f->users == 0) {
        record_free(f->record);
        free(f);
    }
}

bool search_offer(struct search *s, struct record *r, const float *scores)
{
    struct found *f = xalloc(1, sizeof *f);

    *f = (struct found){ r, 1 };
    for (int q = 0; q < s->queries; q++) {
        if (top_wants(&s->best[q], scores[q], r->index)) {
            f->users++;
            let_go(top_add(&s->best[q], (struct ranked){ scores[q], r->index, f }));
        }
    }
    r->dropped = f->users == 1;
    if (r->dropped) {
        free(f);
        return false;
    }
    let_go(f);
    return true;
}

void search_emit(struct search *s, const struct option_list *queries)
{
    for (int q = 0; q < s->queries; q++) {
        top_sort(&s->best[q]);
        for (int i = 0; i < s->best[q].count; i++) {
            struct found *f = s->best[q].heap[i].item;
            struct record *r = record_copy(f->record);

            record_set_number(r, "sim", s->best[q].heap[i].score);
            if (s->queries > 1)
                record_set_string(r, "query", queries->items[q]);
            emit(r);
            let_go(f);
        }
        s->best[q].count = 0;
    }
}

void search_close(struct search *s)
{
    for (int q = 0; q < s->queries; q++)
        top_free(&s->best[q]);
    free(s->best);
    *s = (struct search){ 0 };
}
