/* SPDX-License-Identifier: MIT
 * accuracy.c - classes, and scores of yes and no
 *
 *     AUC = (pairs of a true and a false one where the true one scores higher
 *            + half of those with equal scores) / all such pairs
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "eval/eval.h"

void classes_add(struct classes *c, const char *truth, size_t size, bool right)
{
    long i = names_add(&c->names, truth, size);

    while (i >= c->room) {
        long room = c->room ? 2 * c->room : 64;

        c->seen = xresize(c->seen, (size_t)room, sizeof *c->seen);
        c->right = xresize(c->right, (size_t)room, sizeof *c->right);
        for (; c->room < room; c->room++)
            c->seen[c->room] = c->right[c->room] = 0;
    }
    c->seen[i]++;
    c->right[i] += right;
}

double classes_accuracy(const struct classes *c)
{
    long seen = 0, right = 0;

    for (long i = 0; i < c->names.count; i++) {
        seen += c->seen[i];
        right += c->right[i];
    }
    return seen ? (double)right / (double)seen : NAN;
}

double classes_mean(const struct classes *c)
{
    double sum = 0;

    for (long i = 0; i < c->names.count; i++)
        sum += (double)c->right[i] / (double)c->seen[i];
    return c->names.count ? sum / (double)c->names.count : NAN;
}

void classes_free(struct classes *c)
{
    names_free(&c->names);
    free(c->seen);
    free(c->right);
    *c = (struct classes){ 0 };
}

/* NaN of no pairs. */
double labelled_accuracy(const struct labelled_list *l, double threshold)
{
    long right = 0;

    for (long i = 0; i < l->count; i++)
        right += (l->list[i].score >= threshold) == l->list[i].truth;
    return l->count ? (double)right / (double)l->count : NAN;
}

static int by_score(const void *a, const void *b)
{
    const struct labelled *x = a, *y = b;

    return (x->score > y->score) - (x->score < y->score);
}

/* Equal scores are walked together, so their order does not matter (Mann and Whitney, 1947). */
double labelled_auc(struct labelled_list *l)
{
    const struct labelled *list = l->list;
    long count = l->count;
    double wins = 0, no_before = 0, yes_all = 0;

    if (count)
        qsort(l->list, (size_t)count, sizeof *list, by_score);
    for (long i = 0, end; i < count; i = end) { /* i .. end of one score */
        double yes = 0, no = 0;

        for (end = i; end < count && list[end].score == list[i].score; end++) {
            yes += list[end].truth;
            no += !list[end].truth;
        }
        wins += yes * (no_before + no / 2);
        no_before += no;
        yes_all += yes;
    }
    return yes_all > 0 && no_before > 0 ? wins / (yes_all * no_before) : NAN;
}
