/* SPDX-License-Identifier: MIT
 * dataset.c - records as batches: the same bytes whatever the threads, the format, the start
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/registry.h"
#include "tests/unit/tap.h"
#include "tests/unit/tarball.h"
#include "train/data_inside.h"

enum { PICTURES = 23, SIZE = 4 };

static char folder[] = "/tmp/vlm-dataset-XXXXXX";
static struct model *model;
static const struct augment everything = { 0.5f, 1, true, 2, 7, true };
static const struct dataset_options plain = { .root = folder }, shuffled = {
    .root = folder, .seed = 7, .shuffle = true, .augment = { 0.5f, 1, true, 2, 7, true }
};

/* --- inputs --- */

static char *put(const char *name, const struct buffer *b)
{
    char *path = path_join(folder, name);

    if (file_write_atomic(path, b->data, b->size))
        note("%s", error_text());
    return path;
}

/* Picture i, no two alike. */
static void paint(struct buffer *b, int i)
{
    buffer_clear(b);
    buffer_printf(b, "P6\n%d %d\n255\n", 20 + i % 3, 18 + i % 5);
    for (int k = 0; k < 3 * (20 + i % 3) * (18 + i % 5); k++)
        buffer_byte(b, (k * (i + 3) + k / 7) & 255);
}

static void describe(struct buffer *b, int i)
{
    buffer_clear(b);
    buffer_printf(b, "a %s dog %d %d", i % 2 ? "red" : "blue", i / 10, i % 10);
}

/* The pictures as files, and what tells of them in four ways; picture 5 has two texts. */
static struct {
    char *jsonl, *uris, *cbor, *tar;
} files;

static void add_everywhere(int i, struct buffer list[4])
{
    struct buffer picture = { 0 }, text = { 0 }, json = { 0 }, name = { 0 };
    struct record *r;

    paint(&picture, i);
    describe(&text, i);
    buffer_printf(&name, "%02d.ppm", i);
    free(put(name.data, &picture));
    if (i == 5)
        buffer_printf(&json, "[\"%s\", \"two cats\"]", text.data);
    else
        buffer_printf(&json, "\"%s\"", text.data);

    buffer_printf(&list[0], "{\"id\": %d, \"image\": \"%s\", \"text\": %s}\r\n", i, name.data,
                  json.data);
    r = record_new("{}", 2);
    record_set_json(r, "text", json.data, json.size);
    record_set_bytes(r, "image", picture.data, picture.size);
    record_write(&list[1], r, false);
    record_write(&list[2], r, true);
    record_free(r);
    tar_add(&list[3], name.data, '0', picture.data, picture.size);
    buffer_clear(&name);
    buffer_printf(&name, "%02d.%s", i, i == 5 ? "json" : "txt");
    buffer_clear(&json);
    if (i == 5)
        buffer_printf(&json, "{\"captions\": [\"%s\", \"two cats\"]}", text.data);
    else
        buffer_printf(&json, "%s\n", text.data);
    tar_add(&list[3], name.data, '0', json.data, json.size);
    buffer_free(&picture);
    buffer_free(&text);
    buffer_free(&json);
    buffer_free(&name);
}

static void make_inputs(void)
{
    struct buffer list[4] = { 0 };

    for (int i = 0; i < PICTURES; i++)
        add_everywhere(i, list);
    tar_end(&list[3]);
    files.jsonl = put("list.jsonl", &list[0]);
    files.uris = put("uris.jsonl", &list[1]);
    files.cbor = put("list.cbor", &list[2]);
    files.tar = put("list.tar", &list[3]);
    for (int i = 0; i < COUNT(list); i++)
        buffer_free(&list[i]);
}

static struct dataset *open_one(const char *path, const struct dataset_options *o)
{
    char *operands[] = { (char *)(uintptr_t)path };
    struct dataset *d = dataset_open(operands, 1, o, model);

    if (!d)
        note("%s: %s", path, error_text());
    return d;
}

static struct dataset *open_text(const char *text, const struct dataset_options *o)
{
    struct buffer b = { 0 };
    struct dataset *d;
    char *path;

    buffer_string(&b, text);
    path = put("text.jsonl", &b);
    d = open_one(path, o);
    free(path);
    buffer_free(&b);
    return d;
}

/* What was told on stderr since `told_begin`; to free. */
static int told_before = -1;

static void told_begin(void)
{
    char *path = path_join(folder, "stderr");
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    told_before = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    free(path);
}

