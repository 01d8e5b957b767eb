/* SPDX-License-Identifier: MIT
 * fastvit.h - FastViT (arXiv 2303.14189), the image tower of MobileCLIP (arXiv 2311.17049,
 * 2508.20691): convolutions first, attention where the picture is small; images lie as
 * [n, h, w, channels]
 */
#ifndef NN_FASTVIT_H
#define NN_FASTVIT_H

#include "base/core.h"
#include "nn/branches.h"

enum { FASTVIT_STAGES = 5 };
struct fastvit_stage_config {
    int blocks;
    long width, mlp;
    long squeeze; /* width of squeeze and excitation when it halves the picture; 0: none */
    bool halves, placed, attends; /* placed: a filter of 7 x 7 adds where things are */
};
struct fastvit_config {
    int image;  /* pixels a side */
    int stages; /* at most FASTVIT_STAGES */
    struct fastvit_stage_config stage[FASTVIT_STAGES];
    long out, squeeze;  /* of the last convolution */
    bool folded;        /* the file was reparametrised: one filter for each struct branches */
    bool stem_no_scale; /* the stem's convolutions have no 1 x 1 branch */
    bool layer_norm;    /* before attention; else a batch normalisation */
};
struct squeeze { /* a factor for each channel of an image, from the means of all (arXiv 1709.01507)
                  */
    struct linear fc1, fc2; /* [squeeze, width, 1, 1] [width, squeeze, 1, 1]; parts 0: none */
};
struct fastvit_block {
    struct branches mixer; /* where it does not attend */
    struct batchnorm batch_norm;
    struct norm norm;
    struct linear qkv, proj;
    struct tensor *scale1, *scale2; /* [width, 1, 1]; the mixer has its own */
    struct branches filter;         /* 7 x 7 */
    struct linear fc1, fc2;         /* [mlp, width, 1, 1] [width, mlp, 1, 1] */
};
struct fastvit_stage {
    struct branches down, after, place;
    struct squeeze squeeze;
    struct fastvit_block *blocks;
};
struct fastvit {
    struct fastvit_config config;
    struct branches stem[3], last;
    struct squeeze squeeze; /* of the last convolution */
    struct fastvit_stage stage[FASTVIT_STAGES];
};
void fastvit_init(struct fastvit *v, const struct fastvit_config *config);
void fastvit_params(struct fastvit *v, struct params *p);
int fastvit_tokens(const struct fastvit_config *c);
long fastvit_room(const struct fastvit_config *c); /* numbers of a picture at a time */
/* pixels: [n, 3, image, image] -> [n, tokens, out] */
struct tensor *fastvit_forward(struct tape *t, struct fastvit *v, struct tensor *pixels);
void fastvit_close(struct fastvit *v);

#endif
