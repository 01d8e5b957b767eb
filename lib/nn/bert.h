/* SPDX-License-Identifier: MIT
 * bert.h - BERT and its descendants: ALBEF's encoders, BLIP's MED, BLIP-2's Q-Former
 *
 * Post-norm layers: self-attention, cross-attention where the layer has it and an image is given,
 * feed-forward.  One set of parameters serves three roles: text encoder (no image), image-grounded
 * encoder (image), image-grounded decoder (image, causal, cache).
 *
 * A Q-Former has learned queries besides: they look at the image in a text's place, and stand
 * before a text as rows that both attend to.  Queries have feed-forwards of their own.
 */
#ifndef NN_BERT_H
#define NN_BERT_H

#include "base/core.h"
#include "nn/cache.h"

struct bert_config {
    long vocabulary, positions, width, mlp;
    long token_types;   /* 0: no table; BLIP has none */
    int first_position; /* of a text's first token: RoBERTa's is 2 */
    int layers, heads;
    float eps;
    long cross_width;            /* of the image tokens; 0: no cross-attention */
    int cross_from, cross_every; /* layers cross_from, cross_from + cross_every, .. have it */
    /* Every cross-attention looks at two pictures, with numbers of its own for either.  What it
     * sees of them becomes one by their mean, from layer merge_from on by a matrix. */
    bool pairs;
    int merge_from;
    bool head;     /* a language-modelling head, tied to the word embeddings */
    bool writes;   /* word by word: its products are of few rows */
    int queries;   /* learned ones, of a Q-Former; 0: none */
    bool wordless; /* nothing but queries: no words, nor feed-forwards for texts */
};

struct bert_second {
    struct linear query, key_value, out; /* of the second picture */
    struct linear merge;                 /* [width, 2 width]; parts 0: the mean */
};

struct bert_layer {
    struct linear qkv, out;
    struct norm norm;
    struct linear cross_query, cross_key_value, cross_out; /* parts 0: none */
    struct bert_second second;                             /* config.pairs */
    struct norm cross_norm;
    struct linear fc1, fc2;
    struct norm mlp_norm;
    struct linear query_fc1, query_fc2; /* the same for queries; parts 0: none */
    struct norm query_norm;
};

struct bert {
    struct bert_config config;
    struct tensor *words, *positions, *types; /* [vocabulary, width] [positions, width] */
    struct tensor *queries;                   /* [queries, width] */
    struct norm norm;
    struct bert_layer *layers;
    struct linear transform, decoder; /* the head: dense, gelu, norm; words again, plus a bias */
    struct norm head_norm;
};

/* Keys and values of texts being written, and of their images. */
struct bert_cache {
    struct key_cache *own;           /* of the texts */
    int queries;                     /* of each row's first places, which have no positions */
    struct packed_keys **image;      /* [layers] of the images; NULL: a layer does not look */
    const struct spans *image_spans; /* one sequence an image */
};

/* What a layer's cross-attention did, for attention_relevance(): `layer` is set by the caller, the
 * rest by bert_forward. */
struct bert_watch {
    int layer;
    struct attention_plan plan;
    struct tensor *q, *k, *v, *out; /* out is watched: its gradient comes with tape_backward() */
};

struct bert_input {
    const int *ids;
    struct tensor *states; /* in place of ids, what layer `from` takes: [rows, width], written over
                              where nothing is remembered; NULL: none */
    int from, to;          /* layers from .. to - 1 alone; to 0: up to the last */
    const struct spans *texts; /* which ids make a text */
    bool causal;
    bool queries; /* the learned queries in place of ids: `texts` are as many even sequences */
    struct tensor *image; /* [image rows, cross_width]; NULL: no cross-attention */
    struct tensor *other; /* shaped like image, the second of two pictures: every second layer with
                             cross-attention looks at this one instead, as in ALBEF; all look at
                             both with config.pairs, as in BLIP; NULL: none */
    const struct spans *images;
    const int *image_of;      /* [texts] or NULL: text i looks at image i */
    struct bert_watch *watch; /* NULL: no layer is watched */
    /* [layers] keys and values of `image`, for passes over one tape that share cross-attention:
     * who finds NULL makes them, and leaves them if they are remembered.  NULL: nothing is left */
    struct tensor **looked;
    struct bert_cache *cache; /* NULL: none.  Its images are used, `image` is not */
    const int *cache_row;     /* [texts] */
    /* The one row of each text that is wanted after the last layer, which skips the others; with
     * `causal` the last of its text.  [texts]; NULL: all rows. */
    const int *first_only;
};

void bert_init(struct bert *b, const struct bert_config *config);
void bert_params(struct bert *b, struct params *p);
/* -> [rows, width], or [texts, width] with first_only */
struct tensor *bert_forward(struct tape *t, struct bert *b, const struct bert_input *in);
struct tensor *bert_logits(struct tape *t, struct bert *b,
                           struct tensor *x); /* [rows, vocabulary] */
void bert_close(struct bert *b);

/* bert_queries.c - the learned queries before each text, in one sequence with it
 *
 * Only queries look at the image.  Queries and texts attend to each other -> the queries' rows
 * [texts * queries, width]; with `causal` the queries attend to queries alone and the text to them
 * and to its past -> the texts' rows, and the queries' too in *queries unless that is NULL.  No
 * cache. */
struct tensor *bert_together(struct tape *t, struct bert *b, const struct bert_input *in,
                             struct tensor **queries);

/* The cache lives until bert_cache_free; image rows are computed once for all texts.  `spans` must
 * live as long; what the tape holds need not. */
struct bert_cache *bert_cache_new(struct bert *b, int rows, int room);
void bert_cache_images(struct tape *t, struct bert *b, struct bert_cache *c, struct tensor *image,
                       const struct spans *spans);
void bert_cache_copy(struct bert_cache *c, int from, int to);
void bert_cache_free(struct bert_cache *c);

/* Between bert.c and bert_queries.c */
struct attention_plan bert_plan(const struct bert *b, const struct spans *queries,
                                const struct spans *keys);
struct tensor *bert_embeddings(struct tape *t, struct bert *b, const struct bert_input *in);
/* norm(x + out(h)) */
struct tensor *bert_onto(struct tape *t, struct linear *out, struct norm *norm, struct tensor *x,
                         struct tensor *h);
struct tensor *bert_cross_attention(struct tape *t, struct bert *b, struct bert_layer *l,
                                    const struct bert_input *in, const struct spans *texts,
                                    struct tensor *x);
struct tensor *bert_feed_forward(struct tape *t, struct bert_layer *l, bool queries,
                                 struct tensor *x);

#endif
