/* SPDX-License-Identifier: MIT
 * scores.c - what is done to the scores of one row before a token is chosen
 *
 * Order, as in huggingface/transformers generation/utils.py: repetition penalty, minimum length;
 * and when sampling, temperature, top-k, top-p.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "decode/decode.h"
#include "tensor/tensor.h"

enum { LANES = 8 };

/* Eight chains of maxima, so that a plain loop fills vector registers. */
float scores_largest(const float *scores, int count)
{
    float most[LANES], all = -INFINITY;
    int i = 0;

    for (int k = 0; k < LANES; k++)
        most[k] = -INFINITY;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            most[k] = scores[i + k] > most[k] ? scores[i + k] : most[k];
    for (; i < count; i++)
        all = scores[i] > all ? scores[i] : all;
    for (int k = 0; k < LANES; k++)
        all = most[k] > all ? most[k] : all;
    return all;
}

int scores_best(const float *scores, int count)
{
    float largest = scores_largest(scores, count);

    for (int i = 0; i < count; i++)
        if (scores[i] == largest)
            return i;
    return 0; /* all are NaN */
}

/* log softmax(x)_i = x_i - max + log softmax(x)_argmax, for softmax(x)_argmax = 1 / sum */
void scores_log_softmax(float *scores, int count)
{
    int top = scores_best(scores, count);
    float max = scores[top], *p = xresize(NULL, (size_t)count, sizeof *p), shift;

    memcpy(p, scores, (size_t)count * sizeof *p);
    kernels.softmax(p, count);
    shift = logf(p[top]);
    for (int i = 0; i < count; i++)
        scores[i] = scores[i] - max + shift;
    free(p);
}

static int id_at(const struct scoring *s, int i)
{
    return i < s->seen_count ? s->seen[i] : s->ids[i - s->seen_count];
}

/* Every id once: a negative score is multiplied, a positive one divided. */
static void penalise_repetition(const struct scoring *s)
{
    float penalty = (float)s->rules->repetition_penalty;

    for (int i = 0; i < s->seen_count + s->count; i++) {
        float *score = &s->scores[id_at(s, i)];
        bool again = false;

        for (int j = 0; j < i && !again; j++)
            again = id_at(s, j) == id_at(s, i);
        if (!again)
            *score = *score < 0 ? *score * penalty : *score / penalty;
    }
}

/* min_length forbids the end token until a text has that many ids, the prompt counted. */
void scores_process(const struct scoring *s)
{
    if (s->rules->repetition_penalty != 1)
        penalise_repetition(s);
    if (s->count < s->rules->min_length)
        s->scores[s->rules->end] = -INFINITY;
}

struct ranked {
    float score;
    int id;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Keeps what is >= the k-th largest. */
static void keep_top_k(float *scores, const struct ranked *order, int count, int k)
{
    for (int i = k; i < count; i++)
        if (order[i].score < order[k - 1].score)
            scores[order[i].id] = -INFINITY;
}

/* Drops the least likely ids whose probabilities sum to no more than 1 - p; `least` always stay. */
static void keep_top_p(float *scores, const struct ranked *order, int count, double top_p,
                       int least)
{
    double sum = 0, low = 0;

    for (int i = 0; i < count; i++)
        sum += exp((double)scores[order[i].id] - order[0].score);
    for (int i = count - 1; i >= least; i--) {
        low += exp((double)scores[order[i].id] - order[0].score);
        if (low > (1 - top_p) * sum)
            break;
        scores[order[i].id] = -INFINITY;
    }
}

/* Temperature comes before top-k and top-p, as in transformers. */
void scores_warp(const struct scoring *s, int least)
{
    const struct decoding *d = s->rules;
    int n = s->vocabulary, k = d->top_k > least ? d->top_k : least;
    struct ranked *order = xalloc((size_t)n, sizeof *order);

    for (int id = 0; id < n; id++) {
        s->scores[id] = s->scores[id] / (float)d->temperature;
        order[id] = (struct ranked){ s->scores[id], id };
    }
    qsort(order, (size_t)n, sizeof *order, by_score);
    if (d->top_k > 0 && k < n)
        keep_top_k(s->scores, order, n, k);
    if (d->top_p < 1)
        keep_top_p(s->scores, order, n, d->top_p, least);
    free(order);
}

int chances_draw(const double *chance, int count, double u)
{
    double sum = 0;
    int last = -1;

    for (int i = 0; i < count; i++)
        sum += chance[i] > 0 ? chance[i] : 0;
    u *= sum;
    for (int i = 0; i < count; i++) { /* the one in whose share of [0, sum) u falls */
        if (!(chance[i] > 0))
            continue;
        last = i;
        if (u < chance[i])
            break;
        u -= chance[i];
    }
    return last;
}

/* Ids in order of their number, so equal u and scores give one id on every machine. */
int scores_draw(const struct scoring *s, double u)
{
    int n = s->vocabulary, id;
    double *chance = xalloc((size_t)n, sizeof *chance);
    float largest;

    scores_warp(s, 1);
    largest = scores_largest(s->scores, n);
    for (id = 0; id < n; id++)
        chance[id] = exp((double)s->scores[id] - largest);
    id = chances_draw(chance, n, u);
    free(chance);
    return id < 0 ? 0 : id;
}
