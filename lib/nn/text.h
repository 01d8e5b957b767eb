/* SPDX-License-Identifier: MIT
 * text.h - CLIP's text towers: a transformer, or the mean of word vectors
 *
 * Texts are ragged.  Where the tower is causal, rows behind the pooled one are never computed: they
 * could not change it.
 */
#ifndef NN_TEXT_H
#define NN_TEXT_H

#include "base/core.h"
#include "nn/nn.h"

enum pooling {
    POOL_LARGEST, /* the first of the largest ids */
    POOL_END,     /* the first `end_id`, else the first token */
    POOL_FIRST,
    POOL_LAST, /* of the padded text */
    POOL_MEAN, /* over the text's tokens, frame and all: the bag of words */
};
struct text_config {
    long vocabulary, width, mlp;
    int context, layers, heads;
    float eps;
    enum activation activation;
    bool causal;
    bool pad; /* to the context by pad_id: where padding is seen */
    int pad_id, end_id;
    enum pooling pooling;
    bool norm_after_pool; /* same result but for POOL_MEAN */
    bool scaled;          /* LayerScale; see struct block */
    bool bag;             /* no positions, no layers, no norm: the mean of token vectors */
    bool sinusoids;       /* positions are computed, and words times the root of the width */
    bool has_class;       /* a token behind the text is what is pooled; see text_class.c */
};
struct text {
    struct text_config config;
    struct tensor *token, *position; /* [vocabulary, width] [context, width] */
    float *waves;                    /* [context, width], the positions of sinusoids */
    struct tensor *class_token;      /* [width], with has_class; it has the last position */
    struct block *blocks;
    struct norm norm;
};
void text_init(struct text *x, const struct text_config *config);
void text_params(struct text *x, struct params *p);
/* ids of all texts one after the other, text i has counts[i] >= 1 of them, all below vocabulary and
 * at most context many -> [texts, width] */
struct tensor *text_forward(struct tape *t, struct text *x, const int *ids, const int *counts,
                            int texts);
void text_close(struct text *x);
/* text_class.c - the same for CoCa's tower; text_forward() calls it */
struct tensor *text_class_forward(struct tape *t, struct text *x, const int *ids, const int *counts,
                                  int texts);
/* What each id has become behind the last layer, before the norm: [all counts, width] */
struct tensor *text_class_states(struct tape *t, struct text *x, const int *ids, const int *counts,
                                 int texts);

#endif
