/* SPDX-License-Identifier: MIT
 * config.h - reading the JSON beside a checkpoint
 */
#ifndef CHECKPOINT_CONFIG_H
#define CHECKPOINT_CONFIG_H

#include "base/core.h"
#include "base/json.h"
#include "image/image.h"
#include "text/text.h"
#include "tensor/tensor.h"

struct model;

/* config.c - values with defaults; the first that is not what it should be is told by fail() and
 * marks the reader, so that one check at the end is enough */
struct reader {
    const cJSON *object; /* NULL: every value has its default */
    const char *where;   /* for messages: "text_config" */
    bool bad;
};
long read_whole(struct reader *r, const char *name, long otherwise); /* 0 .. 2^24 */
double read_real(struct reader *r, const char *name, double otherwise);
bool read_flag(struct reader *r, const char *name, bool otherwise);
const char *read_word(struct reader *r, const char *name, const char *otherwise);
enum activation read_activation(struct reader *r, const char *name, const char *otherwise);
/* Marks the reader if the value is there and is neither null, false, 0 nor one of `harmless`. */
void read_refuse(struct reader *r, const char *name, const char *harmless);

/* preprocess_config.c - how images are prepared; size: what the image tower takes */
void preprocess_clip(struct preprocess *p, int size);   /* as openai/CLIP does */
void preprocess_squash(struct preprocess *p, int size); /* as ALBEF and BLIP do */
int preprocess_hf(struct preprocess *p, const cJSON *root, int size);
/* m->preprocess of BLIP and BLIP-2: the folder's preprocessor_config.json where it is Hugging
 * Face's and there is one, whose pictures were of this size; then m->image_size.  -1 after fail().
 */
int preprocess_model(struct model *m, bool hf, int size);
/* What the user asks for: NULL keeps the model's own; see struct vlm_options.  -1 after fail(). */
int preprocess_choose(struct preprocess *p, const char *orient, const char *background);
int preprocess_open_clip(struct preprocess *p, const cJSON *root, int size);
/* The same as Hugging Face's processor of that name reads it; to delete.  NULL after fail(). */
cJSON *preprocess_config(const struct preprocess *p, const char *processor);

#endif
