/* SPDX-License-Identifier: MIT
 * loop.h - teaching a model: from a list of pairs to a model's folder
 *
 *     open or make the model -> read the list -> for every step: batches, losses, backward,
 *     AdamW -> now and then, and at the end, the folder
 *
 * The bytes of the folder depend on the options, the data and the kind of processor alone: not on
 * threads, and not on where a run was broken off and gone on with.
 */
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include "base/core.h"
#include "train/train.h"
#include "vlm.h"

enum weight_decay_group { DECAY_FAMILY, DECAY_ALL, DECAY_NO_BIAS, DECAY_MATRICES };

struct training_list {
    const char **items;
    int count;
};
struct training_data {     /* where the pairs are */
    char *const *operands; /* as any filter takes them */
    int count;
    const char *root, *image_field, *text_field;
    int from;      /* enum stream_format */
    bool features; /* records bring what the image tower made of them, and the tower stays */
    long max_pixels;
    size_t memory; /* for images that are decoded, over all threads */
    long context;  /* most ids of a text; 0: as when the model is used; -1: as it was trained */
    long words;    /* of a cleaned text; 0: as it was trained */
    bool quiet;    /* say nothing of bad records */
    struct training_list held_out; /* files of pairs to validate on when the folder is written */
};
struct training_goal {           /* what is learnt */
    const char *objective;       /* "itc,itm:2,lm" */
    struct training_list freeze; /* beginnings of parameters' names */
    float momentum;              /* of the momentum encoders; 0: none */
    long queue;                  /* features that wait in it; 0: none */
    float alpha, alpha_epochs;   /* soft targets' share, and over what it rises from 0 */
    int positives;      /* of itc: 0: as the authors had it; 1: all that are alike; 2: the pair */
    float easy;         /* share of itm's negatives that are drawn evenly */
    const char *prompt; /* before every text, not learnt; NULL: lm alone has the model's own */
    float smoothing;    /* of labels, in lm and itg */
    float dropout, drop_path; /* shares: of numbers in text transformers; of the image tower */
};
struct training_pictures { /* changes to them; see image/augment.h */
    float crop;            /* least share of the area that is kept; 0: no crop */
    bool flip, background;
    int randaugment[2]; /* operations, magnitude */
};
struct training_steps {
    long epochs, steps;     /* steps 0: as many as the epochs have */
    long batch, accumulate; /* pairs of one pass, passes of one step */
    int schedule;           /* enum schedule_kind */
    float rate;             /* 0: 3e-4 of a new model, else 1e-5 */
    float least_rate, warmup_rate, rate_decay;
    long warmup;                                 /* below 0: steps / 20 */
    float beta1, beta2, eps, weight_decay, clip; /* clip 0: none */
    int decays;                                  /* enum weight_decay_group */
    int precision;                               /* enum precision, of products by AMX */
};
/* options.c has the options' defaults and bounds. */
struct training {
    const char *model;                 /* to go on from; NULL: as vlm_open(); or, with init set, */
    const char *init;                  /* a folder with config.json and the tokenizer's files */
    struct training_list init_from;    /* files that a new model takes weights from */
    const char *folder;                /* the model's folder that is written */
    const struct vlm_options *options; /* of the model */
    struct training_data data;
    struct training_pictures pictures;
    struct training_goal learn;
    struct training_steps step;
    uint64_t seed;
    long log_every, save_every; /* steps; save_every 0: at the end alone */
    bool resume;                /* the folder may hold a run that was broken off */
    volatile const int *stop;   /* a signal's number: save and return early */
    volatile int *learns;       /* NULL, or set before the first step: until then nothing is lost */
};
/* Means since the last report; or, held_out, over the held-out pairs. */
struct training_report {
    bool held_out;
    long pairs;       /* held_out: how many; rate, norm and seconds are not set */
    long step, steps; /* done, of all */
    double epoch;     /* done */
    double seconds;   /* since the run began */
    double pairs_a_second;
    double rate, norm; /* learning rate; norm of the gradients before clipping */
    double loss, temperature;
    int losses; /* of the objectives */
    const char *name[8];
    double each[8];
};
/* report.c - the losses of a pass added, and after the last divided by how many there were */
struct losses;
void report_add(struct training_report *r, const struct losses *l);
void report_mean(struct training_report *r, long passes);

/* Once, before training_run.  0: as many as the process may use. */
void training_threads(int count);
enum training_end { TRAINING_DONE, TRAINING_STOPPED, TRAINING_FAILED, TRAINING_NO_MODEL };
/* `report` is called at every log_every-th step and the last, and whenever pairs held out were
 * validated on.  TRAINING_FAILED and TRAINING_NO_MODEL (found before the first pair is read) come
 * after fail(). */
enum training_end training_run(const struct training *t,
                               void (*report)(const struct training_report *r));

#endif
