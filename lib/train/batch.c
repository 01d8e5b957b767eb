/* SPDX-License-Identifier: MIT
 * batch.c - pairs in an order of their own, their images decoded in the background
 *
 * The order of an epoch is a permutation drawn from the seed and the epoch.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "train/data_inside.h"

struct batch {
    struct dataset *dataset;
    struct job *job;
    bool finished;
    atomic_bool failed;
    uint64_t epoch;
    size_t *places; /* [count]: the pair that stands there */
    float *images;  /* pixels, or features */
    int *ids, *counts;
    int64_t *group;
    struct pairs pairs;
};

/* --- order --- */

/* Fisher and Yates, from the end. */
static void shuffle(struct dataset *d, uint64_t epoch)
{
    const uint64_t seed[] = { d->options.seed, epoch };
    struct random random = { hash_bytes(seed, sizeof seed, 0) };

    if (!d->order)
        d->order = xresize(NULL, d->count, sizeof *d->order);
    for (size_t i = 0; i < d->count; i++)
        d->order[i] = (uint32_t)i;
    for (size_t i = d->count; i > 1; i--) {
        size_t other = random_below(&random, i);
        uint32_t swap = d->order[i - 1];

        d->order[i - 1] = d->order[other];
        d->order[other] = swap;
    }
    d->epoch = epoch;
}

/* The order is drawn anew when an epoch begins; a training that goes on in its middle draws the
 * same one. */
static size_t pair_at(struct dataset *d, uint64_t epoch, size_t at)
{
    if (!d->options.shuffle)
        return at;
    if (d->epoch != epoch)
        shuffle(d, epoch);
    return d->order[at];
}

/* In an epoch. What does not fill the last one is left out, unless it is all there is. */
long dataset_batches(const struct dataset *d, int size)
{
    long batches = (long)(d->count / (size_t)size);

    return batches ? batches : 1;
}

/* --- images --- */

static int read_features(const struct dataset *d, const struct picture *p, float *to)
{
    struct buffer bytes = { 0 };
    int result = picture_read(d, p, &bytes);
    size_t size = d->image * (p->wide ? 4u : 2u);

    if (!result && bytes.size != size)
        result = fail("%s has changed", d->sources[p->source]);
    if (!result)
        kernels.widen(to, bytes.data, p->wide ? DTYPE_F32 : DTYPE_F16, (long)d->image);
    buffer_free(&bytes);
    return result;
}

static struct budget decoded = BUDGET_INITIALIZER; /* bytes, over all threads and batches */

/* The seed is of the pair and the epoch, not of the thread or the batch: --threads changes nothing.
 */
static int prepare(const struct batch *b, size_t place, float *pixels)
{
    const struct dataset *d = b->dataset;
    const uint64_t seed[] = { d->options.seed, b->epoch, place };
    struct random random = { hash_bytes(seed, sizeof seed, 1) };
    struct buffer bytes = { 0 };
    struct image image = { 0 };
    size_t size = 0;
    int result;

    if (d->options.features)
        return read_features(d, &d->pictures[d->pairs[place].picture], pixels);
    result = picture_read(d, &d->pictures[d->pairs[place].picture], &bytes);
    if (!result)
        size = image_memory(bytes.data, bytes.size, d->options.max_pixels);
    budget_take(&decoded, size, d->options.memory);
    if (!result)
        result = image_decode(bytes.data, bytes.size, d->options.max_pixels, &image);
    if (!result)
        result = augment_image(&d->options.augment, &d->preprocess, &image, &random, pixels);
    image_free(&image);
    budget_give(&decoded, size);
    buffer_free(&bytes);
    return result;
}

/* The pair at `index`, or the first behind it whose image is good. */
static void prepare_one(void *argument, long index, int worker)
{
    struct batch *b = argument;
    struct dataset *d = b->dataset;
    size_t place = b->places[index];

    (void)worker;
    for (size_t tries = 0; tries < d->count; tries++, place = (place + 1) % d->count) {
        struct picture *p = &d->pictures[d->pairs[place].picture];

        if (atomic_load(&p->broken))
            continue;
        if (!prepare(b, place, b->images + (size_t)index * d->image)) {
            b->places[index] = place;
            return;
        }
        if (!atomic_exchange(&p->broken, true))
            picture_warn(d, p);
    }
    atomic_store(&b->failed, true);
}

/* Returns at once; batch_pairs() waits for the images. */
struct batch *batch_begin(struct dataset *d, long number, int size)
{
    struct batch *b = xalloc(1, sizeof *b);
    long batches = dataset_batches(d, size), at = number % batches;
    int count = (size_t)size < d->count ? size : (int)d->count;

    b->dataset = d;
    b->epoch = (uint64_t)(number / batches);
    b->places = xresize(NULL, (size_t)count, sizeof *b->places);
    for (int i = 0; i < count; i++)
        b->places[i] = pair_at(d, b->epoch, (size_t)at * (size_t)size + (size_t)i);
    b->images = xresize(NULL, (size_t)count * d->image, sizeof *b->images);
    b->pairs.count = count;
    b->job = pool_submit(prepare_one, b, count);
    return b;
}

/* --- texts --- */

/* Seven bits a byte, the last without its high bit: most ids take two bytes. */
static void read_ids(const struct dataset *d, const struct pair *p, int *ids)
{
    const unsigned char *at = (const unsigned char *)d->ids.data + p->ids;

    for (uint32_t i = 0; i < p->count; i++) {
        unsigned id = 0, shift = 0;

        for (; *at > 127; shift += 7)
            id |= (*at++ & 127u) << shift;
        ids[i] = (int)(id | (unsigned)*at++ << shift);
    }
}

/* Texts last, for a broken picture may have put another pair in the place. */
static void gather(struct batch *b)
{
    const struct dataset *d = b->dataset;
    size_t total = 0, count = (size_t)b->pairs.count;

    b->counts = xresize(NULL, count, sizeof *b->counts);
    b->group = xresize(NULL, count, sizeof *b->group);
    for (size_t i = 0; i < count; i++) {
        const struct pair *p = &d->pairs[b->places[i]];

        total += (size_t)(b->counts[i] = (int)p->count);
        b->group[i] = d->pictures[p->picture].group;
    }
    b->ids = xresize(NULL, total, sizeof *b->ids);
    total = 0;
    for (size_t i = 0; i < count; total += (size_t)b->counts[i++])
        read_ids(d, &d->pairs[b->places[i]], b->ids + total);
    if (d->options.features)
        b->pairs.features = b->images;
    else
        b->pairs.pixels = b->images;
    b->pairs.ids = b->ids;
    b->pairs.counts = b->counts;
    b->pairs.group = b->group;
}

static void finish(struct batch *b)
{
    if (!b->finished)
        pool_finish(b->job);
    b->finished = true;
}

const struct pairs *batch_pairs(struct batch *b)
{
    finish(b);
    if (atomic_load(&b->failed)) {
        fail("none of %zu images can be read", b->dataset->picture_count);
        return NULL;
    }
    if (!b->ids)
        gather(b);
    return &b->pairs;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    finish(b);
    free(b->places);
    free(b->images);
    free(b->ids);
    free(b->counts);
    free(b->group);
    free(b);
}
