/* SPDX-License-Identifier: MIT
 * record.c - one JSON object, kept as the bytes that came, and what is spliced into it
 *
 *     {"id": 7, "image": "a.jpg" }        fields: offsets of every name and value, and of the brace
 *       ^^   ^   ^^^^^   ^^^^^^^ ^
 *
 * A change moves the bytes behind it, and the offsets with them, so finding never scans again.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/json.h"
#include "stream/stream.h"

static struct record *make(const char *json, size_t size)
{
    struct record *r = xalloc(1, sizeof *r);

    buffer_add(&r->json, json, size);
    r->at = -1;
    return r;
}

/* NaN, Infinity and -Infinity, which Python's json writes and JSON does not have, become null;
 * false: there are none outside of strings. */
static bool nulls_for_nan(struct buffer *b)
{
    static const char *const words[] = { "NaN", "Infinity", "-Infinity" };
    const char *at = b->data, *end = b->data + b->size;
    struct buffer out = { 0 };
    bool any = false, quoted = false;

    while (at < end) {
        size_t length = 0;

        for (int i = 0; i < COUNT(words) && !quoted && strchr("NI-", *at) && *at && !length; i++)
            if ((size_t)(end - at) >= strlen(words[i]) && !memcmp(at, words[i], strlen(words[i])))
                length = strlen(words[i]);
        if (length) {
            buffer_add(&out, "null", 4);
            at += length;
            any = true;
            continue;
        }
        quoted ^= *at == '"';
        if (quoted && *at == '\\' && at + 1 < end)
            buffer_byte(&out, *at++);
        buffer_byte(&out, *at++);
    }
    if (any) {
        buffer_free(b);
        *b = out;
    } else {
        buffer_free(&out);
    }
    return any;
}

/* Text that is not JSON as it stands is tried again with null for NaN: Python writes such lines,
 * and one bad number should not cost the record. */
struct record *record_parse(const char *json, size_t size)
{
    struct record *r = make(json, size);
    struct span error;
    char *newline;

    if (json_index(r->json.data, size, &r->fields)) {
        if (!nulls_for_nan(&r->json) || json_index(r->json.data, r->json.size, &r->fields)) {
            json_index(json, size, &r->fields); /* what was wrong with the text as it came */
            record_free(r);
            return NULL;
        }
        r->had_nan = true;
        size = r->json.size;
    }
    while ((newline = memchr(r->json.data, '\n', size))) /* white space between values */
        *newline = ' ';
    r->failed = r->failed_before = record_find(r, "error", &error) && error.data[0] == '{';
    record_seal(r);
    return r;
}

struct record *record_new(const char *json, size_t size)
{
    struct record *r = record_parse(json, size);

    return r ? r : record_parse("{}", 2);
}

/* All but `work`, which belongs to one. */
struct record *record_copy(const struct record *r)
{
    struct record *c = xalloc(1, sizeof *c);

    *c = *r;
    c->json = (struct buffer){ 0 };
    buffer_add(&c->json, r->json.data, r->json.size);
    c->fields.list = xresize(NULL, (size_t)r->fields.count + 1, sizeof *c->fields.list);
    if (r->fields.count)
        memcpy(c->fields.list, r->fields.list, (size_t)r->fields.count * sizeof *c->fields.list);
    c->fields.capacity = r->fields.count + 1;
    c->members = r->member_count ? xalloc((size_t)r->member_count, sizeof *c->members) : NULL;
    for (int i = 0; i < r->member_count; i++) {
        c->members[i] = r->members[i];
        c->members[i].name = xstrdup(r->members[i].name);
        c->members[i].data = xmemdup(r->members[i].data, r->members[i].size);
        c->members[i].ending = r->members[i].ending ? xstrdup(r->members[i].ending) : NULL;
    }
    c->picture = (struct buffer){ 0 };
    c->work = NULL;
    return c;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->member_count; i++) {
        free(r->members[i].name);
        free(r->members[i].data);
        free(r->members[i].ending);
    }
    free(r->members);
    free(r->fields.list);
    buffer_free(&r->json);
    buffer_free(&r->picture);
    free(r);
}

