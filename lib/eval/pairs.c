/* SPDX-License-Identifier: MIT
 * pairs.c - scores and what is true, out of a record
 */
#include "base/error.h"
#include "base/memory.h"
#include "eval/eval.h"

static int add(struct judgements *j, struct span score, struct span truth)
{
    struct judged one;
    double yes;

    if (!json_double(score, &one.score))
        return fail("a score is no number");
    if (truth.data[0] == 't' || truth.data[0] == 'f')
        yes = truth.data[0] == 't';
    else if (!json_double(truth, &yes) || (yes != 0 && yes != 1))
        return fail("what is true is none of true, false, 1 and 0");
    one.truth = yes == 1;
    if (j->count == j->room) {
        j->room = j->room ? 2 * j->room : 64;
        j->list = xresize(j->list, (size_t)j->room, sizeof *j->list);
    }
    j->list[j->count++] = one;
    return 0;
}

static int add_lists(struct judgements *j, struct span scores, struct span truths)
{
    struct span none, score, truth;
    size_t at = 0, from = 0;

    while (json_each(scores, &at, &none, &score)) {
        if (!json_each(truths, &from, &none, &truth))
            return fail_as("mismatch", "more scores than truths");
        if (add(j, score, truth))
            return -1;
    }
    return json_each(truths, &from, &none, &truth) ? fail_as("mismatch", "fewer scores than truths")
                                                   : 0;
}

int judged_read(struct judgements *j, struct span scores, struct span truths)
{
    long before = j->count;
    bool lists = scores.data[0] == '[' && truths.data[0] == '[';
    int result = lists ? add_lists(j, scores, truths) : add(j, scores, truths);

    if (result)
        j->count = before;
    return result;
}
