/* SPDX-License-Identifier: MIT
 * tower.h - the image tower of a model: a vision transformer, or EfficientNet-Lite
 */
#ifndef NN_TOWER_H
#define NN_TOWER_H

#include "nn/efficientnet.h"
#include "nn/vit.h"

struct tower_config {
    bool convolves; /* EfficientNet-Lite */
    struct vit_config vit;
    struct efficientnet_config net;
};
struct tower {
    struct tower_config config;
    struct vit vit;
    struct efficientnet net;
};
void tower_init(struct tower *v, const struct tower_config *config);
/* initial: of a new vision transformer */
void tower_params(struct tower *v, struct params *p, const struct vit_initial *initial);
int tower_image(const struct tower_config *c); /* pixels a side */
int tower_tokens(const struct tower_config *c);
long tower_width(const struct tower_config *c);
long tower_room(const struct tower *v); /* see struct image_side */
/* pixels: [n, 3, image, image] -> [n, tokens, width], the first token of an image for all of it;
 * with first_only that one alone, [n, width] */
struct tensor *tower_forward(struct tape *t, struct tower *v, struct tensor *pixels,
                             bool first_only);
const struct tensor *tower_matrix(const struct tower *v); /* one that is like most of its numbers */
void tower_close(struct tower *v);

#endif
