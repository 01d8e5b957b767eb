/* SPDX-License-Identifier: MIT
 * select.h - choosing among all records with memory for a few: the best k, and a histogram
 */
#ifndef CLI_SELECT_H
#define CLI_SELECT_H

#include <stdio.h>
#include "base/core.h"
#include "stream/stream.h"

/* select.c - records wait in a temporary file until it is known which of them stay */
struct selection;
struct selection *selection_new(void); /* NULL after fail(): $TMPDIR cannot be written */
int selection_add(struct selection *s, const struct record *r,
                  double score); /* the score is not NaN */
/* Of `count` records the `keep` best stay, by highest score (or lowest); of equals the first.
 * Calls stays(r) or falls(r) for every record in the order of their coming; each takes its record.
 * -1 after fail(). */
int selection_choose(struct selection *s, uint64_t keep, bool lowest,
                     void (*stays)(struct record *r), void (*falls)(struct record *r));
uint64_t selection_count(const struct selection *s);
void selection_free(struct selection *s);

/* histogram.c - counts in bins whose width is a power of two and grows with the range */
enum { HISTOGRAM_BINS = 32 };
struct histogram {
    uint64_t bins[HISTOGRAM_BINS], count, missing;
    long first; /* bin 0 spans [first, first + 1) x 2^exponent */
    int exponent;
    double sum, least, most;
};
void histogram_add(struct histogram *h, double value);
void histogram_print(const struct histogram *h, const char *name, FILE *to);

#endif
