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
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "eval/eval.h"
#include "vlm.h"

enum { BLOCK = 64, STRIP = 1024 }; /* images at once; texts that one thread counts for */

const int recall_at[RECALLS] = { 1, 5, 10 };

/* A row at the end of an array that doubles. */
static float *add_row(float *rows, long *count, long *room, const float *row, long width)
{
    if (*count == *room) {
        *room = *room ? 2 * *room : 64;
        rows = xresize(rows, (size_t)*room, (size_t)width * sizeof *rows);
    }
    memcpy(rows + (size_t)(*count)++ * (size_t)width, row, (size_t)width * sizeof *rows);
    return rows;
}

/* Texts of one name belong to one image, in whichever records they come. Without names each record
 * is a group of its own. */
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

int recall_add(struct recall_set *s, const struct recall_item *item)
{
    const float *image = item->image;
    long group, width = item->width;

    if (width < 1 || width > INT32_MAX || (image && item->vectors < 1))
        return fail("a vector without numbers");
    if ((s->width && s->width != width) || (image && s->vectors && s->vectors != item->vectors))
        return fail_as("mismatch", "its vectors and those before differ in length");
    assert(!item->name == !s->names.count || !s->group_count); /* all have names, or none */
    s->width = (int)width;
    if (image)
        s->vectors = item->vectors;
    if (s->text_count + item->count > INT32_MAX || s->image_count == INT32_MAX)
        return fail_as("too_large", "more vectors than can be counted");
    group = group_of(s, item->name);
    if (image && s->image_of[group] < 0) {
        s->image_of[group] = s->image_count;
        s->images =
            add_row(s->images, &s->image_count, &s->image_room, image, width * item->vectors);
    }
    for (int i = 0; item->texts && i < item->count; i++) {
        long room = s->text_room;

        s->texts =
            add_row(s->texts, &s->text_count, &s->text_room, item->texts + i * width, s->width);
        if (s->text_room != room)
            s->group_of = xresize(s->group_of, (size_t)s->text_room, sizeof *s->group_of);
        s->group_of[s->text_count - 1] = group;
    }
    return 0;
}

/* out[i, t]: the best cosine of image first + i's vectors with text t */
static void score(const struct recall_set *s, long first, long images, const float *texts,
                  long count, float *out)
{
    const float *rows = s->images + first * s->vectors * s->width;
    float *all;

    if (s->vectors == 1) {
        vlm_dot(rows, images, texts, count, s->width, out);
        return;
    }
    all = xresize(NULL, (size_t)s->vectors * (size_t)count, sizeof *all);
    for (long i = 0; i < images; i++, out += count, rows += s->vectors * s->width) {
        vlm_dot(rows, s->vectors, texts, count, s->width, all);
        for (long t = 0; t < count; t++) {
            out[t] = all[t];
            for (long v = 1; v < s->vectors; v++)
                out[t] = fmaxf(out[t], all[v * count + t]);
        }
    }
    free(all);
}

/* A measurement under way */
struct ranking {
    const struct recall_set *s;
    int *image_of;      /* [texts], -1: it did not come */
    float *own;         /* [texts] the score with that image; INFINITY: none */
    int *ranks;         /* [texts] images so far that rank before it */
    int *sorted;        /* texts by image */
    long *first;        /* [images + 1] where an image's begin in sorted */
    float *scores;      /* [BLOCK, texts] */
    long at, rows;      /* the block's images */
    long places[BLOCK]; /* texts that rank before the best right one; -1: there is none */
};

