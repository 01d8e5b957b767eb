/* SPDX-License-Identifier: MIT
 * shortlist.h - the best of some texts for each image: ranked by itc, the best K again by itm
 *
 * The other direction of rerank.h; each record is an affair of its own.
 */
#ifndef CLI_SHORTLIST_H
#define CLI_SHORTLIST_H

#include "cli/cli.h"

struct shortlist;
/* Every line of the file is a text; NULL after fail(). */
struct shortlist *shortlist_open(struct vlm *m, const char *path, int keep);
/* Sets `ranked`, the texts, best first, and lists of their itm, itm_logit and itc; -1 after fail().
 * features: of the record's image */
int shortlist_rank(struct shortlist *s, struct record *r, const float *features);
void shortlist_free(struct shortlist *s); /* NULL is nothing */

#endif
