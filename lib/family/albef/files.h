/* SPDX-License-Identifier: MIT
 * files.h - ALBEF's checkpoints: what they hold, and under which names
 */
#ifndef ALBEF_FILES_H
#define ALBEF_FILES_H

#include "base/core.h"
#include "base/json.h"
#include "family/albef/albef.h"
#include "checkpoint/layout.h"

/* Pre-training keeps its encoder below "bert." beside the head for masked words. */
extern const struct layout albef_layout_pretraining, albef_layout_task;
/* Names that a model in use does not need, as params_bind() takes them: momentum copies, queues,
 * tied tensors, buffers. */
extern const char *const albef_ignored[];

bool albef_is(const struct weights *w); /* by its tensors */
/* Read off the tensors, but for the numbers of heads where `root`, a config.json of ours, has them.
 * -1 after fail(). */
int albef_config_read(const struct weights *w, const cJSON *root, struct albef_config *c);
/* Of a new model: config.json alone. */
int albef_config_new(const cJSON *root, struct albef_config *c);
const struct layout *albef_layout(const struct weights *w);
struct model;
struct tokenizer;
struct original;
/* config.c - as family's config() and original(); see model.h */
cJSON *albef_save_config(const struct model *m, const struct tokenizer *t,
                         const struct layout **layout);
int albef_save_original(const struct model *m, struct original *o);

#endif
