/* SPDX-License-Identifier: MIT
 * words.c - a caption as the metrics see it: words, one space between two
 *
 * The COCO toolkit splits captions with Stanford's tokenizer (release 3.4.1, lower case) and then
 * removes the tokens '' ' `` ` . ? ! , : - -- ... ; but not brackets, which the tokenizer writes as
 * -lrb- -rrb- -lsb- -rsb- -lcb- -rcb-, and not two and more of ? and ! together.  What captions
 * hold is done here in the same way; smileys, addresses of pages and markup are not.
 */
#include <string.h>
#include "base/buffer.h"
#include "eval/eval.h"

/* a text with plain blanks, quotation marks and dashes, and symbols set apart
 *
 * HTML's &amp; and &quot; are what they stand for; capitals beyond ASCII become small letters.
 */

static bool is_symbol(uint32_t c)
{
    return (c >= 0xa1 && c <= 0xbf && c != 0xaa && c != 0xb5 && c != 0xba) || c == 0xd7 ||
           c == 0xf7 || (c >= 0x2010 && c <= 0x2bff) || (c >= 0x3001 && c <= 0x3003) ||
           (c >= 0x1f000 && c <= 0x1faff);
}

/* Latin, Greek and Cyrillic capitals that have a fixed distance to their small letter. */
static uint32_t small(uint32_t c)
{
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 0x20;
    return c >= 0x400 && c <= 0x40f ? c + 0x50 : c;
}

/* Quotation marks, dashes and signs of money as the tokenizer writes them; other symbols apart. */
static void add_character(struct buffer *b, uint32_t c)
{
    static const struct {
        uint32_t first, last;
        const char *text;
    } table[] = {
        { 0xa0, 0xa0, " " },        { 0xa2, 0xa2, " cents " },   { 0xa3, 0xa3, " # " },
        { 0xab, 0xab, "\"" },       { 0xbb, 0xbb, "\"" },        { 0xbc, 0xbc, " 1/4 " },
        { 0xbd, 0xbd, " 1/2 " },    { 0xbe, 0xbe, " 3/4 " },     { 0x2000, 0x200a, " " },
        { 0x2013, 0x2014, " -- " }, { 0x2018, 0x2018, " ` " },   { 0x2019, 0x2019, "'" },
        { 0x201c, 0x201d, "\"" },   { 0x2026, 0x2026, " ... " }, { 0x202f, 0x202f, " " },
        { 0x20ac, 0x20ac, " $ " },  { 0x3000, 0x3000, " " },
    };

    for (int i = 0; i < COUNT(table); i++) {
        if (c >= table[i].first && c <= table[i].last) {
            buffer_string(b, table[i].text);
            return;
        }
    }
    if (is_symbol(c))
        buffer_byte(b, ' ');
    buffer_utf8(b, small(c));
    if (is_symbol(c))
        buffer_byte(b, ' ');
}

/* Control characters are blanks; bytes that are no UTF-8 become U+FFFD. */
static void simplify(struct buffer *b, const char *text, size_t size)
{
    const char *end = text + size;

    while (text < end) {
        if ((unsigned char)*text >= 0x80) {
            add_character(b, utf8_next(&text, end));
        } else if (end - text >= 5 && !memcmp(text, "&amp;", 5)) {
            buffer_byte(b, '&');
            text += 5;
        } else if (end - text >= 6 && !memcmp(text, "&quot;", 6)) {
            buffer_byte(b, '"');
            text += 6;
        } else {
            buffer_byte(b, *text > ' ' && *text != 0x7f ? *text : ' ');
            text++;
        }
    }
}

