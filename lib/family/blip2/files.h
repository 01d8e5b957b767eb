/* SPDX-License-Identifier: MIT
 * files.h - BLIP-2's checkpoints: what they hold, and under which names
 *
 * LAVIS leaves frozen towers out of its files: the image tower is in one of its own, and the
 * language model where its authors published it.
 */
#ifndef BLIP2_FILES_H
#define BLIP2_FILES_H

#include "base/core.h"
#include "base/json.h"
#include "family/blip2/blip2.h"
#include "checkpoint/layout.h"

struct model;
struct tokenizer;
/* Of the checkpoint itself, by its image tower's kind; and of that tower's own file. */
extern const struct layout blip2_layout_lavis, blip2_layout_lavis_clip, blip2_layout_hf;
extern const struct layout blip2_layout_eva_file, blip2_layout_clip_file;
extern const struct layout blip2_layout_opt_file, blip2_layout_opt_bare_file, blip2_layout_t5_file;
extern const char *const blip2_ignored[];

bool blip2_is_lavis(const struct weights *w); /* by its tensors */
/* 0, or -1 after fail().  `vision` is the image tower's file, or NULL where it is in `w`. */
int blip2_config_lavis(const struct weights *w, const struct weights *vision,
                       struct blip2_config *c);
/* w NULL: a model that is to be made. */
int blip2_config_hf(const cJSON *root, const struct weights *w, struct blip2_config *c);
/* The language model's config.json, or the part of the model's; c->language says which kind. */
int blip2_config_language(const cJSON *o, bool lavis, struct blip2_config *c);
/* towers.c - opens a tower's file where the checkpoint lacks the tower, as m->also; *vision
 * NULL where it has it.  -1 after fail(). */
int blip2_open_vision(struct model *m, const struct weights **vision);
int blip2_open_language(struct model *m, struct blip2_config *c);
/* config.c - `config` of struct family */
cJSON *blip2_save_config(const struct model *m, const struct tokenizer *t,
                         const struct layout **layout);
bool blip2_has_vision(const struct weights *w);
bool blip2_is_clip(const struct weights *w, const char *prefix); /* CLIP's tower, not EVA's */

#endif
