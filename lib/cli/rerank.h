/* SPDX-License-Identifier: MIT
 * rerank.h - the best images for each of some texts: ranked by itc, the best K again by itm
 *
 * Only K records a text are kept, without their pixels: an image that is ranked again is read
 * again.
 */
#ifndef CLI_RERANK_H
#define CLI_RERANK_H

#include "cli/cli.h"

struct rerank;
/* Every line of the file is a text; NULL after fail(). */
struct rerank *rerank_open(struct vlm *m, const char *path, int keep);
/* Takes r, whose image embedding this is, of unit length. */
void rerank_add(struct rerank *k, struct record *r, const float *embedding);
/* Emits for each text its records, best first, with query, itm, itm_logit and itc; -1 after fail().
 */
int rerank_finish(struct rerank *k);
void rerank_free(struct rerank *k); /* NULL is nothing */

#endif
