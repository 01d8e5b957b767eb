/* SPDX-License-Identifier: MIT
 * cache.h - keys and values of texts being written
 *
 * A cache has `rows` texts of at most `room` places each; length says how many a text has.  In a
 * pass, new rows are appended layer by layer, then all texts of it advance.
 */
#ifndef NN_CACHE_H
#define NN_CACHE_H

#include "nn/nn.h"

struct key_cache {
    int layers, rows, room;
    long width;
    int *length;          /* [rows] */
    float *keys, *values; /* [layers, rows * room, width] */
};
/* The new rows of a pass: rows texts->start[i] .. are text i, which is row[i] of the cache. */
struct cached_texts {
    struct key_cache *cache;
    const struct spans *texts;
    const int *row;
};
struct key_cache *key_cache_new(int layers, int rows, int room, long width);
/* Writes k and v behind what a layer has; they become that layer's rows of all texts. */
void key_cache_append(struct tape *t, const struct cached_texts *c, int layer, struct tensor **k,
                      struct tensor **v);
/* The rows of a layer that each text sees: those it had and the new ones. */
const struct spans *key_cache_spans(struct tape *t, const struct cached_texts *c);
void key_cache_advance(const struct cached_texts *c);
void key_cache_copy(struct key_cache *c, int from, int to); /* row `to` becomes as `from` */
void key_cache_free(struct key_cache *c);                   /* NULL is nothing */

#endif
