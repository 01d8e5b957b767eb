/* SPDX-License-Identifier: MIT
 * queries.c - the best images for each of some texts: ranked by itc, the best K again by itm
 *
 * As in the published retrieval results, the final score is the matching head's second output, with
 * the cosine added where the model's authors do so.  Sources: salesforce/BLIP train_retrieval.py;
 * salesforce/ALBEF Retrieval.py; arXiv 2107.07651, section 4.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/match.h"

enum { IMAGES = 8 }; /* read at once */

struct query {
    char *text;
    int *ids, count;
    struct top best; /* items are records of their own */
};

struct queries {
    struct vlm *model;
    struct query *queries;
    int count;
    float *vectors; /* [count, width] */
};

static int read_query(struct queries *k, const char *text, size_t size, int keep)
{
    struct query *q;
    bool cut;

    k->queries = xresize(k->queries, (size_t)k->count + 1, sizeof *k->queries);
    q = &k->queries[k->count++];
    *q = (struct query){ .text = xmemdup(text, size) };
    top_open(&q->best, keep);
    return vlm_read_text(k->model, text, size, &q->ids, &q->count, &cut);
}

static int read_queries(struct queries *k, const char *path, int keep)
{
    struct buffer b = { 0 };
    int status = file_read(&b, path);

    for (char *line = b.data; !status && line < b.data + b.size;) {
        size_t size = strcspn(line, "\n"), length = size;

        if (length && line[length - 1] == '\r')
            length--;
        if (length)
            status = read_query(k, line, length, keep);
        line += size + 1;
    }
    buffer_free(&b);
    return status || k->count ? status : fail("%s: holds no text", path);
}

struct queries *queries_open(struct vlm *m, const char *path, int keep)
{
    struct queries *k = xalloc(1, sizeof *k);

    k->model = m;
    if (read_queries(k, path, keep) == 0) {
        k->vectors = xalloc((size_t)k->count * (size_t)vlm_width(m), sizeof *k->vectors);
        for (int i = 0; i < k->count; i++)
            if (vlm_embed_texts(m, k->queries[i].ids, &k->queries[i].count, 1, true,
                                k->vectors + (size_t)i * (size_t)vlm_width(m)))
                break;
            else if (i == k->count - 1)
                return k;
    }
    queries_free(k);
    return NULL;
}

void queries_add(struct queries *k, struct record *r, const float *embedding)
{
    float *scores = xalloc((size_t)k->count, sizeof *scores);

    vector_cosines(embedding, vlm_image_vectors(k->model), k->vectors, k->count,
                   vlm_width(k->model), scores);
    for (int i = 0; i < k->count; i++) {
        struct top *best = &k->queries[i].best;

        if (top_wants(best, scores[i], r->index))
            record_free(top_add(best, (struct ranked){ scores[i], r->index, record_copy(r) }));
    }
    free(scores);
    record_free(r);
}

/* Scores of up to IMAGES records against one text; a record whose image is gone keeps its error. */
static int match_some(struct queries *k, const struct query *q, struct ranked *list, int count,
                      double *scores)
{
    struct image_work works[IMAGES] = { 0 }, *images[IMAGES];
    int *ids = xalloc((size_t)count * (size_t)q->count, sizeof *ids);
    int counts[IMAGES], image_of[IMAGES], place[IMAGES], good = 0, status;
    float logits[2 * IMAGES], *features;

    for (int i = 0; i < count; i++) {
        image_work_read(list[i].item, k->model, &works[i]);
        scores[i] = -INFINITY;
        if (((struct record *)list[i].item)->failed)
            continue;
        memcpy(ids + (size_t)good * (size_t)q->count, q->ids, (size_t)q->count * sizeof *ids);
        images[good] = &works[i];
        counts[good] = q->count;
        image_of[good] = good;
        place[good++] = i;
    }
    features = image_work_features(k->model, images, good);
    status = features
                 ? vlm_match(k->model,
                             &(struct vlm_pairs){ features, good, ids, counts, image_of, good },
                             logits, NULL)
                 : -1;
    for (int i = 0; i < good && !status; i++) {
        struct record *r = list[place[i]].item;
        float d = logits[2 * i + 1] - logits[2 * i];

        record_set_number(r, "itm", (float)(1 / (1 + exp(-(double)d))));
        record_set_number(r, "itm_logit", d);
        scores[place[i]] = (double)logits[2 * i + 1];
        if (!vlm_ranks_by_match(k->model))
            scores[place[i]] += (double)list[place[i]].score;
    }
    for (int i = 0; i < count; i++)
        image_work_free(&works[i]);
    free(features);
    free(ids);
    return status;
}

struct scored {
    double score;
    struct record *record;
};

/* Highest first; of equals the one that came first. */
static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->record->index > y->record->index) - (x->record->index < y->record->index);
}

/* The matching head sees only the images that the cosine put first. */
static int finish_query(struct queries *k, struct query *q)
{
    int count = q->best.count, status = 0;
    double *scores = xalloc((size_t)count + 1, sizeof *scores);
    struct scored *list = xalloc((size_t)count + 1, sizeof *list);

    top_sort(&q->best);
    for (int i = 0; i < count && !status; i += IMAGES)
        status =
            match_some(k, q, q->best.heap + i, count - i < IMAGES ? count - i : IMAGES, scores + i);
    for (int i = 0; i < count; i++) {
        list[i] = (struct scored){ scores[i], q->best.heap[i].item };
        record_set_string(list[i].record, "query", q->text);
        record_set_number(list[i].record, "itc", q->best.heap[i].score);
    }
    qsort(list, (size_t)count, sizeof *list, by_score);
    for (int i = 0; i < count && !status; i++)
        emit(list[i].record);
    q->best.count = status ? count : 0;
    free(scores);
    free(list);
    return status;
}

int queries_finish(struct queries *k)
{
    for (int i = 0; i < k->count; i++)
        if (finish_query(k, &k->queries[i]))
            return -1;
    return 0;
}

void queries_free(struct queries *k)
{
    for (int i = 0; k && i < k->count; i++) {
        for (int j = 0; j < k->queries[i].best.count; j++)
            record_free(k->queries[i].best.heap[j].item);
        top_free(&k->queries[i].best);
        free(k->queries[i].text);
        free(k->queries[i].ids);
    }
    if (k)
        free(k->queries);
    if (k)
        free(k->vectors);
    free(k);
}
