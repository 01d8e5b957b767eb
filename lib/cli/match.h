/* SPDX-License-Identifier: MIT
 * match.h - what vlm-itm is made of: heat maps, and the two rankings
 */
#ifndef CLI_MATCH_H
#define CLI_MATCH_H

#include "cli/cli.h"

/* heatmap.c - pictures of where in an image a text is */
struct heatmap_text {
    const char *text;
    const int *ids; /* as the model reads it */
    int count;
};
int heatmap_folder(const char *folder); /* made if it is not there; -1 after fail() */
/* Draws the map of a text over the record's image, and writes it into the folder: the file's path,
 * to free.  NULL: the record has failed, or, if it has not, after fail(). */
char *heatmap_write(struct vlm *m, struct record *r, const char *folder,
                    const struct heatmap_text *text, const float *features);

/* queries.c - the best images for each of some texts: ranked by itc, the best K again by itm
 *
 * Only K records a text are kept, without their pixels: an image that is ranked again is read
 * again.
 */
struct queries;
/* Every line of the file is a text; NULL after fail(). */
struct queries *queries_open(struct vlm *m, const char *path, int keep);
/* Takes r, whose image embedding this is, of unit length. */
void queries_add(struct queries *k, struct record *r, const float *embedding);
/* Emits for each text its records, best first, with query, itm, itm_logit and itc; -1 after fail().
 */
int queries_finish(struct queries *k);
void queries_free(struct queries *k); /* NULL is nothing */

/* candidates.c - the best of some texts for each image: ranked by itc, the best K again by itm
 *
 * The other direction of queries.c; each record is ranked alone.
 */
struct candidates;
/* Every line of the file is a text; NULL after fail(). */
struct candidates *candidates_open(struct vlm *m, const char *path, int keep);
/* Sets `ranked`, the texts, best first, and lists of their itm, itm_logit and itc; -1 after fail().
 * features: of the record's image */
int candidates_rank(struct candidates *s, struct record *r, const float *features);
void candidates_free(struct candidates *s); /* NULL is nothing */

#endif
