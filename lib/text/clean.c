/* SPDX-License-Identifier: MIT
 * clean.c - what is done to a text before CLIP's tokenizer splits it
 *
 * CLEAN_OPENAI: ftfy's fixes, HTML unescaped twice, runs of spaces to one, lower case as Python has
 * it; ftfy 6.3's fix_text with its default settings.
 *
 * ftfy repeats, line by line until nothing changes:
 *     entities, unless the line or an earlier one has a '<'     &eacute; &EACUTE; &#233;
 *     what was decoded in a wrong encoding, see mojibake.c      caf\u00c3\u00a9 -> caf\u00e9
 *     C1 controls are read as Windows-1252                      U+0080 -> U+20AC
 *     ligatures and digraphs of Latin letters                   U+FB01 -> fi
 *     full-width and half-width forms                           U+FF21 -> A
 *     curly quotes                                              U+2019 -> '
 *     line breaks                                               \r\n \r U+2028 U+2029 -> \n
 *     escape sequences of terminals, control characters         dropped
 *     NFC
 *
 * CLEAN_HF: NFC, each run of white space to one space, lower case character by character.
 */
#include <string.h>
#include "base/buffer.h"
#include "text/vocabulary.h"

/* ftfy breaks lines longer than this; entities that make entities are followed this far. */
enum { LONGEST_LINE = 1000000, MOST_WORK = 1 << 24, LEAST_PASSES = 16 };

/* ASCII that no step of ftfy touches. */
static bool is_plain(uint32_t c)
{
    return c < 0x7f && (c >= 0x20 || c == '\t' || c == '\n' || c == '\f') && c != '&';
}

static const char *ligature(uint32_t c)
{
    static const struct {
        uint32_t code;
        const char *letters;
    } table[] = {
        { 0x132, "IJ" },       { 0x133, "ij" },      { 0x149, "\u02bcn" }, { 0x1c4, "D\u017d" },
        { 0x1c5, "D\u017e" },  { 0x1c6, "d\u017e" }, { 0x1c7, "LJ" },      { 0x1c8, "Lj" },
        { 0x1c9, "lj" },       { 0x1ca, "NJ" },      { 0x1cb, "Nj" },      { 0x1cc, "nj" },
        { 0x1f1, "DZ" },       { 0x1f2, "Dz" },      { 0x1f3, "dz" },      { 0xfb00, "ff" },
        { 0xfb01, "fi" },      { 0xfb02, "fl" },     { 0xfb03, "ffi" },    { 0xfb04, "ffl" },
        { 0xfb05, "\u017ft" }, { 0xfb06, "st" },
    };

    if ((c < 0x132 || c > 0x1f3) && (c < 0xfb00 || c > 0xfb06))
        return NULL;
    for (int i = 0; i < COUNT(table); i++)
        if (table[i].code == c)
            return table[i].letters;
    return NULL;
}

static uint32_t straight(uint32_t c)
{
    if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b))
        return '\'';
    return c >= 0x201c && c <= 0x201f ? '"' : c;
}

/* One character with its C1 meaning, ligature, width and quote fixed. */
static void fix_character(struct codes *out, uint32_t c)
{
    const char *letters = ligature(c);

    c = windows_1252(c);
    if (letters) {
        for (const char *end = letters + strlen(letters); letters < end;)
            codes_add(out, straight(utf8_next(&letters, end)));
    } else if (c == 0x3000) {
        codes_add(out, ' ');
    } else if (c > 0xff00 && c < 0xfff0) {
        codes_add_nfkd(out, c);
    } else {
        codes_add(out, straight(c));
    }
}

static bool is_line_break(uint32_t c)
{
    return c == '\r' || c == 0x2028 || c == 0x2029;
}

static void fix_characters(struct codes *out, const struct codes *in)
{
    for (size_t i = 0; i < in->count; i++) {
        uint32_t c = in->at[i];

        if (c == '\r' && i + 1 < in->count && in->at[i + 1] == '\n')
            continue;
        if (is_plain(c))
            codes_add(out, c);
        else
            fix_character(out, is_line_break(c) ? '\n' : c);
    }
}

/* ESC [ digits and semicolons, a letter: its length, or 0. */
static size_t terminal_escape(const uint32_t *at, size_t count)
{
    size_t i = 2;

    if (count < 3 || at[0] != 033 || at[1] != '[')
        return 0;
    while (i < count && (at[i] == ';' || code_is_decimal(at[i])))
        i++;
    return i < count && (at[i] | 0x20) - 'a' < 26 ? i + 1 : 0;
}

