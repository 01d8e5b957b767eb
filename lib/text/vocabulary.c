/* SPDX-License-Identifier: MIT
 * vocabulary.c - strings and their ids, both ways
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "text/vocabulary.h"

/* The slot of a string, or the free one where it belongs.  Half of the slots stay free. */
static size_t slot_of(const struct vocabulary *v, const char *text, size_t size)
{
    size_t slot = hash_bytes(text, size, 0) & v->mask;

    for (; v->slots[slot]; slot = (slot + 1) & v->mask) {
        const struct vocabulary_entry *e = &v->entries[v->slots[slot] - 1];

        if ((size_t)e->size == size && memcmp(v->text.data + e->at, text, size) == 0)
            break;
    }
    return slot;
}

void vocabulary_grow(struct vocabulary *v, int count)
{
    size_t slots = 64;

    assert(count >= v->count);
    while (slots < 2 * (size_t)count)
        slots *= 2;
    v->entries = xresize(v->entries, (size_t)count + 1, sizeof *v->entries);
    for (int i = v->count; i < count; i++)
        v->entries[i] = (struct vocabulary_entry){ .size = -1 };
    v->count = count;
    if (v->slots && slots == v->mask + 1)
        return;
    free(v->slots);
    v->slots = xalloc(slots, sizeof *v->slots);
    v->mask = slots - 1;
    for (int i = 0; i < count; i++)
        if (v->entries[i].size >= 0)
            v->slots[slot_of(v, v->text.data + v->entries[i].at, (size_t)v->entries[i].size)] =
                i + 1;
}

void vocabulary_init(struct vocabulary *v, int count)
{
    *v = (struct vocabulary){ 0 };
    vocabulary_grow(v, count);
}

bool vocabulary_set(struct vocabulary *v, int id, const char *text, size_t size)
{
    size_t slot = slot_of(v, text, size);

    assert(id >= 0 && id < v->count && size < INT32_MAX);
    if (v->slots[slot] || v->entries[id].size >= 0)
        return false;
    v->slots[slot] = id + 1;
    v->entries[id].at = v->text.size;
    v->entries[id].size = (int)size;
    v->longest = (int)size > v->longest ? (int)size : v->longest;
    buffer_add(&v->text, text, size);
    buffer_byte(&v->text, 0);
    return true;
}

int vocabulary_find(const struct vocabulary *v, const char *text, size_t size)
{
    return v->slots[slot_of(v, text, size)] - 1;
}

const char *vocabulary_text(const struct vocabulary *v, int id, int *size)
{
    if (id < 0 || id >= v->count || v->entries[id].size < 0)
        return NULL;
    *size = v->entries[id].size;
    return v->text.data + v->entries[id].at;
}

void vocabulary_free(struct vocabulary *v)
{
    buffer_free(&v->text);
    free(v->entries);
    free(v->slots);
    *v = (struct vocabulary){ 0 };
}
