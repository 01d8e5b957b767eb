/* SPDX-License-Identifier: MIT
 * wordpiece.c - BERT's uncased WordPiece: a text is cleaned, cut into words, each word into pieces
 *
 *     special tokens    stand for themselves, spelt exactly
 *     clean             U+0000, U+FFFD and controls are dropped, white space separates
 *     ideographs        of the CJK blocks are words of their own
 *     fold              NFD without nonspacing marks, lower case
 *     punctuation       each is a word of its own: ASCII's and category P
 *     pieces            the longest known beginning, then the longest known "##...", and so on;
 *                       [UNK] for a word of over 100 characters or with an unknown part
 *
 * The originals in Python lower the case first and then take marks off, character by character
 * like Hugging Face's tokenizers: no character comes out differently.  The two differ in one block
 * of ideographs, where the latter has 2B920 for 2B820.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "text/vocabulary.h"

enum { LONGEST_WORD = 100 };

static bool is_ideograph(const struct tokenizer *t, uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) ||
           (c >= (t->clean == CLEAN_HF ? 0x2b920 : 0x2b820) && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* All of ASCII's that is neither letter nor digit, also "$" and "^", which Unicode calls symbols.
 */
static bool is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return c > ' ' && c < 0x7f && code_class(c) != CODE_LETTER && !code_is_decimal(c);
    return code_class(c) == CODE_PUNCTUATION;
}

/* Controls, but for those that separate lines and columns. */
static bool is_dropped(uint32_t c)
{
    if (c < 0x80)
        return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    return c == 0xfffd || code_class(c) == CODE_OTHER;
}

/* Adds a text with its words separated by spaces, but for punctuation. */
static void fold(const struct tokenizer *t, struct codes *out, const uint32_t *text, size_t count)
{
    size_t kept = 0;

    codes_reserve(out, count);
    for (size_t i = 0; i < count; i++) {
        bool alone = text[i] >= 0x3400 && is_ideograph(t, text[i]);

        if (is_dropped(text[i]))
            continue;
        if (alone)
            codes_add(out, ' ');
        codes_add(out, code_is_space(text[i]) ? ' ' : text[i]);
        if (alone)
            codes_add(out, ' ');
    }
    codes_nfd(out, 0);
    for (size_t i = 0; i < out->count; i++)
        if (!code_is_nonspacing(out->at[i]))
            out->at[kept++] = out->at[i];
    out->count = kept;
    codes_lower(out, false);
}

/* The longest known piece at `at`, past `least` and not past `end`: where it ends; 0: none. */
static size_t longest_piece(const struct tokenizer *t, const char *text, size_t at, size_t least,
                            size_t end, int *id)
{
    if (end - at > (size_t)t->vocabulary.longest)
        end = at + (size_t)t->vocabulary.longest;
    for (; end > least; end--) {
        if (((unsigned char)text[end] & 0xc0) == 0x80)
            continue; /* inside a character */
        *id = vocabulary_find(&t->vocabulary, text + at, end - at);
        if (*id >= 0)
            return end;
    }
    return 0;
}

/* Pieces behind the first are looked up with "##" in front, written over what is done with. */
static void add_word(const struct tokenizer *t, struct buffer *word, const uint32_t *text,
                     size_t count, struct id_list *out)
{
    enum { PREFIX = 2 };
    size_t before = out->count, at = PREFIX, done = PREFIX;
    int id;

    if (count == 0)
        return;
    buffer_clear(word);
    buffer_add(word, "##", PREFIX);
    codes_to_utf8(word, text, count);
    while (count <= LONGEST_WORD && done < word->size) {
        done = longest_piece(t, word->data, at, done, word->size, &id);
        if (done == 0)
            break;
        id_add(out, id);
        at = done - PREFIX;
        memcpy(word->data + at, "##", PREFIX);
    }
    if (done == word->size)
        return;
    out->count = before;
    id_add(out, t->unknown);
}

struct work {
    const struct tokenizer *t;
    struct id_list *out;
    size_t enough; /* stop when there are more ids than that */
};

/* A word ends at white space, and before and behind punctuation. */
static void encode_plain(void *work, const uint32_t *text, size_t count)
{
    const struct work *w = work;
    struct codes folded = { 0 };
    struct buffer word = { 0 };
    size_t from = 0;

    fold(w->t, &folded, text, count);
    for (size_t i = 0; i <= folded.count && w->out->count <= w->enough; i++) {
        bool end = i == folded.count, space = !end && code_is_space(folded.at[i]);

        if (!end && !space && !is_punctuation(folded.at[i]))
            continue;
        add_word(w->t, &word, folded.at + from, i - from, w->out);
        if (!end && !space)
            add_word(w->t, &word, folded.at + i, 1, w->out);
        from = i + 1;
    }
    codes_free(&folded);
    buffer_free(&word);
}

static void encode(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out)
{
    struct codes codes = { 0 };
    struct work w = { t, out, out->count + enough };
    struct cutting cut = { t, false, out, w.enough, encode_plain, &w };

    codes_from_utf8(&codes, text, size);
    cut_specials(&cut, codes.at, codes.count);
    codes_free(&codes);
}

static void decode(const struct tokenizer *t, const int *ids, int count, struct buffer *out)
{
    for (int i = 0; i < count; i++) {
        int size;
        const char *piece = vocabulary_text(&t->vocabulary, ids[i], &size);

        if (!piece || tokenizer_special(t, ids[i]))
            continue;
        buffer_string(out, out->size ? " " : "");
        buffer_add(out, piece, (size_t)size);
    }
    buffer_substitute(out, " ##", "");
    if (t->apart)
        join_stops(out);
    else
        join_punctuation(out);
}

const struct tokenizer_kind wordpiece_kind = { encode, decode };
