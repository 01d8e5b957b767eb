/* SPDX-License-Identifier: MIT
 * sweep.h - what small damage makes of a good file: each beginning of it, each byte as another
 * one, each value of a JSON as one of another kind
 *
 * A judge takes what came out: it is read, or refused with a sentence.  The bytes end where their
 * memory ends, so that the sanitizers see a read behind them.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tests/unit/tap.h"

struct piece {
    const char *data;
    size_t size;
};
struct sweep {
    bool (*read)(const void *data, size_t size); /* false after fail() */
    long tried, read_well, silent;               /* silent: refused without a sentence */
};

static inline void sweep_try(struct sweep *s, const void *data, size_t size)
{
    char *copy = xalloc(size ? size : 1, 1);

    memcpy(copy, data, size);
    error_clear();
    s->tried++;
    if (s->read(copy, size))
        s->read_well++;
    else if (!*error_text())
        s->silent++;
    free(copy);
}

/* Every beginning; then each of the first `most` bytes as each of `others`, lost, and said twice.
 */
static inline void sweep_bytes(struct sweep *s, const void *data, size_t size, size_t most,
                               struct piece others)
{
    struct buffer b = { 0 };

    for (size_t i = 0; i < size; i += 1 + (i > most ? size / 64 : 0))
        sweep_try(s, data, i);
    for (size_t i = 0; i < size && i < most; i++) {
        for (size_t k = 0; k <= others.size + 1; k++) {
            buffer_clear(&b);
            buffer_add(&b, data, size);
            if (k < others.size)
                b.data[i] = others.data[k];
            else
                buffer_replace(&b, i, k == others.size, data, k == others.size ? 0 : 1);
            sweep_try(s, b.data, b.size);
        }
    }
    buffer_free(&b);
}

static inline void sweep_print(struct sweep *s, const cJSON *root)
{
    char *text = cJSON_PrintUnformatted(root);

    sweep_try(s, text, strlen(text));
    cJSON_free(text);
}

/* Every value below `at` as null, true, a number, a text, a list, an object, and under another
 * name; of many the first three. */
static inline void sweep_values(struct sweep *s, cJSON *root, cJSON *at)
{
    static const char *const others[] = { "null", "true",   "-1",        "7",
                                          "0.5",  "1e300",  "\"\"",      "\"x\"",
                                          "[]",   "[null]", "[[\"x\"]]", "{\"type\":\"x\"}",
                                          "{}" };
    int n = 0;

    for (cJSON *item = at->child; item && n < 3 + 12 * (cJSON_GetArraySize(at) < 12);
         item = item->next, n++) {
        char *name = item->string;
        cJSON kept = *item;

        for (int i = 0; i < COUNT(others); i++) {
            cJSON *other = cJSON_Parse(others[i]);

            item->type = other->type | (kept.type & cJSON_StringIsConst);
            item->child = other->child;
            item->valuestring = other->valuestring;
            item->valueint = other->valueint;
            item->valuedouble = other->valuedouble;
            sweep_print(s, root);
            cJSON_Delete(other);
        }
        item->type = kept.type;
        item->child = kept.child;
        item->valuestring = kept.valuestring;
        item->valueint = kept.valueint;
        item->valuedouble = kept.valuedouble;
        if (name) {
            item->string = (char[]){ "other" };
            sweep_print(s, root);
            item->string = name;
        }
        sweep_values(s, root, item);
    }
}

static inline void sweep_end(struct sweep *s, const char *name)
{
    ok(s->tried > 20 && !s->silent, "%s: read, or refused with a sentence", name);
    note("%ld tried, %ld read, %ld without a word", s->tried, s->read_well, s->silent);
    s->tried = s->read_well = s->silent = 0;
}

#define BYTES(text) ((struct piece){ text, sizeof text - 1 })

#endif
