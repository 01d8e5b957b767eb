/* SPDX-License-Identifier: MIT
 * text_cache.h - what layers that do not learn make of a text, made once
 *
 * Texts come again in every epoch, and many pictures share one.  Rows are kept by the text's ids.
 */
#ifndef LEARN_TEXT_CACHE_H
#define LEARN_TEXT_CACHE_H

#include "base/core.h"
#include "op/op.h"

/* Rows of the texts, one after the other: one a text, or one an id. */
typedef struct tensor *(*text_rows)(struct tape *t, void *self, const int *ids,
                                    const struct spans *texts);

struct text_cache;
/* What make() gives for the texts, from *cache where they have come before (NULL: it is made new).
 * Where the rows need a gradient nothing is kept.  The result belongs to the tape and may be
 * written over. */
struct tensor *text_cache_rows(struct tape *t, struct text_cache **cache, const int *ids,
                               const struct spans *texts, text_rows make, void *self);
void text_cache_free(struct text_cache *c); /* NULL is nothing */

#endif
