/* SPDX-License-Identifier: MIT
 * beam.c - one item's beams, in the four forms that transformers had
 *
 * Every step takes the best 2 x beams of (beam score + log-probability).  One that ends the text
 * may become a finished hypothesis if its rank is below `beams`; the best `beams` others run on.
 * The versions differ in the length that divides a hypothesis' sum, and in when an item is done:
 *
 *     version   length of a hypothesis           done when `beams` are finished and worst >=
 *     to 4.26   ids without end, prompt too      best candidate / (length before the step)^lp
 *     4.29      the same                         best candidate / (length after the step)^lp
 *     4.36      new ids and the end              best candidate / (new ids)^lp
 *     4.50      the same                         best running beam / (new ids)^lp
 *
 * When beams are drawn, the 2 x beams are: one after the other, by the chances that their sums
 * have, and then ranked by those.  To 4.29 temperature, top-k and top-p see the sums and the first
 * step has `beams` equal rows; later versions warp a row's own scores and begin with one row.
 *
 * Source: huggingface/transformers generation/beam_search.py (4.15, 4.33, 4.40) and
 * generation/utils.py (4.57).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "decode/decode.h"

enum { BLOCK = 128 };                     /* scores looked over at once */
static const double worst_of_none = -1e9; /* the rank of a place that no text has taken yet */

struct row {
    int *ids; /* [max_length] */
    int count;
    double score, raw; /* sums of processed and of plain log-probabilities */
};

struct finished {
    struct row row;
    double rank; /* the sum over the length that its version divides by */
    int scored;  /* tokens that `raw` is the sum of */
};

struct candidate {
    float score;
    int parent, token;
};

struct beam_search {
    const struct decoding *rules;
    int prompt, running, full; /* full: hypotheses held */
    int uncounted;             /* ids of the prompt that no length counts */
    struct row *rows, *next;
    struct finished *held; /* best first; at most `beams`, one more while one is let in */
    bool improving;        /* 4.50 */
    struct random random;
};

static void row_set(struct row *to, const struct row *from, int token)
{
    memcpy(to->ids, from->ids, (size_t)from->count * sizeof *to->ids);
    to->count = from->count;
    if (token >= 0)
        to->ids[to->count++] = token;
}

/* It starts with one beam, the prompt: the first step fills the others from its continuations. */
struct beam_search *beam_new(const struct decoding *d, const struct prompt *p)
{
    struct beam_search *b = xalloc(1, sizeof *b);
    size_t room = (size_t)d->max_length + 1, beams = (size_t)d->beams;

    *b = (struct beam_search){ .rules = d,
                               .prompt = p->count,
                               .uncounted = d->counts_prompt ? 0 : p->count,
                               .running = 1,
                               .improving = true,
                               .random = { .state = p->seed } };
    b->rows = xalloc(beams, sizeof *b->rows);
    b->next = xalloc(beams, sizeof *b->next);
    b->held = xalloc(beams + 1, sizeof *b->held);
    for (size_t i = 0; i <= beams; i++) {
        b->held[i].row.ids = xalloc(room, sizeof(int));
        if (i < beams) {
            b->rows[i].ids = xalloc(room, sizeof(int));
            b->next[i].ids = xalloc(room, sizeof(int));
        }
    }
    memcpy(b->rows[0].ids, p->ids, (size_t)p->count * sizeof *p->ids);
    b->rows[0].count = p->count;
    return b;
}

const int *beam_ids(const struct beam_search *b, int beam, int *count)
{
    *count = b->rows[beam].count;
    return b->rows[beam].ids;
}

int beam_running(const struct beam_search *b)
{
    return b->running;
}

/* Puts one continuation where it belongs among at most `wanted`, best first. */
static int let_in(struct candidate *list, int count, int wanted, struct candidate c)
{
    int at = count;

    if (count < wanted)
        count++;
    else
        at--;
    for (; at > 0 && c.score > list[at - 1].score; at--)
        list[at] = list[at - 1];
    list[at] = c;
    return count;
}

