/* SPDX-License-Identifier: MIT
 * caption.c - BLEU, ROUGE-L and CIDEr-D of one caption an image against its references
 *
 * A text is its words and its n-grams, n = 1..4, as numbers.  What needs all images (the weights of
 * CIDEr-D) is computed at the end, the rest as they come.  Constants are those of the COCO caption
 * toolkit.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval/inside.h"

enum { LONGEST = 1 << 16 }; /* bytes of a text: subsequences take the product of two lengths */

struct caption_set *caption_open(bool tokenized)
{
    struct caption_set *s = xalloc(1, sizeof *s);

    s->tokenized = tokenized;
    return s;
}

void caption_close(struct caption_set *s)
{
    if (!s)
        return;
    arena_free(&s->arena);
    names_free(&s->names);
    free(s->known);
    free(s->images);
    free(s);
}

static uint32_t id_of(struct caption_set *s, const char *text, size_t size, int order)
{
    long known = s->names.count, id = names_add(&s->names, text, size);

    if (id >= s->known_room) {
        s->known_room = s->known_room ? 2 * s->known_room : 256;
        s->known = xresize(s->known, (size_t)s->known_room, sizeof *s->known);
    }
    if (id == known)
        s->known[id] = (struct known){ .order = order };
    return (uint32_t)id;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sorted ids to ids and how often each occurs. */
static int count_equals(const uint32_t *ids, int count, struct gram *grams)
{
    int n = 0;

    for (int i = 0; i < count; i++) {
        if (n && grams[n - 1].id == ids[i])
            grams[n - 1].count++;
        else
            grams[n++] = (struct gram){ ids[i], 1 };
    }
    return n;
}

/* starts[i] is where word i begins; starts[length] where another would. */
static void read_words(struct caption_set *s, struct text *t, const char *words, size_t size)
{
    size_t *starts = xalloc(size / 2 + 3, sizeof *starts);
    uint32_t *ids;
    int n = 0;

    *t = (struct text){ 0 };
    for (size_t at = 0; at < size; at += strcspn(words + at, " ") + 1)
        starts[t->length++] = at;
    starts[t->length] = size + 1;
    ids = xalloc((size_t)t->length * ORDERS + 1, sizeof *ids);
    for (int order = 1; order <= ORDERS; order++)
        for (int i = 0; i + order <= t->length; i++)
            ids[n++] = id_of(s, words + starts[i], starts[i + order] - 1 - starts[i], order);
    t->words = arena_alloc(&s->arena, (size_t)(t->length + 1) * sizeof *t->words);
    memcpy(t->words, ids, (size_t)t->length * sizeof *ids);
    qsort(ids, (size_t)n, sizeof *ids, by_id);
    t->grams = arena_alloc(&s->arena, (size_t)(n + 1) * sizeof *t->grams);
    t->count = count_equals(ids, n, t->grams);
    free(ids);
    free(starts);
}

static void read_text(struct caption_set *s, struct text *t, const char *text)
{
    struct buffer words = { 0 };

    if (s->tokenized)
        words_given(&words, text, strlen(text));
    else
        words_split(&words, text, strlen(text));
    buffer_add(&words, "", 0);
    read_words(s, t, words.data, words.size);
    buffer_free(&words);
}

int text_count(const struct text *t, uint32_t id)
{
    struct gram *g = bsearch(&id, t->grams, (size_t)t->count, sizeof *t->grams, by_id);

    return g ? g->count : 0;
}

int caption_add(struct caption_set *s, const char *caption, const char *const *references,
                int count)
{
    size_t longest = strlen(caption);
    struct image *m;

    assert(count > 0);
    for (int i = 0; i < count; i++)
        longest = strlen(references[i]) > longest ? strlen(references[i]) : longest;
    if (longest > LONGEST)
        return fail_as("too_large", "a text of %zu bytes is no caption", longest);
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->images = xresize(s->images, (size_t)s->room, sizeof *s->images);
    }
    m = &s->images[s->count++];
    m->count = count;
    m->references = arena_alloc(&s->arena, (size_t)count * sizeof *m->references);
    read_text(s, &m->caption, caption);
    for (int i = 0; i < count; i++)
        read_text(s, &m->references[i], references[i]);
    s->references += count;
    bleu_add(s, m);
    s->rouge += rouge_l(m);
    cider_add(s, m);
    return 0;
}

struct caption_scores caption_measure(const struct caption_set *s)
{
    struct caption_scores all = { .images = s->count, .references = s->references };

    bleu_measure(s, all.bleu);
    all.rouge_l = s->count ? s->rouge / (double)s->count : NAN;
    all.cider_d = cider_measure(s);
    return all;
}
