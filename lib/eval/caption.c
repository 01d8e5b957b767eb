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
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "eval/eval.h"

enum { LONGEST = 1 << 16 }; /* bytes of a text: subsequences take the product of two lengths */
enum { ORDERS = 4 };

struct gram {
    uint32_t id;
    int count;
};
struct text {
    int length; /* words */
    uint32_t *words;
    struct gram *grams; /* sorted by id */
    int count;
};
struct image {
    struct text caption, *references;
    int count;
};
struct known { /* an n-gram of any text */
    int order, frequency;
    long last_image; /* counted in frequency; from 1 */
};
struct caption_set {
    bool tokenized;
    struct names names; /* n-grams, as words with a space between two */
    struct known *known;
    long known_room;
    struct image *images;
    long count, room, references;
    double matched[ORDERS], tried[ORDERS], length, reference_length, rouge;
    struct arena arena; /* all texts */
};

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

/* The number of an n-gram; a new one gets the next number. All texts share them. */
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

static int text_count(const struct text *t, uint32_t id)
{
    struct gram *g = bsearch(&id, t->grams, (size_t)t->count, sizeof *t->grams, by_id);

    return g ? g->count : 0;
}

/* BLEU-1 to BLEU-4 over the whole set
 *
 * p_k is the share of the captions' k-grams that occur in the image's references, each counted at
 * most as often as in one of them; c is the captions' length, r that of the references closest to
 * them (of two, the shorter).  Source: Papineni and others, 2002.
 *
 *     BLEU-n = exp(min(0, 1 - r/c)) * (p_1 ... p_n)^(1/n)
 */

static int closest_length(const struct image *m)
{
    int best = m->references[0].length;

    for (int i = 1; i < m->count; i++) {
        int length = m->references[i].length;
        int near = abs(best - m->caption.length), nearer = abs(length - m->caption.length);

        if (nearer < near || (nearer == near && length < best))
            best = length;
    }
    return best;
}

/* Sums over the set: BLEU is no mean over captions, a ratio of sums. */
static void bleu_add(struct caption_set *s, const struct image *m)
{
    const struct text *c = &m->caption;

    for (int i = 0; i < c->count; i++) {
        int most = 0;

        for (int k = 0; k < m->count; k++) {
            int count = text_count(&m->references[k], c->grams[i].id);

            most = count > most ? count : most;
        }
        s->matched[s->known[c->grams[i].id].order - 1] +=
            most < c->grams[i].count ? most : c->grams[i].count;
    }
    for (int k = 0; k < ORDERS; k++)
        s->tried[k] += c->length > k ? c->length - k : 0;
    s->length += c->length;
    s->reference_length += closest_length(m);
}

/* The toolkit's small numbers, which keep an empty set of captions from 0/0. */
static void bleu_measure(const struct caption_set *s, double bleu[static ORDERS])
{
    const double tiny = 1e-15, small = 1e-9;
    double ratio = (s->length + tiny) / (s->reference_length + small), product = 1;

    for (int k = 0; k < ORDERS; k++) {
        product *= (s->matched[k] + tiny) / (s->tried[k] + small);
        bleu[k] = pow(product, 1.0 / (k + 1)) * (ratio < 1 ? exp(1 - 1 / ratio) : 1);
        if (!s->count)
            bleu[k] = NAN;
    }
}

/* ROUGE-L of an image's caption
 *
 * P and R are the longest common subsequence's share of the caption and of a reference, each the
 * best over the references; b = 1.2.  Source: Lin, 2004.
 *
 *     ROUGE-L = (1 + b^2) P R / (R + b^2 P)
 */

/* Words of the longest common subsequence, by the usual table of which one row is kept. */
static int longest_common(const struct text *a, const struct text *b)
{
    int *row = xalloc((size_t)b->length + 1, sizeof *row), result;

    for (int i = 0; i < a->length; i++) {
        int diagonal = 0;

        for (int k = 1; k <= b->length; k++) {
            int above = row[k];

            if (a->words[i] == b->words[k - 1])
                row[k] = diagonal + 1;
            else if (row[k - 1] > above)
                row[k] = row[k - 1];
            diagonal = above;
        }
    }
    result = row[b->length];
    free(row);
    return result;
}

