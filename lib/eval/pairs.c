/* SPDX-License-Identifier: MIT
 * pairs.c - scores and what is true, out of a record
 */
#include "eval/eval.h"

static int add(struct span score, struct span truth, struct judged **list, long *count)
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
    *list = xresize(*list, (size_t)*count + 1, sizeof **list);
    (*list)[(*count)++] = one;
    return 0;
}

int judged_read(struct span scores, struct span truths, struct judged **list, long *count)
{
    struct span none, score, truth;
    size_t at = 0, from = 0;

    if (scores.data[0] != '[' || truths.data[0] != '[')
        return add(scores, truths, list, count);
    while (json_each(scores, &at, &none, &score)) {
        if (!json_each(truths, &from, &none, &truth))
            return fail_as("mismatch", "more scores than truths");
        if (add(score, truth, list, count))
            return -1;
    }
    if (json_each(truths, &from, &none, &truth))
        return fail_as("mismatch", "fewer scores than truths");
    return 0;
}
