/* SPDX-License-Identifier: MIT
 * json.c - JSON texts checked and searched where they lie, without a tree
 *
 * One strict scanner (RFC 8259) serves all: checking, finding and iterating are the same walk over
 * the bytes.  Strings, which are most of a record, are passed eight bytes at a time.  A surrogate
 * escape without its partner is legal JSON text; it passes, and reads as U+FFFD.
 */
#include <stdlib.h>
#include <string.h>
#include "stream/stream.h"

enum { DEPTH = 512 };

struct scan {
    const char *at, *end;
    const char *trouble;        /* what is wrong at `at` */
    const char *start;          /* offsets of fields count from here */
    struct json_fields *fields; /* collects the members of the outermost object; may be NULL */
};

static bool value(struct scan *s, int depth);

static bool wrong(struct scan *s, const char *at, const char *trouble)
{
    s->at = at;
    s->trouble = at < s->end ? trouble : "the text ends early";
    return false;
}

/* One bit a byte that needs a look: a quote, a backslash, a control character, or beyond ASCII.
 * Bytes above the lowest that is marked may be marked wrongly. */
static inline uint64_t special(const char *at)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t x, quote, slash;

    memcpy(&x, at, sizeof x);
    quote = x ^ each * '"';
    slash = x ^ each * '\\';
    return (((quote - each) & ~quote) | ((slash - each) & ~slash) | ((x - each * ' ') & ~x) | x) &
           each * 0x80;
}

static inline bool digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The length of the escape at a backslash, 0 if there is no such escape. */
static int escape(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
    if (end - at < 6)
        return 0;
    for (int i = 2; i < 6; i++)
        if (hex(at[i]) < 0)
            return 0;
    return 6;
}

static bool string(struct scan *s)
{
    const char *at = s->at + 1, *end = s->end;

    for (;;) {
        uint64_t marks = 0;
        unsigned char c;

        while (end - at >= 8 && !(marks = special(at)))
            at += 8;
        at += marks ? __builtin_ctzll(marks) / 8 : 0;
        if (at == end)
            return wrong(s, at, "");
        c = (unsigned char)*at;
        if (c == '"') {
            s->at = at + 1;
            return true;
        } else if (c == '\\') {
            int size = escape(at, end);

            if (!size)
                return wrong(s, at, "no such escape");
            at += size;
        } else if (c < 0x20) {
            return wrong(s, at, "a control character in a string");
        } else if (c < 0x80) {
            at++;
        } else {
            const char *from = at;

            if (utf8_next(&at, end) == 0xfffd &&
                (at - from != 3 || memcmp(from, "\xef\xbf\xbd", 3)))
                return wrong(s, from, "bad UTF-8");
        }
    }
}

static bool number(struct scan *s)
{
    const char *at = s->at, *end = s->end;

    at += at < end && *at == '-';
    if (!digit(at, end))
        return wrong(s, at, "no value");
    if (*at++ != '0')
        while (digit(at, end))
            at++;
    if (at < end && *at == '.') {
        if (!digit(++at, end))
            return wrong(s, at, "no digit after the point");
        while (digit(at, end))
            at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (!digit(at, end))
            return wrong(s, at, "no digit in the exponent");
        while (digit(at, end))
            at++;
    }
    s->at = at;
    return true;
}

static inline const char *past_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

static inline void space(struct scan *s)
{
    s->at = past_space(s->at, s->end);
}

/* A member's name and colon; `name` is what stands between the quotes. */
static bool member_name(struct scan *s, struct span *name)
{
    const char *from = s->at + 1;

    if (s->at == s->end || *s->at != '"')
        return wrong(s, s->at, "no name");
    if (!string(s))
        return false;
    *name = (struct span){ from, (size_t)(s->at - 1 - from) };
    space(s);
    if (s->at == s->end || *s->at != ':')
        return wrong(s, s->at, "no colon");
    s->at++;
    space(s);
    return true;
}

static void collect(struct scan *s, struct span name, const char *from)
{
    struct json_fields *f = s->fields;

    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 16;
        f->list = xresize(f->list, (size_t)f->capacity, sizeof *f->list);
    }
    f->list[f->count++] = (struct json_field){
        (size_t)(name.data - s->start),
        name.size,
        (size_t)(from - s->start),
        (size_t)(s->at - from),
    };
}

/* An object or array, at its opening bracket. */
static bool list(struct scan *s, int depth)
{
    bool object = *s->at == '{', first = true;
    char close = object ? '}' : ']';
    struct span name;

    if (depth > DEPTH)
        return wrong(s, s->at, "nested too deep");
    for (s->at++;; first = false) {
        const char *from;

        space(s);
        if (s->at < s->end && *s->at == close)
            break;
        if (!first) {
            if (s->at == s->end || *s->at != ',')
                return wrong(s, s->at, "no comma");
            s->at++;
            space(s);
        }
        if (object && !member_name(s, &name))
            return false;
        from = s->at;
        if (!value(s, depth))
            return false;
        if (depth == 1 && s->fields)
            collect(s, name, from);
    }
    if (depth == 1 && s->fields)
        s->fields->close = (size_t)(s->at - s->start);
    s->at++;
    return true;
}

