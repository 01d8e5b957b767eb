/* SPDX-License-Identifier: MIT
 * entities.c - HTML entities, named and numeric, by the rules of HTML 5
 *
 *     &name;    one of 2125 names
 *     &name     one of 106 old names, the longest that begins what follows
 *     &#digits  &#xhex   with or without semicolon; some numbers mean others or nothing
 */
#include <stdlib.h>
#include <string.h>
#include "text/vocabulary.h"

enum { LONGEST = 32 };

static int compare(const void *name, const void *entity)
{
    return strcmp(name, ((const struct entity *)entity)->name);
}

static const struct entity *find(const char *name)
{
    return bsearch(name, entities, (size_t)entity_count, sizeof *entities, compare);
}

/* The longest old name that `name` begins with, not shorter than two letters; cuts `name`. */
static const struct entity *find_legacy(char *name)
{
    for (size_t length = strlen(name); length > 1; length--) {
        const struct entity *e;

        name[length] = 0;
        e = find(name);
        if (e && e->legacy)
            return e;
    }
    return NULL;
}

static bool is_digit(uint32_t c, int base)
{
    return c - '0' < 10 || (base == 16 && (c | 0x20) - 'a' < 6);
}

static bool is_alphanumeric(uint32_t c)
{
    return c - '0' < 10 || (c | 0x20) - 'a' < 26;
}

/* 0x80 to 0x9f are read as Windows-1252; five of them mean nothing there and stay. */
uint32_t windows_1252(uint32_t code)
{
    static const uint16_t table[] = { 0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020,
                                      0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d,
                                      0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d,
                                      0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a,
                                      0x0153, 0x9d,   0x017e, 0x0178 };

    return code >= 0x80 && code <= 0x9f ? table[code - 0x80] : code;
}

static void add_number(struct codes *out, uint32_t n)
{
    if (n == 0 || n > 0x10ffff || (n >= 0xd800 && n <= 0xdfff))
        codes_add(out, 0xfffd);
    else if (n >= 0x80 && n <= 0x9f)
        codes_add(out, windows_1252(n));
    else if (n < 9 || n == 0xb || (n > 0xd && n < 0x20) || n == 0x7f ||
             (n >= 0xfdd0 && n <= 0xfdef) || (n & 0xfffe) == 0xfffe)
        ; /* a control or no character: nothing */
    else
        codes_add(out, n);
}

/* "#123" or "#x1f": the number of code points it takes, 0 if it is none.  Too large: UINT32_MAX. */
static size_t read_number(const uint32_t *text, size_t count, uint32_t *value)
{
    int base = count > 1 && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    size_t first = base == 16 ? 2 : 1, i = first;
    uint64_t n = 0;

    for (; i < count && is_digit(text[i], base); i++) {
        n = n * (uint64_t)base + (text[i] - '0' < 10 ? text[i] - '0' : (text[i] | 0x20) - 'a' + 10);
        if (n > UINT32_MAX)
            n = UINT32_MAX;
    }
    *value = (uint32_t)n;
    return i > first ? i : 0;
}

/* Letters and digits up to `limit`; their number. */
static size_t read_name(const uint32_t *text, size_t count, size_t limit, char *name)
{
    size_t n = 0;

    for (; n < count && n < limit && is_alphanumeric(text[n]); n++)
        name[n] = (char)text[n];
    name[n] = 0;
    return n;
}

static void add_entity(struct codes *out, const struct entity *e)
{
    codes_add(out, e->codes[0]);
    if (e->codes[1])
        codes_add(out, e->codes[1]);
}

/* What follows an ampersand: the number of code points it takes, 0 if it is no entity. */
static size_t unescape_one(struct codes *out, const uint32_t *text, size_t count)
{
    char name[LONGEST + 1];
    const struct entity *e;
    uint32_t number;
    size_t n;

    if (count && text[0] == '#') {
        n = read_number(text, count, &number);
        if (n)
            add_number(out, number);
        return n ? n + (n < count && text[n] == ';') : 0;
    }
    n = read_name(text, count, LONGEST, name);
    e = n < count && text[n] == ';' ? find(name) : NULL;
    if (!e && (e = find_legacy(name)))
        n = strlen(name);
    else
        n++;
    if (e)
        add_entity(out, e);
    return e ? n : 0;
}

/* ftfy: the semicolon must be there, and a name of small letters may be spelt in capitals, meaning
 * capitals, where HTML has no use for the spelling. */
static const struct entity *find_capitals(char *name)
{
    char small[LONGEST + 1];
    const struct entity *e;

    for (size_t i = 0;; i++) {
        if (name[i] >= 'a' && name[i] <= 'z')
            return NULL;
        small[i] = (char)code_lower((unsigned char)name[i]);
        if (!name[i])
            break;
    }
    e = find(small);
    return e && !find_legacy(name) ? e : NULL;
}

/* Of the characters that have names in small letters these become several: Unicode's
 * SpecialCasing.txt. */
static void add_capitals(struct codes *out, uint32_t code)
{
    static const uint32_t several[][4] = {
        { 0xdf, 'S', 'S' },        { 0x149, 0x2bc, 'N' }, { 0xfb00, 'F', 'F' },
        { 0xfb01, 'F', 'I' },      { 0xfb02, 'F', 'L' },  { 0xfb03, 'F', 'F', 'I' },
        { 0xfb04, 'F', 'F', 'L' },
    };

    for (int i = 0; i < COUNT(several); i++)
        if (several[i][0] == code) {
            for (int k = 1; k < 4 && several[i][k]; k++)
                codes_add(out, several[i][k]);
            return;
        }
    codes_add(out, code_upper(code));
}

static size_t unescape_one_strict(struct codes *out, const uint32_t *text, size_t count)
{
    bool number = count && text[0] == '#';
    char name[LONGEST + 1];
    const struct entity *e;
    uint32_t value;
    size_t n = number + read_name(text + number, count - number, 24, name);

    if (n >= count || text[n] != ';')
        return 0;
    if (number) {
        if (read_number(text, n, &value) != n || value == ';')
            return 0;
        add_number(out, value);
    } else if ((e = find(name))) {
        add_entity(out, e);
    } else if ((e = find_capitals(name))) {
        add_capitals(out, e->codes[0]);
        if (e->codes[1])
            add_capitals(out, e->codes[1]);
    } else {
        return 0;
    }
    return n + 1;
}

static void unescape(struct codes *out, const uint32_t *text, size_t count,
                     size_t (*one)(struct codes *, const uint32_t *, size_t))
{
    for (size_t i = 0; i < count; i++) {
        size_t taken = text[i] == '&' ? one(out, text + i + 1, count - i - 1) : 0;

        if (taken)
            i += taken;
        else
            codes_add(out, text[i]);
    }
}

void html_unescape(struct codes *out, const uint32_t *text, size_t count)
{
    unescape(out, text, count, unescape_one);
}

void html_unescape_strict(struct codes *out, const uint32_t *text, size_t count)
{
    unescape(out, text, count, unescape_one_strict);
}