static char *told_end(void)
{
    char *path = path_join(folder, "stderr");
    struct buffer b = { 0 };

    dup2(told_before, STDERR_FILENO);
    close(told_before);
    buffer_add(&b, "", 0);
    file_read(&b, path);
    free(path);
    return b.data;
}

/* --- what comes out --- */

static uint64_t hash_of_batch(struct dataset *d, long number, int size, bool groups)
{
    struct batch *b = batch_begin(d, number, size);
    const struct pairs *p = batch_pairs(b);
    uint64_t hash = 1;
    size_t ids = 0;

    if (!p)
        return 0;
    for (int i = 0; i < p->count; i++)
        ids += (size_t)p->counts[i];
    hash = hash_bytes(p->pixels, 3 * 16 * 16 * sizeof(float) * (size_t)p->count, hash);
    hash = hash_bytes(p->ids, ids * sizeof *p->ids, hash);
    hash = hash_bytes(p->counts, (size_t)p->count * sizeof *p->counts, hash);
    if (groups)
        hash = hash_bytes(p->group, (size_t)p->count * sizeof *p->group, hash);
    batch_free(b);
    return hash;
}

static uint64_t hash_of_run(struct dataset *d, long from, long to, uint64_t hash, bool groups)
{
    for (long i = from; i < to; i++) {
        uint64_t one = hash_of_batch(d, i, SIZE, groups);

        hash = hash_bytes(&one, sizeof one, hash);
    }
    return hash;
}

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

