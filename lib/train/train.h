/* SPDX-License-Identifier: MIT
 * train.h - what moves parameters: uses models, adds nothing to them
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "tensor/tensor.h"

/* adamw.c - AdamW with decoupled weight decay (arXiv 1711.05101), in PyTorch's order
 *
 *     struct adamw a = { .rate = 5e-4f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f,
 *                        .weight_decay = 0.2f, .decays = decays_matrices };
 *
 *     adamw_begin(&a, learning);
 *     for each batch: learning_zero(l), forward, tape_backward, a.rate = ..., adamw_step(&a, l)
 *     adamw_end(&a);
 */
struct adamw {
    float rate, beta1, beta2, eps, weight_decay; /* may be changed between steps */
    bool (*decays)(const struct param *p);       /* NULL: all do */
    long step;                                   /* steps made */
    float *mean, *square;                        /* moments, laid out as the learning block */
    struct arena memory;
};
void adamw_begin(struct adamw *a, const struct learning *l); /* moments 0, no step made */
void adamw_step(struct adamw *a, struct learning *l);
void adamw_end(struct adamw *a);
bool decays_matrices(const struct param *p);    /* open_clip: two axes or more */
bool decays_unless_bias(const struct param *p); /* ALBEF, BLIP-2: not one axis, not "*.bias" */
/* CLIP keeps logit_scale in [0, ln 100] after each step. */
void clamp_parameter(struct tensor *x, float least, float most);

#endif
