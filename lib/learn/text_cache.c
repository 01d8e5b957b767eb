/* SPDX-License-Identifier: MIT
 * text_cache.c - what layers that do not learn make of a text, made once
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "learn/text_cache.h"

static const size_t most = (size_t)512 << 20; /* bytes kept; later texts are made each time */

struct entry {
    uint64_t hash;
    int *ids, count;
    float *rows;
    long numbers;
};
struct text_cache {
    struct entry **slots; /* open addressing; NULL: free */
    size_t capacity, count, bytes;
    long width;
};

static struct entry **slot_of(const struct text_cache *c, uint64_t hash, const int *ids, int count)
{
    size_t i = hash & (c->capacity - 1);

    while (c->slots[i] && (c->slots[i]->hash != hash || c->slots[i]->count != count ||
                           memcmp(c->slots[i]->ids, ids, (size_t)count * sizeof *ids) != 0))
        i = (i + 1) & (c->capacity - 1);
    return &c->slots[i];
}

static void grow(struct text_cache *c)
{
    struct text_cache larger = { .capacity = c->capacity ? 2 * c->capacity : 1024 };

    larger.slots = xalloc(larger.capacity, sizeof(struct entry *));
    for (size_t i = 0; i < c->capacity; i++) {
        struct entry *e = c->slots[i];

        if (e)
            *slot_of(&larger, e->hash, e->ids, e->count) = e;
    }
    free(c->slots);
    c->slots = larger.slots;
    c->capacity = larger.capacity;
}

static const struct entry *find(const struct text_cache *c, const int *ids, int count)
{
    uint64_t hash = hash_bytes(ids, (size_t)count * sizeof *ids, 0);

    return c->capacity ? *slot_of(c, hash, ids, count) : NULL;
}

static void keep(struct text_cache *c, const int *ids, int count, const float *rows, long numbers)
{
    size_t bytes =
        sizeof(struct entry) + (size_t)count * sizeof *ids + (size_t)numbers * sizeof *rows;
    struct entry *e, **slot;

    if (c->bytes + bytes > most || find(c, ids, count))
        return;
    if (2 * (c->count + 1) > c->capacity)
        grow(c);
    e = xalloc(1, sizeof *e);
    *e = (struct entry){ .hash = hash_bytes(ids, (size_t)count * sizeof *ids, 0),
                         .ids = xalloc((size_t)count, sizeof *ids),
                         .count = count,
                         .rows = xalloc((size_t)numbers, sizeof *rows),
                         .numbers = numbers };
    memcpy(e->ids, ids, (size_t)count * sizeof *ids);
    memcpy(e->rows, rows, (size_t)numbers * sizeof *rows);
    slot = slot_of(c, e->hash, ids, count);
    *slot = e;
    c->count++;
    c->bytes += bytes;
}

/* A batch: of each text what is kept, or NULL, and the texts that have not come before. */
struct asked {
    const struct entry **kept; /* [texts] */
    const struct spans *left;
    int *ids; /* of `left` */
};

static struct asked ask(struct tape *t, const struct text_cache *c, const int *ids,
                        const struct spans *texts)
{
    int *lengths = tape_alloc(t, ((size_t)texts->count + 1) * sizeof *lengths), count = 0,
        total = 0;
    struct asked a = {
        .kept = tape_alloc(t, ((size_t)texts->count + 1) * sizeof *a.kept),
        .ids = tape_alloc(t, ((size_t)texts->start[texts->count] + 1) * sizeof *a.ids),
    };

    for (int i = 0; i < texts->count; i++) {
        const int *own = ids + texts->start[i];
        int length = texts->start[i + 1] - texts->start[i];

        a.kept[i] = find(c, own, length);
        if (a.kept[i])
            continue;
        memcpy(a.ids + total, own, (size_t)length * sizeof *own);
        total += length;
        lengths[count++] = length;
    }
    a.left = spans_of(t, count, lengths);
    return a;
}

/* Rows in the order of the texts: kept ones, and those that were made for `left`. */
static struct tensor *gather(struct tape *t, const struct asked *a, int texts,
                             const struct tensor *made, long wide)
{
    long total = made ? rows(made) : 0, next = 0, to = 0;
    bool each = made && rows(made) != a->left->count; /* a row an id */
    struct tensor *y;

    for (int i = 0; i < texts; i++)
        total += a->kept[i] ? a->kept[i]->numbers / wide : 0;
    y = tensor_make(t, total, wide);
    for (int i = 0, k = 0; i < texts; i++) {
        const struct entry *e = a->kept[i];
        long count = e ? e->numbers / wide : each ? a->left->start[k + 1] - a->left->start[k] : 1;

        memcpy(y->data + to * wide, e ? e->rows : made->data + next * wide,
               (size_t)(count * wide) * sizeof *y->data);
        to += count;
        next += e ? 0 : count;
        k += !e;
    }
    return y;
}

static void keep_made(struct text_cache *c, const struct asked *a, const struct tensor *made)
{
    bool each = rows(made) != a->left->count;
    long wide = width(made);

    for (int i = 0; i < a->left->count; i++) {
        int start = a->left->start[i], count = a->left->start[i + 1] - start;

        keep(c, a->ids + start, count, made->data + (each ? start : i) * wide,
             (each ? count : 1) * wide);
    }
}

struct tensor *text_cache_rows(struct tape *t, struct text_cache **cache, const int *ids,
                               const struct spans *texts, text_rows make, void *self)
{
    struct text_cache *c = *cache ? *cache : (*cache = xalloc(1, sizeof *c));
    struct asked a = ask(t, c, ids, texts);
    struct tensor *made = a.left->count ? make(t, self, a.ids, a.left) : NULL, *y;

    if (made && wants(made)) /* so nothing was kept, and all are there */
        return made;
    if (made)
        c->width = width(made);
    y = gather(t, &a, texts->count, made, c->width);
    if (made)
        keep_made(c, &a, made);
    return y;
}

void text_cache_free(struct text_cache *c)
{
    for (size_t i = 0; c && i < c->capacity; i++)
        if (c->slots[i]) {
            free(c->slots[i]->ids);
            free(c->slots[i]->rows);
            free(c->slots[i]);
        }
    if (c)
        free(c->slots);
    free(c);
}
