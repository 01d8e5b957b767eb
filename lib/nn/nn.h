/* SPDX-License-Identifier: MIT
 * nn.h - towers, shared by the models; one section a file
 *
 * Activations are [rows, width]; which rows make up a sequence is said by spans.
 */
#ifndef NN_NN_H
#define NN_NN_H

#include "op/op.h"

struct pick { /* the rows that are wanted after a last layer, one or more a sequence */
    const int *index;
    int count;
};

/* block.c - one pre-norm transformer layer, and its pieces */
struct norm {
    struct tensor *gain, *shift; /* [width] */
    float eps;
};
struct block {
    struct norm norm1, norm2;
    struct linear qkv; /* [width, width] x 3 */
    struct linear out; /* [width, width] */
    struct linear fc1; /* [mlp, width] */
    struct linear fc2; /* [width, mlp] */
    int heads;
    enum activation activation;
};
void norm_params(struct norm *n, struct params *p, long width);
struct tensor *norm_forward(struct tape *t, const struct norm *n, struct tensor *x);
/* "query.weight" "query.bias" ... for parts; with bias unless told otherwise */
void linear_params(struct linear *l, struct params *p, const char *name, long out, long in,
                   bool bias);
void block_params(struct block *b, struct params *p, long width, long mlp);
/* x: [rows, width]; x is written over where nothing is remembered.  With `pick` only those rows are
 * wanted after this layer: keys and values see all rows, the result is [picked, width]. */
struct tensor *block_forward(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal, const struct pick *pick);
void block_close(struct block *b);

/* transformer.c - CLIP's text tower: embeddings, causal blocks, final norm, projection */
/* vit.c - the image tower of every model here */
/* resnet.c - CLIP's ModifiedResNet */

#endif
