/* SPDX-License-Identifier: MIT
 * api.h - what the public calls share among themselves
 */
#ifndef API_API_H
#define API_API_H

#include <pthread.h>
#include "base/core.h"
#include "checkpoint/model.h"

struct vlm {
    struct model *model;
    struct tape tape;
    char *about;
    bool clean_text;
    char *tokenizer_path; /* NULL: there is none */
    pthread_mutex_t lock; /* over the tokenizer's opening */
    struct tokenizer *tokenizer;
};

/* open.c - all that a model may be able to do */
struct ability {
    unsigned bit;     /* 0 ends the table */
    bool reads_texts; /* not without a tokenizer */
    const char *word; /* in --info */
    const char *verb; /* in sentences */
};
extern const struct ability vlm_ability_table[];
int vlm_require(const struct vlm *v, unsigned ability); /* one; -1 after fail() */
/* Opened by whoever needs it first: images alone never pay for it.  NULL after fail(). */
const struct tokenizer *vlm_tokenizer(const struct vlm *v);

/* embed.c */
enum { VLM_IMAGES_AT_ONCE = 8 }; /* of one pass: more bring nothing and take memory */
/* Features of `count` images, from the first-th on, as a tensor [pictures, tokens, width]. */
struct tensor *vlm_features_at(struct vlm *v, const float *features, int first, int count);
/* Rows of x to out, scaled to unit length if asked. */
void vlm_copy_rows(struct vlm *v, struct tensor *x, bool normalized, float *out);

/* memory.c - bytes that a command takes that uses one ability, at most so many records at once */
double vlm_memory_of(const struct model *m, unsigned ability, int batch);

/* rank.c - of one row of logits: the log of the sum of their exponentials */
double vlm_log_sum(const float *z, long count);

#endif
