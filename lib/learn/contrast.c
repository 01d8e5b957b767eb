/* SPDX-License-Identifier: MIT
 * contrast.c - contrastive learning, with or without a teacher and its queue
 *
 *     candidates = [batch, queue]                the teacher's embeddings; or the batch's own
 *     z = u candidates^T / temperature
 *     y = (1 - alpha) positives + alpha softmax(u' candidates^T / temperature)
 *     loss = (CE(y, z) of images + CE(y, z) of texts) / 2
 *
 * Source: salesforce/BLIP models/blip_retrieval.py (a picture's pairs belong together),
 * models/blip_pretrain.py (a pair is alone); arXiv 2107.07651.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "learn/learn.h"

/* [batch + size, width]. Features of the queue are constants: no gradient reaches them. */
struct tensor *with_queue(struct tape *t, struct tensor *x, const float *queue, long size)
{
    struct tensor *all;

    if (!queue || !size)
        return x;
    assert(x->stride == width(x) && !wants(x));
    all = tensor_make(t, rows(x) + size, width(x));
    memcpy(all->data, x->data, (size_t)tensor_count(x) * sizeof *all->data);
    memcpy(all->data + tensor_count(x), queue, (size_t)(size * width(x)) * sizeof *all->data);
    return all;
}

static int64_t group_of(const struct pairs *b, const struct loss_options *l, long candidate)
{
    if (candidate >= b->count)
        return l->queue->group[candidate - b->count];
    return b->group ? b->group[candidate] : NO_GROUP;
}

/* Does candidate j belong to pair i? */
static bool belongs(const struct pairs *b, const struct loss_options *l, const bool *alike, long i,
                    long j)
{
    int64_t own = group_of(b, l, i);

    if (i == j || l->positives == POSITIVES_PAIR)
        return i == j;
    if (j < b->count && l->positives == POSITIVES_ALIKE)
        return alike[i * b->count + j];
    return own != NO_GROUP && group_of(b, l, j) == own;
}

/* Evenly over the candidates that belong to pair i. */
static void positives(float *y, const struct pairs *b, const struct loss_options *l,
                      const bool *alike, long i, long candidates)
{
    long same = 0;

    for (long j = 0; j < candidates; j++) {
        y[j] = belongs(b, l, alike, i, j);
        same += y[j] > 0;
    }
    for (long j = 0; j < candidates && same > 1; j++)
        y[j] /= (float)same;
}

/* Each row sums to 1: the pairs that belong together, and the teacher's share of what it finds
 * similar. */
const float *contrast_targets(struct tape *t, const struct pairs *b, const struct loss_options *l,
                              const struct tensor *teacher_logits)
{
    long candidates = b->count + (l->queue ? l->queue->size : 0);
    float *soft = teacher_logits ? softmax_rows(t, teacher_logits) : NULL;
    float *y = tape_floats(t, b->count * candidates);
    const bool *alike = pairs_alike(t, b);

    assert(!teacher_logits || width(teacher_logits) == candidates);
    for (long i = 0; i < b->count; i++) {
        float *row = y + i * candidates;

        positives(row, b, l, alike, i, candidates);
        for (long j = 0; soft && j < candidates; j++)
            row[j] = (1 - l->alpha) * row[j] + l->alpha * soft[i * candidates + j];
    }
    return y;
}

struct tensor *contrast_loss(struct tape *t, struct tensor *by_image, const float *image_targets,
                             struct tensor *by_text, const float *text_targets)
{
    struct tensor *sum = add(t, soft_cross_entropy(t, by_image, image_targets),
                             soft_cross_entropy(t, by_text, text_targets));

    return scale(t, sum, 0.5f);
}

static struct tensor *logits(struct tape *t, const struct contrast *c, struct tensor *u,
                             struct tensor *candidates)
{
    return c->temperature.apply(t, matmul_transposed(t, u, candidates), c->temperature.s);
}

/* The same where nothing is to be learned. */
static struct tensor *teacher_logits(struct tape *t, const struct contrast *c, struct tensor *u,
                                     struct tensor *candidates)
{
    struct tensor *s = tensor_new(t, 0, NULL);

    s->data[0] = c->temperature.s->data[0];
    return c->temperature.apply(t, matmul_transposed(t, u, candidates), s);
}

/* The targets are made before the batch enters the queue, or it would meet itself there. */
struct tensor *contrast(struct tape *t, struct contrast *c, const struct pairs *b,
                        const struct loss_options *l)
{
    struct tensor *u = c->teacher_images, *v = c->teacher_texts;
    bool taught = u != NULL, queue = taught && l->queue;
    struct tensor *images =
        taught ? with_queue(t, u, queue ? l->queue->images : NULL, queue ? l->queue->size : 0)
               : c->images;
    struct tensor *texts =
        taught ? with_queue(t, v, queue ? l->queue->texts : NULL, queue ? l->queue->size : 0)
               : c->texts;
    const float *image_targets, *text_targets;

    image_targets = contrast_targets(t, b, l, taught ? teacher_logits(t, c, u, texts) : NULL);
    text_targets = contrast_targets(t, b, l, taught ? teacher_logits(t, c, v, images) : NULL);
    c->by_image = logits(t, c, c->images, texts);
    c->by_text = logits(t, c, c->texts, images);
    if (queue)
        feature_queue_add(l->queue, u->data, v->data, b->group, b->count);
    return contrast_loss(t, c->by_image, image_targets, c->by_text, text_targets);
}

/* Source: arXiv 2103.00020, figure 3; 2303.15343, algorithm 1. */
void contrast_rows(struct tape *t, struct contrast *c, const struct pairs *b,
                   const struct loss_options *l, struct losses *out)
{
    struct tensor **rows[] = { &c->images, &c->texts, &c->teacher_images, &c->teacher_texts };
    const float length_floor = 1e-12f;

    for (int i = 0; i < COUNT(rows); i++)
        if (*rows[i])
            *rows[i] = normalize(t, *rows[i], length_floor);
    c->temperature.apply = scale_exp;
    out->temperature = expf(-c->temperature.s->data[0]);
    if (c->bias)
        out->each[LOSS_ITC] =
            sigmoid_contrastive(t, logits(t, c, c->texts, c->images), c->bias, pairs_alike(t, b));
    else
        out->each[LOSS_ITC] = contrast(t, c, b, l);
}

/* Source: mlfoundations/open_clip loss.py; --clean-text as BLIP's training scripts. */
struct learning_texts texts_of_pairs(const struct model *m, unsigned objectives)
{
    (void)objectives;
    return (struct learning_texts){ .longest = m->reading.context,
                                    .words = 30,
                                    .positives = POSITIVES_PAIR };
}

/* Source: openai/CLIP's paper, arXiv 2103.00020 section 2.5: logits are scaled by 100 at most. */
void clamp_scale(struct tensor *logit_scale)
{
    if (logit_scale)
        logit_scale->data[0] = fminf(fmaxf(logit_scale->data[0], 0), logf(100));
}
