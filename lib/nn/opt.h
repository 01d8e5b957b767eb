/* SPDX-License-Identifier: MIT
 * opt.h - OPT, a decoder: pre-norm layers, learned positions, relu, words tied to the head
 *
 * A text is given as embeddings, which may be those of words (opt_words) or a picture's rows in
 * front of them; positions are added here.  Texts are ragged: none is padded.
 */
#ifndef NN_OPT_H
#define NN_OPT_H

#include "nn/cache.h"

enum { OPT_POSITIONS_BEFORE = 2 }; /* rows of the table before that of the first place */

struct opt_config {
    long vocabulary, positions, width, mlp; /* positions: places, without the rows before */
    int layers, heads;
};
struct opt {
    struct opt_config config;
    struct tensor *words, *position; /* [vocabulary, width] [2 + positions, width] */
    struct block *blocks;
    struct norm norm;
    struct linear head;
};
struct opt_input {
    struct tensor *x;          /* [rows, width] embeddings */
    const struct spans *texts; /* which rows make a text */
    struct key_cache *cache;   /* of config.layers and width; NULL: none.  A text goes on there */
    const int *cache_row;      /* [texts] */
    const int *wanted;         /* rows that are wanted of the last layer; NULL: all */
    int wanted_count;
};

void opt_init(struct opt *m, const struct opt_config *config);
void opt_params(struct opt *m, struct params *p);
struct tensor *opt_words(struct tape *t, struct opt *m, const int *ids, long count);
/* -> [rows or wanted_count, width], normalised for opt_logits */
struct tensor *opt_forward(struct tape *t, struct opt *m, const struct opt_input *in);
struct tensor *opt_logits(struct tape *t, struct opt *m, struct tensor *x); /* [.., vocabulary] */
struct key_cache *opt_cache(const struct opt *m, int rows, int room);
void opt_close(struct opt *m);

#endif
