/* SPDX-License-Identifier: MIT
 * field.c - the fields of records: the first that exists, or the one that an option names
 *
 * null is as good as absent.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/picture.h"
#include "stream/stream.h"

enum { BASE64_LEAST = 64 };                       /* letters; shorter ones are names */
static const size_t most_bytes = (size_t)1 << 30; /* of an encoded image */

static const char *const ids[] = { "id",        "uid", "key", "__key__", "image_id",
                                   "SAMPLE_ID", "url", "URL", NULL };
const char *const record_image_names[] = { "image",     "image_path", "path", "filename",
                                           "file_name", "filepath",   NULL };
const char *const record_text_names[] = { "text",     "caption", "TEXT", "txt",
                                          "captions", "title",   NULL };

const char *const vector_fields[VECTOR_FIELDS] = { "image_embedding", "text_embedding" };

/* A null is as good as no field. */
static bool find(const struct record *r, const char *name, struct span *value)
{
    return record_find(r, name, value) && !(value->size == 4 && !memcmp(value->data, "null", 4));
}

/* An option names the one field that counts; else they are tried in the order of the manual. */
static bool find_first(const struct record *r, const char *option, const char *const *names,
                       struct span *value, const char **name)
{
    const char *const one[] = { option, NULL };

    for (names = option ? one : names; *names; names++) {
        if (find(r, *names, value)) {
            if (name)
                *name = *names;
            return true;
        }
    }
    return false;
}

static bool is_among(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name))
        names++;
    return *names;
}

bool field_is_text(const char *name)
{
    return is_among(name, record_image_names) || is_among(name, record_text_names) ||
           !strcmp(name, "url") || !strcmp(name, "URL");
}

bool field_is_known(const char *name)
{
    return field_is_text(name) || is_among(name, ids);
}

bool record_image(const struct record *r, const struct fields *f, struct span *value,
                  const char **name)
{
    return find_first(r, f->image, record_image_names, value, name);
}

/* vlm-caption marks what it wrote; a field caption without that mark is a text that came in. */
bool record_is_synthetic(const struct record *r, const char *name)
{
    char *source;
    bool ours;

    if (!strcmp(name, "synthetic") || !strcmp(name, "synthetics"))
        return true;
    if (strcmp(name, "caption") && strcmp(name, "captions"))
        return false;
    source = record_string(r, "caption_source");
    ours = source && !strcmp(source, "vlm");
    free(source);
    return ours;
}

/* A text that came in is preferred to one that vlm-caption wrote. */
bool record_text(const struct record *r, const struct fields *f, struct span *value,
                 const char **name)
{
    for (const char *const *n = record_text_names; !f->text && *n; n++) {
        if (find(r, *n, value) && !record_is_synthetic(r, *n)) {
            if (name)
                *name = *n;
            return true;
        }
    }
    return find_first(r, f->text, record_text_names, value, name);
}

bool record_id(const struct record *r, struct span *value, const char **name)
{
    return find_first(r, NULL, ids, value, name);
}

const struct member *record_image_member(const struct record *r, const struct fields *f)
{
    const struct member *m = record_member(r, f->image ? f->image : record_image_names[0]);

    return m && m->kind == MEMBER_BYTES ? m : NULL;
}

bool record_has_image(const struct record *r, const struct fields *f)
{
    struct span value;

    return record_image_member(r, f) || record_image(r, f, &value, NULL);
}

/* Base64 alone, as tables have it: long, and what it begins with is a picture. */
static bool is_bare_base64(const char *reference)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";
    struct buffer head = { 0 };
    enum picture_type known = PICTURE_NONE;
    char first[BASE64_LEAST + 1];

    if (strnlen(reference, BASE64_LEAST) < BASE64_LEAST ||
        strspn(reference, letters) != strlen(reference))
        return false;
    memcpy(first, reference, BASE64_LEAST);
    first[BASE64_LEAST] = 0;
    if (base64_read(&head, first) == 0)
        known = picture_of(head.data, head.size);
    buffer_free(&head);
    return known != PICTURE_NONE && known != PICTURE_TGA && !path_exists(reference);
}

static bool is_uri(const char *reference)
{
    return !strncasecmp(reference, "data:", 5);
}

