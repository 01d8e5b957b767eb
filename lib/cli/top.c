/* SPDX-License-Identifier: MIT
 * top.c - the best of a stream: highest score first, the earlier of two equals first
 *
 * A heap with the worst on top, so memory is that of the best alone.
 */
#include <stdlib.h>
#include "base/memory.h"
#include "cli/cli.h"

void top_open(struct top *t, int capacity)
{
    *t = (struct top){ .capacity = capacity };
}

static bool better(const struct ranked *a, const struct ranked *b)
{
    return a->score > b->score || (a->score == b->score && a->index < b->index);
}

bool top_wants(const struct top *t, float score, uint64_t index)
{
    const struct ranked one = { score, index, NULL };

    return t->capacity > 0 && (t->count < t->capacity || better(&one, &t->heap[0]));
}

static void swap(struct ranked *a, struct ranked *b)
{
    struct ranked c = *a;

    *a = *b;
    *b = c;
}

static void sift_up(struct top *t, int i)
{
    for (int up; i && (up = (i - 1) / 2, better(&t->heap[up], &t->heap[i])); i = up)
        swap(&t->heap[up], &t->heap[i]);
}

static void sift_down(struct top *t)
{
    for (int i = 0, down; (down = 2 * i + 1) < t->count; i = down) {
        if (down + 1 < t->count && better(&t->heap[down], &t->heap[down + 1]))
            down++;
        if (!better(&t->heap[i], &t->heap[down]))
            return;
        swap(&t->heap[i], &t->heap[down]);
    }
}

void *top_add(struct top *t, struct ranked one)
{
    void *out = NULL;

    if (!top_wants(t, one.score, one.index))
        return one.item;
    if (t->count == t->capacity) {
        out = t->heap[0].item;
        t->heap[0] = one;
        sift_down(t);
        return out;
    }
    t->heap = xresize(t->heap, (size_t)t->count + 1, sizeof *t->heap);
    t->heap[t->count++] = one;
    sift_up(t, t->count - 1);
    return out;
}

static int compare(const void *a, const void *b)
{
    return better(a, b) ? -1 : better(b, a);
}

void top_sort(struct top *t)
{
    if (t->count)
        qsort(t->heap, (size_t)t->count, sizeof *t->heap, compare);
}

void top_free(struct top *t)
{
    free(t->heap);
    *t = (struct top){ 0 };
}
