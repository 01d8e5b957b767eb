/* SPDX-License-Identifier: MIT
 * tar.c - WebDataset shards: a record is a run of members whose names differ in the extension
 *
 *     shard/000.jpg  shard/000.txt  shard/000.json    key "shard/000": up to the first dot of the
 *                                                     base name
 *
 *     .json                                         the record itself; else {"__key__": key}
 *     .jpg .png .webp .tif ...                      a picture, base/picture.h: the binary member
 *                                                   "image"
 *     .txt, .caption                                "text", "caption"
 *     any other                                     a binary member named as the extension
 *
 * A field that the .json has is kept: a .txt beside a text field goes into "txt".  Members that
 * are no files, or have no extension, are passed over.  The headers are read by tarfile.c.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/picture.h"
#include "stream/tarfile.h"

struct sample {
    char *key; /* NULL: none in hand */
    long line; /* the number of its first member */
    size_t size;
    struct buffer json, text, caption;
    bool has_json, has_text, has_caption;
    struct buffer endings; /* that came, in lower case, a NUL behind each */
    struct record *binary; /* holds the binary members, and texts with names of their own */
    char *code, *trouble;  /* NULL: none */
};
struct tar {
    struct sample sample;
    struct tar_entry entry;
    bool pending;        /* the entry was read, its data was not */
    struct key_set keys; /* of this archive */
};

static void drop_sample(struct sample *m)
{
    free(m->key);
    free(m->code);
    free(m->trouble);
    buffer_free(&m->json);
    buffer_free(&m->text);
    buffer_free(&m->caption);
    buffer_free(&m->endings);
    record_free(m->binary);
    *m = (struct sample){ 0 };
}

static void sample_trouble(struct sample *m, const char *code, const char *text)
{
    if (m->trouble) /* the first is the one to tell */
        return;
    m->code = xstrdup(code);
    m->trouble = xstrdup(text);
}

/* Where the extension is in a member's name, behind the dot; NULL: no key or no extension. */
static const char *extension(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    const char *dot = strchr(base, '.'), *last = strrchr(base, '.');

    if (!dot || dot == base || !dot[1])
        return NULL;
    /* IMG_2024.01.05.jpg: a date, or a time, is no extension. */
    if (last[1] && strspn(dot, ".0123456789") >= (size_t)(last - dot) && last - dot > 1 &&
        memchr(dot + 1, '.', (size_t)(last - dot - 1)))
        return last + 1;
    return dot + 1;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), size = strlen(end);

    return n >= size && !strcmp(text + n - size, end);
}

static void begin_sample(struct tar *t, const char *key, long line)
{
    char *text;

    t->sample.key = xstrdup(key);
    t->sample.line = line;
    t->sample.binary = record_new("{}", 2);
    if (!key_set_add(&t->keys, key)) {
        text = xprintf("member %s is apart from the others of its sample", t->entry.name.data);
        sample_trouble(&t->sample, "not_adjacent", text);
        free(text);
    }
}

static void set_text(struct record *r, const char *name, const char *data, size_t size)
{
    size -= size && data[size - 1] == '\n';
    size -= size && data[size - 1] == '\r';
    record_set_text(r, name, data, size);
}

static char *lower_case(const char *text)
{
    char *lower = xstrdup(text);

    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return lower;
}

static void take_data(struct sample *m, const char *ext, const char *data, size_t size,
                      long long at)
{
    char *lower = lower_case(ext);
    const char *name;

    buffer_add(&m->endings, lower, strlen(lower) + 1);
    if (!strcmp(lower, "json") && !m->has_json) {
        buffer_add(&m->json, data, size);
        m->has_json = true;
    } else if (!strcmp(lower, "txt") && !m->has_text) {
        buffer_add(&m->text, data, size);
        m->has_text = true;
    } else if (!strcmp(lower, "caption") && !m->has_caption) {
        buffer_add(&m->caption, data, size);
        m->has_caption = true;
    } else if ((ends_with(lower, ".txt") || ends_with(lower, ".caption")) &&
               !memchr(data, 0, size) && utf8_is_valid(data, size)) {
        set_text(m->binary, ext, data, size); /* a text under a name of its own */
    } else {
        name = picture_ending(lower) && !record_member(m->binary, "image") ? "image" : lower;
        record_set_bytes(m->binary, name, data, size);
        record_member(m->binary, name)->at = at;
        record_member(m->binary, name)->ending = xstrdup(ext);
    }
    free(lower);
}

