/* SPDX-License-Identifier: MIT
 * parts.h - what collecting and writing a page share; only for lib/page
 */
#ifndef PAGE_PARTS_H
#define PAGE_PARTS_H

#include <stdio.h>
#include "base/base.h"
#include "base/counts.h"
#include "page/page.h"

enum page_state { PAGE_KEPT, PAGE_DROPPED, PAGE_ERROR, PAGE_STATES };

struct picture {
    long long at; /* of its JPEG in the temporary file */
    int size, width, height;
};
struct entry {                      /* a record that the page shows */
    uint64_t index, priority, hash; /* hash: of its row */
    long long at;                   /* of its row in the temporary file */
    int size, stratum;
    int picture, heatmap,
        heatmaps; /* numbers of its picture, -1: none, and of its first heat map */
};
struct stratum {
    struct entry *list; /* without a sample: all, in order; with one: a heap, worst first */
    long count, capacity;
};
enum { SCORE_BINS = 10, STRATA = PAGE_STATES * (SCORE_BINS + 1) };

struct page {
    struct page_options o;
    FILE *store; /* nameless: JPEGs and rows */
    long long end;
    struct picture *pictures;
    int picture_count, picture_room;
    struct stratum strata[STRATA];
    uint64_t seen, hash;
    long totals[PAGE_STATES];
    struct counts reasons, codes, provenance;
};

/* sample.c - which records are shown */
int stratum_of(const struct page *p, const struct record *r, enum page_state state);
bool stratum_wants(const struct page *p, int stratum, uint64_t priority);
void stratum_add(struct page *p, struct entry e);
/* What is shown, in the order of the input; to free. */
struct entry *page_entries(struct page *p, long *count);

/* row.c - what does not depend on the choice: id, hash, {fields}, field of the first text,
 * duplicate_of */
void row_write(struct buffer *b, const struct record *r, const struct fields *f);

#endif