/* Members count with their names, so that the same bytes under another name are another record. */
void record_seal(struct record *r)
{
    r->content = hash_bytes(r->json.data, r->json.size, 0);
    for (int i = 0; i < r->member_count; i++) {
        const struct member *m = &r->members[i];

        r->content = hash_bytes(m->name, strlen(m->name), r->content);
        r->content = hash_bytes(m->data, m->size, r->content);
    }
}

uint64_t record_hash(const struct record *r)
{
    return r->content;
}

/* The last field of that name, or NULL. */
struct json_field *record_field(const struct record *r, const char *name)
{
    size_t size = strlen(name);

    for (int i = r->fields.count - 1; i >= 0; i--) {
        struct json_field *f = &r->fields.list[i];

        if (json_name_is((struct span){ r->json.data + f->name, f->name_size }, name, size))
            return f;
    }
    return NULL;
}

/* Unescaped; to free. */
char *record_field_name(const struct record *r, int i)
{
    const struct json_field *f = &r->fields.list[i];

    return json_text((struct span){ r->json.data + f->name - 1, f->name_size + 2 });
}

/* A binary member of the same name hides the field. */
bool record_find(const struct record *r, const char *name, struct span *value)
{
    const struct json_field *f = record_field(r, name);

    if (!f || (r->member_count && record_member(r, name)))
        return false;
    *value = (struct span){ r->json.data + f->value, f->value_size };
    return true;
}

char *record_string(const struct record *r, const char *name)
{
    struct span value;

    return record_find(r, name, &value) ? json_text(value) : NULL;
}

bool record_number(const struct record *r, const char *name, double *value)
{
    struct span text;

    return record_find(r, name, &text) && json_double(text, value);
}

/* Replaces `size` bytes at `at` and moves what is known to lie behind them. */
static void splice(struct record *r, size_t at, size_t size, const char *text, size_t new_size)
{
    buffer_replace(&r->json, at, size, text, new_size);
    for (int i = 0; i < r->fields.count; i++) {
        struct json_field *f = &r->fields.list[i];

        f->name = f->name >= at + size ? f->name - size + new_size : f->name;
        f->value = f->value >= at + size ? f->value - size + new_size : f->value;
    }
    if (r->fields.close >= at + size)
        r->fields.close = r->fields.close - size + new_size;
}

/* Offsets of the new member are known from its text; none of the others changes. */
static void append(struct record *r, const char *name, const char *json, size_t size)
{
    struct json_fields *f = &r->fields;
    struct buffer b = { 0 };
    size_t at = f->close, start = f->count > 0, name_size;

    if (start)
        buffer_byte(&b, ',');
    json_escape(&b, name, strlen(name));
    name_size = b.size - start - 2;
    buffer_byte(&b, ':');
    buffer_add(&b, json, size);
    splice(r, at, 0, b.data, b.size);
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 16;
        f->list = xresize(f->list, (size_t)f->capacity, sizeof *f->list);
    }
    f->list[f->count++] =
        (struct json_field){ at + start + 1, name_size, at + b.size - size, size };
    buffer_free(&b);
}

/* In its place where there is one, so that the order of the members stays. */
void record_set_json(struct record *r, const char *name, const char *json, size_t size)
{
    struct json_field *f = record_field(r, name);

    if (r->member_count)
        member_remove(r, name);
    if (f) {
        splice(r, f->value, f->value_size, json, size);
        f->value_size = size;
    } else {
        append(r, name, json, size);
    }
}

void record_set_string(struct record *r, const char *name, const char *text)
{
    struct buffer b = { 0 };

    json_escape(&b, text, strlen(text));
    record_set_json(r, name, b.data, b.size);
    buffer_free(&b);
}

void record_set_text(struct record *r, const char *name, const char *text, size_t size)
{
    struct buffer b = { 0 };

    r->had_bytes |= json_add_path(&b, text, size);
    record_set_json(r, name, b.data, b.size);
    buffer_free(&b);
}

