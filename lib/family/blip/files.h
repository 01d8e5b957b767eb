/* SPDX-License-Identifier: MIT
 * files.h - BLIP's checkpoints: what they hold, and under which names
 */
#ifndef BLIP_FILES_H
#define BLIP_FILES_H

#include "base/core.h"
#include "base/json.h"
#include "family/blip/blip.h"
#include "checkpoint/layout.h"

struct model;
struct tokenizer;
struct original;
/* How Hugging Face spells the image towers of BLIP and BLIP-2. */
extern const struct rename blip_names_hf_vit[], blip_names_hf_block[];
extern const struct layout blip_layout_original, blip_layout_hf, blip_layout_hf_pooled;
/* Of those that look at two pictures. */
extern const struct layout blip_layout_original_pairs, blip_layout_hf_pairs;
/* Endings and, with a '*', beginnings of names that a model in use does not need: momentum copies,
 * queues, tied tensors, buffers, the other task's heads. */
extern const char *const blip_ignored[];

bool blip_is_original(const struct weights *w); /* by its tensors */
/* 0, or -1 after fail().  `root` is config.json; sizes and roles of an original file are read off
 * its tensors.  Without weights "architectures" says the roles. */
int blip_config_hf(const cJSON *root, const struct weights *w, struct blip_config *c);
int blip_config_original(const struct weights *w, struct blip_config *c);

/* config.c - as family's config() and original(); see model.h */
cJSON *blip_save_config(const struct model *m, const struct tokenizer *t,
                        const struct layout **layout);
int blip_save_original(const struct model *m, struct original *o);

#endif
