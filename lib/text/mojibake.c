/* SPDX-License-Identifier: MIT
 * mojibake.c - text that was decoded in a wrong encoding: "donâ€™t" is "don't"
 *
 * As ftfy 6.3 has it (fix_encoding, with restore_byte_a0, replace_lossy_sequences and
 * decode_inconsistent_utf8 inside), until nothing changes:
 *
 *     what is ASCII, or has no characters together that belong to mojibake, stays
 *     in each of ten encodings that has all of the text's characters: bytes -> UTF-8, if they are
 *     in the midst of other text: each stretch that looks like UTF-8, by itself
 *     C1 controls of Latin-1 -> Windows-1252
 *
 * Source: ftfy/__init__.py, badness.py, chardata.py, fixes.py.
 */
#include <stdlib.h>
#include <string.h>
#include <uchar.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "text/vocabulary.h"

/* The kinds of mojibake_table.c, then those that are recognised without it. */
enum {
    COMMON = 1 << 0,
    C1 = 1 << 1,
    BAD = 1 << 2,
    LAW = 1 << 3,
    CURRENCY = 1 << 4,
    START = 1 << 5, /* of what is in quotes or brackets */
    END = 1 << 6,
    NUMERIC = 1 << 7,
    FACES = 1 << 8, /* letters that faces are drawn of */
    UPPER_ACCENTED = 1 << 9,
    LOWER_ACCENTED = 1 << 10,
    UPPER_COMMON = 1 << 11,
    LOWER_COMMON = 1 << 12,
    BOX = 1 << 13,
    FIRST_OF_2 = 1 << 14, /* what the bytes of UTF-8 become in one of the encodings */
    FIRST_OF_3 = 1 << 15,
    FIRST_OF_4 = 1 << 16,
    CONTINUATION = 1 << 17,
    CONTINUATION_STRICT = 1 << 18,
    SMALL = 1 << 19, /* a to z */
    CAPITAL = 1 << 20,
    OTHER = 1 << 21, /* neither */
    SPACE = 1 << 22,
    WORD = 1 << 23,
    IN_LINE = 1 << 24, /* not a line's end */
    ACCENTED = UPPER_ACCENTED | LOWER_ACCENTED,
};

