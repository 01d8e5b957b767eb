/* SPDX-License-Identifier: MIT
 * decisions.c - what a person decided on records, as vlm-page saves it
 */
#include <stdlib.h>
#include <string.h>
#include "base/base.h"
#include "cli/decisions.h"

struct line {
    uint64_t hash; /* of `key` */
    char *key;     /* "i" and the id as JSON, or "h" and the hash of the record */
    char *text;    /* NULL: any */
    size_t size;   /* of `text`, which may hold NUL */
    long number;   /* of the line in the file */
    bool keep, used;
};
struct decisions {
    struct line *list; /* sorted by hash, then by line */
    long count, capacity;
};

static char *key_of(char kind, const char *text)
{
    return xprintf("%c%s", kind, text);
}

/* The key of a line: its id as it stands, or its "key". */
static char *line_key(const struct record *r)
{
    struct span id;
    char *text, *key = NULL;

    if ((text = record_string(r, "key")) && !record_find(r, "id", &id))
        key = key_of('h', text);
    free(text);
    if (key || !record_find(r, "id", &id))
        return key;
    text = xmemdup(id.data, id.size);
    key = key_of('i', text);
    free(text);
    return key;
}

static int add(struct decisions *d, const struct record *r, long number)
{
    struct line line = { .key = line_key(r), .number = number };
    struct span keep, text;

    if (record_find(r, "text", &text))
        line.text = json_text_sized(text, &line.size);

    if (!line.key || !record_find(r, "keep", &keep) ||
        (keep.data[0] != 't' && keep.data[0] != 'f')) {
        free(line.key);
        free(line.text);
        return fail("line %ld: a decision has an id or a key, and keep, true or false", number);
    }
    line.keep = keep.data[0] == 't';
    line.hash = hash_bytes(line.key, strlen(line.key), 0);
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 64;
        d->list = xresize(d->list, (size_t)d->capacity, sizeof *d->list);
    }
    d->list[d->count++] = line;
    return 0;
}

static int by_hash(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

struct decisions *decisions_read(const char *path)
{
    struct decisions *d = xalloc(1, sizeof *d);
    struct buffer b = { 0 };
    int status = file_read(&b, path);
    long number = 0;

    for (char *at = b.data, *end; !status && at && at < b.data + b.size; at = end + 1) {
        struct record *r = NULL;

        end = memchr(at, '\n', (size_t)(b.data + b.size - at));
        end = end ? end : b.data + b.size;
        number++;
        if (strspn(at, " \t\r") >= (size_t)(end - at))
            continue;
        r = record_parse(at, (size_t)(end - at));
        status = r ? add(d, r, number) : -1;
        if (!r)
            fail("line %ld: no JSON object", number);
        record_free(r);
    }
    buffer_free(&b);
    if (status) {
        char *why = xstrdup(error_text());

        decisions_free(d);
        fail("%s%s%s", number ? path : "", number ? ": " : "", why);
        free(why);
        return NULL;
    }
    if (d->count)
        qsort(d->list, (size_t)d->count, sizeof *d->list, by_hash);
    return d;
}

static long first_of(const struct decisions *d, uint64_t hash)
{
    long low = 0, high = d->count;

    while (low < high) {
        long middle = low + (high - low) / 2;

        if (d->list[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_about(const struct line *line, const struct texts *texts)
{
    return !line->text || (texts->count && texts->sizes[0] == line->size &&
                           !memcmp(texts->list[0], line->text, line->size));
}

enum decision decisions_on(struct decisions *d, const struct record *r, const struct fields *f)
{
    enum decision found = DECISION_NONE;
    struct texts texts = { 0 };
    bool hashed;
    char *bare = record_key(r, &hashed), *key = key_of(hashed ? 'h' : 'i', bare);
    uint64_t hash = hash_bytes(key, strlen(key), 0);

    record_texts(r, f, &texts);
    for (long i = first_of(d, hash); i < d->count && d->list[i].hash == hash; i++) {
        struct line *line = &d->list[i];

        if (strcmp(line->key, key) || !is_about(line, &texts))
            continue;
        line->used = true;
        found = line->keep ? DECISION_KEEP : DECISION_DROP;
    }
    texts_free(&texts);
    free(bare);
    free(key);
    return found;
}

long decisions_unused(const struct decisions *d, long *all)
{
    long count = 0;

    *all = d->count;
    for (long i = 0; i < d->count; i++)
        count += !d->list[i].used;
    return count;
}

void decisions_free(struct decisions *d)
{
    for (long i = 0; d && i < d->count; i++) {
        free(d->list[i].key);
        free(d->list[i].text);
    }
    free(d ? d->list : NULL);
    free(d);
}
