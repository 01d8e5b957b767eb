/* SPDX-License-Identifier: MIT
 * t5.h - T5 1.1 and Flan-T5: an encoder, and a decoder that looks at what it made
 *
 * The encoder is given embeddings, which may be those of words (t5_words) or a picture's rows in
 * front of them.  The decoder is given ids that begin with the pad token.  Texts are ragged.
 */
#ifndef NN_T5_H
#define NN_T5_H

#include "base/core.h"
#include "nn/cache.h"

struct t5_config {
    long vocabulary, width, mlp, head_width;
    int layers, decoder_layers, heads; /* decoder_layers 0: the encoder alone */
    int buckets, distance;             /* of relative positions: 32, 128 */
    float eps;
    enum activation activation;
};
struct t5_layer {
    struct tensor *norm, *cross_norm, *mlp_norm;           /* [width] */
    struct linear qkv, out;                                /* [heads * head_width, width] .. */
    struct linear cross_query, cross_key_value, cross_out; /* the decoder's */
    struct linear fc1, fc2;                                /* [mlp, width] x 2; [width, mlp] */
};
struct t5_stack {
    struct t5_layer *layers;
    int count;
    bool decodes;
    struct tensor *bias, *norm; /* [buckets, heads] of all layers; [width] after the last */
};
struct t5 {
    struct t5_config config;
    struct tensor *words; /* [vocabulary, width] */
    struct t5_stack encoder, decoder;
    struct linear head;
};

/* Texts being written, and what they look at. */
struct t5_cache {
    struct key_cache *own;
    struct packed_keys **states; /* [decoder layers] */
    const struct spans *spans;   /* one sequence an encoded text */
};
struct t5_input {
    const int *ids;
    const struct spans *texts; /* which ids make a text */
    struct tensor *states;     /* [rows, width] of t5_encode; not used with a cache */
    const struct spans *spans; /* .. and which of them belong together */
    const int *states_of;      /* [texts] or NULL: text i looks at sequence i */
    struct t5_cache *cache;    /* NULL: none */
    const int *cache_row;      /* [texts] */
    const int *wanted;         /* rows that are wanted of the last layer; NULL: all */
    int wanted_count;
};

void t5_init(struct t5 *m, const struct t5_config *config);
void t5_params(struct t5 *m, struct params *p);
struct tensor *t5_words(struct tape *t, struct t5 *m, const int *ids, long count);
/* x: [rows, width] -> the same shape */
struct tensor *t5_encode(struct tape *t, struct t5 *m, struct tensor *x, const struct spans *texts);
/* -> [rows or wanted_count, width], normalised for t5_logits */
struct tensor *t5_decode(struct tape *t, struct t5 *m, const struct t5_input *in);
struct tensor *t5_logits(struct tape *t, struct t5 *m, struct tensor *x); /* [.., vocabulary] */
void t5_close(struct t5 *m);

/* Keys and values of the states are computed once for all texts.  `spans` must live as long; what
 * the tape holds need not. */
struct t5_cache *t5_cache_new(struct tape *t, struct t5 *m, struct tensor *states,
                              const struct spans *spans, int rows, int room);
void t5_cache_free(struct t5 *m, struct t5_cache *c); /* NULL is nothing */

/* The bucket of a distance, of a key's place from the query's.  The decoder's are for keys before
 * the query alone. */
int t5_bucket(const struct t5_config *c, bool decodes, int distance);

#endif
