/* SPDX-License-Identifier: MIT
 * sample.c - which records are shown: all, or some of every range of the score
 *
 * A record's priority is the hash of its content with the seed.  Each stratum (kept, dropped or
 * failed, times ten ranges of the score) remembers the lowest priorities it has seen, at most as
 * many as the sample has; at the end the strata share the sample evenly, and what one cannot fill
 * the others get.  So memory is that of the sample, and the choice does not depend on batches.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "page/parts.h"

/* Cosines of pictures and texts lie between 0 and 1/2; of scores without known bounds the logistic
 * function is taken. */
static double share(const char *name, double x)
{
    if (!strncmp(name, "itm", 3) || !strncmp(name, "prob", 4))
        return strncmp(name, "itm_logit", 9) ? x : 1 / (1 + exp(-x));
    if (!strncmp(name, "itc", 3) || !strncmp(name, "sim", 3))
        return 2 * x;
    return 1 / (1 + exp(-x));
}

int stratum_of(const struct page *p, const struct record *r, enum page_state state)
{
    double score;
    int bin = SCORE_BINS; /* no score */

    if (p->o.sample && record_number(r, p->o.score, &score) && isfinite(score)) {
        double x = share(p->o.score, score) * SCORE_BINS;

        bin = x < 0 ? 0 : x >= SCORE_BINS ? SCORE_BINS - 1 : (int)x;
    }
    return (int)state * (SCORE_BINS + 1) + bin;
}

bool stratum_wants(const struct page *p, int stratum, uint64_t priority)
{
    const struct stratum *s = &p->strata[stratum];

    return !p->o.sample || s->count < p->o.sample || priority < s->list[0].priority;
}

static void sink(struct stratum *s, long at)
{
    for (;;) {
        long largest = at, left = 2 * at + 1;
        struct entry swapped = s->list[at];

        for (long child = left; child < left + 2 && child < s->count; child++)
            if (s->list[child].priority > s->list[largest].priority)
                largest = child;
        if (largest == at)
            return;
        s->list[at] = s->list[largest];
        s->list[largest] = swapped;
        at = largest;
    }
}

static void rise(struct stratum *s, long at)
{
    while (at > 0 && s->list[(at - 1) / 2].priority < s->list[at].priority) {
        struct entry swapped = s->list[at];

        s->list[at] = s->list[(at - 1) / 2];
        s->list[(at - 1) / 2] = swapped;
        at = (at - 1) / 2;
    }
}

void stratum_add(struct page *p, struct entry e)
{
    struct stratum *s = &p->strata[e.stratum];

    if (p->o.sample && s->count == p->o.sample) {
        s->list[0] = e;
        sink(s, 0);
        return;
    }
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->list = xresize(s->list, (size_t)s->capacity, sizeof *s->list);
    }
    s->list[s->count++] = e;
    if (p->o.sample)
        rise(s, s->count - 1);
}

static int by_priority(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->priority, y = ((const struct entry *)b)->priority;

    return (x > y) - (x < y);
}

static int by_index(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->index, y = ((const struct entry *)b)->index;

    return (x > y) - (x < y);
}

/* How many of each stratum: evenly, and what is left over goes to those that have more. */
static void quotas(const struct page *p, long quota[STRATA])
{
    long left = p->o.sample ? p->o.sample : INT64_MAX;
    bool more = true;

    memset(quota, 0, STRATA * sizeof *quota);
    while (left > 0 && more) {
        more = false;
        for (int i = 0; i < STRATA && left > 0; i++)
            if (quota[i] < p->strata[i].count) {
                long step = p->o.sample ? 1 : p->strata[i].count;

                quota[i] += step;
                left -= step;
                more = true;
            }
    }
}

struct entry *page_entries(struct page *p, long *count)
{
    struct entry *all;
    long quota[STRATA], total = 0;

    quotas(p, quota);
    for (int i = 0; i < STRATA; i++)
        total += quota[i];
    all = xalloc((size_t)total + 1, sizeof *all);
    *count = 0;
    for (int i = 0; i < STRATA; i++) {
        struct stratum *s = &p->strata[i];

        if (p->o.sample && s->count)
            qsort(s->list, (size_t)s->count, sizeof *s->list, by_priority);
        if (quota[i])
            memcpy(all + *count, s->list, (size_t)quota[i] * sizeof *all);
        *count += quota[i];
    }
    qsort(all, (size_t)total, sizeof *all, by_index);
    return all;
}