/* RFC 2397 allows text too; pictures come in base64 alone. */
static int check_uri(const char *uri)
{
    const char *comma = strchr(uri, ',');

    if (!comma || comma - uri < 7 || strncasecmp(comma - 7, ";base64", 7))
        return fail_as("unsupported", "data: URI: not base64");
    return 0;
}

static int read_uri(struct buffer *b, const char *uri)
{
    if (check_uri(uri))
        return -1;
    return base64_read(b, strchr(uri, ',') + 1) < 0 ? fail("data: URI: not base64") : 0;
}

static int not_fetched(const char *name)
{
    return fail_as("unsupported", "%s: not a file, and nothing is fetched from a network", name);
}

/* An error names the path as the record has it, without the root. */
static int check_path(const char *path, const char *name)
{
    struct stat status;

    if (strstr(name, "://"))
        return not_fetched(name);
    if (stat(path, &status))
        return fail_errno("%s", name);
    if (!S_ISREG(status.st_mode))
        return fail_as("unsupported", "%s: not a regular file", name);
    if ((uint64_t)status.st_size > most_bytes)
        return fail_as("too_large", "%s: larger than %zu bytes", name, most_bytes);
    return 0;
}

/* With --confine the path is resolved below the root, and no link leads out of it. */
static int read_path(struct buffer *b, const struct fields *f, const char *name)
{
    char *path;
    int result;

    if (strstr(name, "://"))
        return not_fetched(name);
    if (f->confine)
        return file_read_beneath(b, f->root, name, most_bytes);
    path = path_join(f->root, name);
    result = file_read_named(b, path, name, most_bytes);
    free(path);
    return result;
}

/* RFC 8089: file:///PATH, with %XX for bytes, becomes PATH where no other machine is named; a
 * scheme in capitals, which RFC 3986 allows, becomes small.  Anything else stays. */