static void resumption(const char *path, const char *name)
{
    struct dataset *d = open_one(path, &shuffled);
    uint64_t whole, parts = hash_of_run(d, 0, 8, 1, true);

    dataset_close(d);
    d = open_one(path, &shuffled);
    parts = hash_of_run(d, 8, 15, parts, true);
    dataset_close(d);
    d = open_one(path, &shuffled);
    whole = hash_of_run(d, 0, 15, 1, true);
    dataset_close(d);
    ok(whole == parts, "%s: going on at a batch gives what running through gives", name);
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

/* --- what is bad --- */

static void bad_records(void)
{
    struct dataset *d;
    char *said;

    told_begin();
    d = open_text("{\"image\":\"00.ppm\",\"text\":\"a dog\"}\n"
                  "{\"image\":\"00.ppm\"}\n"
                  "nonsense\n"
                  "{\"image\":\"absent.ppm\",\"text\":\"a dog\"}\n"
                  "{\"text\":\"a dog\"}\n"
                  "{\"image\":\"00.ppm\",\"text\":[\"a cat\",\" \",\"a man\"]}\n"
                  "{\"image\":\"00.ppm\",\"text\":[\"a cat\",7]}\n"
                  "{\"image\":\"01.ppm\",\"text\":\"a dog\",\"error\":{\"message\":\"oh\"}}\n"
                  "{\"image\":\"http://a/b.jpg\",\"text\":\"a dog\"}\n"
                  "{\"image\":\"data:,1\",\"text\":\"a dog\"}\n",
                  &plain);
    said = told_end();
    is_long(dataset_count(d), 3, "pairs of good records");
    is_long(dataset_pictures(d), 1, "one picture");
    is_long(dataset_bad(d), 9, "bad ones are counted");
    for (char *s = said; (s = strstr(s, folder));) /* lines begin with the source */
        memmove(s, s + strlen(folder) + 1, strlen(s + strlen(folder) + 1) + 1);
    is_text(said,
            "vlm: text.jsonl:2: the record has no text\n"
            "vlm: text.jsonl:3: not a JSON object: no opening brace at byte 0\n"
            "vlm: text.jsonl:4: absent.ppm: No such file or directory\n"
            "vlm: text.jsonl:5: the record has no image\n"
            "vlm: text.jsonl:6: an empty text\n"
            "vlm: text.jsonl:7: field text is neither a string nor a list of strings\n"
            "vlm: text.jsonl:8: oh\n"
            "vlm: text.jsonl:9: http://a/b.jpg: not a file, and nothing is fetched from a network\n"
            "vlm: text.jsonl:10: image: data: URI: not base64\n",
            "a line each");
    free(said);
    dataset_close(d);
}

static void refusals(void)
{
    ok(!open_text("", &plain) && strstr(error_text(), "no pair"), "nothing at all");
    told_begin();
    ok(!open_text("{}\n", &plain), "no good record");
    free(told_end());
    ok(!open_one("Makefile", &plain), "no records");
    ok(!open_text("{\"image\":\"00.ppm\",\"text\":\"a\"}",
                  &(struct dataset_options){ .root = folder, .tokenizer = "/absent" }),
       "no tokenizer");
}

static void cutting(void)
{
    static const char text[] = "{\"image\":\"00.ppm\",\"text\":\"(A red) dog sits on the house\"}";
    struct dataset_options o = plain;
    struct dataset *d;
    struct batch *b;

    o.context = 6;
    d = open_text(text, &o);
    b = batch_begin(d, 0, 1);
    is_long(batch_pairs(b)->counts[0], 6, "a text is cut to the context");
    is_long(batch_pairs(b)->ids[5], 3, "and keeps its end");
    is_long(dataset_cut(d), 1, "which is counted");
    batch_free(b);
    dataset_close(d);
    o.context = 0;
    o.clean_text = true;
    o.words = 3;
    d = open_text(text, &o);
    b = batch_begin(d, 0, 1);
    is_long(batch_pairs(b)->counts[0], 5, "words of a cleaned text");
    is_long(dataset_prefix(d), 1, "texts begin with the frame");
    batch_free(b);
    dataset_close(d);
    o.prefix = "A picture of ";
    d = open_text(text, &o);
    b = batch_begin(d, 0, 1);
    is_long(batch_pairs(b)->counts[0], 8, "words behind a prefix");
    is_long(dataset_prefix(d), 4, "with which texts begin");
    batch_free(b);
    dataset_close(d);
    o.context = 5;
    ok(!open_text(text, &o) && strstr(error_text(), "no room"), "a prefix and nothing else");
}

/* Two broken pictures in a row, the last of the list among them. */
static void broken(void)
{
    struct buffer b = { 0 }, list = { 0 };
    struct dataset *d;
    struct batch *batch;
    const struct pairs *p;
    char *path, *said;

    buffer_string(&b, "P6\n20 20\n255\n too short");
    free(put("broken.ppm", &b));
    for (int i = 0; i < 12; i++)
        buffer_printf(&list, "{\"image\":\"%s%02d.ppm\",\"text\":\"a dog %d\"}\n",
                      i == 4 || i == 5 || i == 11 ? "bad" : "", i, i);
    for (int i = 0; i < 12; i++) {
        char name[20];

        snprintf(name, sizeof name, "bad%02d.ppm", i);
        free(put(name, &b));
    }
    path = put("broken.jsonl", &list);
    told_begin();
    d = open_one(path, &plain);
    batch = batch_begin(d, 0, 12);
    p = batch_pairs(batch);
    said = told_end();
    is_long(p->count, 12, "the batch keeps its size");
    ok(p->group[4] == p->group[6] && p->group[5] == p->group[6] && p->group[11] == p->group[0],
       "the next good pair stands in");
    ok(!memcmp(p->pixels + 4 * 3 * 256, p->pixels + 6 * 3 * 256, 3 * 256 * sizeof(float)),
       "with its pixels");
    ok(strstr(said, "broken.jsonl:5: bad04.ppm: truncated") ||
           strstr(said, "broken.jsonl:5: bad04.ppm: premature"),
       "it is told: %.*s", (int)strcspn(said, "\n"), said);
    batch_free(batch);
    free(said);
    told_begin();
    resumption(path, "broken pictures");
    free(told_end());
    told_begin();
    hash_of_batch(d, 0, 12, true);
    said = told_end();
    is_text(said, "", "once");
    free(said);
    dataset_close(d);
    free(path);
    told_begin();
    d = open_text("{\"image\":\"bad01.ppm\",\"text\":\"a dog\"}\n"
                  "{\"image\":\"bad02.ppm\",\"text\":\"a cat\"}\n",
                  &plain);
    batch = batch_begin(d, 0, 2);
    p = batch_pairs(batch);
    free(told_end());
    ok(!p, "all are broken: %s", error_text());
    batch_free(batch);
    dataset_close(d);
    buffer_free(&b);
    buffer_free(&list);
}

int main(void)
{
    char *command;

    model = model_load("tests/golden/blip/hf-itm", NULL);
    if (!ok(model != NULL, "a model: %s", error_text()) || !mkdtemp(folder))
        return 1;
    make_inputs();
    contents();
    order();
    augmentation();
    threads();
    resumption(files.jsonl, "JSONL");
    resumption(files.tar, "tar");
    formats();
    memory();
    bad_records();
    refusals();
    cutting();
    broken();
    model_free(model);
    free(files.jsonl);
    free(files.uris);
    free(files.cbor);
    free(files.tar);
    command = xprintf("rm -rf %s", folder);
    ok(system(command) == 0, "cleaned up");
    free(command);
    return done();
}
