/* SPDX-License-Identifier: MIT
 * answers.c - recall where a search has been done: answers come query by query, best first
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "eval/eval.h"

void answers_add(struct answers *a, const char *query, bool right)
{
    if (!a->query || strcmp(a->query, query)) {
        free(a->query);
        a->query = xstrdup(query);
        a->count++;
        a->rank = 0;
    }
    if (a->rank < 0)
        return;
    for (int k = 0; k < RECALLS && right; k++)
        a->hits[k] += a->rank < recall_at[k];
    a->rank = right ? -1 : a->rank + 1;
}

void answers_place(struct answers *a, long place)
{
    a->count++;
    for (int k = 0; k < RECALLS && place >= 0; k++)
        a->hits[k] += place < recall_at[k];
}

double answers_recall(const struct answers *a, int k)
{
    return a->count ? (double)a->hits[k] / (double)a->count : NAN;
}

void answers_free(struct answers *a)
{
    free(a->query);
    *a = (struct answers){ 0 };
}
