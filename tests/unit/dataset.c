/* SPDX-License-Identifier: MIT
 * dataset.c - records as batches: the same bytes whatever the threads, the format, the start
 */
#define _GNU_SOURCE
#include "tests/unit/dataset.h"

static const struct augment everything = { 0.5f, 1, true, 2, 7, true };
static void contents(void)
{
    struct dataset *d = open_one(files.jsonl, &plain);
    struct tokenizer *t = model_tokenizer(model, "tests/golden/blip/hf-itm");
    struct batch *b = batch_begin(d, 1, SIZE);
    const struct pairs *p = batch_pairs(b);
    struct buffer picture = { 0 }, text = { 0 };
    struct token_ids wanted;
    float pixels[3 * 16 * 16];
    const int *ids = p->ids;

    is_long(dataset_count(d), PICTURES + 1, "pairs");
    is_long(dataset_pictures(d), PICTURES, "pictures");
    is_long(dataset_bad(d), 0, "none is bad");
    is_long(dataset_batches(d, SIZE), 6, "batches of an epoch");
    is_long(dataset_batches(d, 5), 4, "the short one is left out");
    is_long(dataset_batches(d, 100), 1, "unless it is the only one");
    is_long(p->count, SIZE, "pairs of a batch");
    ok(p->group[1] == p->group[2] && p->group[0] != p->group[1] && p->group[2] != p->group[3],
       "two texts of one image are a group");
    for (int i = 0; i < SIZE; ids += p->counts[i++]) { /* pairs 4 5 5 6 */
        int k = 4 + i - (i > 1);

        paint(&picture, k);
        preprocess_bytes(&model->image.preprocess, picture.data, picture.size, 0, pixels);
        ok(!memcmp(pixels, p->pixels + i * 3 * 16 * 16, sizeof pixels), "pixels of pair %d", i);
        describe(&text, k);
        if (i == 2) {
            buffer_clear(&text);
            buffer_string(&text, "two cats");
        }
        tokenizer_encode(t, text.data, text.size, model->reading.context, &wanted);
        ok(p->counts[i] == wanted.count &&
               !memcmp(ids, wanted.ids, (size_t)wanted.count * sizeof *ids),
           "ids of pair %d", i);
        free(wanted.ids);
    }
    batch_free(b);
    b = batch_begin(d, 0, 100);
    is_long(batch_pairs(b)->count, PICTURES + 1, "a batch larger than the dataset");
    batch_free(b);
    batch_free(batch_begin(d, 3, SIZE)); /* that nobody waits for */
    tokenizer_close(t);
    dataset_close(d);
    buffer_free(&picture);
    buffer_free(&text);
}

