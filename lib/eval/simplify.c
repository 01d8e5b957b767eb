/* SPDX-License-Identifier: MIT
 * simplify.c - a text with plain blanks, quotation marks and dashes, and symbols set apart
 *
 * HTML's &amp; and &quot; are what they stand for; capitals beyond ASCII become small letters.
 */
#include <string.h>
#include "eval/inside.h"

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

void text_simplify(struct buffer *b, const char *text, size_t size)
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
