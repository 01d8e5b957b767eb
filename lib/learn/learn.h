/* SPDX-License-Identifier: MIT
 * learn.h - teaching a model: a batch of pairs in, losses out; new models, and momentum models
 *
 *     struct model *m = model_create(folder, seed, NULL);     or model_load()
 *     struct model *teacher = momentum_model_new(m);
 *     struct learning *learning;
 *
 *     model_begin_learning(m, NULL);
 *     learning = params_learn(&m->params, NULL);
 *     for each batch:
 *         tape_clear(&t); learning_zero(learning);
 *         model_clamp(m);
 *         momentum_model_update(teacher, m, 0.995f);
 *         model_learn(&t, m, pairs, options, &losses);
 *         tape_backward(&t, losses.total); step;
 */
#ifndef LEARN_LEARN_H
#define LEARN_LEARN_H

#include "base/core.h"
#include "checkpoint/model.h"
#include "op/op.h"

enum loss {
    LOSS_ITC, /* image and text of a pair lie close together, and far from others */
    LOSS_ITM, /* a text that looks at an image says whether they belong together */
    LOSS_LM,  /* the text is written, looking at the image */
    LOSS_MLM, /* masked words are filled in, looking at the image */
    LOSS_ITG, /* BLIP-2: the text is written, looking at the queries */
    LOSSES
};
enum { /* sets of them */
       OBJECTIVE_ITC = 1 << LOSS_ITC,
       OBJECTIVE_ITM = 1 << LOSS_ITM,
       OBJECTIVE_LM = 1 << LOSS_LM,
       OBJECTIVE_MLM = 1 << LOSS_MLM,
       OBJECTIVE_ITG = 1 << LOSS_ITG
};

struct pairs { /* a batch: text i belongs to image i */
    int count;
    const float *pixels; /* [count, 3, size, size], as the image tower takes them */
    const int *ids;      /* framed as the tokenizer does, one text after the other */
    const int *counts;   /* ids of each text */
    /* Pairs of one group show the same image: never each other's negatives, and positives in ITC;
     * so are pairs with the same text.  NULL: all images differ. */
    const int64_t *group;
    /* What the image tower, frozen, made of the pixels: [count, tokens, width]; NULL: there are
     * pixels. */
    const float *features;
};

/* A ring of the teacher's embeddings of earlier pairs: negatives without a forward pass.  It is
 * full from the start, of random directions. */
struct feature_queue {
    long size, width;
    long next, filled;     /* the row written next; rows that are of pairs */
    float *images, *texts; /* [size, width], unit rows */
    int64_t *group;        /* [size]; NO_GROUP: another than all */
};
#define NO_GROUP INT64_MIN
struct feature_queue *feature_queue_new(long size, long width, uint64_t seed);
/* group may be NULL.  Of more pairs than there is room for the last ones stay. */
void feature_queue_add(struct feature_queue *q, const float *images, const float *texts,
                       const int64_t *group, int count);
void feature_queue_free(struct feature_queue *q); /* NULL is nothing */

/* Which candidates of ITC belong to a pair besides its own. */
enum positives {
    POSITIVES_ALIKE,   /* of the same picture, the queue's too, or the same text in the batch */
    POSITIVES_PICTURE, /* of the same picture, the queue's too: ALBEF and BLIP, tuned for retrieval
                        */
    POSITIVES_PAIR     /* none: CLIP; ALBEF, BLIP and BLIP-2, pre-trained */
};
struct loss_options { /* of a batch; what lives across batches is the trainer's */
    unsigned objectives;
    const float *weight;         /* [LOSSES] what each counts in the total; NULL: 1 */
    float alpha;                 /* share of the teacher's soft targets, now */
    float smoothing;             /* of LM's targets; BLIP: 0.1 */
    float dropout, drop_path;    /* as struct tape has them; BLIP: 0.1, 0 */
    float easy;                  /* share of ITM's negatives that are drawn evenly; BLIP: 0 */
    enum positives positives;    /* of ITC */
    int context;                 /* most ids of a text; 0: as when the model is used */
    int prompt;                  /* ids at a text's start that LM does not learn */
    struct model *teacher;       /* followed before the batch; NULL: none, alpha is not used */
    struct feature_queue *queue; /* needs a teacher; added to by model_learn(); NULL: none */
    double (*draw)(void *self);  /* uniform in [0, 1): negatives, masks, dropout */
    void *draw_self;
};

