/* SPDX-License-Identifier: MIT
 * capfilt.c - BLIP's caption filter: every text of a record is scored alone
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/capfilt.h"
#include "cli/cli.h"

static const char *const scores[] = { "itm",   "itm_logit", "itc",    "logprob",
                                      "label", "prob",      "heatmap" };
enum { ITM };

struct text {
    struct span json; /* the string as it stands in the record */
    bool synthetic, passes, kept;
    bool scored;
    double itm;
    struct span scores[COUNT(scores)]; /* its own; size 0: none */
};

enum { MOST_FIELDS = 8 };
struct texts_of {
    struct text *list;
    int count;
    const char *web;                 /* the field of the record's own text; NULL: none */
    const char *fields[MOST_FIELDS]; /* that hold texts */
    int field_count;
};

/* all, best, topk:K or fallback; see vlm-filter(1). */
int capfilt_rule(struct capfilt *c, const char *merge, float threshold)
{
    char *end;

    *c = (struct capfilt){ .merge = MERGE_ALL, .threshold = threshold };
    if (!strcmp(merge, "all"))
        return 0;
    c->merge = !strcmp(merge, "best") ? MERGE_BEST : MERGE_FALLBACK;
    c->most = 1;
    if (!strcmp(merge, "best") || !strcmp(merge, "fallback"))
        return 0;
    if (strncmp(merge, "topk:", 5))
        return fail("--merge takes all, best, topk:K or fallback, not '%s'", merge);
    c->merge = MERGE_TOP;
    c->most = (int)strtol(merge + 5, &end, 10);
    if (*end || end == merge + 5 || c->most < 1 || c->most > CAPFILT_TEXTS)
        return fail("--merge=topk:K takes a K from 1 to %d, not '%s'", CAPFILT_TEXTS, merge + 5);
    return 0;
}

static bool same_text(struct span a, struct span b)
{
    size_t m = 0, n = 0;
    char *x = json_text_sized(a, &m), *y = json_text_sized(b, &n);
    bool same = x && y && m == n && !memcmp(x, y, m);

    free(x);
    free(y);
    return same;
}

/* NULL where it is no string, or one that the web gave twice. */
static struct text *add_text(struct texts_of *all, struct span json, bool synthetic)
{
    struct text *t;

    if (all->count == CAPFILT_TEXTS || !json.size || json.data[0] != '"')
        return NULL;
    if (!synthetic) /* one text of the web may stand in two fields */
        for (int i = 0; i < all->count; i++)
            if (!all->list[i].synthetic && same_text(all->list[i].json, json))
                return NULL;
    t = &all->list[all->count++];
    *t = (struct text){ .json = json, .synthetic = synthetic };
    return t;
}

/* The score NAME.FIELD; of the record's own text and of logprob, NAME. */
static bool find_score(const struct record *r, const char *score, const char *field, bool own,
                       struct span *value)
{
    char *name = xprintf("%s.%s", score, field);
    bool found = record_find(r, name, value) ||
                 ((own || !strcmp(score, "logprob")) && record_find(r, score, value));

    free(name);
    return found;
}

/* The k-th of a list of scores, or the one of a text that stands alone. */
static struct span score_of(struct span scores_value, bool list, int k)
{
    struct span item = { 0 };
    size_t at = 0;

    if (!list)
        return scores_value;
    if (scores_value.data[0] != '[')
        return item;
    for (int i = 0; i <= k; i++)
        if (!json_each(scores_value, &at, NULL, &item))
            return (struct span){ 0 };
    return item;
}

/* The score of a text that stands in a list has the same place in the list of scores. */
static void set_scores(struct text *t, const struct span *values, bool list, int k, bool own)
{
    const struct span *itm = &t->scores[ITM];

    for (int i = 0; i < COUNT(scores); i++)
        if (values[i].size && (t->synthetic || own || strcmp(scores[i], "logprob")))
            t->scores[i] = score_of(values[i], list, k);
    if (itm->size && strchr("-0123456789", itm->data[0]))
        t->scored = json_double(*itm, &t->itm);
}

/* One text or a list of texts, beside one score or a list of scores. */
static void add_field(struct texts_of *all, const struct record *r, const char *name,
                      bool synthetic)
{
    struct span value, item, values[COUNT(scores)] = { 0 };
    bool own = all->web && !strcmp(name, all->web), list;
    size_t at = 0;
    int k = 0;
    struct text *t;

    for (int i = 0; i < all->field_count; i++)
        if (!strcmp(all->fields[i], name))
            return;
    if (!record_find(r, name, &value) || !value.size || !strchr("[\"", value.data[0]))
        return;
    all->fields[all->field_count++] = name;
    for (int i = 0; i < COUNT(scores); i++)
        find_score(r, scores[i], name, own, &values[i]);
    list = value.data[0] == '[';
    if (!list && (t = add_text(all, value, synthetic)))
        set_scores(t, values, false, 0, own && synthetic);
    for (; list && json_each(value, &at, NULL, &item); k++)
        if ((t = add_text(all, item, synthetic)))
            set_scores(t, values, true, k, own && synthetic);
}

