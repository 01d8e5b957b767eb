/* SPDX-License-Identifier: MIT
 * object.c - what a pickle makes, the stack it makes it on, and the memory for both
 *
 * Everything lives until pickle_free(): objects point at each other in any way, even in circles, so
 * nothing could say which of them is no longer needed.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "weights/pickle.h"

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

/* Zeroed: a count of 0, no items, the number 0. */
struct object *object_new(struct pickle *p, enum object_kind kind)
{
    struct object *o = pickle_alloc(p, sizeof *o);

    o->kind = kind;
    return o;
}

/* Doubles the room, so that many items cost as many steps.  The old room is left in the arena and
 * counts as allocated, which MOST_PER_BYTE allows for. */
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

/* From the end on: of a key that is set twice Python keeps the later value. */
struct object *object_get(const struct object *dict, const char *key)
{
    for (int i = dict->count - 2; i >= 0; i -= 2)
        if (object_is(dict->items[i], key))
            return dict->items[i + 1];
    return NULL;
}

/* The stack.  What is under the last mark is out of reach. */

int pickle_push(struct pickle *p, struct object *o)
{
    if (!o)
        return -1;
    if (p->height == p->stack_size) {
        p->stack_size = p->stack_size ? 2 * p->stack_size : 256;
        p->stack = xresize(p->stack, (size_t)p->stack_size, sizeof(struct object *));
    }
    p->stack[p->height++] = o;
    return 0;
}

void pickle_mark(struct pickle *p)
{
    if (p->mark_count == p->mark_size) {
        p->mark_size = p->mark_size ? 2 * p->mark_size : 64;
        p->marks = xresize(p->marks, (size_t)p->mark_size, sizeof *p->marks);
    }
    p->marks[p->mark_count++] = p->height;
}

int pickle_take(struct pickle *p, int count, struct object ***items)
{
    int lowest = p->mark_count ? p->marks[p->mark_count - 1] : 0;

    if (count < 0 && !p->mark_count)
        return fail("the pickle lacks a mark");
    if (count > p->height - lowest)
        return fail("the pickle takes more from its stack than there is");
    if (count < 0) {
        p->mark_count--;
        count = p->height - lowest;
    }
    p->height -= count;
    *items = p->stack ? p->stack + p->height : NULL;
    return count;
}

struct object *pickle_pop(struct pickle *p)
{
    struct object **items = NULL;

    return pickle_take(p, 1, &items) < 0 ? NULL : items[0];
}

/* The one that the next opcode changes, or NULL after fail(). */
struct object *pickle_top(const struct pickle *p)
{
    int lowest = p->mark_count ? p->marks[p->mark_count - 1] : 0;

    if (p->height > lowest)
        return p->stack[p->height - 1];
    fail("the pickle takes more from its stack than there is");
    return NULL;
}

void pickle_free(struct pickle *p)
{
    free(p->stack);
    free(p->memo);
    free(p->marks);
    free(p->storages);
    table_free(&p->keys);
    arena_free(&p->arena);
}