struct losses { /* scalars */
    struct tensor *total;
    struct tensor *each[LOSSES]; /* NULL: not asked for */
    float temperature;           /* that similarities are divided by */
};

/* learn.c */
unsigned model_objectives(const struct model *m); /* that the model has the parts for */
const char *loss_name(enum loss which);           /* "itc" .. */
/* Adds what a checkpoint may lack (a temperature), lets parts that are shared in training and have
 * the same numbers be one tensor, and finds the ids that objectives need.  tokenizer: its file or
 * folder; NULL: beside the model, where there is one.  Before params_learn(). */
void model_begin_learning(struct model *m, const char *tokenizer);
/* All losses of a batch in one pass over the image tower.  -1 after fail(). */
int model_learn(struct tape *t, struct model *m, const struct pairs *b,
                const struct loss_options *l, struct losses *out);
void model_clamp(struct model *m); /* the temperature's limits; before each step */
/* Does a parameter learn whose name begins so?  After what is frozen is frozen. */
bool model_learns(const struct model *m, const char *prefix);
/* Only what comes behind the features learns: the image tower does not.  After
 * model_begin_learning(). */
void model_freeze_tower(struct model *m);

/* pretrained.c - a new model takes what another file has for it: BERT, or a vision transformer as
 * timm spells it (DeiT).  How many parameters were set; -1 after fail(). */
int model_init_from(struct model *m, const char *path);

/* momentum.c - a copy that does not learn but follows: copy = momentum copy + (1 - momentum) m */
struct model *momentum_model_new(const struct model *m); /* model_free() */
void momentum_model_update(struct model *copy, const struct model *m, float momentum);

/* --- for families --- */

/* What a learner may read of struct loss_options, beyond the objectives.  Dropout and drop path act
 * where a gradient flows back through them: not in a part that is frozen, with nothing before it
 * that learns. */
enum {
    READS_MOMENTUM = 1,   /* teacher, alpha */
    READS_QUEUE = 2,      /* queue */
    READS_NEGATIVES = 4,  /* easy */
    READS_SMOOTHING = 8,  /* smoothing */
    READS_DROPOUT = 16,   /* dropout */
    READS_DROP_PATH = 32, /* drop_path */
    READS_POSITIVES = 64  /* positives */
};
struct learning_texts {
    int context;        /* most ids of a text; 0: as when the model is used */
    int longest;        /* .. that the model has places for */
    bool behind_prompt; /* .. a prompt aside */
    int words;          /* of a cleaned caption */
    enum positives positives;
};
struct learner { /* `learn` of struct family */
    unsigned (*objectives)(const struct model *m);
    unsigned (*reads)(const struct model *m, unsigned objectives); /* READS_* */
    bool (*decays)(const struct param *p); /* as the authors had it; NULL: all parameters do */
    int (*learn)(struct tape *t, struct model *m, const struct pairs *b,
                 const struct loss_options *l,
                 struct losses *out); /* fills each[] and temperature */
    void (*clamp)(struct model *m);
    /* model_begin_learning; t: the tokenizer, or NULL; may be NULL */
    void (*begin)(struct model *m, const struct tokenizer *t);
    /* How the authors cut and compare texts under these objectives. */
    struct learning_texts (*texts)(const struct model *m, unsigned objectives);
    /* A new model's parameters that are one tensor: slots are set equal, before numbers are
     * there.  May be NULL. */
    void (*share)(struct model *m);
    /* copy->self and copy->params as those of m; slots stay empty. */
    void (*build)(struct model *copy, const struct model *m);
};
/* `build` of a family whose model is struct NAME with a `config`, NAME_init() and NAME_params() */
#define BUILD(name)                                                                                \
    static void build(struct model *copy, const struct model *m)                                   \
    {                                                                                              \
        struct name *self = xalloc(1, sizeof *self);                                               \
                                                                                                   \
        copy->self = self;                                                                         \
        name##_init(self, &((const struct name *)m->self)->config);                                \
        name##_params(self, &copy->params);                                                        \
    }

