/* SPDX-License-Identifier: MIT
 * checkpoint.h - what a run needs beside the model to go on as if it had never stopped
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "learn/learn.h"
#include "train/options.h"

/* checkpoint.c
 *
 *     training.json         {"step": done, "steps": of all, "options": {..}}; stays in the folder
 *     training.safetensors  mean.*, square.*: AdamW's moments; teacher.*: the momentum encoders;
 *                           queue.images, queue.texts, queue.group; until the run is done
 *
 * The model's own numbers are the folder's model.safetensors. */
struct checkpoint {
    long step, steps;
    const char *options; /* JSON; a run goes on only with the same */
    const struct learning *learning;
    struct adamw *adam;
    struct model *teacher;       /* or NULL */
    struct feature_queue *queue; /* or NULL */
};
/* Writes both files into a folder, or training.json alone if all steps are done. */
int checkpoint_write(const struct checkpoint *s, const char *folder);
/* Is there a run in t->folder?  1: unfinished, 2: finished, 0: none; -1 after fail(), also where it
 * had other options.  *step is set. */
int checkpoint_find(const struct training *t, const struct training_facts *f, long *step);
int checkpoint_read(struct checkpoint *s,
                    const char *folder); /* fills in moments, teacher, queue */

#endif
