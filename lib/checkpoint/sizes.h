/* SPDX-License-Identifier: MIT
 * sizes.h - what the shapes of a checkpoint's tensors say about its towers
 */
#ifndef CHECKPOINT_SIZES_H
#define CHECKPOINT_SIZES_H

#include "base/core.h"
#include "nn/bert.h"
#include "nn/text.h"
#include "nn/vit.h"
#include "weights/weights.h"

bool sizes_has(const struct weights *w, const char *name);
long sizes_dim(const struct weights *w, const char *name, int axis); /* 0: no such tensor or axis */
/* How many of the pattern, which has one %d, are there, counted from 0. */
int sizes_layers(const struct weights *w, const char *pattern);
int sizes_heads(long width); /* no tensor tells: 64 wide in every released file, two in tiny ones */
/* A vision transformer as timm spells it, after `prefix`. */
void sizes_vit(const struct weights *w, const char *prefix, struct vit_config *c);
/* BERT after `prefix`; the first layer that has cross-attention, if any, is cross_from. */
void sizes_bert(const struct weights *w, const char *prefix, struct bert_config *c);
/* What every source must satisfy, before memory is taken for it; -1 after fail(). */
int sizes_check_vit(const char *family, const struct vit_config *c);
int sizes_check_text(const char *family, const struct text_config *c);
int sizes_check_bert(const char *family, const struct bert_config *c);

#endif
