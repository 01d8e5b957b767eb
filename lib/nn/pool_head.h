/* SPDX-License-Identifier: MIT
 * pool_head.h - an image's tokens become one vector: a learned query looks at all of them
 */
#ifndef NN_POOL_HEAD_H
#define NN_POOL_HEAD_H

#include "nn/nn.h"

/* Multihead attention pooling, MAP (arXiv 2106.04560, section 3.1; SigLIP's head):
 *
 *     h = out(attend(query(probe), key(x), value(x)))
 *     y = h + fc2(activation(fc1(norm(h))))
 */
struct pool_head {
    struct tensor *probe; /* [1, width] */
    struct linear query, key_value, out, fc1, fc2;
    struct norm norm;
    int heads;
    enum activation activation;
};
void pool_head_params(struct pool_head *h, struct params *p, long width, long mlp);
/* x: [n, tokens, width] -> [n, width] */
struct tensor *pool_head_forward(struct tape *t, struct pool_head *h, struct tensor *x);
/* The same of pictures of several lengths: [rows, width] -> [pictures, width] */
struct tensor *pool_head_rows(struct tape *t, struct pool_head *h, struct tensor *x,
                              const struct spans *pictures);
void pool_head_close(struct pool_head *h);

#endif
