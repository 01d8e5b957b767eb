/* SPDX-License-Identifier: MIT
 * row.c - a record as the page has it: its id as a text or null, else its hash, its fields, and
 * what the page needs as a filter reads it: which field has the first text, and duplicate_of as it
 * is spelt
 *
 * Texts stand whole: a decision names the first of them, and that is how it is found again.  Of the
 * other fields what nobody reads by eye stays out: vectors, data: URIs, long lists; and long
 * strings are cut.
 * In a script element `<` could begin a tag, so it is written as \u003c, which JSON reads as the
 * same letter.
 */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "page/parts.h"

enum { TEXT_BYTES = 2000, LIST_BYTES = 2000, NUMBERS = 64 };

static void add_cut(struct buffer *b, struct span value)
{
    size_t size, cut = TEXT_BYTES;
    char *text = json_text_sized(value, &size);

    if (!text) {
        buffer_string(b, "null");
        return;
    }
    while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--; /* not inside a character */
    json_escape(b, text, cut);
    b->size--; /* its closing quotation mark */
    buffer_string(b, "\xe2\x80\xa6\"");
    free(text);
}

static bool is_vector(struct span value)
{
    struct span none, item;
    size_t at = 0;
    int count = 0;

    while (count <= NUMBERS && json_each(value, &at, &none, &item)) {
        if (item.data[0] == '[' || item.data[0] == '"' || item.data[0] == '{')
            return item.data[0] == '[';
        count++;
    }
    return count > NUMBERS;
}

static void add_value(struct buffer *b, struct span value, bool whole)
{
    if (!whole && value.data[0] == '"' && value.size > TEXT_BYTES)
        add_cut(b, value);
    else
        buffer_add(b, value.data, value.size);
}

static bool is_shown(struct span value)
{
    if (value.data[0] == '"')
        return value.size < 6 || memcmp(value.data, "\"data:", 6);
    if (value.data[0] == '[' && is_vector(value))
        return false;
    return (value.data[0] != '[' && value.data[0] != '{') || value.size <= LIST_BYTES;
}

/* A string or a list of strings in the option's field, else in one of the usual names. */
static bool is_text(struct span name, struct span value, const struct fields *f)
{
    struct span none, item;
    size_t at = 0;
    bool named = f->text && json_name_is(name, f->text, strlen(f->text));

    for (const char *const *n = record_text_names; *n && !named; n++)
        named = json_name_is(name, *n, strlen(*n));
    if (!named || value.data[0] != '[')
        return named && value.data[0] == '"';
    while (json_each(value, &at, &none, &item))
        if (item.data[0] != '"')
            return false;
    return true;
}

static void add_fields(struct buffer *b, const struct record *r, const struct fields *f)
{
    struct span object = { r->json.data, r->json.size }, name, value;
    size_t at = 0;
    int count = 0;

    buffer_byte(b, '{');
    while (json_each(object, &at, &name, &value)) {
        bool whole = is_text(name, value, f);

        if (!whole && !is_shown(value))
            continue;
        buffer_printf(b, "%s\"", count++ ? "," : "");
        buffer_add(b, name.data, name.size);
        buffer_string(b, "\":");
        add_value(b, value, whole);
    }
    buffer_byte(b, '}');
}

/* The field whose first text a decision names, as decisions_on() reads it; else null. */
static void add_text_field(struct buffer *b, const struct record *r, const struct fields *f)
{
    struct texts texts = { 0 };
    struct span value;
    const char *name = NULL;

    if (record_texts(r, f, &texts) == 1 && texts.count && record_text(r, f, &value, &name))
        json_escape(b, name, strlen(name));
    else
        buffer_string(b, "null");
    texts_free(&texts);
}

void row_write(struct buffer *b, const struct record *r, const struct fields *f)
{
    bool hashed;
    char *key = record_key(r, &hashed);
    struct span of;

    if (hashed)
        buffer_string(b, "null");
    else
        json_escape(b, key, strlen(key));
    buffer_byte(b, ',');
    json_escape(b, key, hashed ? strlen(key) : 0);
    buffer_byte(b, ',');
    add_fields(b, r, f);
    buffer_byte(b, ',');
    add_text_field(b, r, f);
    if (record_find(r, "duplicate_of", &of) && of.data[0] != 'n') { /* not null */
        buffer_byte(b, ',');
        json_escape(b, of.data, of.size);
    }
    free(key);
    buffer_substitute(b, "<", "\\u003c");
    buffer_substitute(b, "\n", " ");
}
