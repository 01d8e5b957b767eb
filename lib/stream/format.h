/* SPDX-License-Identifier: MIT
 * format.h - one file a stream format: what reader.c asks of each
 *
 * A format reads from a source, which is a window over the bytes of one input.  It never trusts a
 * length that it reads: every size is checked against the limit for a record before it is used.
 */
#ifndef STREAM_FORMAT_H
#define STREAM_FORMAT_H

#include "base/core.h"
#include "stream/stream.h"

/* source.c - the bytes of one input, seen through a window that slides over them */
struct unpacker;
struct stream_source {
    const char *name; /* as messages have it */
    const char *path; /* of an operand; NULL: standard input */
    int fd;
    struct unpacker *unpacker; /* of compressed input; NULL: the bytes are as they are */
    bool regular, end;         /* reading never waits; no byte is left to read */
    char *window;              /* unread: size bytes from start */
    size_t start, size, capacity;
    long long position;         /* of the first unread byte in the input */
    size_t looked;              /* unread bytes that hold no separator */
    size_t limit;               /* no record is longer */
    long line;                  /* of what was last read: line, item or member number */
    int failed;                 /* exit status, after fail() */
    _Atomic long long *counter; /* of bytes taken; of packed ones, read */
    const struct reader_options *options;
    void *state; /* the format's own; NULL at first */
};
void source_open(struct stream_source *s, const char *name,
                 int fd);                   /* keeps window, limit, counter */
int source_unpack(struct stream_source *s); /* if it is compressed; -1 after fail() */
void source_close(struct stream_source *s); /* but not the descriptor */
static inline bool source_is_file(const struct stream_source *s) /* found again by its name */
{
    return s->regular && s->path && !s->unpacker;
}
static inline const char *source_data(const struct stream_source *s)
{
    return s->window + s->start;
}
/* Reads once: the count of new bytes; 0: the end; -1: failed, after fail(). */
long source_fill(struct stream_source *s);
bool source_want(struct stream_source *s,
                 size_t size);                    /* at least that much; false: end or failed */
bool source_ready(const struct stream_source *s); /* a read would not wait */
void source_take(struct stream_source *s, size_t size); /* moves past unread bytes */

/* A format is a row of FORMATS in stream.h, and `format_NAME`. */
struct named_files { /* zeroed: none */
    struct buffer bytes;
    char **names; /* into `bytes` */
    int count;
};
enum answer { NO, YES, MORE /* bytes are needed to say */ };
struct format {
    /* By the first bytes alone; NULL: only --from says so. */
    enum answer (*knows)(const struct stream_source *s);
    struct record *(*next)(struct stream_source *s); /* NULL: the end, or s->failed */
    bool (*waits)(
        struct stream_source *s); /* the next record is not all here, and a read might block */
    void (*close)(struct stream_source *s); /* frees s->state; NULL: there is none */
    /* In place of these: the operands name files, which are read in their place, whatever format
     * each has; -1 after fail(). */
    int (*files)(struct named_files *f, char *const *operands, int count, bool null);
};
#define ROW(constant, name) extern const struct format format_##name;
FORMATS(ROW)
#undef ROW

/* sniff.c - the first bytes of a source */
enum { HEAD = 4096 }; /* no more is looked at */
static inline bool head_is_whole(const struct stream_source *s)
{
    return s->end || s->size >= HEAD;
}
bool head_is_image(const struct stream_source *s);
struct span head_line(const struct stream_source *s); /* the first line, or what there is of it */
bool head_is_text(const struct stream_source *s, bool null); /* no controls; NUL only if `null` */
bool head_has_objects(const struct stream_source *s);        /* a line of it is a JSON object */
/* csv.c: the first line is a header of columns, one of which records know */
bool head_is_table(const struct stream_source *s, char separator);
const char *head_foreign(const struct stream_source *s); /* what is known and not read here; NULL */
/* One of `formats`, or NULL: none, and s->failed is set after fail(), but for an operand that is
 * not known as anything. */
const struct format *sniff(struct stream_source *s, const struct format *const *formats, int count);

/* pairs.c - a folder of pictures and texts */
struct pairs;
struct pairs *pairs_open(const char *folder); /* NULL after fail() */
struct record *pairs_next(struct pairs *p);   /* NULL: the end */
long pairs_alone(const struct pairs *p);      /* texts so far that belong to no picture */
void pairs_close(struct pairs *p);

/* trouble.c - records that were not read: of a file's path, and of what could not be read; `raw`
 * may be NULL */
struct record *record_of_path(const char *path, size_t size);
struct record *record_of_trouble(const char *code, const char *message, long line, const char *raw,
                                 size_t size);

#endif
