/* SPDX-License-Identifier: MIT
 * tokenizer.c - text to ids and back: the frame, and a table of functions for what is between
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "text/vocabulary.h"

void id_add(struct id_list *l, int id)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 128;
        l->ids = xresize(l->ids, l->capacity, sizeof *l->ids);
    }
    l->ids[l->count++] = id;
}

struct special_token *tokenizer_add_special(struct tokenizer *t, const char *text, int id,
                                            bool normalized)
{
    t->specials = xresize(t->specials, (size_t)t->special_count + 1, sizeof *t->specials);
    t->specials[t->special_count] =
        (struct special_token){ .text = xstrdup(text), .id = id, .normalized = normalized };
    return &t->specials[t->special_count++];
}

void tokenizer_drop_specials(struct tokenizer *t)
{
    for (int i = 0; i < t->special_count; i++)
        free(t->specials[i].text);
    free(t->specials);
    t->specials = NULL;
    t->special_count = 0;
}

const struct special_token *tokenizer_special(const struct tokenizer *t, int id)
{
    for (int i = 0; i < t->special_count; i++)
        if (t->specials[i].id == id)
            return &t->specials[i];
    return NULL;
}

size_t codes_begin_with(const uint32_t *at, size_t count, const char *letters)
{
    const char *end = letters + strlen(letters);
    size_t n = 0;

    for (; letters < end; n++)
        if (n == count || utf8_next(&letters, end) != at[n])
            return 0;
    return n;
}

/* Specials are tried in turn at each place: there are few of them, and the longest wins, as in
 * huggingface/tokenizers added_vocabulary.rs. White space beside one belongs to it only if its
 * entry says lstrip or rstrip. */
bool find_special(const struct tokenizer *t, const uint32_t *text, size_t count, bool normalized,
                  struct special_place *found)
{
    const struct special_token *best = NULL;

    *found = (struct special_place){ 0 };
    for (; found->at < count && found->size == 0; found->at += found->size == 0) {
        for (int i = 0; i < t->special_count; i++) {
            const struct special_token *s = &t->specials[i];
            size_t n = s->normalized == normalized
                           ? codes_begin_with(text + found->at, count - found->at, s->text)
                           : 0;

            if (n > found->size) {
                found->size = n;
                found->id = s->id;
                best = s;
            }
        }
    }
    for (; best && best->strip_left && found->at && code_is_space(text[found->at - 1]); found->at--)
        found->size++;
    while (best && best->strip_right && found->at + found->size < count &&
           code_is_space(text[found->at + found->size]))
        found->size++;
    return best;
}

/* Ends early once there are more ids than anyone will read: a text of a megabyte costs no more than
 * one of a page. */
void cut_specials(const struct cutting *c, const uint32_t *text, size_t count)
{
    struct special_place place;

    while (c->out->count <= c->enough &&
           find_special(c->tokenizer, text, count, c->normalized, &place)) {
        c->rest(c->self, text, place.at);
        id_add(c->out, place.id);
        text += place.at + place.size;
        count -= place.at + place.size;
    }
    c->rest(c->self, text, count);
}

/* Source: huggingface/transformers tokenization_utils_base.py, clean_up_tokenization. The order of
 * the rules matters. */