/* learn.c */
bool decays_matrices(const struct param *p);    /* open_clip: two axes or more */
bool decays_unless_bias(const struct param *p); /* ALBEF, BLIP-2: not one axis, not "*.bias" */
bool *pairs_alike(struct tape *t,
                  const struct pairs *b); /* [count, count]; a pair and itself too */
struct tensor *pairs_pixels(struct tape *t, const struct model *m, const struct pairs *b);
/* The family's features() of the batch, [count * tokens, width]: given, or made from the pixels. */
struct tensor *pairs_features(struct tape *t, struct model *m, const struct pairs *b);

/* create.c - parameters from the checkpoint, or drawn where there is none; -1 after fail() */
int model_bind(struct model *m, const char *const *ignored);
struct tensor *model_scalar(struct model *m, float value); /* in the model's memory */

/* contrast.c - pieces of contrastive learning
 *
 * Similarities are [n, candidates]; the first n candidates are the batch itself, those of the queue
 * follow. */
struct temperature { /* similarities become logits: divided_by(s), or scale_exp(s) */
    struct tensor *(*apply)(struct tape *t, struct tensor *x, struct tensor *s);
    struct tensor *s;
};
/* x, then the rows of a queue (NULL: none), copied */
struct tensor *with_queue(struct tape *t, struct tensor *x, const float *queue, long size);
/* What an image, or a text, of the batch should be like: [n, candidates], rows sum to 1: evenly
 * those of its group, mixed with alpha of the softmax of the teacher's logits (NULL: none). */
const float *contrast_targets(struct tape *t, const struct pairs *b, const struct loss_options *l,
                              const struct tensor *teacher_logits);
/* Half the cross entropy either way. */
struct tensor *contrast_loss(struct tape *t, struct tensor *by_image, const float *image_targets,
                             struct tensor *by_text, const float *text_targets);
struct contrast {
    struct tensor *images, *texts;                 /* unit rows [n, e] */
    struct tensor *teacher_images, *teacher_texts; /* the teacher's; NULL: none */
    struct temperature temperature;
    struct tensor *bias;               /* of logits; NULL: none */
    struct tensor *by_image, *by_text; /* out: logits */
};
/* ITC as ALBEF and BLIP do it.  Adds to the queue at last. */
struct tensor *contrast(struct tape *t, struct contrast *c, const struct pairs *b,
                        const struct loss_options *l);

/* ITC and temperature as CLIP has them, or SigLIP where there is a bias, of rows that are not
 * normalised yet; temperature.s is the scale's logarithm. */
void contrast_rows(struct tape *t, struct contrast *c, const struct pairs *b,
                   const struct loss_options *l, struct losses *out);

/* match.c - pieces of matching */
/* For row i of logits a column of the batch to be its negative, drawn by softmax(logits) + floor
 * over the batch where groups differ; -1: there is none.  [n] in the tape; one number is drawn a
 * row, in order. */
const int *draw_negatives(struct tape *t, const struct tensor *logits, const struct pairs *b,
                          const struct loss_options *l, float floor);
struct matches { /* texts that look at images, sorted by image */
    int count;
    int *ids, *text, *image_of, *target; /* text: whose ids these are */
    const struct spans *texts;
};
/* Every pair; every text beside a wrong image; every image beside a wrong text.  Texts begin with
 * `begin` (-1: as they are). */
struct matches pair_matches(struct tape *t, const struct pairs *b, const int *image_of_text,
                            const int *text_of_image, int begin);

/* texts and clamp of a learner for models of CLIP's kind: texts up to the context, scale in 1 to
 * 100 */
struct learning_texts texts_of_pairs(const struct model *m, unsigned objectives);
void clamp_scale(struct tensor *logit_scale); /* NULL: nothing */

#endif
