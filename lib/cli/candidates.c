/* SPDX-License-Identifier: MIT
 * candidates.c - the best of some texts for each image: ranked by itc, the best K again by itm
 *
 * The score is the matching head's second output, with the cosine added where the model's authors
 * do so, as in queries.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/json.h"
#include "cli/match.h"

struct candidates {
    struct vlm *model;
    struct option_list texts;
    int **ids, *counts, read; /* of the texts that were read */
    float *vectors;           /* [texts, width] */
    int keep;
};

struct candidate {
    int index;
    float itc, logits[2];
    double score;
};

static int read_text(struct candidates *s, int i)
{
    const char *text = s->texts.items[i];
    bool cut;

    if (vlm_read_text(s->model, text, strlen(text), &s->ids[i], &s->counts[i], &cut))
        return -1;
    s->read++;
    return vlm_embed_texts(s->model, s->ids[i], &s->counts[i], 1, true,
                           s->vectors + (size_t)i * (size_t)vlm_width(s->model));
}

struct candidates *candidates_open(struct vlm *m, const char *path, int keep)
{
    struct candidates *s = xalloc(1, sizeof *s);
    int status = lines_read(path, &s->texts), count = s->texts.count;

    s->model = m;
    s->keep = keep < count ? keep : count;
    s->ids = xalloc((size_t)count + 1, sizeof *s->ids);
    s->counts = xalloc((size_t)count + 1, sizeof *s->counts);
    s->vectors = xalloc((size_t)count * (size_t)vlm_width(m) + 1, sizeof *s->vectors);
    for (int i = 0; i < count && !status; i++)
        status = read_text(s, i);
    if (!status)
        return s;
    candidates_free(s);
    return NULL;
}

static int by_itc(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;

    return by_largest(a->itc, b->itc, a->index, b->index);
}

static int by_score(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;

    return by_largest(a->score, b->score, a->index, b->index);
}

/* All texts by their cosine with the image. */
static struct candidate *compare(struct candidates *s, const float *features)
{
    int width = vlm_width(s->model), images = vlm_image_vectors(s->model), count = s->texts.count;
    float *vectors = xalloc((size_t)images * (size_t)width, sizeof *vectors);
    float *scores = xalloc((size_t)count, sizeof *scores);
    struct candidate *list = NULL;

    if (vlm_embed_features(s->model, features, 1, true, vectors) == 0) {
        list = xalloc((size_t)count, sizeof *list);
        vector_cosines(vectors, images, s->vectors, count, width, scores);
        for (int i = 0; i < count; i++)
            list[i] = (struct candidate){ .index = i, .itc = scores[i] };
        qsort(list, (size_t)count, sizeof *list, by_itc);
    }
    free(vectors);
    free(scores);
    return list;
}

/* All candidates of one image in one call: its keys are read once. */
static int match_best(struct candidates *s, const float *features, struct candidate *list)
{
    int total = 0, *ids, status;
    int *counts = xalloc((size_t)s->keep, 2 * sizeof *counts), *image_of = counts + s->keep;
    float *logits = xalloc((size_t)s->keep, 2 * sizeof *logits);

    for (int i = 0; i < s->keep; i++)
        total += counts[i] = s->counts[list[i].index];
    ids = xalloc((size_t)total, sizeof *ids);
    for (int i = 0, at = 0; i < s->keep; at += counts[i++])
        memcpy(ids + at, s->ids[list[i].index], (size_t)counts[i] * sizeof *ids);
    status = vlm_match(s->model, &(struct vlm_pairs){ features, 1, ids, counts, image_of, s->keep },
                       logits, NULL);
    for (int i = 0; i < s->keep && !status; i++) {
        memcpy(list[i].logits, logits + 2 * i, sizeof list[i].logits);
        list[i].score = (double)logits[2 * i + 1];
        if (!vlm_ranks_by_match(s->model))
            list[i].score += (double)list[i].itc;
    }
    free(ids);
    free(counts);
    free(logits);
    return status;
}

static void set_lists(struct record *r, const struct candidates *s, const struct candidate *list)
{
    size_t keep = (size_t)s->keep;
    float *itm = xalloc(keep, 3 * sizeof *itm), *difference = itm + keep, *itc = difference + keep;
    struct buffer texts = { 0 };

    for (int i = 0; i < s->keep; i++) {
        const char *text = s->texts.items[list[i].index];

        buffer_byte(&texts, i ? ',' : '[');
        json_escape(&texts, text, strlen(text));
        difference[i] = list[i].logits[1] - list[i].logits[0];
        itm[i] = (float)(1 / (1 + exp(-(double)difference[i])));
        itc[i] = list[i].itc;
    }
    buffer_byte(&texts, ']');
    record_set_json(r, "ranked", texts.data, texts.size);
    record_set_numbers(r, "itm", itm, s->keep);
    record_set_numbers(r, "itm_logit", difference, s->keep);
    record_set_numbers(r, "itc", itc, s->keep);
    buffer_free(&texts);
    free(itm);
}

int candidates_rank(struct candidates *s, struct record *r, const float *features)
{
    struct candidate *list = compare(s, features);
    int status = list ? match_best(s, features, list) : -1;

    if (!status) {
        qsort(list, (size_t)s->keep, sizeof *list, by_score);
        set_lists(r, s, list);
    }
    free(list);
    return status;
}

void candidates_free(struct candidates *s)
{
    for (int i = 0; s && i < s->read; i++)
        free(s->ids[i]);
    if (s) {
        for (int i = 0; i < s->texts.count; i++)
            free((char *)(uintptr_t)s->texts.items[i]);
        free(s->texts.items);
        free(s->ids);
        free(s->counts);
        free(s->vectors);
    }
    free(s);
}