/* The pairs of an epoch, by hashes of their texts, in order. */
static void epoch_of(struct dataset *d, long epoch, uint64_t *hashes)
{
    long batches = dataset_batches(d, SIZE);

    for (long i = 0; i < batches; i++) {
        struct batch *b = batch_begin(d, epoch * batches + i, SIZE);
        const struct pairs *p = batch_pairs(b);
        const int *ids = p->ids;

        for (int k = 0; k < p->count; ids += p->counts[k++])
            *hashes++ = hash_bytes(ids, (size_t)p->counts[k] * sizeof *ids, 0);
        batch_free(b);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void order(void)
{
    struct dataset_options other = shuffled;
    struct dataset *d = open_one(files.jsonl, &shuffled), *e = open_one(files.jsonl, &plain), *f;
    uint64_t list[4][PICTURES + 1];

    other.seed = 8;
    f = open_one(files.jsonl, &other);
    epoch_of(d, 0, list[0]);
    epoch_of(d, 1, list[1]);
    epoch_of(e, 1, list[2]);
    epoch_of(f, 0, list[3]);
    ok(memcmp(list[0], list[1], sizeof *list) != 0, "every epoch has an order of its own");
    ok(memcmp(list[0], list[2], sizeof *list) != 0, "which is not the input's");
    ok(memcmp(list[0], list[3], sizeof *list) != 0, "nor another seed's");
    for (int i = 0; i < 4; i++)
        qsort(list[i], PICTURES + 1, sizeof **list, by_value);
    for (int i = 1; i < PICTURES + 1; i++)
        if (list[2][i] == list[2][i - 1])
            ok(false, "two texts are alike");
    ok(!memcmp(list[0], list[2], sizeof *list) && !memcmp(list[1], list[2], sizeof *list) &&
           !memcmp(list[3], list[2], sizeof *list),
       "every epoch has each pair once");
    dataset_close(d);
    dataset_close(e);
    dataset_close(f);
}

/* Of pair `index` in an epoch, whatever the batch it comes in. */
static uint64_t hash_of_pixels(struct dataset *d, long epoch, long index, int size)
{
    struct batch *b = batch_begin(d, epoch * dataset_batches(d, size) + index / size, size);
    uint64_t hash =
        hash_bytes(batch_pairs(b)->pixels + index % size * 3 * 256, 3 * 256 * sizeof(float), 0);

    batch_free(b);
    return hash;
}

static void augmentation(void)
{
    struct dataset_options o = plain;
    struct dataset *d, *e;
    int same = 0;

    o.augment = everything;
    d = open_one(files.jsonl, &o);
    o.seed = 1;
    e = open_one(files.jsonl, &o);
    for (long i = 0; i < 20; i++)
        same += hash_of_pixels(d, 1, i, 4) == hash_of_pixels(d, 1, i, 5);
    is_long(same, 20, "a pair is the same in batches of any size");
    same = 0;
    for (long i = 0; i < 20; i++)
        same += hash_of_pixels(d, 1, i, 4) == hash_of_pixels(d, 2, i, 4) ||
                hash_of_pixels(d, 1, i, 4) == hash_of_pixels(e, 1, i, 4);
    is_long(same, 0, "and another in every epoch, and with another seed");
    ok(hash_of_pixels(d, 1, 5, 4) != hash_of_pixels(d, 1, 6, 4), "and with another text");
    dataset_close(d);
    dataset_close(e);
}

/* Batches asked for early, as a trainer does. */
static uint64_t hash_ahead(const char *path)
{
    struct dataset *d = open_one(path, &shuffled);
    struct batch *next = batch_begin(d, 0, SIZE), *now;
    uint64_t hash = 0;

    for (long i = 0; i < 15; i++) {
        const struct pairs *p;

        now = next;
        next = batch_begin(d, i + 1, SIZE);
        p = batch_pairs(now);
        hash = hash_bytes(p->pixels, 3 * 16 * 16 * sizeof(float) * (size_t)p->count, hash);
        hash = hash_bytes(p->counts, (size_t)p->count * sizeof *p->counts, hash);
        batch_free(now);
    }
    batch_free(next);
    dataset_close(d);
    return hash;
}

static void threads(void)
{
    uint64_t one = hash_ahead(files.jsonl), three;

    pool_start(3);
    three = hash_ahead(files.jsonl);
    ok(one && one == three, "one thread and three give the same");
    pool_stop();
}

static void formats(void)
{
    const char *list[] = { files.jsonl, files.uris, files.cbor, files.tar, "-" };
    uint64_t first = 0, hash;

    for (int i = 0; i < COUNT(list); i++) {
        struct dataset *d;

        if (i == 4 && !freopen(files.tar, "rb", stdin))
            note("cannot open %s", files.tar);
        d = open_one(list[i], &shuffled);
        if (!ok(d != NULL, "%s is read", list[i]))
            continue;
        hash = hash_of_run(d, 0, 12, 1, false);
        first = i ? first : hash;
        ok(hash == first, "%s has the same pairs", list[i]);
        if (i > 0 && i < 4)
            is_long((long)d->kept.size, 0, "images in a file are not kept");
        dataset_close(d);
    }
}

/* Without pictures the index has a few dozen bytes a pair. */
static void memory(void)
{
    struct buffer b = { 0 };
    struct dataset *d;
    char *path;
    size_t bytes;

    for (int i = 0; i < 20000; i++)
        buffer_printf(&b, "{\"image\":\"%02d.ppm\",\"text\":\"a picture of the dog %d\"}\n",
                      i % PICTURES, i);
    path = put("many.jsonl", &b);
    d = open_one(path, &plain);
    bytes = d->ids.capacity + d->kept.capacity + d->capacity * sizeof *d->pairs +
            d->picture_capacity * sizeof *d->pictures;
    ok(bytes < 64 * 20000, "%zu bytes for 20000 pairs", bytes);
    is_long(dataset_pictures(d), PICTURES, "each picture once");
    dataset_close(d);
    free(path);
    buffer_free(&b);
}

int main(void)
{
    if (!dataset_begin())
        return 1;
    contents();
    order();
    augmentation();
    threads();
    resumption(files.jsonl, "JSONL");
    resumption(files.tar, "tar");
    formats();
    memory();
    return dataset_end();
}
