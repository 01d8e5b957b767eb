/* SPDX-License-Identifier: MIT
 * vit.h - vision transformer: the image tower of every model here
 */
#ifndef NN_VIT_H
#define NN_VIT_H

#include "base/core.h"
#include "nn/nn.h"

struct vit_config {
    int image, patch; /* pixels a side */
    long width, mlp;
    int layers, heads;
    float eps;
    enum activation activation;
    bool patch_bias;  /* ALBEF, BLIP, EVA; not CLIP */
    bool no_class;    /* SigLIP: squares alone */
    bool norm_before; /* CLIP: before the first layer */
    bool norm_after;  /* after the last layer */
    float after_eps;  /* of that; 0: as the others */
    bool corners;     /* for another image size, positions of the corners stay */
    bool no_key_bias; /* EVA: files may lack it; it changes nothing, softmax does not see it */
    bool no_qkv_bias, has_inner, gated, after, scaled, twice; /* see struct block */
    struct vit_turns {                                        /* squares turn by their place */
        bool on;
        bool across_first; /* the first half of the angles is the column's, not the row's */
        int reference;     /* squares a side of the grid whose places count */
        float offset;      /* added to places */
    } turns;
    enum vit_squares {
        SQUARES_OF_PIXELS,
        SQUARES_GIVEN,    /* by something else: vit_forward_squares() */
        SQUARES_IN_SHAPES /* pictures keep theirs: vit_forward_shapes() */
    } squares;
    bool class_unplaced; /* the class token has no position */
    bool no_position;    /* nor have squares */
};
struct vit {
    struct vit_config config;
    struct linear patches;      /* [width, 3, patch, patch], [width, 3 patch^2] with
                                   SQUARES_IN_SHAPES; none with SQUARES_GIVEN */
    struct tensor *class_token; /* [width]; NULL with no_class */
    struct tensor *position;    /* [tokens, width], [tokens - 1, width] with class_unplaced */
    struct norm before, after;
    struct block *blocks;
    struct rotary rotary; /* of config.turns */
    float *angles;        /* its sines and cosines */
};
void vit_init(struct vit *v, const struct vit_config *config);
struct vit_initial { /* what a new tower's numbers are */
    struct linear_initial patch;
    struct initial class_token, position;
    struct block_initial block;
};
struct vit_initial vit_normal(float deviation); /* biases 0 */
void vit_params(struct vit *v, struct params *p, const struct vit_initial *initial);
int vit_tokens(const struct vit_config *c); /* the class token, if any, and the squares */
/* pixels: [n, 3, image, image] -> what the first layer takes, [n, tokens, width] */
struct tensor *vit_embed(struct tape *t, struct vit *v, struct tensor *pixels);
/* -> all tokens behind the last layer, before norm_after: [n, tokens, width]; with first_only the
 * class tokens alone, [n, width], for which the last layer skips the other rows */
struct tensor *vit_forward(struct tape *t, struct vit *v, struct tensor *pixels, bool first_only);
/* The same, of squares that something else made of the pixels: [n, squares, width] */
struct tensor *vit_forward_squares(struct tape *t, struct vit *v, struct tensor *squares,
                                   bool first_only);
/* vit_shapes.c - of pictures that keep their shape: [n, preprocess_numbers()], see image.h -> all
 * squares behind the last layer, [rows, width]; which rows are a picture's is said by *spans */
struct tensor *vit_forward_shapes(struct tape *t, struct vit *v, struct tensor *pixels,
                                  const struct spans **spans);
struct tensor *vit_finish(struct tape *t, struct vit *v, struct tensor *x); /* norm_after, if any */
const struct tensor *vit_matrix(const struct vit *v); /* one that is like most of its numbers */
void vit_close(struct vit *v);

#endif
