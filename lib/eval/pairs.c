/* SPDX-License-Identifier: MIT
 * pairs.c - scores and what is true, out of a record
 */
#include "base/error.h"
#include "base/memory.h"
#include "eval/eval.h"

static int add(struct labelled_list *l, struct span score, struct span truth)
{
    struct labelled one;
    double yes;

    if (!json_double(score, &one.score))
        return fail("a score is no number");
    if (truth.data[0] == 't' || truth.data[0] == 'f')
        yes = truth.data[0] == 't';
    else if (!json_double(truth, &yes) || (yes != 0 && yes != 1))
        return fail("what is true is none of true, false, 1 and 0");
    one.truth = yes == 1;
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 64;
        l->list = xresize(l->list, (size_t)l->room, sizeof *l->list);
    }
    l->list[l->count++] = one;
    return 0;
}

static int add_lists(struct labelled_list *l, struct span scores, struct span truths)
{
    struct span none, score, truth;
    size_t at = 0, from = 0;

    while (json_each(scores, &at, &none, &score)) {
        if (!json_each(truths, &from, &none, &truth))
            return fail_as("mismatch", "more scores than truths");
        if (add(l, score, truth))
            return -1;
    }
    return json_each(truths, &from, &none, &truth) ? fail_as("mismatch", "fewer scores than truths")
                                                   : 0;
}

/* A pair, or two lists of equal length. */
int labelled_read(struct labelled_list *l, struct span scores, struct span truths)
{
    long before = l->count;
    bool lists = scores.data[0] == '[' && truths.data[0] == '[';
    int result = lists ? add_lists(l, scores, truths) : add(l, scores, truths);

    if (result)
        l->count = before;
    return result;
}