void join_punctuation(struct buffer *text)
{
    static const char *const rules[][2] = {
        { " .", "." },     { " ?", "?" },   { " !", "!" },   { " ,", "," },     { " ' ", "'" },
        { " n't", "n't" }, { " 'm", "'m" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };

    for (int i = 0; i < COUNT(rules) && text->size; i++)
        buffer_substitute(text, rules[i][0], rules[i][1]);
}

/* Source: huggingface/tokenizers decoders/wordpiece.rs, cleanup(): token by token, so that the
 * rules of more than one token never apply. */
void join_stops(struct buffer *text)
{
    static const char *const stops[] = { ".", "?", "!", "," };

    for (int i = 0; i < COUNT(stops) && text->size; i++) {
        char apart[3] = { ' ', *stops[i], 0 };

        buffer_substitute(text, apart, stops[i]);
    }
}

void tokenizer_keep_apart(struct tokenizer *t, bool apart)
{
    t->apart = apart;
}

/* A token that the vocabulary has keeps its id; another one gets the next free id. */
int tokenizer_add(struct tokenizer *t, const char *token)
{
    int id = tokenizer_id(t, token);

    if (id < 0) {
        id = t->vocabulary.count;
        vocabulary_grow(&t->vocabulary, id + 1);
        vocabulary_set(&t->vocabulary, id, token, strlen(token));
    }
    if (!tokenizer_special(t, id))
        tokenizer_add_special(t, token, id, false);
    return id;
}

void tokenizer_frame(struct tokenizer *t, int begin, int end)
{
    assert(begin < t->vocabulary.count && end < t->vocabulary.count);
    t->begin = begin;
    t->end = end;
}

int tokenizer_begin(const struct tokenizer *t)
{
    return t->begin;
}

int tokenizer_end(const struct tokenizer *t)
{
    return t->end;
}

struct tokenizer *tokenizer_open(const char *path, const char *const *names,
                                 const struct tokenizer_kind *kind, enum text_clean clean,
                                 int (*read)(struct tokenizer *t, const char *file))
{
    char *file = vocabulary_path(path, names);
    struct tokenizer *t;

    if (!file)
        return NULL;
    t = xalloc(1, sizeof *t);
    t->kind = kind;
    t->clean = clean;
    if (read(t, file) < 0) {
        tokenizer_close(t);
        t = NULL;
    }
    free(file);
    return t;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    tokenizer_drop_specials(t);
    vocabulary_free(&t->vocabulary);
    bpe_free(&t->bpe);
    unigram_free(t->unigram);
    free(t);
}

int tokenizer_size(const struct tokenizer *t)
{
    return t->vocabulary.count;
}

int tokenizer_id(const struct tokenizer *t, const char *token)
{
    return vocabulary_find(&t->vocabulary, token, strlen(token));
}

/* The text as open_clip hands it to a tokenizer of Hugging Face; of other kinds as it is. */
static void add_cleaned(struct buffer *out, const struct tokenizer *t, const char *text,
                        size_t size)
{
    struct codes codes = { 0 };

    if (!clean_is_open(t->clean)) {
        buffer_add(out, text, size);
        return;
    }
    codes_from_utf8(&codes, text, size);
    clean_text(&codes, t->clean);
    codes_to_utf8(out, codes.at, codes.count);
    codes_free(&codes);
}

/* The text is cut so that the frame still fits: the end token is always there. */
void tokenizer_encode(const struct tokenizer *t, const char *text, size_t size, int limit,
                      struct token_ids *out)
{
    struct id_list list = { 0 };
    struct buffer cleaned = { 0 };
    size_t frame = (size_t)(t->begin >= 0) + (size_t)(t->end >= 0), room;

    assert(limit > 0 && (size_t)limit >= frame);
    room = (size_t)limit - frame;
    if (t->begin >= 0)
        id_add(&list, t->begin);
    add_cleaned(&cleaned, t, text, size);
    t->kind->encode(t, cleaned.data, cleaned.size, room, &list);
    buffer_free(&cleaned);
    room += t->begin >= 0;
    out->truncated = list.count > room;
    if (out->truncated)
        list.count = room;
    if (t->end >= 0 && !(t->ends_once && list.count && list.ids[list.count - 1] == t->end))
        id_add(&list, t->end);
    out->ids = list.ids ? list.ids : xalloc(1, sizeof *list.ids);
    out->count = (int)list.count;
}

/* White space at both ends goes: the originals call strip() on what they decode. */
char *tokenizer_decode(const struct tokenizer *t, const int *ids, int count)
{
    struct buffer raw = { 0 }, text = { 0 };
    struct codes codes = { 0 };
    size_t first = 0;

    t->kind->decode(t, ids, count, &raw);
    codes_from_utf8(&codes, raw.data, raw.size);
    while (first < codes.count && code_is_space(codes.at[first]))
        first++;
    while (codes.count > first && code_is_space(codes.at[codes.count - 1]))
        codes.count--;
    codes_to_utf8(&text, codes.at + first, codes.count - first);
    buffer_free(&raw);
    codes_free(&codes);
    return text.data;
}
