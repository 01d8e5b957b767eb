/* SPDX-License-Identifier: MIT
 * bpe.c - byte pair encoding: the table of merges and its use on one piece of text
 *
 * A piece is a row of symbols, one a byte.  Of all neighbours that have a merge, the pair of lowest
 * rank (of equal ranks the leftmost) becomes one symbol, until none is left.  The row is a linked
 * list and the candidates are a heap: n log n, whatever the piece.
 *
 * Vocabulary files spell bytes as letters: 33-126, 161-172 and 174-255 stand for themselves, the
 * other 68 in their order for the code points from 256 on.
 */
#include <stdlib.h>
#include "base/memory.h"
#include "text/vocabulary.h"

struct bpe_symbol {
    int id;             /* -1: swallowed by its left neighbour */
    int previous, next; /* -1: none */
};

struct bpe_candidate {
    int rank, at; /* `at` and its next symbol */
    int left, right, id;
};

static const uint64_t no_pair = UINT64_MAX;

static uint64_t pair_of(int left, int right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t mix(uint64_t pair)
{
    pair *= 0x9e3779b97f4a7c15u;
    return (size_t)(pair >> 32 ^ pair);
}

void bpe_init(struct bpe *b, size_t merges)
{
    size_t slots = 64;

    while (slots < 2 * merges)
        slots *= 2;
    b->mask = slots - 1;
    b->merges = xalloc(slots, sizeof *b->merges);
    for (size_t i = 0; i < slots; i++)
        b->merges[i].pair = no_pair;
}

static struct bpe_merge *merge_of(const struct bpe *b, int left, int right)
{
    uint64_t pair = pair_of(left, right);
    size_t slot = mix(pair) & b->mask;

    while (b->merges[slot].pair != pair && b->merges[slot].pair != no_pair)
        slot = (slot + 1) & b->mask;
    return &b->merges[slot];
}

void bpe_add(struct bpe *b, int left, int right, int rank, int id)
{
    struct bpe_merge *m = merge_of(b, left, right);

    if (m->pair == no_pair)
        *m = (struct bpe_merge){ pair_of(left, right), rank, id };
}

void bpe_free(struct bpe *b)
{
    free(b->merges);
    b->merges = NULL;
}

static bool before(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct bpe_candidate *heap, size_t *count, struct bpe_candidate c)
{
    size_t i = (*count)++;

    for (; i > 0 && before(&c, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = c;
}

static struct bpe_candidate heap_pop(struct bpe_candidate *heap, size_t *count)
{
    struct bpe_candidate top = heap[0], last = heap[--*count];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < *count; i = child) {
        child += child + 1 < *count && before(&heap[child + 1], &heap[child]);
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

/* Puts the pair of a symbol and its next one into the heap, if it has a merge. */
static void consider(const struct bpe *b, struct bpe_work *w, size_t *count, int at)
{
    const struct bpe_symbol *s = w->symbols;
    const struct bpe_merge *m;

    if (at < 0 || s[at].next < 0)
        return;
    m = merge_of(b, s[at].id, s[s[at].next].id);
    if (m->pair != no_pair)
        heap_push(w->heap, count,
                  (struct bpe_candidate){ m->rank, at, s[at].id, s[s[at].next].id, m->id });
}

/* One pair became a symbol: at most two new pairs, so the heap never holds over 3 n of them. */
static void merge(struct bpe_symbol *s, const struct bpe_candidate *c)
{
    int gone = s[c->at].next;

    s[c->at].id = c->id;
    s[c->at].next = s[gone].next;
    if (s[gone].next >= 0)
        s[s[gone].next].previous = c->at;
    s[gone].id = -1;
}

static void reserve(struct bpe_work *w, size_t size)
{
    if (size <= w->capacity)
        return;
    w->capacity = size < 64 ? 64 : size + size / 2;
    w->symbols = xresize(w->symbols, w->capacity, sizeof *w->symbols);
    w->heap = xresize(w->heap, 3 * w->capacity, sizeof *w->heap);
}

/* The symbols 0 .. n-1 of `w` are set: merges what can be merged, and adds the ids that are left.
 */
static void join(const struct bpe *b, struct bpe_work *w, int n, struct id_list *out)
{
    size_t waiting = 0;

    for (int i = 0; i < n; i++)
        consider(b, w, &waiting, i);
    while (waiting) {
        struct bpe_candidate c = heap_pop(w->heap, &waiting);
        const struct bpe_symbol *s = &w->symbols[c.at];

        if (s->id != c.left || s->next < 0 || w->symbols[s->next].id != c.right)
            continue; /* one of the two was merged since */
        merge(w->symbols, &c);
        consider(b, w, &waiting, s->previous);
        consider(b, w, &waiting, c.at);
    }
    for (int i = 0; i >= 0; i = w->symbols[i].next)
        id_add(out, w->symbols[i].id);
}

void bpe_encode(const struct bpe *b, struct bpe_work *w, const char *piece, size_t size,
                struct id_list *out)
{
    const unsigned char *bytes = (const unsigned char *)piece;
    int n = size < INT32_MAX / 4 ? (int)size : INT32_MAX / 4;

    if (n == 0)
        return;
    reserve(w, (size_t)n);
    for (int i = 0; i < n; i++)
        w->symbols[i] = (struct bpe_symbol){ b->single[bytes[i]], i - 1, i + 1 };
    w->symbols[n - 1].id = b->last[bytes[n - 1]];
    w->symbols[n - 1].next = -1;
    join(b, w, n, out);
}

void bpe_join(const struct bpe *b, struct bpe_work *w, const int *ids, size_t count,
              struct id_list *out)
{
    int n = count < INT32_MAX / 4 ? (int)count : INT32_MAX / 4;

    if (n == 0)
        return;
    reserve(w, (size_t)n);
    for (int i = 0; i < n; i++)
        w->symbols[i] = (struct bpe_symbol){ ids[i], i - 1, i + 1 < n ? i + 1 : -1 };
    join(b, w, n, out);
}

void bpe_work_free(struct bpe_work *w)
{
    free(w->symbols);
    free(w->heap);
}

uint32_t bpe_letter(int byte)
{
    if (byte <= 32)
        return 256 + (uint32_t)byte;
    if (byte >= 127 && byte <= 160)
        return 256 + 33 + (uint32_t)byte - 127;
    return byte == 173 ? 256 + 67 : (uint32_t)byte;
}

int bpe_byte(uint32_t letter)
{
    if (letter < 256)
        return bpe_letter((int)letter) == letter ? (int)letter : -1;
    if (letter < 256 + 33)
        return (int)letter - 256;
    if (letter < 256 + 67)
        return (int)letter - 256 - 33 + 127;
    return letter == 256 + 67 ? 173 : -1;
}