/* The best `wanted` of all continuations, best first; of equals the one that comes first.  Blocks
 * in which nothing beats the last of a full list are passed over. */
static int candidates(const struct beam_search *b, const float *scores, int vocabulary,
                      struct candidate *list, int wanted)
{
    int count = 0;

    for (int beam = 0; beam < b->running; beam++) {
        const float *row = scores + (size_t)beam * (size_t)vocabulary;
        float sum = (float)b->rows[beam].score;

        for (int from = 0; from < vocabulary; from += BLOCK) {
            int end = from + BLOCK < vocabulary ? from + BLOCK : vocabulary;

            if (count == wanted &&
                !(scores_largest(row + from, end - from) + sum > list[count - 1].score))
                continue;
            for (int token = from; token < end; token++) {
                struct candidate c = { row[token] + sum, beam, token };

                if (count < wanted || c.score > list[count - 1].score)
                    count = let_in(list, count, wanted, c);
            }
        }
    }
    return count;
}

static double uniform(struct beam_search *b)
{
    const struct decoding *d = b->rules;

    return d->draw ? d->draw(d->draw_from) : random_uniform(&b->random);
}

/* What the running beams may go on with, each with its sum; of a row at least two stay, so that
 * one does not end the text.  The first step of old versions has the prompt `beams` times.  Returns
 * how many there are; *out is to be freed. */
static int warped(const struct beam_search *b, float *scores, int vocabulary,
                  struct candidate **out)
{
    const struct decoding *d = b->rules;
    bool sums = d->version <= BEAM_4_29; /* what is warped */
    int copies = sums && b->rows[0].count == b->prompt ? d->beams : 1, count = 0, once;
    struct candidate *list = NULL;

    for (int beam = 0; beam < b->running; beam++, scores += vocabulary) {
        const struct scoring s = { .rules = d, .vocabulary = vocabulary, .scores = scores };
        float sum = (float)b->rows[beam].score;

        for (int i = 0; sums && i < vocabulary; i++)
            scores[i] += sum;
        scores_warp(&s, 2);
        for (int i = 0; i < vocabulary; i++) {
            if (scores[i] == -INFINITY)
                continue;
            if (!(count & (count - 1)))
                list = xresize(list, count ? 2 * (size_t)count : 1, sizeof *list);
            list[count++] = (struct candidate){ scores[i] + (sums ? 0 : sum), beam, i };
        }
    }
    once = count;
    list = xresize(list, (size_t)once * (size_t)copies, sizeof *list);
    for (; count < once * copies; count++)
        list[count] = list[count - once];
    *out = list;
    return count;
}

/* One of what is left by its chance, or the best that is left if no chance is above 0. */
static int draw(const struct candidate *from, const double *chance, int count, double u)
{
    int one = chances_draw(chance, count, u);

    if (one >= 0)
        return one;
    for (int i = 0; i < count; i++)
        if (chance[i] == 0 && (one < 0 || from[i].score > from[one].score))
            one = i;
    return one;
}

/* Draws `wanted` of the continuations, none twice; ranked by their sums. */
static int drawn(struct beam_search *b, float *scores, int vocabulary, struct candidate *list,
                 int wanted)
{
    struct candidate *from;
    int left = warped(b, scores, vocabulary, &from), count = 0;
    double *chance = xresize(NULL, (size_t)left, sizeof *chance);
    float largest = -INFINITY;

    for (int i = 0; i < left; i++)
        largest = from[i].score > largest ? from[i].score : largest;
    for (int i = 0; i < left; i++)
        chance[i] = exp((double)from[i].score - largest);
    while (count < wanted && count < left) {
        int one = draw(from, chance, left, uniform(b));

        chance[one] = -1; /* gone */
        count = let_in(list, count, wanted, from[one]);
    }
    free(chance);
    free(from);
    return count;
}

