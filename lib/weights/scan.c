/* SPDX-License-Identifier: MIT
 * scan.c - strict JSON, left to right, nothing kept
 *
 * A safetensors header may have 100 MB and has a fixed grammar, so it is read in one pass and never
 * becomes a tree.
 * Source: RFC 8259; what it leaves open is refused: a NUL in a string, half of a surrogate pair.
 */
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "weights/container.h"

/* Where the header went wrong, in bytes from its start. */
int scan_fail(const struct scan *s, const char *wanted)
{
    return fail("header: expected %s at byte %td", wanted, s->at - s->start);
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

/* White space is as JSON has it; the format's own writer makes none but at the end. */
bool scan_is(struct scan *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

int scan_expect(struct scan *s, char c)
{
    const char wanted[] = { '\'', c, '\'', 0 };

    return scan_is(s, c) ? 0 : scan_fail(s, wanted);
}

/* Four digits behind \u; -1: not four digits. */
static long code_unit(struct scan *s)
{
    long unit = 0;

    if (s->end - s->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = *s->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Behind "\u": a code point, or a surrogate pair.  NUL is none of ours. */
static int unicode_escape(struct scan *s, struct buffer *out)
{
    long unit = code_unit(s), low;

    if (unit >= 0xd800 && unit < 0xdc00) {
        if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u')
            return scan_fail(s, "a low surrogate");
        s->at += 2;
        low = code_unit(s);
        unit =
            low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((unit - 0xd800) << 10) + low - 0xdc00 : -1;
    } else if (unit >= 0xdc00 && unit < 0xe000) {
        unit = -1;
    }
    if (unit <= 0)
        return scan_fail(s, "a code point");
    buffer_utf8(out, (uint32_t)unit);
    return 0;
}

static int escape(struct scan *s, struct buffer *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = s->at < s->end ? *s->at++ : 0;
    const char *found = c ? strchr(from, c) : NULL;

    if (c == 'u')
        return unicode_escape(s, out);
    if (!found)
        return scan_fail(s, "an escape");
    buffer_byte(out, to[found - from]);
    return 0;
}

int scan_string(struct scan *s, struct buffer *out)
{
    buffer_clear(out);
    buffer_add(out, "", 0); /* an empty string has its NUL too */
    if (scan_expect(s, '"'))
        return -1;
    while (s->at < s->end && *s->at != '"') {
        const char *run = s->at;

        while (s->at < s->end && *s->at != '"' && *s->at != '\\') {
            if ((unsigned char)*s->at < 0x20)
                return scan_fail(s, "no control character");
            s->at++;
        }
        buffer_add(out, run, (size_t)(s->at - run));
        if (s->at < s->end && *s->at == '\\') {
            s->at++;
            if (escape(s, out))
                return -1;
        }
    }
    return s->at < s->end ? (s->at++, 0) : scan_fail(s, "the string's end");
}

int scan_unsigned(struct scan *s, uint64_t *value)
{
    const char *first;

    skip_space(s);
    *value = 0;
    for (first = s->at; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++)
        if (__builtin_mul_overflow(*value, (uint64_t)10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*s->at - '0'), value))
            return scan_fail(s, "a number below 2^64");
    if (s->at == first || (*first == '0' && s->at > first + 1))
        return scan_fail(s, "a non-negative integer");
    return 0;
}
