/* SPDX-License-Identifier: MIT
 * stem.h - convolutions that make a vision transformer's squares of pixels (MobileCLIP-B)
 */
#ifndef NN_STEM_H
#define NN_STEM_H

#include "base/core.h"
#include "nn/nn.h"

enum { STEM_LAYERS = 3, STEM_PATCH = 16 }; /* pixels a side that become one square */
struct stem_config {
    long middle, width; /* channels before the last convolution and behind it */
};
struct stem {
    struct stem_config config;
    struct linear conv[STEM_LAYERS]; /* [w, 3, 4, 4] [w, w, 2, 2] [width, w, 2, 2] */
    struct batchnorm norm[STEM_LAYERS - 1];
};
void stem_init(struct stem *s, const struct stem_config *config);
void stem_params(struct stem *s, struct params *p);
/* pixels: [n, 3, h, w] -> [n, h / 16 w / 16, width] */
struct tensor *stem_forward(struct tape *t, struct stem *s, struct tensor *pixels);
void stem_close(struct stem *s);

#endif
