/* SPDX-License-Identifier: MIT
 * run.h - what start.c opens and loop.c works with
 */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "base/file.h"
#include "checkpoint/model.h"
#include "learn/learn.h"
#include "train/data.h"
#include "train/loop.h"
#include "train/objective.h"
#include "train/options.h"

struct run {
    const struct training *t;
    struct training own; /* *t, as a run that is gone on with began */
    struct name_lock lock;
    struct model *model, *teacher;
    struct learning *learning;
    struct adamw adam;
    struct dataset *data, *held_out;
    struct feature_queue *queue;
    struct tape tape;
    struct schedule schedule;
    struct loss_options loss;
    struct random random; /* of the step at hand */
    char *options;
    struct objectives objectives;
    bool goes_on; /* with a training that was broken off */
    long step, steps;
    /* since the last report */
    struct training_report sum;
    long passes, summed;
    double began, reported;
};

/* start.c - -1 after fail() */
int run_open_model(struct run *r); /* the model to begin with, checked against the options */
int run_open_data(struct run *r);  /* the pairs, and how many steps they are */
void run_begin_learning(struct run *r);
struct training_facts run_facts(const struct run *r);
/* Of the folder that is written, which has all towers in one file. */
struct vlm_options options_written(const struct training *t);

#endif