void record_set_number(struct record *r, const char *name, float value)
{
    char text[24];

    record_set_json(r, name, text, (size_t)float_format(value, text));
}

/* Room is reserved once a number, so that it is written where it stays. */
void json_add_floats(struct buffer *b, const float *list, long count)
{
    buffer_byte(b, '[');
    for (long i = 0; i < count; i++) {
        if (i)
            buffer_byte(b, ',');
        buffer_reserve(b, 24);
        b->size += (size_t)float_format(list[i], b->data + b->size);
    }
    buffer_byte(b, ']');
}

void record_set_numbers(struct record *r, const char *name, const float *list, long count)
{
    struct buffer b = { 0 };

    json_add_floats(&b, list, count);
    record_set_json(r, name, b.data, b.size);
    buffer_free(&b);
}

void record_set_bool(struct record *r, const char *name, bool value)
{
    record_set_json(r, name, value ? "true" : "false", value ? 4 : 5);
}

/* In one pass, however many they are.  A member goes with one comma: the one behind it, or, where
 * no other follows, the one before. */
static void drop_fields(struct record *r, const bool *drop, int last_kept)
{
    struct json_fields *f = &r->fields;
    const struct json_field *list = f->list;
    const struct json_field *last = &list[f->count - 1];
    const char *json = r->json.data;
    struct buffer out = { 0 };
    size_t at = 0, end;
    int kept = 0;

    buffer_reserve(&out, r->json.size);
    for (int i = 0; i <= last_kept; i++) {
        struct json_field one = list[i];

        end = drop[i] ? one.name - 1 : one.value + one.value_size;
        buffer_add(&out, json + at, end - at);
        at = drop[i] ? list[i + 1].name - 1 : end;
        if (drop[i])
            continue;
        f->list[kept++] = (struct json_field){ out.size - (end - one.name), one.name_size,
                                               out.size - one.value_size, one.value_size };
    }
    end = last->value + last->value_size; /* the list is written over up to last_kept only */
    if (last_kept < 0)
        buffer_add(&out, json, list[0].name - 1);
    if (last_kept < f->count - 1)
        at = end;
    f->close = out.size + f->close - at;
    buffer_add(&out, json + at, r->json.size - at);
    f->count = kept;
    buffer_free(&r->json);
    r->json = out;
}

void record_remove_all(struct record *r, bool (*is_one)(struct span name, const void *what),
                       const void *what)
{
    bool *drop = xalloc((size_t)r->fields.count, sizeof *drop);
    int last_kept = -1, dropped = 0;

    for (int i = 0; i < r->fields.count; i++) {
        const struct json_field *f = &r->fields.list[i];

        drop[i] = is_one((struct span){ r->json.data + f->name, f->name_size }, what);
        last_kept = drop[i] ? last_kept : i;
        dropped += drop[i];
    }
    if (dropped)
        drop_fields(r, drop, last_kept);
    free(drop);
}

static bool is_named(struct span name, const void *what)
{
    return json_name_is(name, what, strlen(what));
}

void record_remove(struct record *r, const char *name)
{
    if (r->member_count)
        member_remove(r, name);
    record_remove_all(r, is_named, name);
}

void record_fail(struct record *r, const char *stage, const char *code, const char *message)
{
    struct buffer b = { 0 };

    buffer_string(&b, "{\"stage\":");
    json_escape(&b, stage, strlen(stage));
    buffer_string(&b, ",\"code\":");
    json_escape(&b, code, strlen(code));
    buffer_string(&b, ",\"message\":");
    json_escape(&b, message, strlen(message));
    buffer_byte(&b, '}');
    record_set_json(r, "error", b.data, b.size);
    buffer_free(&b);
    r->failed = true;
}

void record_fail_last(struct record *r, const char *stage)
{
    record_fail(r, stage, error_code(), error_text());
}

char *record_error_code(const struct record *r)
{
    struct span error, code;
    char *text = NULL;

    if (record_find(r, "error", &error) && json_find(error.data, error.size, "code", &code))
        text = json_text(code);
    return text ? text : xstrdup("unknown");
}
