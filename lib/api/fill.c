/* SPDX-License-Identifier: MIT
 * fill.c - what the words may be that [MASK] hides
 *
 * Each hidden word is predicted by itself.  Of several, the best combinations are those whose
 * probabilities have the largest product.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "api/api.h"
#include "op/op.h"

static const char hidden[] = "[MASK]";

struct guess { /* words for the first hidden places of a text */
    int *words;
    double logprob; /* their sum */
};

struct guesses {
    struct guess *list; /* best first */
    int count;
    int words; /* that each has so far */
};

static void free_guesses(struct guesses *g)
{
    for (int i = 0; i < g->count; i++)
        free(g->list[i].words);
    free(g->list);
}

static bool is_special(const char *word)
{
    size_t n = strlen(word);

    return !n || (word[0] == '[' && word[n - 1] == ']');
}

/* The likeliest words of a row of logits, best first; of equal ones the first. */
static int best_words(const struct tokenizer *t, const float *z, int vocabulary, int most,
                      int *words)
{
    int count = 0;

    for (int id = 0; id < vocabulary; id++) {
        int at = count < most ? count : most - 1;
        char *word;

        if (count == most && z[id] <= z[words[most - 1]])
            continue;
        word = tokenizer_decode(t, &id, 1);
        if (!is_special(word)) {
            for (; at > 0 && z[id] > z[words[at - 1]]; at--)
                words[at] = words[at - 1];
            words[at] = id;
            count += count < most;
        }
        free(word);
    }
    return count;
}

static int by_logprob(const void *x, const void *y)
{
    const struct guess *a = x, *b = y;

    return (a->logprob < b->logprob) - (a->logprob > b->logprob);
}

/* Every guess with every word behind it; the best `most` stay.  z: the logits of that place, whose
 * log_sum is vlm_log_sum(). */
static void extend(struct guesses *g, const float *z, double log_sum, const int *words, int choices,
                   int most)
{
    struct guess *all = xalloc((size_t)(g->count * choices) + 1, sizeof *all);
    size_t done = (size_t)g->words;
    int n = 0;

    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < choices; k++, n++) {
            all[n].words = xalloc(done + 1, sizeof *all[n].words);
            memcpy(all[n].words, g->list[i].words, done * sizeof *all[n].words);
            all[n].words[done] = words[k];
            all[n].logprob = g->list[i].logprob + (double)z[words[k]] - log_sum;
        }
    qsort(all, (size_t)n, sizeof *all, by_logprob);
    free_guesses(g);
    g->list = all;
    g->words++;
    g->count = n < most ? n : most;
    for (int i = g->count; i < n; i++)
        free(all[i].words);
}

/* The text with the words in place of what is hidden; a word's continuation joins what is before.
 */
static char *filled(const struct tokenizer *t, const char *text, const int *words)
{
    struct buffer b = { 0 };
    const char *at;

    for (int i = 0; (at = strstr(text, hidden)); i++, text = at + strlen(hidden)) {
        char *word = tokenizer_decode(t, words + i, 1);
        bool goes_on = !strncmp(word, "##", 2);

        buffer_add(&b, text, (size_t)(at - text));
        while (goes_on && b.size && b.data[b.size - 1] == ' ')
            b.size--;
        buffer_string(&b, goes_on ? word + 2 : word);
        free(word);
    }
    buffer_string(&b, text);
    return b.data;
}

static int count_hidden(const char *text)
{
    int n = 0;

    while ((text = strstr(text, hidden))) {
        text += strlen(hidden);
        n++;
    }
    return n;
}

static int fill_one(struct vlm *v, const struct tokenizer *t, struct tensor *x, const char *text,
                    int sequences, struct vlm_text *out)
{
    struct model *m = v->model;
    int mask = tokenizer_id(t, hidden), wanted = count_hidden(text), found = 0;
    int *words = xalloc((size_t)sequences, sizeof *words), *at;
    struct token_ids ids;
    struct image_texts texts = { .counts = &ids.count, .count = 1 };
    struct guesses g = { .count = 1 };

    tokenizer_encode(t, text, strlen(text), m->reading.context, &ids);
    at = tape_alloc(&v->tape, (size_t)ids.count * sizeof *at);
    for (int i = 0; i < ids.count; i++)
        if (ids.ids[i] == mask)
            at[found++] = i;
    if (!found || found != wanted) {
        free(ids.ids);
        free(words);
        return fail(wanted ? "%s beyond the %d tokens that are read" : "no %s in the text", hidden,
                    m->reading.context);
    }
    texts.ids = ids.ids;
    x = m->family->predict(&v->tape, m, x, &texts, at, found);
    g.list = xalloc(1, sizeof *g.list);
    g.list->words = xalloc(1, sizeof *g.list->words);
    for (int i = 0; i < found; i++) {
        const float *z = x->data + i * x->stride;
        int choices = best_words(t, z, m->reading.vocabulary, sequences, words);

        extend(&g, z, vlm_log_sum(z, m->reading.vocabulary), words, choices, sequences);
    }
    for (int i = 0; i < sequences; i++) {
        const struct guess *one = &g.list[i < g.count ? i : g.count - 1];

        out[i] = (struct vlm_text){ filled(t, text, one->words), (float)(one->logprob / found),
                                    ids.truncated };
    }
    free_guesses(&g);
    free(ids.ids);
    free(words);
    return 0;
}

int vlm_fill(struct vlm *v, const float *features, int images, const char *const *texts,
             int sequences, struct vlm_text *out)
{
    struct model *m = v->model;
    const struct tokenizer *t = vlm_require(v, VLM_FILL) ? NULL : vlm_tokenizer(v);
    size_t each = (size_t)m->image.tokens * (size_t)m->image.width;

    if (!t)
        return -1;
    for (int i = 0; i < images; i++) {
        struct tensor *x;

        tape_clear(&v->tape);
        x = tensor_from(&v->tape, (float *)(uintptr_t)(features + (size_t)i * each), 3,
                        (long[]){ 1, m->image.tokens, m->image.width });
        if (fill_one(v, t, x, texts[i], sequences, out + (size_t)i * (size_t)sequences))
            return -1;
    }
    return 0;
}
