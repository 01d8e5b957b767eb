/* SPDX-License-Identifier: MIT
 * capfilt.h - BLIP's caption filter: every text of a record is scored alone
 *
 * A text of the web is in the record's text field, or in `caption` or `captions` where
 * `caption_source` does not say that vlm-caption wrote them; what that wrote is synthetic, and so
 * are `synthetic` and `synthetics`.  A text's score is `itm.FIELD`, or for the record's text `itm`.
 * Each text that is kept leaves as a pair {.., "text":, "source": "web"|"synthetic", "itm":} with
 * all that the record has beside its texts and their scores.  Source: arXiv 2201.12086, section
 * 3.3; see capfilt(7).
 */
#ifndef CLI_CAPFILT_H
#define CLI_CAPFILT_H

#include "stream/stream.h"

enum { CAPFILT_TEXTS = 1024 };
enum merge_rule {
    MERGE_ALL,      /* every text that passes */
    MERGE_BEST,     /* the best of those that pass */
    MERGE_TOP,      /* the best k of those that pass */
    MERGE_FALLBACK, /* the web text; if it falls, the synthetic ones that pass */
};
struct capfilt {
    enum merge_rule merge;
    int most;
    float threshold;
    int scored; /* texts of the last record that had a score */
};
/* "all", "best", "topk:3", "fallback"; -1 after fail(). */
int capfilt_rule(struct capfilt *c, const char *merge, float threshold);
struct capfilt_to { /* each takes its record; -1 after fail() ends the run */
    int (*keep)(struct record *pair);
    void (*drop)(struct record *pair, const char *reason);
};
/* Hands over one record for each text, in the order of the texts.  -1 after fail(). */
int capfilt_apply(struct capfilt *c, const struct record *r, const struct capfilt_to *to);

#endif
