/* SPDX-License-Identifier: MIT
 * capfilt.c - BLIP's caption filter: every text of a record is judged alone
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/capfilt.h"
#include "cli/cli.h"

struct text {
    struct span json; /* the string as it stands in the record */
    bool synthetic, passes, kept;
    bool scored;
    double itm;
    struct span itm_json;
};

struct texts_of {
    struct text *list;
    int count;
};

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

static void add_text(struct texts_of *all, struct span json, bool synthetic, const struct span *itm)
{
    struct text *t;
    char *number;

    if (all->count == CAPFILT_TEXTS || !json.size || json.data[0] != '"')
        return;
    t = &all->list[all->count++];
    *t = (struct text){ .json = json, .synthetic = synthetic };
    if (!itm || !itm->size || !strchr("-0123456789", itm->data[0]))
        return;
    number = xmemdup(itm->data, itm->size);
    t->itm = strtod(number, NULL);
    t->itm_json = *itm;
    t->scored = true;
    free(number);
}

/* One text or a list of texts, beside one score or a list of scores. */
static void add_field(struct texts_of *all, const struct record *r, const char *name,
                      const char *score, bool synthetic)
{
    struct span value, scores = { 0 }, item, itm;
    size_t at = 0, at_score = 0;

    if (!record_find(r, name, &value) || !value.size)
        return;
    record_find(r, score, &scores);
    if (value.data[0] != '[') {
        add_text(all, value, synthetic, scores.size ? &scores : NULL);
        return;
    }
    while (json_each(value, &at, NULL, &item)) {
        bool scored =
            scores.size && scores.data[0] == '[' && json_each(scores, &at_score, NULL, &itm);

        add_text(all, item, synthetic, scored ? &itm : NULL);
    }
}

static const char *web_field(const struct record *r, bool *generated)
{
    struct span value;
    const char *name = NULL;

    *generated = false;
    if (!record_text(r, &settings.fields, &value, &name))
        return NULL;
    *generated = !settings.fields.text && (!strcmp(name, "caption") || !strcmp(name, "captions"));
    return name;
}

static void collect(struct texts_of *all, const struct record *r)
{
    static const char *const synthetic[] = { "caption", "captions" };
    struct span value;
    bool generated;
    const char *web = web_field(r, &generated);

    if (web && !generated) {
        char *own = xprintf("itm.%s", web);

        add_field(all, r, web, record_find(r, own, &value) ? own : "itm", false);
        free(own);
    }
    for (int i = 0; i < COUNT(synthetic); i++) {
        char *own = xprintf("itm.%s", synthetic[i]);
        bool alone = generated && !strcmp(web, synthetic[i]) && !record_find(r, own, &value);

        if (!web || generated || strcmp(web, synthetic[i]))
            add_field(all, r, synthetic[i], alone ? "itm" : own, true);
        free(own);
    }
}

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

/* A record of its own for one text: the other texts and their scores are taken out. */
static struct record *pair(const struct record *r, const struct text *t)
{
    static const char *const out[] = { "caption",
                                       "captions",
                                       "itm.text",
                                       "itm.caption",
                                       "itm.captions",
                                       "itm_logit",
                                       "itm_logit.text",
                                       "itm_logit.caption",
                                       "itm_logit.captions",
                                       "itc",
                                       "itc.text",
                                       "itc.caption",
                                       "itc.captions",
                                       "logprob" };
    struct record *p = record_new(r->json.data, r->json.size);
    bool generated;
    const char *web = web_field(r, &generated);

    p->source = r->source;
    p->line = r->line;
    p->index = r->index;
    for (int i = 0; i < COUNT(out); i++)
        if (!web || generated || strcmp(web, out[i]))
            record_remove(p, out[i]);
    record_set_json(p, web && !generated ? web : "text", t->json.data, t->json.size);
    record_set_string(p, "source", t->synthetic ? "synthetic" : "web");
    if (t->scored)
        record_set_json(p, "itm", t->itm_json.data, t->itm_json.size);
    return p;
}

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

void capfilt_apply(const struct capfilt *c, const struct record *r, struct record *kept[],
                   int *kept_count, struct capfilt_drop fallen[], int *fallen_count)
{
    struct texts_of all = { .list = xalloc(CAPFILT_TEXTS, sizeof *all.list) };

    collect(&all, r);
    choose(c, &all);
    for (int i = 0; i < all.count; i++) {
        if (all.list[i].kept) {
            kept[(*kept_count)++] = pair(r, &all.list[i]);
            continue;
        }
        fallen[*fallen_count].record = pair(r, &all.list[i]);
        explain(c, &all.list[i], fallen[(*fallen_count)++].reason);
    }
    if (!all.count) {
        fallen[*fallen_count].record = record_new(r->json.data, r->json.size);
        snprintf(fallen[(*fallen_count)++].reason, 120, "the record has no text");
    }
    free(all.list);
}
