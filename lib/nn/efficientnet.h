/* SPDX-License-Identifier: MIT
 * efficientnet.h - EfficientNet-Lite: a convolutional image tower; images lie as
 * [n, h, w, channels]
 */
#ifndef NN_EFFICIENTNET_H
#define NN_EFFICIENTNET_H

#include "base/core.h"
#include "nn/nn.h"

struct efficientnet_config {
    int image;          /* pixels a side */
    float width, depth; /* coefficients: of channels, of blocks in a stage */
    long stem, head;    /* channels of the first and the last convolution, which do not scale */
    float eps;          /* of batch normalisation */
    int grid;           /* places are averaged to grid x grid; 0: they are left */
};
struct inverted { /* a block: expand, filter, project */
    struct linear expand, filter, project;
    struct batchnorm expand_norm, filter_norm, project_norm;
    long in, wide, out;
    int size, stride; /* of the filter */
};
struct efficientnet {
    struct efficientnet_config config;
    struct linear stem, head;
    struct batchnorm stem_norm, head_norm;
    struct inverted *blocks;
    int count;
};
void efficientnet_init(struct efficientnet *e, const struct efficientnet_config *config);
void efficientnet_params(struct efficientnet *e, struct params *p);
int efficientnet_tokens(const struct efficientnet_config *c); /* the mean and the places */
long efficientnet_room(const struct efficientnet *e);         /* numbers of a picture at a time */
/* pixels: [n, 3, image, image] -> [n, tokens, head]: the mean over all places, then the places row
 * by row, or means over the squares of a grid; with first_only the first alone, [n, head] */
struct tensor *efficientnet_forward(struct tape *t, struct efficientnet *e, struct tensor *pixels,
                                    bool first_only);
void efficientnet_close(struct efficientnet *e);

#endif
