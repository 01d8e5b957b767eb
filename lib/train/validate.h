/* SPDX-License-Identifier: MIT
 * validate.h - a model's losses on pairs that it does not learn from
 */
#ifndef TRAIN_VALIDATE_H
#define TRAIN_VALIDATE_H

#include "base/core.h"
#include "train/data.h"
#include "train/loop.h"

double draw_uniform(void *random); /* loss_options' draw; its draw_self is a struct random */
struct validation {
    const char *folder;                /* of the model */
    const struct vlm_options *options; /* .. as it is opened */
    struct dataset *data;
    int batch;
    const struct loss_options
        *loss; /* objectives, weights, smoothing, negatives and prompt count */
    uint64_t seed;
};
/* Means over all batches, in order, without a teacher, a queue or anything left out.  Negatives are
 * drawn from the seed, the same at every call.  Sets the losses, pairs and held_out of *out, which
 * begins as 0.  -1 after fail(). */
int validate(struct training_report *out, const struct validation *v);

#endif
