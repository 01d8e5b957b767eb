/* SPDX-License-Identifier: MIT
 * dataset.h - pictures and texts in four formats, and a model that learns from them
 */
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
static const struct dataset_options plain = { .root = folder };
static const struct dataset_options shuffled = {
    .root = folder, .seed = 7, .shuffle = true, .augment = { 0.5f, 1, true, 2, 7, true }
};

/* --- inputs --- */

static inline char *put(const char *name, const struct buffer *b)
{
    char *path = path_join(folder, name);

    if (file_write_atomic(path, b->data, b->size))
        note("%s", error_text());
    return path;
}

/* Picture i, no two alike. */
static inline void paint(struct buffer *b, int i)
{
    buffer_clear(b);
    buffer_printf(b, "P6\n%d %d\n255\n", 20 + i % 3, 18 + i % 5);
    for (int k = 0; k < 3 * (20 + i % 3) * (18 + i % 5); k++)
        buffer_byte(b, (k * (i + 3) + k / 7) & 255);
}

static inline void describe(struct buffer *b, int i)
{
    buffer_clear(b);
    buffer_printf(b, "a %s dog %d %d", i % 2 ? "red" : "blue", i / 10, i % 10);
}

/* The pictures as files, and what tells of them in four ways; picture 5 has two texts. */
static struct {
    char *jsonl, *uris, *cbor, *tar;
} files;

static inline void add_everywhere(int i, struct buffer list[4])
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

static inline void make_inputs(void)
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

static inline struct dataset *open_one(const char *path, const struct dataset_options *o)
{
    char *operands[] = { (char *)(uintptr_t)path };
    struct dataset *d = dataset_open(operands, 1, o, model);

    if (!d)
        note("%s: %s", path, error_text());
    return d;
}

static inline struct dataset *open_text(const char *text, const struct dataset_options *o)
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

static inline uint64_t hash_of_batch(struct dataset *d, long number, int size, bool groups)
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

static inline uint64_t hash_of_run(struct dataset *d, long from, long to, uint64_t hash,
                                   bool groups)
{
    for (long i = from; i < to; i++) {
        uint64_t one = hash_of_batch(d, i, SIZE, groups);

        hash = hash_bytes(&one, sizeof one, hash);
    }
    return hash;
}

static inline void resumption(const char *path, const char *name)
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

static inline bool dataset_begin(void)
{
    model = model_load("tests/golden/blip/hf-itm", NULL);
    if (!ok(model != NULL, "a model: %s", error_text()) || !mkdtemp(folder))
        return false;
    make_inputs();
    return true;
}

static inline int dataset_end(void)
{
    char *command = xprintf("rm -rf %s", folder);

    model_free(model);
    free(files.jsonl);
    free(files.uris);
    free(files.cbor);
    free(files.tar);
    ok(system(command) == 0, "cleaned up");
    free(command);
    return done();
}