/* The data of the entry into the sample; -1 after fail(): the archive ends early. */
static int read_entry(struct tar *t, struct stream_source *s, const char *ext)
{
    struct sample *m = &t->sample;
    const char *data;

    t->pending = false;
    if (m->binary->member_count == RECORD_MEMBERS) {
        sample_trouble(m, "too_large", "more members than a record may have");
        return tar_skip(s, t->entry.size);
    }
    if (t->entry.size > s->limit || m->size + t->entry.size > s->limit) {
        sample_trouble(m, "too_large", "longer than the limit for a record");
        return tar_skip(s, t->entry.size);
    }
    data = tar_data(s, t->entry.size);
    if (!data)
        return -1;
    m->size += t->entry.size;
    take_data(m, ext, data, t->entry.size, s->position);
    tar_taken(s, t->entry.size);
    return 0;
}

/* A title is what texts fall back on: a .txt comes first. */
static bool has_text_field(const struct record *r)
{
    const char *name;
    struct span value;

    return record_text(r, &(struct fields){ 0 }, &value, &name) && strcmp(name, "title") != 0;
}

static struct record *object_of(struct sample *m)
{
    const char *json = m->json.data;
    size_t size = m->json.size;
    struct record *r;
    char *text;

    while (size && strchr(" \t\r\n", json[size - 1]) && json[size - 1])
        size--;
    r = m->has_json ? record_parse(json, size) : record_new("{}", 2);
    if (r)
        return r;
    text = xprintf("%s.json: %s", m->key, error_text());
    sample_trouble(m, error_code(), text);
    free(text);
    return record_new("{}", 2);
}

/* 0, 1 or 2 bytes: none, a newline, a carriage return and a newline */
static unsigned char line_end(const struct buffer *b)
{
    if (!b->size || b->data[b->size - 1] != '\n')
        return 0;
    return b->size > 1 && b->data[b->size - 2] == '\r' ? 2 : 1;
}

/* The .txt that a writer of shards puts beside the .json, for others to read. */
static bool is_its_text(const struct record *r, const struct buffer *b)
{
    struct span value;
    const char *name;
    size_t size;
    char *text;
    bool same;

    if (!record_text(r, &(struct fields){ 0 }, &value, &name) ||
        !(text = json_bytes_sized(value, &size)))
        return false;
    same = b->size - line_end(b) == size && !memcmp(b->data ? b->data : "", text, size);
    free(text);
    return same;
}

static void add_texts(struct record *r, const struct record *texts)
{
    for (int i = 0; i < texts->fields.count; i++) {
        const struct json_field *f = &texts->fields.list[i];
        char *name = record_field_name(texts, i);

        if (!record_field(r, name))
            record_set_json(r, name, texts->json.data + f->value, f->value_size);
        free(name);
    }
}

/* The sample in hand as a record. */
static struct record *finish(struct tar *t)
{
    struct sample *m = &t->sample;
    struct record *r = object_of(m);
    struct span value;

    if (!record_find(r, "__key__", &value))
        record_set_text(r, "__key__", m->key, strlen(m->key));
    r->text_end = m->has_text ? line_end(&m->text) : 0;
    if (m->has_text && !has_text_field(r))
        set_text(r, "text", m->text.data, m->text.size);
    else if (m->has_text && !record_find(r, "txt", &value) && !is_its_text(r, &m->text))
        set_text(r, "txt", m->text.data, m->text.size);
    if (m->has_caption && !record_find(r, "caption", &value))
        set_text(r, "caption", m->caption.data, m->caption.size);
    add_texts(r, m->binary);
    r->members = m->binary->members;
    r->member_count = m->binary->member_count;
    m->binary->members = NULL;
    m->binary->member_count = 0;
    r->line = m->line;
    r->archived = true;
    record_seal(r);
    if (m->trouble)
        record_fail(r, "read", m->code, m->trouble);
    drop_sample(m);
    return r;
}

