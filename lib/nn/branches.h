/* SPDX-License-Identifier: MIT
 * branches.h - convolutions of one input that are added up, and are one convolution where nothing
 * is learned
 */
#ifndef NN_BRANCHES_H
#define NN_BRANCHES_H

#include "base/core.h"
#include "nn/nn.h"

/* Structural reparametrisation (arXiv 2101.03697, section 3; MobileOne: arXiv 2206.04040):
 *
 *     y = [x +] scale * (norm(conv(x)) + norm(conv(x)) - norm(x) ..)
 *
 * Every part is linear while its statistics are fixed, so all of them together are one filter and
 * one bias.  A file that was reparametrised has these alone: one branch without a norm.
 */
struct branch {
    struct linear conv; /* no weight: x itself */
    struct batchnorm norm;
    bool has_norm, subtracts;
};
enum { BRANCHES = 4 };
struct branches {
    long out, in;
    int size, stride; /* the largest filter's side; of all filters */
    bool depthwise;   /* a channel of x makes out / in channels */
    bool skips;       /* x is added */
    struct branch list[BRANCHES];
    int count;
    struct tensor *scale; /* [out, 1, 1]; NULL: 1 */
    struct linear merged; /* made at first use */
    struct tensor filter, bias;
    float *numbers; /* of these two */
};
/* Adds a branch: NAME.conv.weight [out, in, size, size], or [out, 1, size, size] where depthwise,
 * and its NAME.bn. */
void branch_params(struct branches *b, struct params *p, const char *name, int size);
/* x itself behind a batch normalisation: NAME.weight, NAME.bias .. */
void branch_norm_params(struct branches *b, struct params *p, const char *name);
/* NAME.weight and NAME.bias, without a normalisation */
void branch_plain_params(struct branches *b, struct params *p, const char *name, int size);
/* A batch normalisation as timm's files have it: weight, bias, running_mean, running_var */
void batchnorm_params(struct batchnorm *n, struct params *p, long width); /* PyTorch's names, eps */
void batchnorm_params_named(struct batchnorm *n, struct params *p, long width, const char *mean,
                            const char *variance); /* n->eps is the caller's */
/* x: [n, h, w, in] -> [n, h', w', out] */
struct tensor *branches_forward(struct tape *t, struct branches *b, struct tensor *x);
void branches_close(struct branches *b);

#endif
