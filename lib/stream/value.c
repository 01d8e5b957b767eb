/* SPDX-License-Identifier: MIT
 * value.c - what the bytes of a JSON value mean: strings, names, numbers
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/json.h"
#include "stream/stream.h"

int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* RFC 8259, section 7: \" \\ \/ \b \f \n \r \t, or \u and four hexadecimal digits. */
int json_escape_size(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
    if (end - at < 6)
        return 0;
    for (int i = 2; i < 6; i++)
        if (hex_digit(at[i]) < 0)
            return 0;
    return 6;
}

/* The code point of \uXXXX at `at`, with its partner if it is a surrogate; moves on. */
static uint32_t unicode(const char **at, const char *end)
{
    uint32_t code[2] = { 0, 0 };
    const char *s = *at;

    for (int n = 0; n < 2 && json_escape_size(s, end) == 6; n++, s += 6) {
        for (int i = 2; i < 6; i++)
            code[n] = code[n] << 4 | (uint32_t)hex_digit(s[i]);
    }
    *at += 6;
    if (code[0] < 0xd800 || code[0] > 0xdfff)
        return code[0];
    if (code[0] > 0xdbff || code[1] < 0xdc00 || code[1] > 0xdfff)
        return 0xfffd;
    *at += 6;
    return 0x10000 + ((code[0] - 0xd800) << 10) + (code[1] - 0xdc00);
}

/* A low surrogate without its partner, DC80 to DCFF, is a byte of a name that is no UTF-8. */
static bool add_byte(struct buffer *b, const char **at, const char *end)
{
    int value;

    if (json_escape_size(*at, end) != 6 || ((*at)[2] | 32) != 'd' || ((*at)[3] | 32) != 'c')
        return false;
    value = hex_digit((*at)[4]) << 4 | hex_digit((*at)[5]);
    if (value < 0x80)
        return false;
    buffer_byte(b, value);
    *at += 6;
    return true;
}

/* Most of a string has no escape, so what stands between two of them is copied at once. */
static void unescape(struct buffer *b, const char *at, const char *end, bool bytes)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at)), *found;

        buffer_add(b, at, (size_t)((slash ? slash : end) - at));
        if (!slash || !json_escape_size(slash, end))
            return;
        at = slash;
        if (bytes && add_byte(b, &at, end))
            continue;
        if (at[1] == 'u') {
            buffer_utf8(b, unicode(&at, end));
        } else {
            found = strchr(from, at[1]);
            buffer_byte(b, found ? to[found - from] : at[1]);
            at += 2;
        }
    }
}

/* Names are compared as they are written where neither has an escape, which is nearly always. */
bool json_name_is(struct span raw, const char *name, size_t size)
{
    struct buffer b = { 0 };
    bool same;

    if (!raw.size || !memchr(raw.data, '\\', raw.size))
        return raw.size == size && !memcmp(raw.data, name, size);
    if (raw.size < size)
        return false;
    unescape(&b, raw.data, raw.data + raw.size, false);
    same = b.size == size && !memcmp(b.data, name, size);
    buffer_free(&b);
    return same;
}

static char *unquote(struct span text, bool bytes, size_t *size)
{
    struct buffer b = { 0 };

    if (text.size < 2 || text.data[0] != '"' || text.data[text.size - 1] != '"')
        return NULL;
    buffer_reserve(&b, text.size);
    unescape(&b, text.data + 1, text.data + text.size - 1, bytes);
    buffer_add(&b, "", 0);
    *size = b.size;
    return b.data;
}

char *json_text_sized(struct span text, size_t *size)
{
    return unquote(text, false, size);
}

char *json_bytes_sized(struct span text, size_t *size)
{
    return unquote(text, true, size);
}

char *json_path(struct span text)
{
    size_t size;
    char *path = unquote(text, true, &size);

    if (path && strlen(path) == size)
        return path;
    free(path);
    return NULL;
}

bool json_add_path(struct buffer *b, const char *path, size_t size)
{
    const char *end = path + size, *from = path, *at = path;
    bool any = false;

    buffer_byte(b, '"');
    while (at < end) {
        const char *here = at;

        if (utf8_next(&at, end) != 0xfffd || (at - here == 3 && !memcmp(here, "\xef\xbf\xbd", 3)))
            continue;
        any = true;
        json_escape_inside(b, from, (size_t)(here - from));
        for (from = here; from < at; from++)
            buffer_printf(b, "\\udc%02x", (unsigned char)*from);
    }
    json_escape_inside(b, from, (size_t)(end - from));
    buffer_byte(b, '"');
    return any;
}

char *json_text(struct span text)
{
    size_t size, zeros = 0;
    char *s = json_text_sized(text, &size);
    struct buffer b = { 0 };

    for (size_t i = 0; s && i < size; i++)
        zeros += !s[i];
    if (!zeros)
        return s;
    for (size_t i = 0; i < size; i++)
        buffer_add(&b, s[i] ? &s[i] : "\xef\xbf\xbd", s[i] ? 1 : 3);
    free(s);
    return b.data;
}

/* strtod() wants a NUL behind the number, which stands in the middle of a record: a copy has one.
 */
bool json_double(struct span text, double *number_value)
{
    char small[64], *copy = small;
    const char *end = text.data + text.size;

    if (!text.size || json_number_end(text.data, end) != end)
        return false;
    if (text.size < sizeof small) {
        memcpy(small, text.data, text.size);
        small[text.size] = 0;
    } else {
        copy = xmemdup(text.data, text.size);
    }
    *number_value = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return true;
}

/* The commas say how many numbers there can be, so that the list is allocated once. */
bool json_floats(struct span text, float **numbers, long *count)
{
    const char *at = text.data + 1, *end = text.data + text.size;
    long commas = 0, n = 0;
    float *x;

    if (text.size < 2 || text.data[0] != '[' || end[-1] != ']')
        return false;
    for (size_t i = 0; i < text.size; i++)
        commas += text.data[i] == ',';
    x = xresize(NULL, (size_t)commas + 1, sizeof *x);
    for (end--;; at++) {
        at = json_space(at, end);
        if ((at == end && n == 0) || !float_parse(&at, end, &x[n]))
            break;
        n++;
        at = json_space(at, end);
        if (at == end || *at != ',' || n > commas)
            break;
    }
    if (at == end && n == commas + (n > 0)) {
        *numbers = x;
        *count = n;
        return true;
    }
    free(x);
    return false;
}
