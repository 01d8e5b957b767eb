/* SPDX-License-Identifier: MIT
 * metrics.c - the members of the object that is written: numbers as in every record
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "eval/eval.h"

void metrics_count(struct record *out, const char *name, long count)
{
    char *text = xprintf("%ld", count);

    record_set_json(out, name, text, strlen(text));
    free(text);
}

/* JSON has no NaN: what cannot be said is null. */
static void set(struct record *out, const char *name, double value)
{
    if (isnan(value))
        record_set_json(out, name, "null", 4);
    else
        record_set_number(out, name, (float)value);
}

static void set_at(struct record *out, const char *name, int at, double value)
{
    char *whole = xprintf("%s_%d", name, at);

    set(out, whole, value);
    free(whole);
}

/* Names and order are part of the output: what is added stands behind. */
void metrics_captions(struct record *out, const struct caption_set *s, const struct references *r)
{
    struct caption_scores scores = caption_measure(s);

    metrics_count(out, "references", scores.references);
    if (r)
        metrics_count(out, "images_without_caption", references_count(r) - scores.images);
    record_set_string(out, "units", "fractions of 1; cider_d: ten times the mean cosine");
    for (int k = 0; k < COUNT(scores.bleu); k++)
        set_at(out, "bleu", k + 1, scores.bleu[k]);
    set(out, "rouge_l", scores.rouge_l);
    set(out, "cider_d", scores.cider_d);
}

/* recall_mean is the mean of the six, as the papers on retrieval give it. */
void metrics_recall(struct record *out, const struct recall_set *s)
{
    double sum = 0;
    struct recall r;

    recall_measure(s, &r);
    metrics_count(out, "images", s->image_count);
    metrics_count(out, "texts", s->text_count);
    record_set_string(out, "units", "fractions of 1");
    for (int k = 0; k < RECALLS; k++)
        set_at(out, "text_recall", recall_at[k], r.of_text[k]);
    for (int k = 0; k < RECALLS; k++)
        set_at(out, "image_recall", recall_at[k], r.of_image[k]);
    for (int k = 0; k < RECALLS; k++)
        sum += r.of_text[k] + r.of_image[k];
    set(out, "recall_mean", sum / (2 * RECALLS));
}

/* Only the sides that the input has are written; a mean needs both. */
void metrics_answers(struct record *out, const struct answers *a, const struct answers *texts)
{
    double sum = 0;

    if (a->count || !texts->count)
        metrics_count(out, "queries", a->count);
    if (texts->count)
        metrics_count(out, "images", texts->count);
    record_set_string(out, "units", "fractions of 1");
    for (int k = 0; texts->count && k < RECALLS; k++)
        set_at(out, "text_recall", recall_at[k], answers_recall(texts, k));
    for (int k = 0; (a->count || !texts->count) && k < RECALLS; k++)
        set_at(out, "image_recall", recall_at[k], answers_recall(a, k));
    for (int k = 0; k < RECALLS; k++)
        sum += answers_recall(a, k) + answers_recall(texts, k);
    if (a->count && texts->count)
        set(out, "recall_mean", sum / (2 * RECALLS));
}

void metrics_classes(struct record *out, const struct classes *c)
{
    metrics_count(out, "classes", c->names.count);
    record_set_string(out, "units", "fractions of 1");
    set(out, "accuracy", classes_accuracy(c));
    set(out, "mean_per_class", classes_mean(c));
}

void metrics_matching(struct record *out, struct labelled_list *l, double threshold)
{
    long yes = 0;

    for (long i = 0; i < l->count; i++)
        yes += l->list[i].truth;
    metrics_count(out, "true", yes);
    metrics_count(out, "false", l->count - yes);
    record_set_string(out, "units", "fractions of 1");
    set(out, "accuracy", labelled_accuracy(l, threshold));
    set(out, "auc", labelled_auc(l));
}
