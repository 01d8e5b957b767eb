/* SPDX-License-Identifier: MIT
 * resnet.h - CLIP's ModifiedResNet; images lie as [n, h, w, channels]
 */
#ifndef NN_RESNET_H
#define NN_RESNET_H

#include "nn/nn.h"

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
long resnet_room(const struct resnet_config *c); /* numbers of a picture at a time */
/* pixels: [n, 3, image, image] -> [n, grid * grid, 32 width] */
struct tensor *resnet_forward(struct tape *t, struct resnet *r, struct tensor *pixels);
/* The mean asks all places: [n, grid * grid, 32 width] -> [n, out] */
struct tensor *resnet_pool(struct tape *t, struct resnet *r, struct tensor *x);
void resnet_close(struct resnet *r);

#endif