static double rouge_l(const struct image *m)
{
    const double square = 1.2 * 1.2;
    double precision = 0, recall = 0;

    for (int i = 0; i < m->count; i++) {
        int common = longest_common(&m->caption, &m->references[i]);

        if (common) {
            precision = fmax(precision, (double)common / m->caption.length);
            recall = fmax(recall, (double)common / m->references[i].length);
        }
    }
    return precision > 0 ? (1 + square) * precision * recall / (recall + square * precision) : 0;
}

/* CIDEr-D, mean over images
 *
 * g(x) has tf * log(N / df) for each n-gram; df counts the images that have it in their references,
 * N all images; l is a text's length; sigma = 6.  Mean over references and over n = 1..4.
 * Source: arXiv 1411.5726.
 *
 *     CIDEr_n = 10 exp(-(l_c - l_r)^2 / 2 sigma^2) min(g(c), g(r)) . g(r) / (|g(c)| |g(r)|)
 */

/* An n-gram counts once for an image, in however many of its references it is. */
static void cider_add(struct caption_set *s, const struct image *m)
{
    for (int i = 0; i < m->count; i++) {
        for (int k = 0; k < m->references[i].count; k++) {
            struct known *n = &s->known[m->references[i].grams[k].id];

            n->frequency += n->last_image != s->count;
            n->last_image = s->count;
        }
    }
}

/* log(N / df); one that no reference has counts as if one had. */
static double rarity(const struct caption_set *s, uint32_t id)
{
    int frequency = s->known[id].frequency;

    return log((double)s->count) - log(frequency > 1 ? frequency : 1);
}

/* |g(text)| of each order. */
static void lengths(const struct caption_set *s, const struct text *t, double norm[static ORDERS])
{
    memset(norm, 0, ORDERS * sizeof *norm);
    for (int i = 0; i < t->count; i++) {
        double weight = t->grams[i].count * rarity(s, t->grams[i].id);

        norm[s->known[t->grams[i].id].order - 1] += weight * weight;
    }
    for (int k = 0; k < ORDERS; k++)
        norm[k] = sqrt(norm[k]);
}

/* The mean over orders of the clipped cosine, times the penalty for another length. */
static double similarity(const struct caption_set *s, const struct text *c, const struct text *r,
                         const double norm[static ORDERS])
{
    double dot[ORDERS] = { 0 }, other[ORDERS], sum = 0;
    /* The toolkit's length is that of bigrams: none and one word are alike. */
    double difference = (c->length ? c->length - 1 : 0) - (r->length ? r->length - 1 : 0);

    lengths(s, r, other);
    for (int i = 0; i < c->count; i++) {
        double weight = rarity(s, c->grams[i].id);
        int count = text_count(r, c->grams[i].id);
        int least = count < c->grams[i].count ? count : c->grams[i].count;

        dot[s->known[c->grams[i].id].order - 1] += least * weight * count * weight;
    }
    for (int k = 0; k < ORDERS; k++)
        sum += norm[k] > 0 && other[k] > 0 ? dot[k] / (norm[k] * other[k]) : 0;
    return sum / ORDERS * exp(-difference * difference / (2 * 6.0 * 6.0));
}

static double cider(const struct caption_set *s, const struct image *m)
{
    double norm[ORDERS], sum = 0;

    lengths(s, &m->caption, norm);
    for (int i = 0; i < m->count; i++)
        sum += similarity(s, &m->caption, &m->references[i], norm);
    return 10 * sum / m->count;
}

static double cider_measure(const struct caption_set *s)
{
    double sum = 0;

    for (long i = 0; i < s->count; i++)
        sum += cider(s, &s->images[i]);
    return s->count ? sum / (double)s->count : NAN;
}

/* Texts are kept as numbers: CIDEr-D needs the counts of all images first. -1 after fail(). */
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
