/* SPDX-License-Identifier: MIT
 * queue.c - a ring of embeddings of earlier pairs
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "learn/learn.h"

/* Points of a normal distribution, scaled to length 1: evenly on the sphere, as ALBEF begins its
 * queue. */
static void random_directions(float *to, long count, long wide, struct random *r)
{
    for (long i = 0; i < count; i++, to += wide) {
        double square = 0;

        for (long j = 0; j < wide; j++) {
            to[j] = random_normal(r);
            square += (double)to[j] * (double)to[j];
        }
        for (long j = 0; j < wide; j++)
            to[j] = (float)(to[j] / sqrt(square));
    }
}

struct feature_queue *feature_queue_new(long size, long wide, uint64_t seed)
{
    struct feature_queue *q = xalloc(1, sizeof *q);
    struct random r = { seed };
    size_t numbers;

    *q = (struct feature_queue){ .size = size, .width = wide };
    if (!size_product((size_t)size, (size_t)wide, &numbers))
        numbers = SIZE_MAX; /* xalloc says so */
    q->images = xalloc(numbers, sizeof *q->images);
    q->texts = xalloc(numbers, sizeof *q->texts);
    q->group = xalloc((size_t)size, sizeof *q->group);
    random_directions(q->images, size, wide, &r);
    random_directions(q->texts, size, wide, &r);
    for (long i = 0; i < size; i++)
        q->group[i] = NO_GROUP;
    return q;
}

/* The oldest go first. Features are copied. */
void feature_queue_add(struct feature_queue *q, const float *images, const float *texts,
                       const int64_t *group, int count)
{
    size_t bytes = (size_t)q->width * sizeof *images;

    for (long i = 0; i < count && q->size; i++) {
        memcpy(q->images + q->next * q->width, images + i * q->width, bytes);
        memcpy(q->texts + q->next * q->width, texts + i * q->width, bytes);
        q->group[q->next] = group ? group[i] : NO_GROUP;
        q->next = (q->next + 1) % q->size;
        q->filled += q->filled < q->size;
    }
}

void feature_queue_free(struct feature_queue *q)
{
    if (!q)
        return;
    free(q->images);
    free(q->texts);
    free(q->group);
    free(q);
}