static char *plain_reference(char *text)
{
    char *to = text, *from;

    if (!text)
        return NULL;
    if (is_uri(text))
        memcpy(text, "data", 4);
    if (strncasecmp(text, "file://", strlen("file://")))
        return text;
    from = text + strlen("file://");
    if (!strncasecmp(from, "localhost/", strlen("localhost/")))
        from += strlen("localhost");
    if (*from != '/')
        return text;
    while (*from) {
        int high = *from == '%' ? hex_digit(from[1]) : -1;
        int low = high < 0 ? -1 : hex_digit(from[2]);

        if (low >= 0 && high + low > 0) {
            *to++ = (char)(high * 16 + low);
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
    return text;
}

/* A string, or Hugging Face's object {"bytes":BASE64,"path":NAME}, of which the bytes go first; to
 * free; NULL: neither. */
static char *reference_of(struct span value)
{
    struct span inner;
    char *bytes, *uri;

    if (value.data[0] != '{')
        return plain_reference(json_path(value));
    bytes = json_find(value.data, value.size, "bytes", &inner) ? json_text(inner) : NULL;
    if (!bytes && json_find(value.data, value.size, "path", &inner))
        return plain_reference(json_path(inner));
    if (!bytes)
        return NULL;
    uri = xprintf("data:application/octet-stream;base64,%s", bytes);
    free(bytes);
    return uri;
}

char *record_image_reference(const struct record *r, const struct fields *f)
{
    const char *name;
    struct span value;
    char *text;

    if (!record_image(r, f, &value, &name)) {
        fail_as("not_found", "no image");
        return NULL;
    }
    text = reference_of(value);
    if (!text && value.data[0] == '{')
        fail("field %s has neither bytes nor a path", name);
    else if (!text)
        fail("field %s is not a string", name);
    return text;
}

int image_reference_check(const char *root, const char *reference)
{
    bool bare = is_bare_base64(reference);
    char *path = bare || is_uri(reference) ? NULL : path_join(root, reference);
    int result = path ? check_path(path, reference) : bare ? 0 : check_uri(reference);

    free(path);
    return result;
}

static int read_reference(struct buffer *b, const struct fields *f, const char *reference)
{
    if (is_bare_base64(reference))
        return base64_read(b, reference);
    return is_uri(reference) ? read_uri(b, reference) : read_path(b, f, reference);
}

int image_reference_read(struct buffer *b, const char *root, const char *reference)
{
    return read_reference(b, &(struct fields){ .root = root }, reference);
}

/* A record out of an archive may not name files of this machine unless --root allows it: archives
 * come from strangers. */
int record_reference_bytes(const struct record *r, const struct fields *f, const char *reference,
                           struct buffer *b)
{
    if (r->archived && !f->root && !is_uri(reference) && !is_bare_base64(reference))
        return fail_as("outside",
                       "%s: a record of an archive names its own members; --root lifts that",
                       reference);
    return read_reference(b, f, reference);
}

/* A member of the record first. */
int record_image_bytes(const struct record *r, const struct fields *f, struct buffer *b)
{
    const struct member *m = record_image_member(r, f);
    char *reference;
    int result;

    if (m) {
        buffer_add(b, m->data, m->size);
        return 0;
    }
    reference = record_image_reference(r, f);
    if (!reference)
        return -1;
    result = record_reference_bytes(r, f, reference, b);
    free(reference);
    return result;
}

/* Names are for messages: a picture that travels in the record has none, so its key must do. */
char *record_image_name(const struct record *r, const struct fields *f)
{
    struct span value;
    char *text = NULL;

    if (!record_image_member(r, f) && record_image(r, f, &value, NULL))
        text = reference_of(value);
    if (text && !is_uri(text) && !is_bare_base64(text))
        return text;
    free(text);
    text = record_string(r, "__key__"); /* a tar's sample */
    return text ? text : xstrdup("image");
}

/* The message begins with the picture's name, once. */
void record_image_fail(struct record *r, const struct fields *f, const char *stage)
{
    char *name = record_image_name(r, f), *code = xstrdup(error_code()), *message;
    bool named = !strncmp(error_text(), name, strlen(name));

    message = xprintf("%s%s%s", named ? "" : name, named ? "" : ": ", error_text());
    record_fail(r, stage, code, message);
    free(name);
    free(code);
    free(message);
}

/* A text may hold U+0000, so it comes with its size. */
static int add_text(struct texts *t, struct span value, const char *name)
{
    size_t size;
    char *text = json_text_sized(value, &size);

    if (!text)
        return fail("field %s is neither a string nor a list of strings", name);
    if (t->count == RECORD_TEXTS) {
        free(text);
        return fail_as("too_large", "field %s has more than %d texts", name, RECORD_TEXTS);
    }
    if ((t->count & (t->count - 1)) == 0) { /* room for 1, 2, 4, 8 .. */
        t->list = xresize(t->list, 2 * (size_t)t->count + 1, sizeof *t->list);
        t->sizes = xresize(t->sizes, 2 * (size_t)t->count + 1, sizeof *t->sizes);
    }
    t->list[t->count] = text;
    t->sizes[t->count++] = size;
    return 0;
}

static int read_texts(struct texts *t, struct span value, const char *name)
{
    struct span item, none;
    size_t at = 0;

    t->is_list = value.data[0] == '[';
    if (!t->is_list)
        return add_text(t, value, name) ? -1 : 1;
    while (json_each(value, &at, &none, &item)) {
        if (add_text(t, item, name)) {
            texts_free(t);
            return -1;
        }
    }
    return t->count > 0;
}

/* 1: there are texts, to be freed by texts_free(); 0: none; -1 after fail(). */
int record_texts(const struct record *r, const struct fields *f, struct texts *t)
{
    struct span value;
    const char *name;

    *t = (struct texts){ 0 };
    return record_text(r, f, &value, &name) ? read_texts(t, value, name) : 0;
}

int record_texts_named(const struct record *r, const char *name, struct texts *t)
{
    struct span value;

    *t = (struct texts){ 0 };
    return find(r, name, &value) ? read_texts(t, value, name) : 0;
}

/* U+0000 becomes U+FFFD: what takes strings up to their NUL then sees all of a text. */
void texts_plain(struct texts *t)
{
    for (int i = 0; i < t->count; i++) {
        struct buffer b = { 0 };

        if (!memchr(t->list[i], 0, t->sizes[i]))
            continue;
        for (size_t k = 0; k < t->sizes[i]; k++)
            buffer_add(&b, t->list[i][k] ? &t->list[i][k] : "\xef\xbf\xbd", t->list[i][k] ? 1 : 3);
        free(t->list[i]);
        t->list[i] = b.data;
        t->sizes[i] = b.size;
    }
}

void texts_free(struct texts *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->list[i]);
    free(t->list);
    free(t->sizes);
    *t = (struct texts){ 0 };
}
