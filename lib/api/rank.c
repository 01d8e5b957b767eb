/* SPDX-License-Identifier: MIT
 * rank.c - the best answer of a list
 *
 *     p      probability of each answer's first token, behind the decoder's begin
 *     kept   the answers of largest p
 *     score  - sum over the answer's tokens of their loss; the original ALBEF adds log p
 *
 * Of equal scores the answer that came first in the list is better.  Sources: salesforce/ALBEF
 * models/model_vqa.py, salesforce/BLIP models/blip_vqa.py, salesforce/LAVIS
 * lavis/models/albef_models/albef_vqa.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "api/api.h"
#include "nn/bert.h"

struct vlm_answers {
    int **ids, *counts, count; /* framed; of the frame's begin the decoder's own */
};

static int read_answer(const struct vlm *v, const struct tokenizer *t, const char *text,
                       struct token_ids *got)
{
    const struct model *m = v->model;
    char *ended = m->reading.no_end ? xprintf("%s[SEP]", text) : xstrdup(text);

    tokenizer_encode(t, ended, strlen(ended), m->reading.context, got);
    free(ended);
    if (m->writing.begin)
        got->ids[0] = m->writing.begin;
    return got->count < 3 ? fail("\"%s\" is no answer", text) : 0;
}

struct vlm_answers *vlm_answers_read(const struct vlm *v, const char *const *list, int count)
{
    const struct tokenizer *t = vlm_tokenizer(v);
    struct vlm_answers *a = t ? xalloc(1, sizeof *a) : NULL;

    if (!t)
        return NULL;
    a->ids = xalloc((size_t)count + 1, sizeof *a->ids);
    a->counts = xalloc((size_t)count + 1, sizeof *a->counts);
    for (int i = 0; i < count; i++) {
        struct token_ids got;
        int status = read_answer(v, t, list[i], &got);

        a->ids[a->count] = got.ids;
        a->counts[a->count++] = got.count;
        if (status) {
            vlm_answers_free(a);
            return NULL;
        }
    }
    return a;
}

void vlm_answers_free(struct vlm_answers *a)
{
    for (int i = 0; a && i < a->count; i++)
        free(a->ids[i]);
    if (a) {
        free(a->ids);
        free(a->counts);
    }
    free(a);
}

struct candidate {
    int index;
    double first, score, logprob; /* first: log p */
};

static int by_first(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;

    return by_largest(a->first, b->first, a->index, b->index);
}

static int by_score(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;

    return by_largest(a->score, b->score, a->index, b->index);
}

/* The largest is taken out first: no exponential overflows. */
double vlm_log_sum(const float *z, long count)
{
    double sum = 0;
    float most = z[0];

    for (long i = 1; i < count; i++)
        most = fmaxf(most, z[i]);
    for (long i = 0; i < count; i++)
        sum += exp((double)z[i] - (double)most);
    return (double)most + log(sum);
}

/* What one question's decoder looks at. */
struct question {
    struct bert *decoder;
    struct tensor *states;
    const struct spans *span; /* one sequence */
};

/* Logits behind every row but each text's last: [rows - texts, vocabulary] */
static struct tensor *answer_logits(struct tape *t, const struct question *q, const int *ids,
                                    const int *counts, int texts)
{
    const struct spans *spans = spans_of(t, texts, counts);
    int *zero = tape_alloc(t, (size_t)texts * sizeof *zero), n = 0;
    int *at = tape_alloc(t, (size_t)spans->start[texts] * sizeof *at);
    struct bert_input in = { .ids = ids,
                             .texts = spans,
                             .causal = true,
                             .image = q->states,
                             .images = q->span,
                             .image_of = zero };

    memset(zero, 0, (size_t)texts * sizeof *zero);
    for (int i = 0; i < texts; i++)
        for (int k = spans->start[i]; k + 1 < spans->start[i + 1]; k++)
            at[n++] = k;
    return bert_logits(t, q->decoder, take_rows(t, bert_forward(t, q->decoder, &in), at, n));
}

static void look_at_first(struct tape *t, const struct question *q, const struct vlm_answers *a,
                          struct candidate *list)
{
    int two[2] = { a->ids[0][0], a->ids[0][0] }, count = 2; /* the second is never asked */
    struct tensor *z = answer_logits(t, q, two, &count, 1);
    double sum = vlm_log_sum(z->data, width(z));

