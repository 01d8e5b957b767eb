/* SPDX-License-Identifier: MIT
 * table.c - names to numbers: open addressing, at most half full
 *
 * A checkpoint has thousands of names and each layout asks for each of its own, so they are hashed.
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "weights/container.h"

/* Where a name is, or the free slot where it belongs.  At most half are taken, so one is found. */
static struct slot *place(const struct table *t, const char *name)
{
    size_t i = hash_bytes(name, strlen(name), 0) & (t->size - 1);

    while (t->slots[i].name && strcmp(t->slots[i].name, name))
        i = (i + 1) & (t->size - 1);
    return &t->slots[i];
}

int table_find(const struct table *t, const char *name)
{
    const struct slot *s = t->size ? place(t, name) : NULL;

    return s && s->name ? s->value : -1;
}

/* Twice as large; every name moves to where it belongs now. */
static void grow(struct table *t)
{
    struct table bigger = { .size = t->size ? 2 * t->size : 64, .used = t->used };

    bigger.slots = xalloc(bigger.size, sizeof *bigger.slots);
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i].name)
            *place(&bigger, t->slots[i].name) = t->slots[i];
    free(t->slots);
    *t = bigger;
}

bool table_add(struct table *t, const char *name, int value)
{
    struct slot *s;

    if (2 * t->used >= t->size)
        grow(t);
    s = place(t, name);
    if (s->name)
        return false;
    *s = (struct slot){ name, value };
    t->used++;
    return true;
}

void table_free(struct table *t)
{
    free(t->slots);
    *t = (struct table){ 0 };
}