static bool word(struct scan *s, const char *text, size_t size)
{
    if ((size_t)(s->end - s->at) < size || memcmp(s->at, text, size))
        return wrong(s, s->at, "no value");
    s->at += size;
    return true;
}

static bool value(struct scan *s, int depth)
{
    if (s->at == s->end)
        return wrong(s, s->at, "");
    switch (*s->at) {
    case '"':
        return string(s);
    case '{':
    case '[':
        return list(s, depth + 1);
    case 't':
        return word(s, "true", 4);
    case 'f':
        return word(s, "false", 5);
    case 'n':
        return word(s, "null", 4);
    default:
        return number(s);
    }
}

int json_index(const char *text, size_t size, struct json_fields *fields)
{
    struct scan s = { .at = text, .end = text + size, .start = text, .fields = fields };
    bool good;

    fields->count = 0;
    fields->close = size;
    space(&s);
    good = s.at < s.end && *s.at == '{' ? list(&s, 1) : wrong(&s, s.at, "no opening brace");
    if (good)
        space(&s);
    if (good && s.at < s.end)
        good = wrong(&s, s.at, "more after the closing brace");
    if (!good)
        return fail_as("invalid_json", "not a JSON object: %s at byte %td", s.trouble, s.at - text);
    return 0;
}

int json_check(const char *text, size_t size)
{
    struct json_fields fields = { 0 };
    int result = json_index(text, size, &fields);

    free(fields.list);
    return result;
}

bool json_each(struct span list_value, size_t *at, struct span *name, struct span *item)
{
    struct scan s = { .at = list_value.data, .end = list_value.data + list_value.size };
    bool first = *at == 0, object;

    space(&s);
    if (s.at == s.end || (*s.at != '{' && *s.at != '['))
        return false;
    object = *s.at == '{';
    s.at = first ? s.at + 1 : list_value.data + *at;
    space(&s);
    if (s.at == s.end || *s.at == (object ? '}' : ']'))
        return false;
    if (!first) {
        if (*s.at++ != ',')
            return false;
        space(&s);
    }
    if (object && !member_name(&s, name))
        return false;
    item->data = s.at;
    if (!value(&s, 1))
        return false;
    item->size = (size_t)(s.at - item->data);
    *at = (size_t)(s.at - list_value.data);
    return true;
}

bool json_find(const char *text, size_t size, const char *name, struct span *found)
{
    struct span whole = { text, size }, other = { "", 0 }, item;
    size_t at = 0, length = strlen(name);
    bool any = false;

    while (json_each(whole, &at, &other, &item)) {
        if (json_name_is(other, name, length)) {
            *found = item;
            any = true;
        }
    }
    return any;
}

/* The code point of \uXXXX at `at`, with its partner if it is a surrogate; moves on. */
static uint32_t unicode(const char **at, const char *end)
{
    uint32_t code[2] = { 0, 0 };
    const char *s = *at;

    for (int n = 0; n < 2 && escape(s, end) == 6; n++, s += 6) {
        for (int i = 2; i < 6; i++)
            code[n] = code[n] << 4 | (uint32_t)hex(s[i]);
    }
    *at += 6;
    if (code[0] < 0xd800 || code[0] > 0xdfff)
        return code[0];
    if (code[0] > 0xdbff || code[1] < 0xdc00 || code[1] > 0xdfff)
        return 0xfffd;
    *at += 6;
    return 0x10000 + ((code[0] - 0xd800) << 10) + (code[1] - 0xdc00);
}

static void unescape(struct buffer *b, const char *at, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at)), *found;

        buffer_add(b, at, (size_t)((slash ? slash : end) - at));
        if (!slash || !escape(slash, end))
            return;
        at = slash;
        if (at[1] == 'u') {
            buffer_utf8(b, unicode(&at, end));
        } else {
            found = strchr(from, at[1]);
            buffer_byte(b, found ? to[found - from] : at[1]);
            at += 2;
        }
    }
}

bool json_name_is(struct span raw, const char *name, size_t size)
{
    struct buffer b = { 0 };
    bool same;

    if (!raw.size || !memchr(raw.data, '\\', raw.size))
        return raw.size == size && !memcmp(raw.data, name, size);
    if (raw.size < size)
        return false;
    unescape(&b, raw.data, raw.data + raw.size);
    same = b.size == size && !memcmp(b.data, name, size);
    buffer_free(&b);
    return same;
}

char *json_text_sized(struct span text, size_t *size)
{
    struct buffer b = { 0 };

    if (text.size < 2 || text.data[0] != '"' || text.data[text.size - 1] != '"')
        return NULL;
    buffer_reserve(&b, text.size);
    unescape(&b, text.data + 1, text.data + text.size - 1);
    buffer_add(&b, "", 0);
    *size = b.size;
    return b.data;
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

bool json_double(struct span text, double *number_value)
{
    char small[64], *copy = small;
    struct scan s = { .at = text.data, .end = text.data + text.size };

    if (!text.size || !number(&s) || s.at != s.end)
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
        at = past_space(at, end);
        if ((at == end && n == 0) || !float_parse(&at, end, &x[n]))
            break;
        n++;
        at = past_space(at, end);
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