static uint32_t kinds_of(uint32_t code)
{
    uint32_t kinds = code == '\n' ? 0 : IN_LINE;
    int low = 0, high = mojibake_kind_count;

    if (code - 'a' < 26)
        return kinds | SMALL | WORD;
    if (code - 'A' < 26)
        return kinds | CAPITAL | WORD;
    kinds |= OTHER;
    if (code_is_space(code) || (code >= 0x1c && code <= 0x1f))
        kinds |= SPACE;
    if (code == '_' || code_class(code) == CODE_LETTER || code_class(code) == CODE_NUMBER)
        kinds |= WORD;
    while (low < high) {
        int middle = (low + high) / 2;

        if (mojibake_kinds[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < mojibake_kind_count && mojibake_kinds[low].code == code)
        kinds |= mojibake_kinds[low].kinds;
    return kinds;
}

/* --- does it look bad? --- */

/* Characters that seldom stand together unless something went wrong.  A place is of one of the
 * kinds, or one of the others. */
enum { PLACES = 7 };
static const struct rule {
    struct place {
        uint32_t kinds;
        const char32_t *others;
    } at[PLACES];
} rules[] = {
    { { { C1, 0 } } },
    { { { BAD | ACCENTED | BOX | START | END | CURRENCY | NUMERIC | LAW, 0 }, { BAD, 0 } } },
    { { { SMALL | CAPITAL, 0 }, { LOWER_COMMON | UPPER_COMMON, 0 }, { BAD, 0 } } },
    { { { BAD, 0 }, { ACCENTED | BOX | START | END | CURRENCY | NUMERIC | LAW, 0 } } },
    { { { LOWER_ACCENTED | LOWER_COMMON | BOX | END | CURRENCY | NUMERIC, 0 },
        { UPPER_ACCENTED, 0 } } },
    { { { BOX | END | CURRENCY | NUMERIC, 0 }, { LOWER_ACCENTED, 0 } } },
    { { { LOWER_ACCENTED | BOX | END, 0 }, { CURRENCY, 0 } } },
    { { { SPACE, 0 }, { UPPER_ACCENTED, 0 }, { CURRENCY, 0 } } },
    { { { UPPER_ACCENTED | BOX, 0 }, { NUMERIC | LAW, 0 } } },
    { { { ACCENTED | BOX | CURRENCY | END, 0 }, { START, 0 }, { NUMERIC, 0 } } },
    { { { ACCENTED | CURRENCY | NUMERIC | BOX | LAW, 0 }, { END, 0 }, { START, 0 } } },
    { { { CURRENCY | NUMERIC | BOX, 0 }, { START, 0 } } },
    { { { SMALL, 0 }, { UPPER_ACCENTED, 0 }, { START | CURRENCY, 0 } } },
    { { { BOX, 0 }, { FACES, 0 } } },
    { { { ACCENTED | CURRENCY | NUMERIC | START | END | LAW, 0 }, { BOX, 0 } } },
    { { { BOX, 0 }, { END, 0 } } },
    { { { ACCENTED, 0 }, { START | END, 0 }, { WORD, 0 } } },
    { { { 0, U"Œœ" }, { OTHER, 0 } } },
    { { { UPPER_ACCENTED, 0 }, { 0, U"°" } } },
    /* Windows-1252, two characters */
    { { { 0, U"ÂÃÎÐ" }, { START | END, U"€œŠš¢£Ÿž\u00a0\u00ad®©°·»–—´" } } },
    { { { 0, U"×" }, { 0, U"²³" } } },
    /* ... of Arabic words */
    { { { 0, U"ØÙ" },
        { COMMON | CURRENCY | BAD | NUMERIC | START, U"ŸŠ®°µ»" },
        { 0, U"ØÙ" },
        { COMMON | CURRENCY | BAD | NUMERIC | START, U"ŸŠ®°µ»" } } },
    /* ... of South Asian alphabets */
    { { { 0, U"à" }, { 0, U"²µ¹¼½¾" } } },
    /* MacRoman */
    { { { 0, U"√" }, { 0, U"±∂†≠®™´≤≥¥µø" } } },
    { { { 0, U"≈" }, { 0, U"°¢" } } },
    { { { 0, U"‚" }, { 0, U"Ä" }, { 0, U"ìîïòôúùû†°¢π" } } },
    { { { 0, U"‚" }, { 0, U"âó" }, { 0, U"àä°ê" } } },
    /* Windows-1251 */
    { { { 0, U"в" }, { 0, U"Ђ" } } },
    { { { 0, U"ВГРС" }, { C1 | BAD | START | END | CURRENCY, U"°µ" }, { 0, U"ВГРС" } } },
    { { { 0, U"Г" },
        { 0, U"ў" },
        { 0, U"В" },
        { 0, U"Ђ" },
        { 0, U"В" },
        { IN_LINE, 0 },
        { SMALL | CAPITAL, U" " } } },
    /* Windows-1252 again: à, á, and a space that does not break */
    { { { 0, U"Ã" }, { 0, U"\u00a0¡" } } },
    { { { SMALL, 0 }, { 0, U"ÃÂ" }, { 0, U" " } } },
    { { { SMALL, 0 }, { SPACE, 0 }, { 0, U"ÃÂ" }, { 0, U" " } } },
    { { { SMALL | END, U".,?!" }, { 0, U"Â" }, { START | END, U" " } } },
    /* Windows-1253 */
    { { { 0, U"β" }, { 0, U"€" }, { 0, U"™\u00a0Ά\u00ad®°" } } },
    { { { 0, U"ΒΓΞΟ" }, { C1 | BAD | START | END | CURRENCY, U"°" }, { 0, U"ΒΓΞΟ" } } },
    /* Windows-1257 */
    { { { 0, U"ā" }, { 0, U"€" } } },
};

static bool among(uint32_t code, const char32_t *list)
{
    for (; list && *list; list++)
        if (*list == code)
            return true;
    return false;
}

static bool follows(const struct rule *rule, const uint32_t *at, const uint32_t *kinds,
                    size_t count)
{
    for (size_t k = 0; k < PLACES && (rule->at[k].kinds || rule->at[k].others); k++)
        if (k >= count || !((kinds[k] & rule->at[k].kinds) || among(at[k], rule->at[k].others)))
            return false;
    return true;
}

static bool bad_here(const uint32_t *at, const uint32_t *kinds, size_t count)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (follows(&rules[i], at, kinds, count))
            return true;
    return false;
}

static bool is_bad(const uint32_t *at, size_t count)
{
    uint32_t *kinds = xalloc(count + 1, sizeof *kinds);
    bool bad = count > 1 && (at[0] == 0xc2 || at[0] == 0xc3) && at[1] == ' '; /* Â or Ã */

    for (size_t i = 0; i < count; i++)
        kinds[i] = kinds_of(at[i]);
    for (size_t i = 0; i < count && !bad; i++) {
        size_t left = count - i;

        if (at[i] > 0x7f || (left > 1 && at[i + 1] > 0x7f) || (left > 2 && at[i + 2] > 0x7f))
            bad = bad_here(at + i, kinds + i, left);
    }
    free(kinds);
    return bad;
}

/* --- back to bytes --- */

enum { LOST = 0x1a }; /* the byte that stands for U+FFFD where an encoding has gaps */
static const char lost_character[] = "\xef\xbf\xbd";

/* The byte of a character; -1: the encoding has none. */
static int byte_of(const struct mojibake_encoding *e, uint32_t code)
{
    if (code == (e->gaps ? 0xfffd : LOST))
        return LOST;
    if (code < 0x80)
        return code == LOST ? -1 : (int)code;
    for (int i = 0; i < 128; i++)
        if (e->high[i] == code)
            return 128 + i;
    return -1;
}

static bool encode(const struct mojibake_encoding *e, const uint32_t *at, size_t count,
                   struct buffer *out)
{
    buffer_clear(out);
    for (size_t i = 0; i < count; i++) {
        int byte = byte_of(e, at[i]);

        if (byte < 0)
            return false;
        buffer_byte(out, byte);
    }
    return true;
}

static bool within(int byte, int first, int last)
{
    return byte >= first && byte <= last;
}

static bool continues(int byte)
{
    return within(byte, 0x80, 0xbf);
}

/* Continues, and is neither what an ellipsis nor what the space itself would have. */
static bool continues_well(int byte)
{
    return continues(byte) && byte != 0x85 && byte != 0xa0;
}

/* How many bytes are UTF-8 but for a space in place of 0xa0; 0: these are not. */
static size_t spaced(const unsigned char *at, size_t left)
{
    int a = at[0], b = left > 1 ? at[1] : 0, c = left > 2 ? at[2] : 0, d = left > 3 ? at[3] : 0;

    if (b == ' ' && (a == 0xc2 || a == 0xc3 || a == 0xc5 || a == 0xce || a == 0xd0 || a == 0xd9))
        return 2;
    if ((a == 0xe2 || a == 0xe3) && b == ' ' && continues_well(c))
        return 3;
    if (within(a, 0xe0, 0xe3) && continues_well(b) && c == ' ')
        return 3;
    if (a == 0xf0 && (b == ' ') + (c == ' ') + (d == ' ') == 1 &&
        continues(b) + continues(c) + continues(d) == 2)
        return 4;
    return 0;
}

static bool begins_with(const unsigned char *at, size_t left, const char *with)
{
    size_t size = strlen(with);

    return left >= size && !memcmp(at, with, size);
}

/* "Ã " that is the word "à", and no Portuguese word that begins so. */
static bool is_a_grave(const unsigned char *at, size_t left)
{
    return begins_with(at, left, "\xc3 ") && !begins_with(at + 2, left - 2, " ") &&
           !begins_with(at + 2, left - 2, "quele") && !begins_with(at + 2, left - 2, "quela") &&
           !begins_with(at + 2, left - 2, "quilo") && !begins_with(at + 2, left - 2, "s ");
}

static void restore_spaces(struct buffer *b)
{
    struct buffer out = { 0 };
    const unsigned char *at = (const unsigned char *)b->data;
    bool any = false;

    for (size_t i = 0; i < b->size && !any; i++)
        any = spaced(at + i, b->size - i) > 0;
    if (!any)
        return;
    for (size_t i = 0; i < b->size; i++) {
        buffer_byte(&out, at[i]);
        if (is_a_grave(at + i, b->size - i))
            buffer_byte(&out, 0xa0);
    }
    for (size_t i = 0, size; i < out.size; i += size ? size : 1) {
        size = spaced((const unsigned char *)out.data + i, out.size - i);
        for (size_t k = 0; k < size; k++)
            if (out.data[i + k] == ' ')
                out.data[i + k] = (char)0xa0;
    }
    buffer_free(b);
    *b = out;
}

static bool lost(int byte)
{
    return byte == LOST || byte == '?';
}

static bool lost_or_continues(int byte)
{
    return byte == LOST || continues(byte);
}

/* Two surrogates of three bytes each, one of whose last bytes is lost. */
static bool is_lossy_pair(const unsigned char *at, size_t left)
{
    return left >= 6 && at[0] == 0xed && within(at[1], 0xa0, 0xaf) && at[3] == 0xed &&
           within(at[4], 0xb0, 0xbf) &&
           ((lost(at[2]) && (lost(at[5]) || continues(at[5]))) ||
            ((lost(at[2]) || continues(at[2])) && lost(at[5])));
}

/* How many bytes are UTF-8 but for one or more that are lost; 0: these are not. */
static size_t lossy(const unsigned char *at, size_t left)
{
    int a = at[0], b = left > 1 ? at[1] : 0, c = left > 2 ? at[2] : 0, d = left > 3 ? at[3] : 0;

    if ((within(a, 0xc2, 0xdf) && b == LOST) || (within(a, 0xc2, 0xc3) && b == '?'))
        return 2;
    if (is_lossy_pair(at, left))
        return 6;
    if (within(a, 0xe0, 0xef) &&
        ((lost(b) && lost_or_continues(c)) || (lost_or_continues(b) && lost(c))))
        return 3;
    if (within(a, 0xf0, 0xf4) && ((lost(b) && lost_or_continues(c) && lost_or_continues(d)) ||
                                  (lost_or_continues(b) && lost(c) && lost_or_continues(d)) ||
                                  (lost_or_continues(b) && lost_or_continues(c) && lost(d))))
        return 4;
    return a == LOST;
}

static void mark_lost(struct buffer *b)
{
    struct buffer out = { 0 };
    const unsigned char *at = (const unsigned char *)b->data;

    for (size_t i = 0, size; i < b->size; i += size ? size : 1) {
        size = lossy(at + i, b->size - i);
        if (size)
            buffer_string(&out, lost_character);
        else
            buffer_byte(&out, at[i]);
    }
    buffer_free(b);
    *b = out;
}

/* --- UTF-8, strictly, but for two variants --- */

/* A character of Java's zero or CESU-8's surrogates; how many bytes, 0: it is none. */
static size_t variant(const unsigned char *at, size_t left, uint32_t *code)
{
    if (left >= 2 && at[0] == 0xc0 && at[1] == 0x80) {
        *code = 0;
        return 2;
    }
    if (left >= 6 && at[0] == 0xed && within(at[1], 0xa0, 0xaf) && continues(at[2]) &&
        at[3] == 0xed && within(at[4], 0xb0, 0xbf) && continues(at[5])) {
        *code = 0x10000 + ((at[1] & 0xfu) << 16 | (at[2] & 0x3fu) << 10 | (at[4] & 0xfu) << 6 |
                           (at[5] & 0x3fu));
        return 6;
    }
    return 0;
}

static size_t character(const unsigned char *at, size_t left, uint32_t *code)
{
    const char *end = (const char *)at;

    *code = utf8_next(&end, end + left);
    if (*code == 0xfffd && !begins_with(at, left, lost_character))
        return variant(at, left, code);
    return (size_t)(end - (const char *)at);
}

static bool decode(const struct buffer *b, struct codes *out)
{
    out->count = 0;
    for (size_t i = 0, size; i < b->size; i += size) {
        uint32_t code;

        size = character((const unsigned char *)b->data + i, b->size - i, &code);
        if (!size)
            return false;
        codes_add(out, code);
    }
    return true;
}

/* --- one step --- */

static bool read_again(struct codes *out, const uint32_t *at, size_t count)
{
    static const int macroman = 8; /* there a dash and a space would be taken for one */
    struct buffer bytes = { 0 };
    bool found = false;

    for (int i = 0; i < MOJIBAKE_ENCODINGS && !found; i++) {
        const struct mojibake_encoding *e = &mojibake_encodings[i];

        if (!encode(e, at, count, &bytes))
            continue;
        if (i != macroman)
            restore_spaces(&bytes);
        if (e->gaps)
            mark_lost(&bytes);
        found = decode(&bytes, out);
    }
    buffer_free(&bytes);
    return found;
}

/* How many characters look like one of UTF-8. */
static size_t sequence(const uint32_t *at, size_t left)
{
    uint32_t first = kinds_of(at[0]);
    size_t more = 0;

    while (more < 3 && more + 1 < left && (kinds_of(at[more + 1]) & CONTINUATION))
        more++;
    return (first & FIRST_OF_2) && more >= 1   ? 2
           : (first & FIRST_OF_3) && more >= 2 ? 3
           : (first & FIRST_OF_4) && more >= 3 ? 4
                                               : 0;
}

static size_t stretch(const uint32_t *at, size_t left)
{
    size_t size = 0, one;

    while (size < left && (one = sequence(at + size, left - size)) > 0)
        size += one;
    return size;
}

static void read_stretches(struct codes *out, const uint32_t *at, size_t count)
{
    for (size_t i = 0, size; i < count; i += size) {
        struct codes part = { 0 };

        size = i && (kinds_of(at[i - 1]) & CONTINUATION_STRICT) ? 0 : stretch(at + i, count - i);
        if (size && size < count && is_bad(at + i, size)) {
            codes_add_all(&part, at + i, size);
            fix_encoding(&part);
            codes_add_all(out, part.at, part.count);
            codes_free(&part);
        } else {
            size = size ? size : 1;
            codes_add_all(out, at + i, size);
        }
    }
}

/* Latin-1 was Windows-1252. */
static void read_controls(struct codes *out, const uint32_t *at, size_t count)
{
    out->count = 0;
    for (size_t i = 0; i < count; i++)
        codes_add(out, windows_1252(at[i]));
}

static bool is_ascii(const struct codes *text)
{
    for (size_t i = 0; i < text->count; i++)
        if (text->at[i] > 0x7f)
            return false;
    return true;
}

static void step(struct codes *out, const struct codes *text)
{
    if (is_ascii(text) || !is_bad(text->at, text->count)) {
        codes_add_all(out, text->at, text->count);
        return;
    }
    if (read_again(out, text->at, text->count))
        return;
    out->count = 0;
    read_stretches(out, text->at, text->count);
    if (codes_equal(out, text))
        read_controls(out, text->at, text->count);
}

void fix_encoding(struct codes *text)
{
    struct codes next = { 0 };

    do {
        next.count = 0;
        step(&next, text);
        codes_swap(&next, text);
    } while (!codes_equal(&next, text));
    codes_free(&next);
}
