/* SPDX-License-Identifier: MIT
 * search.h - what vlm-sim is made of: searches and near duplicates
 */
#ifndef CLI_SEARCH_H
#define CLI_SEARCH_H

#include "base/core.h"
#include "cli/cli.h"

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

/* duplicates.c - the vectors that near duplicates are compared with, and what their records are
 * called: an id, a path or a number */
struct duplicates {
    struct vlm_duplicates *vectors;
    char **names;            /* JSON, of the kept records */
    long count, room;        /* of names */
    long width;              /* 0: none came yet */
    struct record **arrived; /* since the last duplicates_mark() */
    float *rows;
    long arrivals;
};
void duplicates_add(struct duplicates *d, struct record *r, const float *vector, long width);
/* Records near an earlier one get `duplicate_of` and `duplicate_sim`; the others are kept. */
void duplicates_mark(struct duplicates *d, float threshold);
void duplicates_free(struct duplicates *d);

#endif
