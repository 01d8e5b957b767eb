/* SPDX-License-Identifier: MIT
 * decode.h - writing text token by token, with any language model
 *
 * Rules, their order and the four forms that its beam search had follow huggingface/transformers
 * generation/{utils,logits_process,beam_search}.py.  A model shows itself as two functions over the
 * rows of its key and value cache; all rows of all items are fed in one call a step, so a weight is
 * read once per step.  `copy` is called for different items from several threads at once.
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "base/core.h"

struct language_model {
    void *self;
    int vocabulary;
    /* Appends counts[i] ids to cache row row[i], for all i, and writes the logits that follow each
     * row's last id.  ids: one row after the other.  logits: [rows, vocabulary] */
    void (*feed)(void *self, int rows, const int *row, const int *counts, const int *ids,
                 float *logits);
    void (*copy)(void *self, int from, int to); /* cache row `to` becomes a copy of `from` */
};

enum beam_version {            /* the transformers versions that a beam search follows */
                    BEAM_4_26, /* up to 4.26: the original BLIP */
                    BEAM_4_29, /* 4.29 to 4.35: LAVIS today */
                    BEAM_4_36, /* 4.36 to 4.49 */
                    BEAM_4_50, /* 4.50 and later */
};
enum early_stopping { EARLY_FALSE, EARLY_TRUE, EARLY_NEVER };

struct decoding {
    int beams;     /* 1: greedy, or each text drawn by itself */
    int sequences; /* results an item: at most `beams` if those are more than 1 */
    bool sample;   /* draw; with more beams than one, among the continuations of all of them */
    double top_p;  /* 1: off */
    int top_k;     /* 0: off */
    double temperature, repetition_penalty, length_penalty;
    int min_length, max_length; /* of all ids, the prompt's among them */
    int positions;              /* places that the model has; 0: no limit */
    int end;                    /* the id that ends a text */
    enum beam_version version;
    /* open_clip's CoCa: a hypothesis is as long as its prompt and what follows it; a beam's score
     * is the sum of logits, not of log-probabilities */
    bool counts_prompt, sums_logits;
    enum early_stopping early;
    double (*draw)(void *from); /* uniform in [0, 1) for tests; NULL: from the item's seed */
    void *draw_from;
};

/* What all originals take where a caller says nothing, transformers' and the authors' own. */
#define DECODING_USUAL                                                                             \
    .sequences = 1, .top_p = 0.9, .top_k = 50, .temperature = 1, .repetition_penalty = 1,          \
    .length_penalty = 1

struct prompt {
    const int *ids;
    int count;
    uint64_t seed;
    const int *seen; /* ids that a penalty of repetition knows besides; or NULL */
    int seen_count;
};

struct tape;
/* writer.c - the ids of all prompts, one after the other, and how many each has: on the tape */
int *prompts_join(struct tape *t, const struct prompt *prompts, int count, int **counts);

struct hypothesis {
    int *ids; /* prompt and text, without the end token; to be freed */
    int count;
    double score;   /* what beam search ranks by; the sum of log-probabilities otherwise */
    double logprob; /* mean log-probability of the model's tokens, the end token's among them */
};

/* Fills out[item * sequences + k], best first.  Item i uses the cache rows from i * decode_rows on.
 * -1 after fail() for a prompt that leaves no room. */
int decode(const struct language_model *m, const struct decoding *d, const struct prompt *prompts,
           int items, struct hypothesis *out);
int decode_rows(const struct decoding *d); /* cache rows an item */

/* scores.c - what is done to the scores of one row before a token is chosen */
struct scoring {
    const struct decoding *rules;
    int vocabulary;
    float *scores;  /* [vocabulary]: logits in, processed scores out */
    float *raw;     /* [vocabulary] or NULL: log-probabilities before any rule */
    const int *ids; /* the row so far */
    int count;
    const int *seen; /* ids before the row, which are not to be repeated either */
    int seen_count;
};
void scores_log_softmax(float *scores, int count);
float scores_largest(const float *scores, int count); /* -INFINITY of none */
int scores_best(const float *scores, int count);      /* of equals the first */
void scores_process(const struct scoring *s);         /* repetition penalty, minimum length */
/* Temperature, then top-k, then top-p: what falls out scores -INFINITY; the best `least` stay. */
void scores_warp(const struct scoring *s, int least);
/* Draws an id so, by the uniform number u; scores are used up. */
int scores_draw(const struct scoring *s, double u);
/* Where the share u of [0, 1) falls among chances of any sum; -1 if none is above 0. */
int chances_draw(const double *chance, int count, double u);

/* beam.c - one item's beams */
struct beam_search;
struct beam_step { /* how the running beams of an item go on */
    int parent, token;
};
struct beam_search *beam_new(const struct decoding *d, const struct prompt *p);
/* scores, raw: [running, vocabulary] processed and plain log-probabilities of the running beams;
 * the scores are used up when beams are drawn.  Fills next[beams]; false when the item is done. */
bool beam_advance(struct beam_search *b, float *scores, const float *raw, int vocabulary,
                  struct beam_step *next);
const int *beam_ids(const struct beam_search *b, int beam, int *count);
int beam_running(const struct beam_search *b); /* 1 before the first step, then `beams` */
void beam_results(struct beam_search *b, struct hypothesis *out); /* best first; frees b */

#endif
