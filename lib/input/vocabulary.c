/* SPDX-License-Identifier: MIT
 * vocabulary.c - strings and their ids, both ways
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "input/text.h"

void vocabulary_init(struct vocabulary *v, int count)
{
    size_t slots = 64;

    assert(count >= 0);
    while (slots < 2 * (size_t)count)
        slots *= 2;
    *v = (struct vocabulary){ .count = count, .mask = slots - 1 };
    v->entries = xalloc((size_t)count + 1, sizeof *v->entries);
    v->slots = xalloc(slots, sizeof *v->slots);
    for (int i = 0; i < count; i++)
        v->entries[i].size = -1;
}

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

bool vocabulary_set(struct vocabulary *v, int id, const char *text, size_t size)
{
    size_t slot = slot_of(v, text, size);

    assert(id >= 0 && id < v->count && size < INT32_MAX);
    if (v->slots[slot] || v->entries[id].size >= 0)
        return false;
    v->slots[slot] = id + 1;
    v->entries[id].at = v->text.size;
    v->entries[id].size = (int)size;
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
