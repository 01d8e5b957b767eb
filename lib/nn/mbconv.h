/* SPDX-License-Identifier: MIT
 * mbconv.h - ViTamin's first stages (arXiv 2404.02132, section 3.2): convolutions that make a
 * vision transformer's squares of pixels
 */
#ifndef NN_MBCONV_H
#define NN_MBCONV_H

#include "base/core.h"
#include "nn/nn.h"

enum { MBCONV_STAGES = 2, MBCONV_PATCH = 16 }; /* pixels a side that become one square */
struct mbconv_config {
    long stem, out; /* channels of the first convolutions and of a square */
    struct mbconv_stage_config {
        int blocks;
        long width, middle;
    } stage[MBCONV_STAGES];
};
struct mbconv_block {
    struct linear shortcut; /* [out, in, 1, 1]; parts 0: none */
    struct norm norm;
    struct linear conv1, conv2, conv3; /* 1 x 1, 3 x 3 a channel, 1 x 1 */
    int stride;
};
struct mbconv {
    struct mbconv_config config;
    struct linear conv1, conv2, last;
    struct norm norm1, last_norm;
    struct mbconv_block *blocks; /* of both stages */
    int count;
};
void mbconv_init(struct mbconv *v, const struct mbconv_config *config);
void mbconv_params(struct mbconv *v, struct params *p);
/* pixels: [n, 3, h, w] -> [n, h / 16 w / 16, out] */
struct tensor *mbconv_forward(struct tape *t, struct mbconv *v, struct tensor *pixels);
void mbconv_close(struct mbconv *v);

#endif
