/* SPDX-License-Identifier: MIT
 * json.c - JSON texts checked and searched where they lie, without a tree
 *
 * One strict scanner (RFC 8259) serves all: checking, finding and iterating are the same walk over
 * the bytes.  Strings, which are most of a record, are passed eight bytes at a time.  A surrogate
 * escape without its partner is legal JSON text; it passes, and reads as U+FFFD.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
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
            int size = json_escape_size(at, end);

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

/* RFC 8259, section 6: no plus sign, no leading zero, a digit on either side of the point. */
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

static inline void space(struct scan *s)
{
    s->at = json_space(s->at, s->end);
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

/* true, false and null: no other word is JSON. */
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

/* The scan stops at the first mistake, and says where it is. */
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

/* Strictness costs nothing here: the same scanner that checks finds the end of each item. */
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

/* To the end, because the last member of a name counts. */
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

const char *json_number_end(const char *at, const char *end)
{
    struct scan s = { .at = at, .end = end };

    return number(&s) ? s.at : NULL;
}