/* transformers 4.50 works in f32 tensors here, the others in Python's doubles: at a tie the
 * difference decides. */
static double over_length(const struct decoding *d, double sum, int length)
{
    double divisor = pow(length, d->length_penalty);

    return d->version == BEAM_4_50 ? (double)((float)sum / (float)divisor) : sum / divisor;
}

/* Holds a hypothesis if there is room or it beats the worst; equals stay in order of arrival. */
static void hold(struct beam_search *b, const struct row *row, double score, double raw, int length,
                 int scored)
{
    double rank = over_length(b->rules, score, length);
    struct finished spare = b->held[b->rules->beams];
    int at = b->full;

    if (b->full == b->rules->beams && !(rank > b->held[b->full - 1].rank))
        return;
    while (at > 0 && rank > b->held[at - 1].rank)
        at--;
    memmove(&b->held[at + 1], &b->held[at], /* the last one falls off and leaves its memory */
            (size_t)(b->rules->beams - at) * sizeof *b->held);
    if (b->full < b->rules->beams)
        b->full++;
    b->held[at] = (struct finished){ .row = { .ids = spare.row.ids }, .rank = rank };
    row_set(&b->held[at].row, row, -1);
    b->held[at].row.score = score;
    b->held[at].row.raw = raw;
    b->held[at].scored = scored;
}

/* Length that divides a hypothesis made of `row` and, if `ended`, the end token. */
static int counted(const struct beam_search *b, const struct row *row, bool ended)
{
    return b->rules->version <= BEAM_4_29 ? row->count : row->count + ended - b->uncounted;
}

/* Before 4.50: whether no open beam can still enter.  `best` is the best candidate's sum. */
static bool settled(const struct beam_search *b, double best, int before)
{
    const struct decoding *d = b->rules;
    int length = d->version == BEAM_4_26 ? before : before + 1;

    if (b->full < d->beams)
        return false;
    if (d->early == EARLY_TRUE)
        return true;
    if (d->early == EARLY_NEVER && d->length_penalty > 0 && d->version != BEAM_4_26)
        length = d->max_length;
    if (d->version == BEAM_4_36)
        length -= b->uncounted;
    return b->held[b->full - 1].rank >= over_length(d, best, length);
}

static void swap_rows(struct beam_search *b, int running)
{
    struct row *rows = b->rows;

    b->rows = b->next;
    b->next = rows;
    b->running = running;
}

static bool advance_scorer(struct beam_search *b, const struct candidate *list, int count,
                           const float *raw, int vocabulary, struct beam_step *next)
{
    const struct decoding *d = b->rules;
    int running = 0, before = b->rows[0].count;

    for (int i = 0; i < count && running < d->beams; i++) {
        const struct candidate *c = &list[i];
        const struct row *parent = &b->rows[c->parent];
        double plain = parent->raw + raw[(size_t)c->parent * (size_t)vocabulary + (size_t)c->token];

        if (c->token == d->end) {
            if (i < d->beams)
                hold(b, parent, c->score, plain, counted(b, parent, true),
                     parent->count + 1 - b->prompt);
            continue;
        }
        row_set(&b->next[running], parent, c->token);
        b->next[running].score = c->score;
        b->next[running].raw = plain;
        next[running++] = (struct beam_step){ c->parent, c->token };
    }
    swap_rows(b, running);
    if (settled(b, list[0].score, before))
        return false;
    if (b->rows[0].count < d->max_length)
        return true;
    for (int i = 0; i < running; i++) /* the length is used up: open beams are hypotheses too */
        hold(b, &b->rows[i], b->rows[i].score, b->rows[i].raw, counted(b, &b->rows[i], false),
             b->rows[i].count - b->prompt);
    return false;
}

