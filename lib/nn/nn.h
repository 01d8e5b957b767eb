/* SPDX-License-Identifier: MIT
 * nn.h - what towers are made of; each tower has a header of its own
 *
 * Activations are [rows, width]; which rows make up a sequence is said by spans.  A tower X is
 * described by its config: X_init allocates, X_params lists the parameters, X_close drops packed
 * weights and what X_init made (the tensors belong to whoever loaded them).
 */
#ifndef NN_NN_H
#define NN_NN_H

#include "base/core.h"
#include "op/op.h"

struct pick { /* the rows that are wanted after a last layer, one or more a sequence, ascending */
    const int *index;
    int count;
};

/* block.c - one pre-norm transformer layer, and its pieces
 *
 *     x = x + out(attend(qkv(norm1(x))))
 *     x = x + fc2(activation(fc1(norm2(x))))
 *
 * EVA's layers have more: queries and keys turn by their place, a norm before `out` and one before
 * `fc2`, a gate activation(gate(x)) fc1(x), or norm1 and norm2 behind `out` and `fc2`.  LayerScale
 * multiplies what is added by a number a column.  ViTamin's have one more norm behind norm2.
 */
struct norm {
    struct tensor *gain, *shift; /* [width] */
    float eps;
};
struct block {
    struct norm norm1, norm2;
    struct norm inner, mlp_norm;    /* before out and fc2, where has_inner */
    struct norm again;              /* behind norm2, where twice */
    struct linear qkv;              /* [width, width] x 3 */
    struct linear out;              /* [width, width] */
    struct linear fc1;              /* [mlp, width]; before it the gate's, where gated */
    struct linear fc2;              /* [width, mlp] */
    struct linear query, key_value; /* the parts of qkv, for a layer with a pick */
    int heads;
    enum activation activation;
    const struct rotary *rotary;    /* of queries and keys; NULL: they do not turn */
    struct tensor *scale1, *scale2; /* [width] LayerScale; NULL unless scaled */
    bool no_key_bias;               /* may be absent; set before block_params, as are the next */
    bool no_qkv_bias, has_inner, gated, scaled, twice;
    bool after;  /* norm1, norm2 behind, not before */
    float drops; /* share of t->drop_path that this layer has: 0 in the first, 1 in the last */
};
/* What a new layer's numbers are. */
struct linear_initial {
    struct initial weight, bias;
    bool no_bias; /* there is none */
};
struct linear_initial linear_normal(float deviation); /* biases 0 */
struct linear_initial linear_uniform(long inputs);    /* as PyTorch's Linear and Conv2d come */
struct linear_initial without_bias(struct linear_initial i);
struct block_initial {
    struct linear_initial qkv, out, fc1, fc2;
};
struct block_initial block_normal(float deviation); /* all linear_normal() */
void norm_params(struct norm *n, struct params *p, long width);
struct tensor *norm_forward(struct tape *t, const struct norm *n, struct tensor *x);
/* NAME.weight [out, in] and NAME.bias [out], the next part of `l` */
void linear_params(struct linear *l, struct params *p, const char *name, long out, long in,
                   struct linear_initial initial);
void block_params(struct block *b, struct params *p, long width, long mlp,
                  const struct block_initial *initial);
/* x: [rows, width]; x is written over where nothing is remembered.  With `pick` only those rows are
 * wanted after this layer: keys and values see all rows, the result is [picked, width].  With
 * `causal` a picked row must be the last of its sequence. */
struct tensor *block_forward(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal, const struct pick *pick);
/* The layer for rows that look at others than themselves.  block_seen() makes keys and values, side
 * by side, of the rows that are seen: [rows, 2 width]; norm: of those; NULL: norm1.  The layer has
 * its norms before, no inner ones, and does not turn. */
struct across {
    const struct spans *queries, *keys;
    const int *key_of; /* as in struct attention_plan */
    struct tensor *key_value;
};
struct tensor *block_seen(struct tape *t, struct block *b, struct tensor *seen,
                          const struct norm *norm);
struct tensor *block_across(struct tape *t, struct block *b, struct tensor *x,
                            const struct across *a);
void block_close(struct block *b);

#endif
