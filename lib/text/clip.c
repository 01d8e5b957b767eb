/* SPDX-License-Identifier: MIT
 * clip.c - CLIP's tokenizer: a cleaned text is split into pieces, each piece is encoded alone
 *
 * A piece is the first of these that matches; what none matches separates:
 *
 *     a special token   's 't 're 've 'm 'll 'd   letters   one number   others, no white space
 *
 * OpenAI's pattern ignores case and so takes U+017F for an s; and the pattern matching program that
 * it runs on finds U+0345 in no class.  Hugging Face's cuts special tokens out of the text before
 * cleaning it and then knows neither; newer files of it have the two of the frame in their pattern
 * as well, where they can only come from other spellings (<|EndOfText|>) and are split further.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "text/vocabulary.h"

struct splitter {
    const struct tokenizer *t;
    struct buffer piece;
    struct bpe_work work;
    struct id_list *out;
    size_t enough; /* stop when there are more ids than that */
};

enum kind { LETTER, NUMBER, SPACE, OTHER };

/* The classes of the pattern: \p{L}, \p{N}, \s and what is left. */
static enum kind kind_of(const struct tokenizer *t, uint32_t c)
{
    if (c < 0x80) {
        if ((c | 0x20) - 'a' < 26)
            return LETTER;
        return c - '0' < 10 ? NUMBER : code_is_space(c) ? SPACE : OTHER;
    }
    switch (code_class(c)) {
    case CODE_LETTER:
        return LETTER;
    case CODE_NUMBER:
        return NUMBER;
    default:
        return code_is_space(c) || (c == 0x345 && t->clean != CLEAN_HF) ? SPACE : OTHER;
    }
}

/* The number of code points that spell `letters`, U+017F for an s in OpenAI's way; 0: none. */
static size_t begins_with(const struct splitter *s, const uint32_t *at, size_t count,
                          const char *letters)
{
    size_t n = 0;

    if (s->t->clean == CLEAN_HF)
        return codes_begin_with(at, count, letters);
    for (; letters[n]; n++)
        if (n == count || (at[n] == 0x17f ? 's' : at[n]) != (unsigned char)letters[n])
            return 0;
    return n;
}

/* The length of "'s" and its like; 0: none. */
static size_t contraction(const struct splitter *s, const uint32_t *at, size_t count)
{
    static const char *const list[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };

    size_t n = 0;

    for (int i = 0; i < COUNT(list) && n == 0; i++)
        n = begins_with(s, at, count, list[i]);
    return n;
}

/* A contraction, letters in a row, one digit, or other characters in a row; 0: white space, which
 * is no piece. */
static size_t piece_length(const struct splitter *s, const uint32_t *at, size_t count)
{
    enum kind kind = kind_of(s->t, at[0]);
    size_t n = at[0] == '\'' ? contraction(s, at, count) : 0;

    if (n || kind == SPACE)
        return n;
    for (n = 1; n < count && kind != NUMBER && kind_of(s->t, at[n]) == kind;)
        n++;
    return n;
}

static void encode_piece(struct splitter *s, const uint32_t *at, size_t count)
{
    buffer_clear(&s->piece);
    codes_to_utf8(&s->piece, at, count);
    bpe_encode(&s->t->bpe, &s->work, s->piece.data, s->piece.size, s->out);
}

/* Special tokens as OpenAI's pattern has them.  One spelt with U+017F is a piece, but not special.
 * Returns the length; 0: none here. */
static size_t split_special(struct splitter *s, const uint32_t *at, size_t count)
{
    for (int i = 0; i < s->t->special_count; i++) {
        const struct special_token *special = &s->t->specials[i];
        size_t n = begins_with(s, at, count, special->text);

        if (n == 0)
            continue;
        buffer_clear(&s->piece);
        codes_to_utf8(&s->piece, at, n);
        if (strcmp(s->piece.data, special->text) == 0)
            id_add(s->out, special->id);
        else
            encode_piece(s, at, n);
        return n;
    }
    return 0;
}

/* The pieces of a cleaned text; each is encoded by itself. */
static void split(struct splitter *s, const uint32_t *at, size_t count)
{
    for (size_t i = 0, n; i < count && s->out->count <= s->enough; i += n ? n : 1) {
        n = at[i] == '<' && s->t->clean != CLEAN_HF ? split_special(s, at + i, count - i) : 0;
        if (n)
            continue;
        n = piece_length(s, at + i, count - i);
        if (n)
            encode_piece(s, at + i, n);
    }
}

/* A spelt-out begin or end token; 0: none here. */
static size_t frame_length(const struct splitter *s, const uint32_t *at, size_t count)
{
    int size;
    size_t n = begins_with(s, at, count, vocabulary_text(&s->t->vocabulary, s->t->begin, &size));

    return n ? n : begins_with(s, at, count, vocabulary_text(&s->t->vocabulary, s->t->end, &size));
}

/* Between special tokens, in a cleaned text. */
static void split_rest(void *splitter, const uint32_t *at, size_t count)
{
    struct splitter *s = splitter;
    size_t from = 0, i = 0, n;

    while (i < count) {
        n = at[i] == '<' && s->t->splits_frame ? frame_length(s, at + i, count - i) : 0;
        if (n) {
            split(s, at + from, i - from);
            split(s, at + i, n);
            from = i + n;
        }
        n = n ? n : piece_length(s, at + i, count - i);
        i += n ? n : 1;
    }
    split(s, at + from, count - from);
}

/* Hugging Face looks for special tokens before it cleans, and for those marked as normalised after
 * it. */
static void clean_rest(void *splitter, const uint32_t *at, size_t count)
{
    struct splitter *s = splitter;
    struct cutting cut = { s->t, true, s->out, s->enough, split_rest, s };
    struct codes text = { 0 };

    if (count == 0 || s->out->count > s->enough)
        return;
    codes_add_all(&text, at, count);
    clean_text(&text, s->t->clean);
    cut_specials(&cut, text.at, text.count);
    codes_free(&text);
}

static void encode(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out)
{
    struct splitter s = { .t = t, .out = out, .enough = out->count + enough };
    struct cutting cut = { t, false, out, s.enough, clean_rest, &s };
    struct codes codes = { 0 };

    codes_from_utf8(&codes, text, size);
    if (t->clean == CLEAN_HF) {
        cut_specials(&cut, codes.at, codes.count);
    } else {
        clean_text(&codes, t->clean);
        split(&s, codes.at, codes.count);
    }
    codes_free(&codes);
    buffer_free(&s.piece);
    bpe_work_free(&s.work);
}

/* "</w>" at the end of a piece is a space. */
static void decode(const struct tokenizer *t, const int *ids, int count, struct buffer *out)
{
    for (int i = 0; i < count; i++) {
        int size;
        const char *at = vocabulary_text(&t->vocabulary, ids[i], &size), *end;
        bool last = at && size >= 4 && memcmp(at + size - 4, "</w>", 4) == 0;

        if (!at || tokenizer_special(t, ids[i]))
            continue;
        for (end = at + size - (last ? 4 : 0); at < end;)
            buffer_byte(out, bpe_byte(utf8_next(&at, end)));
        if (last)
            buffer_byte(out, ' ');
    }
}

const struct tokenizer_kind clip_kind = { encode, decode };
