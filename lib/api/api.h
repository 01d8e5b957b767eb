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

/* Rows of x to out, scaled to unit length if asked. */
void vlm_copy_rows(struct vlm *v, struct tensor *x, bool normalized, float *out);
/* Opened by whoever needs it first: images alone never pay for it.  NULL after fail(). */
const struct tokenizer *vlm_tokenizer(const struct vlm *v);

#endif
