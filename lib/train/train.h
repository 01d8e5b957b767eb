/* SPDX-License-Identifier: MIT
 * train.h - what moves parameters: uses models, adds nothing to them
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "base/memory.h"
#include "tensor/tensor.h"

/* adamw.c - AdamW with decoupled weight decay (arXiv 1711.05101), in PyTorch's order
 *
 *     struct adamw a = { .rate = 5e-4f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f,
 *                        .weight_decay = 0.2f, .decays = m->family->learn->decays };
 *
 *     adamw_begin(&a, learning);
 *     for each batch: learning_zero(l), forward, tape_backward, a.rate = ..., adamw_step(&a, l)
 *     adamw_end(&a);
 *
 * A parameter that no loss has reached yet (gradient and moments all zero) is left as it is, not
 * even decayed: PyTorch passes over parameters without a gradient.
 */
struct adamw {
    float rate, beta1, beta2, eps, weight_decay; /* may be changed between steps */
    bool (*decays)(const struct param *p);       /* NULL: all do */
    long step;                                   /* steps made */
    float *mean, *square;                        /* moments, laid out as the learning block */
    bool *reached;                               /* by the order of the learning list */
    struct arena memory;
};
void adamw_begin(struct adamw *a, const struct learning *l); /* moments 0, no step made */
void adamw_step(struct adamw *a, struct learning *l);
/* The moments were set from outside, after `step` steps. */
void adamw_resume(struct adamw *a, const struct learning *l, long step);
void adamw_end(struct adamw *a);
/* CLIP keeps logit_scale in [0, ln 100] after each step. */
void clamp_parameter(struct tensor *x, float least, float most);
/* The Euclidean norm of all gradients, and their scaling: clipping.  The sum's order does not
 * depend on threads. */
double learning_norm(const struct learning *l);
void learning_scale(struct learning *l, float by);

/* schedule.c */
enum schedule_kind { SCHEDULE_COSINE, SCHEDULE_EPOCH, SCHEDULE_DECAY, SCHEDULE_CONSTANT };
extern const char *const schedule_names[]; /* NULL-terminated */
struct schedule {
    enum schedule_kind kind;
    double rate, least, warmup_rate, decay;
    long warmup;           /* steps */
    long steps, per_epoch; /* of the run, of an epoch */
};
double schedule_rate(const struct schedule *s, long step); /* step counts from 0 */

#endif
