/* SPDX-License-Identifier: MIT
 * registry.h - the families, and which of them a checkpoint belongs to
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "base/core.h"
#include "learn/learn.h"

/* One row a family, in the order in which they are asked whether they know a checkpoint.
 * NAME/model.c has family_NAME, NAME/learn.c NAME_learner; siglip/ has both of its own. */
#define FAMILIES(row)                                                                              \
    row(open_clip) row(clip) row(albef) row(blip) row(blip2) row(siglip) row(siglip2)

#define DECLARE(name)                                                                              \
    extern const struct family family_##name;                                                      \
    extern const struct learner name##_learner;
FAMILIES(DECLARE)
#undef DECLARE

/* All three: NULL after fail(); options may be NULL; model_free(). */
struct model *model_load(const char *path, const struct vlm_options *options);
/* Found as vlm_open() does, and loaded. */
struct model *model_named(const char *name, const struct vlm_options *options);
/* A new model, from a folder with config.json and no weights; its numbers are those that the
 * originals begin with, a function of seed and of the parameters' names. */
struct model *model_create(const char *folder, uint64_t seed, const struct vlm_options *options);

#endif
