/* SPDX-License-Identifier: MIT
 * registry.h - the families, and which of them a checkpoint belongs to
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "base/core.h"
#include "learn/learn.h"

/* FAMILY/model.c, FAMILY/learn.c: what the rows of registry.c name */
extern const struct family family_clip, family_albef, family_blip, family_blip2;
extern const struct learner clip_learner, albef_learner, blip_learner, blip2_learner;

/* All three: NULL after fail(); options may be NULL; model_free(). */
struct model *model_load(const char *path, const struct vlm_options *options);
/* Found as vlm_open() does, and loaded. */
struct model *model_named(const char *name, const struct vlm_options *options);
/* A new model, from a folder with config.json and no weights; its numbers are those that the
 * originals begin with, a function of seed and of the parameters' names. */
struct model *model_create(const char *folder, uint64_t seed, const struct vlm_options *options);

#endif