static bool is_dropped(uint32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7f ||
           (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

/* Drops escape sequences, then controls; in place. */
static void drop_controls(struct codes *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        size_t escape = terminal_escape(c->at + i, c->count - i);

        if (escape)
            i += escape - 1;
        else if (!is_dropped(c->at[i]))
            c->at[kept++] = c->at[i];
    }
    c->count = kept;
}

/* One line that is not plain.  Entities may be escaped many times over, and each pass undoes one
 * level: the passes over a huge line are bounded, where ftfy would take hours. */
static void fix_line(struct codes *out, const uint32_t *text, size_t count, bool entities_too)
{
    struct codes line = { 0 }, escaped = { 0 }, next = { 0 };
    size_t work = 0;

    codes_add_all(&line, text, count);
    for (int pass = 0; pass < LEAST_PASSES || work < MOST_WORK; pass++) {
        escaped.count = next.count = 0;
        if (entities_too)
            html_unescape_strict(&escaped, line.at, line.count);
        else
            codes_add_all(&escaped, line.at, line.count);
        fix_encoding(&escaped);
        fix_characters(&next, &escaped);
        drop_controls(&next);
        codes_nfc(&next, 0);
        if (codes_equal(&line, &next))
            break;
        work += line.count + 1;
        codes_swap(&line, &next);
    }
    codes_add_all(out, line.at, line.count);
    codes_free(&line);
    codes_free(&escaped);
    codes_free(&next);
}

/* A '<' says that the text is HTML itself: from its line on, entities stay what they are. */
static void fix_text(struct codes *text)
{
    struct codes out = { 0 };
    bool entities_too = true;

    for (size_t at = 0, end; at < text->count; at = end) {
        bool plain = true;

        for (end = at; end < text->count && end - at < LONGEST_LINE; end++) {
            entities_too = entities_too && text->at[end] != '<';
            plain = plain && is_plain(text->at[end]);
            if (text->at[end] == '\n') {
                end++;
                break;
            }
        }
        if (plain)
            codes_add_all(&out, text->at + at, end - at);
        else
            fix_line(&out, text->at + at, end - at, entities_too);
    }
    codes_swap(text, &out);
    codes_free(&out);
}

static void unescape_twice(struct codes *text)
{
    struct codes out = { 0 };

    for (int i = 0; i < 2; i++) {
        out.count = 0;
        html_unescape(&out, text->at, text->count);
        codes_swap(text, &out);
    }
    codes_free(&out);
}

static void collapse_spaces(struct codes *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < text->count; i++) {
        if (!code_is_space(text->at[i]))
            text->at[kept++] = text->at[i];
        else if (kept > 0 && text->at[kept - 1] != ' ')
            text->at[kept++] = ' ';
    }
    text->count = kept - (kept > 0 && text->at[kept - 1] == ' ');
}

static bool all_plain(const struct codes *text)
{
    for (size_t i = 0; i < text->count; i++)
        if (!is_plain(text->at[i]))
            return false;
    return true;
}

/* What Python's str.split and \s take for white space: also the four separators of ASCII. */
static bool separates(uint32_t code)
{
    return code_is_space(code) || (code >= 0x1c && code <= 0x1f);
}

/* Sources: mlfoundations/open_clip tokenizer.py, canonicalize_text, after
 * google-research/big_vision evaluators/proj/image_text/prompt_engineering.py;
 * huggingface/transformers models/siglip/tokenization_siglip.py, canonicalize_text, which writes
 * small letters first: a sigma before a mark is the last of its word there. */
static void canonicalize(struct codes *text, bool huggingface)
{
    size_t kept = 0;

    if (huggingface)
        codes_lower(text, true);
    for (size_t i = 0; i < text->count; i++) {
        uint32_t c = text->at[i];

        if (c == '_' && !huggingface)
            c = ' ';
        if (c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z'))
            continue; /* Python's string.punctuation */
        if (!separates(c))
            text->at[kept++] = c;
        else if (kept > 0 && text->at[kept - 1] != ' ')
            text->at[kept++] = ' ';
    }
    text->count = kept - (kept > 0 && text->at[kept - 1] == ' ');
    if (!huggingface)
        codes_lower(text, true);
}

bool clean_is_open(enum text_clean clean)
{
    return clean == CLEAN_OPEN_SPACES || clean == CLEAN_OPEN_LOWER || clean == CLEAN_OPEN_CANONICAL;
}

bool clean_is_siglip(enum text_clean clean)
{
    return clean == CLEAN_CANONICAL || clean == CLEAN_CANONICAL_HF || clean == CLEAN_LOWER;
}

void clean_text(struct codes *text, enum text_clean clean)
{
    if (clean == CLEAN_CANONICAL || clean == CLEAN_CANONICAL_HF) {
        canonicalize(text, clean == CLEAN_CANONICAL_HF);
        return;
    }
    if (clean == CLEAN_LOWER) {
        codes_lower(text, false);
        return;
    }
    if (clean == CLEAN_HF) {
        codes_nfc(text, 0);
        codes_lower(text, false);
        return; /* all white space separates alike */
    }
    if (!all_plain(text)) {
        fix_text(text);
        unescape_twice(text);
    }
    if (clean == CLEAN_OPEN_CANONICAL) {
        canonicalize(text, false);
        return;
    }
    collapse_spaces(text);
    if (clean != CLEAN_OPEN_SPACES)
        codes_lower(text, true);
}
