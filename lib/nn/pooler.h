/* SPDX-License-Identifier: MIT
 * pooler.h - an image's tokens become fewer, and of another width: learned queries look at them
 */
#ifndef NN_POOLER_H
#define NN_POOLER_H

#include "nn/nn.h"

/* Attentional pooling of CoCa (arXiv 2205.01917, section 3.2):
 *
 *     y = norm(out(attend(query(norm(queries)), key(norm(x)), value(norm(x)))))
 */
struct pooler_config {
    int queries, heads;
    long in, out;
    float eps;
};
struct pooler {
    struct pooler_config config;
    struct tensor *queries;               /* [queries, out] */
    struct linear query, key_value, last; /* [out, out]; [out, in] twice; [out, out] */
    struct norm norm_queries, norm_keys, norm;
};
void pooler_params(struct pooler *h, struct params *p);
/* x: [n, tokens, in] -> [n, queries, out] */
struct tensor *pooler_forward(struct tape *t, struct pooler *h, struct tensor *x);
void pooler_close(struct pooler *h);

#endif
