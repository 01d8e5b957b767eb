/* SPDX-License-Identifier: MIT
 * save.h - a model becomes files again
 */
#ifndef CHECKPOINT_SAVE_H
#define CHECKPOINT_SAVE_H

#include "base/number.h"
#include "checkpoint/model.h"

struct save_options {
    /* Of matrices: f32, f16, bf16, i8, or DTYPE_COUNT: each as it is.  Vectors, scalars and tables
     * of positions are f32.  With i8 a matrix [out, in] has one f32 factor a row beside it,
     * NAME.scale; what is no matrix is f16, and so are matrices of few rows. */
    enum dtype type;
    /* Beside i8: NAME.pieces, for how many bytes a number is taken that the row multiplies, 1 to 3.
     * 0: as the model has it, nothing where it is not i8 yet. */
    int pieces;
    /* Tensors that are one under two names, or equal, are stored under the first alone.  What a
     * BLIP decoder shares with its encoder is then found by these programs, not by others. */
    bool once;
    bool packed;    /* matrices of products in the order of this processor's; for these programs */
    bool once_said; /* refused where no tensor has two names, for then nothing becomes smaller */
    const char *tokenizer; /* its file or folder; NULL: beside the model, where there is one */
    /* Adds files of the trainer's own, whose names begin with "training."; or NULL. */
    int (*add)(const char *folder, void *self);
    void *add_self;
};

/* save.c - a folder as Hugging Face lays it out: model.safetensors, config.json,
 * preprocessor_config.json and the tokenizer's files.  It appears whole, in place of a model's
 * folder that has the name; files there that belong to no model stay.  The model may lie in that
 * very folder.  -1 after fail(), and nothing has changed. */
int model_save(const struct model *m, const char *folder, const struct save_options *o);
/* What a killed model_save() of that folder left: the old model has its name again. */
void model_save_recover(const char *folder);
/* A file as the model's authors published theirs, for PyTorch: BLIP's {"model": ..}, CLIP's
 * dictionary.  Written under another name and renamed.  -1 after fail(). */
int model_save_original(const struct model *m, const char *file, const struct save_options *o);

#endif
