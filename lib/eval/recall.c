/* SPDX-License-Identifier: MIT
 * recall.c - among all others, are the right ones near the top?
 *
 * The cosines of a block of images with every text are computed at once:
 *
 *     scores[i, t] = image i . text t        [BLOCK, texts]
 *
 * A row ranks the texts for an image.  A column is a part of what ranks the images for a text: the
 * images before its own are counted, block by block.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval/eval.h"
#include "vlm.h"

enum { BLOCK = 64 };

const int recall_at[RECALLS] = { 1, 5, 10 };

static float *add_row(float *rows, long *count, long *room, const float *row, int width)
{
    if (*count == *room) {
        *room = *room ? 2 * *room : 64;
        rows = xresize(rows, (size_t)*room, (size_t)width * sizeof *rows);
    }
    memcpy(rows + (size_t)(*count)++ * (size_t)width, row, (size_t)width * sizeof *rows);
    return rows;
}

static long group_of(struct recall_set *s, const char *name)
{
    long group = name ? names_add(&s->names, name, strlen(name)) : s->group_count;

    if (group == s->group_count) {
        if (group == s->group_room) {
            s->group_room = s->group_room ? 2 * s->group_room : 64;
            s->image_of = xresize(s->image_of, (size_t)s->group_room, sizeof *s->image_of);
        }
        s->image_of[s->group_count++] = -1;
    }
    return group;
}

int recall_add(struct recall_set *s, const char *name, const float *image, const float *texts,
               int count, long width)
{
    long group;

    if (s->width && s->width != width)
        return fail_as("mismatch", "its vectors and those before differ in length");
    assert(!name == !s->names.count || !s->group_count); /* all have names, or none */
    s->width = (int)width;
    group = group_of(s, name);
    if (image && s->image_of[group] < 0) {
        s->image_of[group] = s->image_count;
        s->images = add_row(s->images, &s->image_count, &s->image_room, image, s->width);
    }
    for (int i = 0; texts && i < count; i++) {
        long room = s->text_room;

        s->texts = add_row(s->texts, &s->text_count, &s->text_room, texts + i * width, s->width);
        if (s->text_room != room)
            s->group_of = xresize(s->group_of, (size_t)s->text_room, sizeof *s->group_of);
        s->group_of[s->text_count - 1] = group;
    }
    return 0;
}

static long image_of(const struct recall_set *s, long text) /* -1: it did not come */
{
    return s->image_of[s->group_of[text]];
}

/* Does x at place i rank before y at place k? */
static bool before(float x, long i, float y, long k)
{
    return x > y || (x == y && i < k);
}

/* How many texts rank before the best right one; -1: there is no right one. */
static long rank_in_row(const struct recall_set *s, const float *scores, long image)
{
    long best = -1, rank = 0;

    for (long t = 0; t < s->text_count; t++)
        if (image_of(s, t) == image && (best < 0 || scores[t] > scores[best]))
            best = t;
    if (best < 0)
        return -1;
    for (long t = 0; t < s->text_count; t++)
        rank += before(scores[t], t, scores[best], best);
    return rank;
}

static void hit(double *hits, long rank)
{
    for (int k = 0; k < RECALLS; k++)
        hits[k] += rank < recall_at[k];
}

static void measure_block(const struct recall_set *s, struct recall *r, long first, long rows,
                          float *scores, const float *own, long *ranks)
{
    vlm_dot(s->images + first * s->width, rows, s->texts, s->text_count, s->width, scores);
    for (long i = 0; i < rows; i++) {
        const float *row = scores + i * s->text_count;
        long rank = rank_in_row(s, row, first + i);

        if (rank >= 0) {
            r->image_queries++;
            hit(r->of_text, rank);
        }
        for (long t = 0; t < s->text_count; t++)
            if (image_of(s, t) >= 0)
                ranks[t] += before(row[t], first + i, own[t], image_of(s, t));
    }
}

void recall_measure(const struct recall_set *s, struct recall *r)
{
    float *scores = xalloc((size_t)s->text_count * BLOCK + 1, sizeof *scores);
    float *own = xalloc((size_t)s->text_count + 1, sizeof *own);
    long *ranks = xalloc((size_t)s->text_count + 1, sizeof *ranks);

    *r = (struct recall){ 0 };
    for (long t = 0; t < s->text_count; t++)
        if (image_of(s, t) >= 0)
            vlm_dot(s->images + image_of(s, t) * s->width, 1, s->texts + t * s->width, 1, s->width,
                    &own[t]);
    for (long i = 0; i < s->image_count && s->text_count; i += BLOCK)
        measure_block(s, r, i, s->image_count - i < BLOCK ? s->image_count - i : BLOCK, scores, own,
                      ranks);
    for (long t = 0; t < s->text_count; t++) {
        if (image_of(s, t) >= 0) {
            r->text_queries++;
            hit(r->of_image, ranks[t]);
        }
    }
    for (int k = 0; k < RECALLS; k++) {
        r->of_text[k] = r->image_queries ? r->of_text[k] / (double)r->image_queries : NAN;
        r->of_image[k] = r->text_queries ? r->of_image[k] / (double)r->text_queries : NAN;
    }
    free(scores);
    free(own);
    free(ranks);
}

void recall_free(struct recall_set *s)
{
    free(s->images);
    free(s->texts);
    free(s->group_of);
    free(s->image_of);
    names_free(&s->names);
    *s = (struct recall_set){ 0 };
}