    for (int i = 0; i < a->count; i++)
        list[i] = (struct candidate){ .index = i, .first = z->data[a->ids[i][1]] - sum };
    qsort(list, (size_t)a->count, sizeof *list, by_first);
}

static void score_one(const struct model *m, const struct vlm_answers *a, struct candidate *c,
                      const struct tensor *z, long row)
{
    double smooth = (double)m->answering.smoothing, loss = 0, sum = 0;
    int steps = a->counts[c->index] - 1;

    for (int k = 0; k < steps; k++, row++) {
        const float *at = z->data + row * z->stride;
        double all = vlm_log_sum(at, width(z)), own = all - at[a->ids[c->index][k + 1]], mean = 0;

        for (long j = 0; smooth > 0 && j < width(z); j++)
            mean += (all - at[j]) / (double)width(z);
        loss += (1 - smooth) * own + smooth * mean;
        sum -= own;
    }
    c->logprob = sum / steps;
    c->score = -loss + (m->answering.first_twice ? c->first : 0);
}

enum { TOGETHER = 32 }; /* answers of one pass: their logits are long */

static void score_all(struct tape *t, const struct model *m, const struct question *q,
                      const struct vlm_answers *a, struct candidate *list, int keep)
{
    for (int i = 0; i < keep; i += TOGETHER) {
        int some = keep - i < TOGETHER ? keep - i : TOGETHER, total = 0, counts[TOGETHER], *ids;
        struct tape_mark mark = tape_mark(t);
        struct tensor *z;
        long row = 0;

        for (int k = 0; k < some; k++)
            total += counts[k] = a->counts[list[i + k].index];
        ids = tape_alloc(t, (size_t)total * sizeof *ids);
        for (int k = 0, at = 0; k < some; at += counts[k++])
            memcpy(ids + at, a->ids[list[i + k].index], (size_t)counts[k] * sizeof *ids);
        z = answer_logits(t, q, ids, counts, some);
        for (int k = 0; k < some; row += counts[k++] - 1)
            score_one(m, a, &list[i + k], z, row);
        tape_drop(t, mark);
    }
    qsort(list, (size_t)keep, sizeof *list, by_score);
}

static void fill_ranked(const struct candidate *list, int keep, int sequences, bool truncated,
                        struct vlm_ranked *out)
{
    double sum = 0;

    for (int i = 0; i < keep; i++)
        sum += exp(list[i].score - list[0].score);
    for (int i = 0; i < sequences; i++)
        out[i] =
            (struct vlm_ranked){ list[i].index, (float)(exp(list[i].score - list[0].score) / sum),
                                 (float)list[i].logprob, truncated };
}

static struct prompt read_question(const struct vlm *v, const struct tokenizer *t, const char *text,
                                   bool *truncated)
{
    struct token_ids got;

    tokenizer_encode(t, text, strlen(text), v->model->reading.context, &got);
    *truncated = got.truncated;
    return (struct prompt){ .ids = got.ids, .count = got.count };
}

/* One question at a time: nothing is shared between them but the list. */
int vlm_rank(struct vlm *v, const float *features, int images, const char *const *questions,
             const struct vlm_ranking *how, struct vlm_ranked *out)
{
    const struct vlm_answers *a = how->answers;
    int sequences = how->sequences, keep = how->keep < a->count ? how->keep : a->count;
    struct model *m = v->model;
    const struct tokenizer *t = vlm_tokenizer(v);
    struct candidate *list = xalloc((size_t)a->count + 1, sizeof *list);
    size_t each = (size_t)m->image.tokens * (size_t)m->image.width;

    if (!(m->abilities & VLM_ANSWER) || !m->family->questions || !t || sequences > keep) {
        free(list);
        return fail_as("unsupported", "%s cannot choose from %d answers", v->about, keep);
    }
    for (int i = 0; i < images; i++) {
        bool truncated;
        struct prompt p = read_question(v, t, questions[i], &truncated);
        struct question q;
        struct tensor *x;

        tape_clear(&v->tape);
        x = tensor_from(&v->tape, (float *)(uintptr_t)(features + (size_t)i * each), 3,
                        (long[]){ 1, m->image.tokens, m->image.width });
        q.decoder = m->family->questions(&v->tape, m, x, &p, &q.states, &q.span);
        look_at_first(&v->tape, &q, a, list);
        score_all(&v->tape, m, &q, a, list, keep);
        fill_ranked(list, keep, sequences, truncated, out + (size_t)i * (size_t)sequences);
        free((int *)(uintptr_t)p.ids);
    }
    free(list);
    return 0;
}