struct scan {
    const char *start, *at, *end;
    struct buffer *out;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Of a word: bytes above ASCII are letters here; symbols have been set apart. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_inside(char c)
{
    return is_digit(c) || is_letter(c);
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static char lower(char c)
{
    return is_upper(c) ? (char)(c + 32) : c;
}

static char ahead(const struct scan *s, long i) /* NUL behind the end */
{
    return i < s->end - s->at ? s->at[i] : 0;
}

static bool same(const char *text, size_t size, const char *word)
{
    size_t i = 0;

    while (i < size && word[i] && lower(text[i]) == word[i])
        i++;
    return i == size && !word[i];
}

/* At `i` from here: this text, and the word ends behind it. */
static bool follows(const struct scan *s, long i, const char *word)
{
    size_t size = strlen(word);

    return s->end - s->at - i >= (long)size && same(s->at + i, size, word) &&
           !is_inside(ahead(s, i + (long)size));
}

static void put(struct scan *s, const char *text, size_t size)
{
    if (s->out->size)
        buffer_byte(s->out, ' ');
    for (size_t i = 0; i < size; i++)
        buffer_byte(s->out, lower(text[i]));
}

static void take(struct scan *s, long size)
{
    put(s, s->at, (size_t)size);
    s->at += size;
}

/* Words */

static const char *const suffixes[] = { "s", "m", "d", "re", "ve", "ll", NULL };

static bool has_suffix(const struct scan *s, long i) /* behind the apostrophe at i - 1 */
{
    for (int k = 0; suffixes[k]; k++)
        if (follows(s, i, suffixes[k]))
            return true;
    return false;
}

static bool is_number(const struct scan *s, long size)
{
    for (long i = 0; i < size; i++)
        if (is_letter(ahead(s, i)))
            return false;
    return true;
}

/* Does a word of `n` bytes go on over this sign, which a letter or digit follows? */
static bool joins(const struct scan *s, long n)
{
    char before = ahead(s, n - 1), after = ahead(s, n + 1);

    switch (ahead(s, n)) {
    case '-':
    case '/':
    case '_':
    case '@':
        return true;
    case '.':
        return (is_letter(before) && is_letter(after)) ||
               (is_digit(before) && is_digit(after) && is_number(s, n));
    case ',':
    case ':':
        return is_digit(before) && is_digit(after) && is_number(s, n);
    case '\'':
        return is_letter(before) && is_letter(after) && !has_suffix(s, n + 1);
    case '&':
        return is_upper(before) && is_upper(after);
    default:
        return false;
    }
}

static long word_size(const struct scan *s)
{
    bool time = false;
    long n = !is_inside(ahead(s, 0)); /* a sign that begins it */

    while (n < s->end - s->at) {
        char c = ahead(s, n);

        if (time && is_letter(c))
            break;
        if (!is_inside(c) && !(n && is_inside(ahead(s, n + 1)) && joins(s, n)))
            break;
        time |= c == ':';
        n++;
    }
    return n;
}

/* Those that keep their point, also "a.", "u.s." and, before a number, "no.". */
static bool is_abbreviation(const struct scan *s, long size)
{
    static const char *const list[] = {
        "mr",  "mrs", "ms",   "dr",  "st",   "jr",    "sr",     "prof", "gov",  "sen",  "rep",
        "gen", "lt",  "col",  "sgt", "capt", "etc",   "vs",     "co",   "inc",  "ltd",  "corp",
        "jan", "feb", "mar",  "apr", "jun",  "jul",   "aug",    "sep",  "sept", "oct",  "nov",
        "dec", "ave", "blvd", "rd",  "ft",   "sq",    "mt",     "bros", "dept", "univ", "al",
        "mon", "tue", "ph.d", "est", "assn", "calif", "messrs", NULL
    };
    long i;

    for (int k = 0; list[k]; k++)
        if (same(s->at, (size_t)size, list[k]))
            return true;
    if (same(s->at, (size_t)size, "no")) {
        for (i = size + 1; ahead(s, i) == ' ';)
            i++;
        return is_digit(ahead(s, i));
    }
    for (i = 0; i < size; i++)
        if (i % 2 ? ahead(s, i) != '.' : !is_letter(ahead(s, i)))
            return false;
    return size % 2 == 1;
}

/* Two words in one: how long is the first?  0: it is one. */
static long split(const char *word, size_t size)
{
    static const struct {
        const char *word;
        long first;
    } pairs[] = { { "cannot", 3 }, { "gonna", 3 }, { "gotta", 3 },
                  { "wanna", 3 },  { "lemme", 3 }, { "gimme", 3 } };

    for (int i = 0; i < COUNT(pairs); i++)
        if (same(word, size, pairs[i].word))
            return pairs[i].first;
    return 0;
}

static void take_word(struct scan *s)
{
    long size = word_size(s), first = split(s->at, (size_t)size);

    if (size > 3 && follows(s, size - 3, "n't")) { /* "don't" went on over its sign */
        take(s, size - 3);
        take(s, 3);
    } else if (follows(s, 0, "y'all")) {
        take(s, 2);
        take(s, 3);
    } else if (first) {
        take(s, first);
        take(s, size - first);
    } else if (ahead(s, size) == '.' && !is_inside(ahead(s, size + 1)) &&
               is_abbreviation(s, size)) {
        take(s, size + 1);
    } else if (ahead(s, size) == '\'' && same(s->at, (size_t)size, "ol")) {
        take(s, size + 1);
    } else {
        take(s, size);
    }
}

/* Signs */

/* 's and the like, also alone; 'em, '90s, 'tis.  Any other is a quotation mark. */
static void take_apostrophe(struct scan *s)
{
    if (has_suffix(s, 1) || follows(s, 1, "em") || follows(s, 1, "til") || follows(s, 1, "cause")) {
        take(s,
             1 + (long)strspn(s->at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    } else if (follows(s, 1, "n'")) {
        take(s, 3);
    } else if (is_digit(ahead(s, 1)) && is_digit(ahead(s, 2)) && follows(s, 3, "s")) {
        take(s, 4);
    } else if (follows(s, 1, "tis") || follows(s, 1, "twas")) {
        take(s, 2);
    } else {
        s->at++;
    }
}

static void take_run(struct scan *s, const char *signs, long least)
{
    long n = (long)strspn(s->at, signs);

    if (n >= least)
        take(s, n);
    else
        s->at += n;
}

static void take_sign(struct scan *s)
{
    static const char brackets[] = "()[]{}";
    static const char *const names[] = { "-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-" };
    char c = ahead(s, 0);
    const char *bracket = strchr(brackets, c);

    if (c == '\'') {
        take_apostrophe(s);
    } else if (strchr("?!", c)) {
        take_run(s, "?!", 2);
    } else if (strchr("_*", c)) {
        take_run(s, c == '_' ? "_" : "*", 1);
    } else if (strchr("\"`.,:;-", c)) {
        s->at++;
    } else if (bracket) {
        put(s, names[bracket - brackets], 5);
        s->at++;
    } else if (strchr("#@", c) && is_letter(ahead(s, 1))) {
        take(s, word_size(s));
    } else {
        take(s, 1);
    }
}

/* A number may begin with its sign or its point, if that begins a word. */
static bool begins_word(const struct scan *s)
{
    char c = ahead(s, 0);

    if (is_inside(c))
        return true;
    return c && strchr("-+.", c) && is_digit(ahead(s, 1)) &&
           (s->at == s->start || c == '.' || s->at[-1] == ' ');
}

void words_split(struct buffer *out, const char *text, size_t size)
{
    struct buffer plain = { 0 }, words = { 0 };
    struct scan s = { .out = &words };

    simplify(&plain, text, size);
    buffer_add(&plain, "", 0);
    s.start = s.at = plain.data;
    s.end = plain.data + plain.size;
    while (s.at < s.end) {
        if (*s.at == ' ')
            s.at++;
        else if (begins_word(&s))
            take_word(&s);
        else
            take_sign(&s);
    }
    buffer_add(out, words.data ? words.data : "", words.size);
    buffer_free(&plain);
    buffer_free(&words);
}

void words_given(struct buffer *out, const char *text, size_t size)
{
    const char *end = text + size;
    bool first = true;

    while (text < end) {
        const char *start = text;

        while (text < end && !strchr(" \t\r\n\v\f", *text))
            text++;
        if (text > start) {
            if (!first)
                buffer_byte(out, ' ');
            buffer_add(out, start, (size_t)(text - start));
            first = false;
        }
        text += text < end;
    }
}
