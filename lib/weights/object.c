/* SPDX-License-Identifier: MIT
 * object.c - what a pickle makes, and its memory
 */
#include <stdlib.h>
#include <string.h>
#include "weights/inside.h"

enum { BLOCK = 1 << 16 };

void *pickle_alloc(struct pickle *p, size_t bytes)
{
    void *memory;

    bytes = (bytes + 15) / 16 * 16;
    p->allocated += bytes;
    if (bytes > BLOCK / 4)
        return memset(arena_alloc(&p->arena, bytes), 0, bytes);
    if (bytes > p->block_left) {
        p->block = memset(arena_alloc(&p->arena, BLOCK), 0, BLOCK);
        p->block_left = BLOCK;
    }
    memory = p->block;
    p->block += bytes;
    p->block_left -= bytes;
    return memory;
}

struct object *object_new(struct pickle *p, enum object_kind kind)
{
    struct object *o = pickle_alloc(p, sizeof *o);

    o->kind = kind;
    return o;
}

void object_append(struct pickle *p, struct object *o, struct object *item)
{
    if (o->count == o->capacity) {
        int capacity = o->capacity ? 2 * o->capacity : 4;
        struct object **items = pickle_alloc(p, (size_t)capacity * sizeof(struct object *));

        if (o->count)
            memcpy(items, o->items, (size_t)o->count * sizeof(struct object *));
        o->items = items;
        o->capacity = capacity;
    }
    o->items[o->count++] = item;
}

bool object_is(const struct object *o, const char *text)
{
    return o->kind == OBJECT_STRING && o->size == strlen(text) && !memcmp(o->text, text, o->size);
}

struct object *object_get(const struct object *dict, const char *key)
{
    for (int i = dict->count - 2; i >= 0; i -= 2)
        if (object_is(dict->items[i], key))
            return dict->items[i + 1];
    return NULL;
}

void pickle_free(struct pickle *p)
{
    free(p->stack);
    free(p->memo);
    free(p->marks);
    free(p->records);
    table_free(&p->keys);
    arena_free(&p->arena);
}
