/* SPDX-License-Identifier: MIT
 * convnext.h - ConvNeXt (arXiv 2201.03545): a convolutional image tower; images lie as
 * [n, h, w, channels]
 */
#ifndef NN_CONVNEXT_H
#define NN_CONVNEXT_H

#include "base/core.h"
#include "nn/nn.h"

enum { CONVNEXT_STAGES = 4 };
struct convnext_config {
    int image; /* pixels a side, a multiple of 32 */
    long width[CONVNEXT_STAGES];
    int blocks[CONVNEXT_STAGES];
    float eps;
};
struct convnext_block {
    struct linear filter, fc1, fc2; /* [w, 1, 7, 7], [4 w, w], [w, 4 w] */
    struct norm norm;
    struct tensor *scale; /* [w] */
};
struct convnext {
    struct convnext_config config;
    struct linear stem, down[CONVNEXT_STAGES]; /* the first stage has none */
    struct norm stem_norm, down_norm[CONVNEXT_STAGES], norm;
    struct convnext_block *blocks; /* of all stages */
    int count;
};
void convnext_init(struct convnext *v, const struct convnext_config *config);
void convnext_params(struct convnext *v, struct params *p);
int convnext_tokens(const struct convnext_config *c);
long convnext_room(const struct convnext_config *c); /* numbers of a picture at a time */
/* pixels: [n, 3, image, image] -> [n, tokens, the last width], before the mean and its norm */
struct tensor *convnext_forward(struct tape *t, struct convnext *v, struct tensor *pixels);
void convnext_close(struct convnext *v);

#endif
