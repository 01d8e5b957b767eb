/* SPDX-License-Identifier: MIT
 * judge.h - a model's losses on pairs that it does not learn from
 */
#ifndef TRAIN_JUDGE_H
#define TRAIN_JUDGE_H

#include "train/data.h"
#include "train/loop.h"

double draw_uniform(void *random); /* `draw` of a lesson whose draw_self is a struct random */
/* Means over the batches of d, in its order, of the losses of the model in `folder`, by the
 * objectives of `as`, without a teacher, a queue or anything left out.  Negatives are drawn from
 * the seed, the same at every call.  Sets the losses, pairs and held_out of *out,
 * which begins as 0.  -1 after fail(). */
int judge(struct training_report *out, const char *folder, const struct vlm_options *options,
          struct dataset *d, int size, const struct lesson *as, uint64_t seed);

#endif
