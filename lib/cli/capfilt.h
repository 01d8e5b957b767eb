/* SPDX-License-Identifier: MIT
 * capfilt.h - BLIP's caption filter: every text of a record is judged alone
 *
 * The web text is `text` (or whatever --text-field names); synthetic ones are `caption` and
 * `captions`.  A text's score is `itm.FIELD`, or for the web text `itm`.  Each text that is kept
 * leaves as a pair {.., "text":, "source": "web"|"synthetic", "itm":} with the record's other
 * fields.  Source: arXiv 2201.12086, section 3.3; see capfilt(7).
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
};
struct capfilt_drop {
    struct record *record;
    char reason[120];
};
/* "all", "best", "topk:3", "fallback"; -1 after fail(). */
int capfilt_rule(struct capfilt *c, const char *merge, float threshold);
/* Fills kept and fallen with new records (to free), in the order of the record's texts. */
void capfilt_apply(const struct capfilt *c, const struct record *r, struct record *kept[],
                   int *kept_count, struct capfilt_drop fallen[], int *fallen_count);

#endif