/* Whether the best running beam, at its best length, could still beat the worst that is held. */
static bool can_improve(const struct beam_search *b, double best)
{
    const struct decoding *d = b->rules;
    int length =
        d->early == EARLY_NEVER && d->length_penalty > 0 ? d->max_length : b->rows[0].count;
    double worst = b->full == d->beams ? b->held[b->full - 1].rank : worst_of_none;

    return over_length(d, best, length - b->prompt) > worst;
}

/* 4.50: a hypothesis is finished by the end token or by its length; both count alike. */
static bool advance_vectorised(struct beam_search *b, const struct candidate *list, int count,
                               const float *raw, int vocabulary, struct beam_step *next)
{
    const struct decoding *d = b->rules;
    bool last = b->rows[0].count + 1 >= d->max_length, open = b->improving;
    int running = 0, hits = 0;

    if (b->full == d->beams && d->early == EARLY_TRUE)
        open = false;
    for (int i = 0; i < count; i++) {
        const struct candidate *c = &list[i];
        const struct row *parent = &b->rows[c->parent];
        double plain = parent->raw + raw[(size_t)c->parent * (size_t)vocabulary + (size_t)c->token];
        bool hit = c->token == d->end || last;

        hits += hit;
        if (hit && open && i < d->beams) {
            int length = parent->count + 1 - b->prompt;

            if (c->token != d->end) /* at the last step nothing runs on: next[0] is free */
                row_set(&b->next[0], parent, c->token);
            hold(b, c->token != d->end ? &b->next[0] : parent, c->score, plain, length, length);
        }
        if (hit || running == d->beams)
            continue;
        row_set(&b->next[running], parent, c->token);
        b->next[running].score = c->score;
        b->next[running].raw = plain;
        next[running++] = (struct beam_step){ c->parent, c->token };
    }
    if (!running || hits == count)
        return false;
    swap_rows(b, running);
    b->improving = b->improving && can_improve(b, b->rows[0].score);
    return b->improving && !(b->full == d->beams && d->early == EARLY_TRUE);
}

bool beam_advance(struct beam_search *b, float *scores, const float *raw, int vocabulary,
                  struct beam_step *next)
{
    int wanted = 2 * b->rules->beams, count;
    struct candidate *list = xalloc((size_t)wanted, sizeof *list);
    bool more;

    count = b->rules->sample ? drawn(b, scores, vocabulary, list, wanted)
                             : candidates(b, scores, vocabulary, list, wanted);
    if (b->rules->version == BEAM_4_50)
        more = advance_vectorised(b, list, count, raw, vocabulary, next);
    else
        more = advance_scorer(b, list, count, raw, vocabulary, next);
    free(list);
    return more;
}

/* The ids are copied: those of the search are freed with it. */
static struct hypothesis result(const struct finished *f)
{
    struct hypothesis h = { .count = f->row.count, .score = f->rank };

    h.ids = (int *)(void *)xmemdup(f->row.ids, (size_t)f->row.count * sizeof *h.ids);
    h.logprob = f->scored ? f->row.raw / f->scored : 0;
    return h;
}

/* Under a length penalty of -40 no text can beat the score of none, -1e9, and the search ends with
 * its first step.  What is left is the prompt, as in transformers. */
static void hold_prompt(struct beam_search *b)
{
    struct row prompt = b->rows[0];

    prompt.count = b->prompt;
    row_set(&b->held[0].row, &prompt, -1);
    b->held[0].rank = worst_of_none;
    b->full = 1;
}

/* Asked for more than there are, the last one stands in. */
void beam_results(struct beam_search *b, struct hypothesis *out)
{
    int beams = b->rules->beams;

    if (!b->full)
        hold_prompt(b);
    for (int i = 0; i < b->rules->sequences; i++)
        out[i] = result(&b->held[i < b->full ? i : b->full - 1]);
    for (int i = 0; i <= beams; i++) {
        free(b->held[i].row.ids);
        if (i < beams) {
            free(b->rows[i].ids);
            free(b->next[i].ids);
        }
    }
    free(b->rows);
    free(b->next);
    free(b->held);
    free(b);
}