/* Texts are sorted by image by counting, so an image finds its own in one stretch. */
static void open_ranking(struct ranking *k, const struct recall_set *s)
{
    size_t texts = (size_t)s->text_count + 1, images = (size_t)s->image_count + 2;

    *k = (struct ranking){ .s = s };
    k->image_of = xalloc(texts, sizeof *k->image_of);
    k->own = xalloc(texts, sizeof *k->own);
    k->ranks = xalloc(texts, sizeof *k->ranks);
    k->sorted = xalloc(texts, sizeof *k->sorted);
    k->first = xalloc(images, sizeof *k->first);
    k->scores = xalloc(texts * BLOCK, sizeof *k->scores);
    for (long t = 0; t < s->text_count; t++) {
        k->image_of[t] = (int)s->image_of[s->group_of[t]];
        k->own[t] = INFINITY;
        if (k->image_of[t] < 0)
            continue;
        score(s, k->image_of[t], 1, s->texts + t * s->width, 1, &k->own[t]);
        k->first[k->image_of[t] + 2]++;
    }
    for (long i = 0; i < s->image_count; i++)
        k->first[i + 2] += k->first[i + 1]; /* one place further on: the next loop counts it up */
    for (long t = 0; t < s->text_count; t++)
        if (k->image_of[t] >= 0)
            k->sorted[k->first[k->image_of[t] + 1]++] = (int)t;
}

static void close_ranking(struct ranking *k)
{
    free(k->image_of);
    free(k->own);
    free(k->ranks);
    free(k->sorted);
    free(k->first);
    free(k->scores);
}

/* Among the texts of one image's row. */
static void rank_texts(void *argument, long row, int worker)
{
    struct ranking *k = argument;
    const float *scores = k->scores + row * k->s->text_count;
    long image = k->at + row, best = -1, place = 0;
    float most;

    (void)worker;
    for (long i = k->first[image]; i < k->first[image + 1]; i++)
        if (best < 0 || scores[k->sorted[i]] > scores[best])
            best = k->sorted[i];
    k->places[row] = -1;
    if (best < 0)
        return;
    most = scores[best];
    for (long t = 0; t < best; t++)
        place += scores[t] >= most;
    for (long t = best + 1; t < k->s->text_count; t++)
        place += scores[t] > most;
    k->places[row] = place;
}

/* The block's images among all, for some of the texts. */
static void rank_images(void *argument, long strip, int worker)
{
    struct ranking *k = argument;
    long from = strip * STRIP,
         to = from + STRIP < k->s->text_count ? from + STRIP : k->s->text_count;

    (void)worker;
    for (long i = 0; i < k->rows; i++) {
        const float *scores = k->scores + i * k->s->text_count;
        int image = (int)(k->at + i);

        for (long t = from; t < to; t++)
            k->ranks[t] +=
                (scores[t] > k->own[t]) | ((scores[t] == k->own[t]) & (image < k->image_of[t]));
    }
}

/* A rank of 4 is a hit among 5 and 10, not among 1. */
static void hit(double *hits, long rank)
{
    for (int k = 0; k < RECALLS; k++)
        hits[k] += rank < recall_at[k];
}

static void measure_block(struct ranking *k, struct recall *r)
{
    const struct recall_set *s = k->s;

    score(s, k->at, k->rows, s->texts, s->text_count, k->scores);
    pool_run(rank_texts, k, k->rows);
    pool_run(rank_images, k, (s->text_count + STRIP - 1) / STRIP);
    for (long i = 0; i < k->rows; i++) {
        if (k->places[i] >= 0) {
            r->image_queries++;
            hit(r->of_text, k->places[i]);
        }
    }
}

/* Images whose texts did not come are no queries, and neither are texts without an image; both stay
 * among what is searched. */
void recall_measure(const struct recall_set *s, struct recall *r)
{
    struct ranking k;

    *r = (struct recall){ 0 };
    open_ranking(&k, s);
    for (; k.at < s->image_count && s->text_count; k.at += BLOCK) {
        k.rows = s->image_count - k.at < BLOCK ? s->image_count - k.at : BLOCK;
        measure_block(&k, r);
    }
    for (long t = 0; t < s->text_count; t++) {
        if (k.image_of[t] >= 0) {
            r->text_queries++;
            hit(r->of_image, k.ranks[t]);
        }
    }
    for (int i = 0; i < RECALLS; i++) {
        r->of_text[i] = r->image_queries ? r->of_text[i] / (double)r->image_queries : NAN;
        r->of_image[i] = r->text_queries ? r->of_image[i] / (double)r->text_queries : NAN;
    }
    close_ranking(&k);
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