/* The web's text first, then the written ones: of equal scores the first is kept. */
static void collect(struct texts_of *all, const struct record *r)
{
    static const char *const others[] = { "caption", "captions", "synthetic", "synthetics" };
    struct span value;

    if (!record_text(r, &settings.fields, &value, &all->web))
        all->web = NULL;
    if (all->web)
        add_field(all, r, all->web, record_is_synthetic(r, all->web));
    for (int i = 0; i < COUNT(others); i++)
        add_field(all, r, others[i], record_is_synthetic(r, others[i]));
}

/* The K best that pass, in the order in which they stand. */
static void keep_best(struct texts_of *all, int most)
{
    for (int k = 0; k < most; k++) {
        struct text *best = NULL;

        for (int i = 0; i < all->count; i++)
            if (all->list[i].passes && !all->list[i].kept &&
                (!best || all->list[i].itm > best->itm))
                best = &all->list[i];
        if (best)
            best->kept = true;
    }
}

/* BLIP's CapFilt keeps every text whose ITM probability passes (arXiv 2201.12086, section 3.3). */
static void choose(const struct capfilt *c, struct texts_of *all)
{
    bool web = false;

    for (int i = 0; i < all->count; i++) {
        all->list[i].passes = all->list[i].scored && all->list[i].itm >= c->threshold;
        web = web || (all->list[i].passes && !all->list[i].synthetic);
    }
    if (c->merge == MERGE_BEST || c->merge == MERGE_TOP) {
        keep_best(all, c->most);
        return;
    }
    for (int i = 0; i < all->count; i++)
        all->list[i].kept =
            all->list[i].passes && (c->merge == MERGE_ALL || !web || !all->list[i].synthetic);
}

/* The record without its texts and their scores. */
static struct record *without_texts(const struct record *r, const struct texts_of *all)
{
    struct record *p = record_copy(r);

    for (int f = 0; f < all->field_count; f++) {
        if (!all->web || strcmp(all->fields[f], all->web) || record_is_synthetic(r, all->fields[f]))
            record_remove(p, all->fields[f]);
        for (int i = 0; i < COUNT(scores); i++) {
            char *name = xprintf("%s.%s", scores[i], all->fields[f]);

            record_remove(p, name);
            free(name);
        }
    }
    record_remove(p, "caption_source");
    return p;
}

/* A record of its own for one text.  Its scores take the plain names. */
static struct record *pair(const struct record *base, const struct text *t, const char *field)
{
    struct record *p = record_copy(base);

    record_set_json(p, field, t->json.data, t->json.size);
    record_set_string(p, "source", t->synthetic ? "synthetic" : "web");
    for (int i = 0; i < COUNT(scores); i++) {
        if (t->scores[i].size)
            record_set_json(p, scores[i], t->scores[i].data, t->scores[i].size);
        else
            record_remove(p, scores[i]);
    }
    return p;
}

/* For --dropped: why this text was left out. */
static void explain(const struct capfilt *c, const struct text *t, char reason[static 120])
{
    if (!t->scored)
        snprintf(reason, 120, "the text has no itm score");
    else if (!t->passes)
        snprintf(reason, 120, "itm %.6g is below %.6g", t->itm, (double)c->threshold);
    else
        snprintf(reason, 120,
                 c->merge == MERGE_FALLBACK ? "the web text was kept" : "a better text was kept");
}

/* A record becomes as many as texts are kept, each with one text and its scores. */
int capfilt_apply(struct capfilt *c, const struct record *r, const struct capfilt_to *to)
{
    struct texts_of all = { .list = xalloc(CAPFILT_TEXTS, sizeof *all.list) };
    struct record *base;
    const char *field;
    char reason[120];
    int status = 0;

    collect(&all, r);
    choose(c, &all);
    c->scored = 0;
    for (int i = 0; i < all.count; i++)
        c->scored += all.list[i].scored;
    base = without_texts(r, &all);
    field = all.web && !record_is_synthetic(r, all.web) ? all.web : "text";
    for (int i = 0; i < all.count && !status; i++) {
        const struct text *t = &all.list[i];

        if (t->kept) {
            status = to->keep(pair(base, t, field));
        } else if (settings.dropped) {
            explain(c, t, reason);
            to->drop(pair(base, t, field), reason);
        }
    }
    if (!all.count)
        to->drop(record_copy(r), "the record has no text");
    record_free(base);
    free(all.list);
    return status;
}
