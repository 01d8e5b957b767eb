/* SPDX-License-Identifier: MIT
 * keys.c - the keys of a shard's samples, as hashes in an open table
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "stream/tarfile.h"

static bool put(uint64_t *table, size_t capacity, uint64_t hash)
{
    size_t at = hash & (capacity - 1);

    while (table[at] && table[at] != hash)
        at = (at + 1) & (capacity - 1);
    if (table[at])
        return false;
    table[at] = hash;
    return true;
}

bool key_set_add(struct key_set *s, const char *key)
{
    uint64_t hash = hash_bytes(key, strlen(key), 0) | 1;
    bool fresh;

    if (2 * (s->count + 1) > s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 1024;
        uint64_t *table = xalloc(capacity, sizeof *table);

        for (size_t i = 0; i < s->capacity; i++)
            if (s->table[i])
                put(table, capacity, s->table[i]);
        free(s->table);
        s->table = table;
        s->capacity = capacity;
    }
    fresh = put(s->table, s->capacity, hash);
    s->count += fresh;
    return fresh;
}

void key_set_clear(struct key_set *s)
{
    free(s->table);
    *s = (struct key_set){ 0 };
}
