/* SPDX-License-Identifier: MIT
 * names.c - texts to numbers: 0, 1, 2 .. in the order in which they first come
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "eval/eval.h"

static long start_of(const struct names *n, long i)
{
    return i ? (long)n->ends[i - 1] : 0;
}

/* The slot that holds this text, or the empty one where it would go. */
static uint32_t *slot_of(const struct names *n, const char *text, size_t size)
{
    size_t mask = (size_t)n->slot_count - 1, at = (size_t)hash_bytes(text, size, 0) & mask;

    for (; n->slots[at]; at = (at + 1) & mask) {
        long i = (long)n->slots[at] - 1, start = start_of(n, i);

        if (n->ends[i] - (size_t)start == size && !memcmp(n->bytes.data + start, text, size))
            break;
    }
    return &n->slots[at];
}

/* At most half of the slots are taken. */
static void grow(struct names *n)
{
    n->slot_count = n->slot_count ? 2 * n->slot_count : 64;
    free(n->slots);
    n->slots = xalloc((size_t)n->slot_count, sizeof *n->slots);
    n->ends = xresize(n->ends, (size_t)n->slot_count / 2, sizeof *n->ends);
    for (long i = 0; i < n->count; i++) {
        long start = start_of(n, i);

        *slot_of(n, n->bytes.data + start, n->ends[i] - (size_t)start) = (uint32_t)i + 1;
    }
}

long names_add(struct names *n, const char *text, size_t size)
{
    uint32_t *slot;

    if (2 * n->count >= n->slot_count)
        grow(n);
    slot = slot_of(n, text, size);
    if (!*slot) {
        assert(n->count < UINT32_MAX - 1);
        buffer_add(&n->bytes, text, size);
        n->ends[n->count] = n->bytes.size;
        *slot = (uint32_t)++n->count;
    }
    return (long)*slot - 1;
}

long names_find(const struct names *n, const char *text, size_t size)
{
    return n->count ? (long)*slot_of(n, text, size) - 1 : -1;
}

void names_free(struct names *n)
{
    buffer_free(&n->bytes);
    free(n->ends);
    free(n->slots);
    *n = (struct names){ 0 };
}
