/* SPDX-License-Identifier: MIT
 * nn.h - towers, shared by the models; one section a file
 *
 * Activations are [rows, width]; which rows make up a sequence is said by spans.  A tower is
 * described by its config: X_init allocates, X_params lists the parameters, X_close drops packed
 * weights and what X_init made (the tensors belong to whoever loaded them).
 */
#ifndef NN_NN_H
#define NN_NN_H

#include "op/op.h"

struct pick { /* the rows that are wanted after a last layer, one or more a sequence, ascending */
    const int *index;
    int count;
};

/* block.c - one pre-norm transformer layer, and its pieces
 *
 *     x = x + out(attend(qkv(norm1(x))))
 *     x = x + fc2(activation(fc1(norm2(x))))
 */
struct norm {
    struct tensor *gain, *shift; /* [width] */
    float eps;
};
struct block {
    struct norm norm1, norm2;
    struct linear qkv;              /* [width, width] x 3 */
    struct linear out;              /* [width, width] */
    struct linear fc1;              /* [mlp, width] */
    struct linear fc2;              /* [width, mlp] */
    struct linear query, key_value; /* the parts of qkv, for a layer with a pick */
    int heads;
    enum activation activation;
};
void norm_params(struct norm *n, struct params *p, long width);
struct tensor *norm_forward(struct tape *t, const struct norm *n, struct tensor *x);
/* NAME.weight [out, in] and NAME.bias [out], the next part of `l` */
void linear_params(struct linear *l, struct params *p, const char *name, long out, long in,
                   bool bias);
void block_params(struct block *b, struct params *p, long width, long mlp);
/* x: [rows, width]; x is written over where nothing is remembered.  With `pick` only those rows are
 * wanted after this layer: keys and values see all rows, the result is [picked, width].  With
 * `causal` a picked row must be the last of its sequence. */
struct tensor *block_forward(struct tape *t, struct block *b, struct tensor *x,
                             const struct spans *spans, bool causal, const struct pick *pick);
void block_close(struct block *b);

/* vit.c - the image tower of every model here */
struct vit_config {
    int image, patch; /* pixels a side */
    long width, mlp;
    int layers, heads;
    float eps;
    enum activation activation;
    bool patch_bias;  /* ALBEF, BLIP, EVA; not CLIP */
    bool norm_before; /* CLIP: before the first layer */
    bool norm_after;  /* after the last; not EVA */
};
struct vit {
    struct vit_config config;
    struct linear patches;      /* [width, 3, patch, patch] */
    struct tensor *class_token; /* [width] */
    struct tensor *position;    /* [tokens, width] */
    struct norm before, after;
    struct block *blocks;
};
void vit_init(struct vit *v, const struct vit_config *config);
void vit_params(struct vit *v, struct params *p);
int vit_tokens(const struct vit_config *c); /* the class token and the squares */
/* pixels: [n, 3, image, image] -> what the first layer takes, [n, tokens, width] */
struct tensor *vit_embed(struct tape *t, struct vit *v, struct tensor *pixels);
/* -> all tokens behind the last layer, before norm_after: [n, tokens, width]; with first_only the
 * class tokens alone, [n, width], for which the last layer skips the other rows */
struct tensor *vit_forward(struct tape *t, struct vit *v, struct tensor *pixels, bool first_only);
struct tensor *vit_finish(struct tape *t, struct vit *v, struct tensor *x); /* norm_after, if any */
void vit_close(struct vit *v);

/* resnet.c - CLIP's ModifiedResNet; images lie as [n, h, w, channels] */
struct resnet_config {
    int image, width; /* pixels a side; channels of the first stage */
    int layers[4];
    long out; /* width of the embedding */
};
struct conv_norm {
    struct linear conv;
    struct batchnorm norm;
};
struct bottleneck {
    struct conv_norm conv[3], down; /* down.conv.parts 0: identity */
    int stride;
};
struct resnet {
    struct resnet_config config;
    struct conv_norm stem[3];
    struct bottleneck *blocks; /* of all four stages */
    int count;
    struct tensor *position; /* [grid * grid + 1, 32 width] */
    struct linear query, key_value, project;
};
void resnet_init(struct resnet *r, const struct resnet_config *config);
void resnet_params(struct resnet *r, struct params *p);
/* pixels: [n, 3, image, image] -> [n, grid * grid, 32 width] */
struct tensor *resnet_forward(struct tape *t, struct resnet *r, struct tensor *pixels);
/* The mean asks all places: [n, grid * grid, 32 width] -> [n, out] */
struct tensor *resnet_pool(struct tape *t, struct resnet *r, struct tensor *x);
void resnet_close(struct resnet *r);

/* text.c - CLIP's text towers: a transformer, or the mean of word vectors
 *
 * Texts are ragged.  Where the tower is causal, rows behind the pooled one are never computed: they
 * could not change it. */
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
    bool bag;             /* no positions, no layers, no norm: the mean of token vectors */
};
struct text {
    struct text_config config;
    struct tensor *token, *position; /* [vocabulary, width] [context, width] */
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

#endif
