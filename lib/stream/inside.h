/* SPDX-License-Identifier: MIT
 * inside.h - what the files of this folder share among themselves
 */
#ifndef STREAM_INSIDE_H
#define STREAM_INSIDE_H

#include "stream/stream.h"

/* json.c, value.c */
static inline const char *json_space(const char *at, const char *end) /* past white space */
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}
const char *json_number_end(const char *at, const char *end); /* NULL: no number */
int json_escape_size(const char *at, const char *end); /* at a backslash; 0: no such escape */

/* member.c */
struct member *member_add(struct record *r, const char *name, size_t size); /* or the one there */
void member_remove(struct record *r, const char *name);
float *member_floats(const struct member *m, long *count); /* to free; NULL for bytes */

/* record.c */
struct json_field *record_field(const struct record *r, const char *name); /* or NULL; the last */
void json_add_floats(struct buffer *b, const float *list, long count);

/* source.c - the bytes of one input, seen through a window that slides over them */
struct source {
    const char *name; /* as messages have it */
    int fd;
    bool regular, end; /* reading never waits; no byte is left to read */
    char *window;      /* unread: size bytes from start */
    size_t start, size, capacity;
    long long position;         /* of the first unread byte in the input */
    size_t looked;              /* unread bytes that hold no separator */
    size_t limit;               /* no record is longer */
    long line;                  /* of what was last read: line, item or member number */
    int failed;                 /* exit status, after fail() */
    _Atomic long long *counter; /* of bytes read */
};
void source_open(struct source *s, const char *name, int fd); /* keeps window, limit, counter */
static inline const char *source_data(const struct source *s)
{
    return s->window + s->start;
}
/* Reads once: the count of new bytes; 0: the end; -1: failed, after fail(). */
long source_fill(struct source *s);
bool source_want(struct source *s, size_t size); /* at least that much; false: end or failed */
bool source_ready(const struct source *s);       /* a read would not wait */
void source_take(struct source *s, size_t size); /* moves past unread bytes */

/* sniff.c - FORMAT_ANY: unknown, s->failed is set after fail() */
enum format sniff(struct source *s, const struct reader_options *o, bool operand);

/* lines.c, item.c, tar.c: the next record; NULL: the end, or s->failed.  The _wait functions tell
 * that the next record is not all here and a read might block. */
struct record *lines_next(struct source *s, bool names, int separator);
bool lines_wait(struct source *s, bool names, int separator);
struct record *items_next(struct source *s);
bool items_wait(struct source *s);
struct tar;
struct tar *tar_open(void);
struct record *tar_next(struct tar *t, struct source *s);
bool tar_is_header(const void *block); /* 512 bytes */
void tar_close(struct tar *t);

/* cbor.c - tokens of CBOR; cbor_record.c makes records of them */
struct token {
    enum { SCALAR, UINT, BYTES, TEXT, ARRAY, MAP, TAG, ENDLESS, CHUNKED, BREAK } kind;
    uint64_t value; /* of a number or tag; count of items; bytes of a string */
    const unsigned char *data;
};
struct cursor {
    const unsigned char *at, *end;
    size_t limit; /* no string is longer */
    long tokens;  /* seen so far: a record has few */
    struct token token;
};
enum { TAG_MATRIX = 40, TAG_F16 = 84, TAG_F32 = 85, TAG_SELF = 55799 };
int cbor_advance(struct cursor *c); /* to the next token; -1 after fail() */
int cbor_skip(struct cursor *c);    /* past one item, whatever it is; -1 after fail() */
/* The length of the item at `bytes`; 0 after fail(): "truncated", "too_large", "invalid"
 */
size_t cbor_extent(const void *bytes, size_t size, size_t limit);

/* trouble.c - records that were not read: of a file's path, and of what could not be read; `raw`
 * may be NULL */
struct record *record_of_path(const char *path, size_t size);
struct record *record_of_trouble(const char *code, const char *message, long line, const char *raw,
                                 size_t size);

#endif
