/* SPDX-License-Identifier: MIT
 * compare.h - what vlm-sim is made of: cosines, searches, near duplicates
 */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include "cli/cli.h"

/* compare.c - vectors have length 1.  scores: one for each target, the highest of the cosines of
 * the rows with it. */
void compare_scores(const float *rows, int count, const float *targets, long target_count,
                    long width, float *scores);

/* search.c - the best records for each of several queries; one that is among the best of several
 * is shared by them */
struct search {
    struct top *best; /* one a query */
    int queries;
};
void search_open(struct search *s, int queries, int top);
/* Takes the record, or sets its `dropped` and returns false. */
bool search_offer(struct search *s, struct record *r, const float *scores);
/* Each query's best leave with `sim`, and `query` if there are several. */
void search_emit(struct search *s, const struct option_list *queries);
void search_close(struct search *s);

/* near.c - the vectors that near duplicates are compared with, and what their records are called */
struct near {
    char **names; /* JSON */
    float *vectors;
    long count, room, width;
};
/* The first that is at least that close: its name, or NULL. */
const char *near_find(const struct near *n, const float *vector, float threshold);
void near_keep(struct near *n, const struct record *r, const float *vector, long width);
void near_free(struct near *n);

#endif
