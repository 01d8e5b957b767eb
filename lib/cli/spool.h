/* SPDX-License-Identifier: MIT
 * spool.h - choosing among all records with memory for a few: the best k, and a histogram
 */
#ifndef CLI_SPOOL_H
#define CLI_SPOOL_H

#include <stdio.h>
#include "stream/stream.h"

/* spool.c - records wait in a temporary file until it is known which of them stay */
struct spool;
struct spool *spool_new(void); /* NULL after fail(): $TMPDIR cannot be written */
int spool_add(struct spool *s, const struct record *r, double score); /* the score is not NaN */
/* Of `count` records the `keep` best stay, by highest score (or lowest); of equals the first.
 * Calls stays(r) or falls(r) for every record in the order of their coming; each takes its record.
 * -1 after fail(). */
int spool_choose(struct spool *s, uint64_t keep, bool lowest, void (*stays)(struct record *r),
                 void (*falls)(struct record *r));
uint64_t spool_count(const struct spool *s);
void spool_free(struct spool *s);

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