/* The archive cannot be read on, after fail(): the sample in hand leaves with the reason. */
static struct record *give_up(struct tar *t, struct stream_source *s)
{
    char *code = xstrdup(error_code()), *why = xstrdup(error_text());
    struct record *r;

    if (t->sample.key) {
        sample_trouble(&t->sample, code, why);
        r = finish(t);
    } else {
        r = record_of_trouble(code, why, s->line, NULL, 0);
    }
    s->failed = 1;
    fail_as(code, "%s: %s", s->name, why);
    source_take(s, s->size);
    t->pending = false;
    key_set_clear(&t->keys);
    free(code);
    free(why);
    return r;
}

static bool has_ending(const struct sample *m, const char *ext)
{
    const char *at = m->endings.data, *end = at + m->endings.size;
    char *lower = lower_case(ext);
    bool found = false;

    for (; at < end && !found; at += strlen(at) + 1)
        found = !strcmp(at, lower);
    free(lower);
    return found;
}

/* One entry; 1: the sample in hand is complete, 0: go on, -1 after fail(). */
static int step(struct tar *t, struct stream_source *s)
{
    const char *ext = extension(t->entry.name.data);
    size_t size = ext ? (size_t)(ext - 1 - t->entry.name.data) : 0;
    char *key;
    int result;

    if (!ext || !t->entry.file) {
        t->pending = false;
        return tar_skip(s, t->entry.size);
    }
    if (t->sample.key && has_ending(&t->sample, ext))
        return 1; /* another sample of the same key */
    if (t->sample.key &&
        (strlen(t->sample.key) != size || memcmp(t->sample.key, t->entry.name.data, size) != 0))
        return 1;
    if (!t->sample.key) {
        key = xmemdup(t->entry.name.data, size);
        begin_sample(t, key, s->line);
        free(key);
    }
    result = read_entry(t, s, ext);
    return result;
}

static struct record *tar_next(struct stream_source *s)
{
    struct tar *t = s->state = s->state ? s->state : xalloc(1, sizeof *t);

    while (!s->failed) {
        int more = t->pending ? 1 : tar_header(s, &t->entry);

        if (more == TAR_END || more == TAR_NEXT_ARCHIVE) {
            key_set_clear(&t->keys);
            if (t->sample.key)
                return finish(t);
            if (more == TAR_END)
                return NULL;
            continue;
        }
        t->pending = more > 0;
        if (more > 0)
            more = step(t, s);
        if (more > 0)
            return finish(t);
        if (more < 0)
            return s->failed ? NULL : give_up(t, s);
    }
    return NULL;
}

static bool tar_waits(struct stream_source *s)
{
    return s->size < TAR_BLOCK && !source_ready(s);
}

static void tar_close(struct stream_source *s)
{
    struct tar *t = s->state;

    if (!t)
        return;
    drop_sample(&t->sample);
    buffer_free(&t->entry.name);
    key_set_clear(&t->keys);
    free(t);
}

/* A line is no header: what is typed is not waited for. */
static enum answer knows(const struct stream_source *s)
{
    const char *head = source_data(s);

    if (s->size >= TAR_BLOCK && tar_is_header(head))
        return YES;
    if (s->size && !head[0]) /* blocks of zeros: an archive of nothing */
        return s->size < 2 * TAR_BLOCK
                   ? (head_is_whole(s) || memcmp(head, head + 1, s->size - 1) ? NO : MORE)
               : memcmp(head, head + 1, 2 * TAR_BLOCK - 1) ? NO
                                                           : YES;
    if (s->size >= TAR_BLOCK)
        return NO;
    return memchr(source_data(s), '\n', s->size) ? NO : MORE;
}

const struct format format_tar = {
    .knows = knows,
    .next = tar_next,
    .waits = tar_waits,
    .close = tar_close,
};
