/* SPDX-License-Identifier: MIT
 * reader.c - operands and standard input, one source after the other, as records
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "stream/inside.h"

struct reader {
    struct reader_options options;
    char *const *operands;
    int count, next; /* operands; the first that was not opened */
    struct source source;
    enum format format;
    bool open;
    struct tar *tar;
    uint64_t index;
    long long total;
    _Atomic long long done;
    _Atomic int failed;
    char *message;
};

static char *const standard_input[] = { (char[]){ "-" } };

enum format format_named(const char *name)
{
    static const char *const names[] = { "any", "jsonl", "cbor", "tar", "names", "image" };

    for (int i = FORMAT_ANY; i <= FORMAT_IMAGE; i++)
        if (!strcmp(name, names[i]))
            return (enum format)i;
    return (enum format) - 1;
}

static bool is_standard_input(const char *operand)
{
    return !strcmp(operand, "-");
}

static const char *name_of(const char *operand)
{
    return is_standard_input(operand) ? "stdin" : operand;
}

/* Bytes of a regular file that are still to come, -1 for anything else. */
static long long length(const char *operand)
{
    struct stat status;
    off_t at = 0;

    if (is_standard_input(operand)) {
        if (fstat(STDIN_FILENO, &status))
            return -1;
        at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    } else if (stat(operand, &status)) {
        return 0;
    }
    if (S_ISDIR(status.st_mode))
        return 0;
    return S_ISREG(status.st_mode) && at >= 0 && at <= status.st_size ? status.st_size - at : -1;
}

struct reader *reader_open(char *const *operands, int count, const struct reader_options *o)
{
    struct reader *r = xalloc(1, sizeof *r);

    if (o)
        r->options = *o;
    if (!r->options.max_record)
        r->options.max_record = (size_t)1 << 30;
    r->operands = count ? operands : standard_input;
    r->count = count ? count : 1;
    for (int i = 0; i < r->count && r->total >= 0; i++) {
        long long bytes = length(r->operands[i]);

        r->total = bytes < 0 ? -1 : r->total + bytes;
    }
    r->source.limit = r->options.max_record;
    r->source.counter = &r->done;
    r->tar = tar_open();
    return r;
}

/* The first failure is the reader's; the sources behind it are still read. */
static void note_failure(struct reader *r)
{
    if (!r->source.failed || r->failed)
        return;
    r->message = xstrdup(error_text());
    r->failed = r->source.failed;
}

static void close_source(struct reader *r)
{
    note_failure(r);
    if (r->source.fd != STDIN_FILENO)
        close(r->source.fd);
    r->open = false;
}

static struct record *unreadable(const char *path)
{
    struct record *record = record_of_path(path, strlen(path));
    char *text;

    fail_errno("%s", path);
    text = xstrdup(error_text());
    record_fail(record, "read", error_code(), text);
    free(text);
    return record;
}

/* An image that is a file is opened again by whoever decodes it; any other is taken along. */
static struct record *image_record(struct source *s, const char *path)
{
    struct record *record;
    struct stat status;

    if (s->regular && s->fd != STDIN_FILENO) {
        if (s->counter && fstat(s->fd, &status) == 0)
            *s->counter += status.st_size - (long long)s->size;
        return record_of_path(path, strlen(path));
    }
    while (s->size <= s->limit && source_fill(s) > 0)
        ;
    if (s->failed || (!s->size && s->end))
        return NULL;
    record = record_of_path(path, strlen(path));
    if (s->size > s->limit) {
        record_fail(record, "read", "too_large", "longer than the limit for a record");
        return record;
    }
    record_set_bytes(record, "image", source_data(s), s->size);
    record_seal(record);
    return record;
}

/* Opens the next operand; a record if it is one by itself. */
static struct record *open_next(struct reader *r)
{
    const char *path = r->operands[r->next++];
    bool standard = is_standard_input(path);
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct record *record = NULL;

    if (fd < 0)
        return unreadable(path);
    if (!standard && path_is_folder(path)) {
        close(fd);
        errno = EISDIR;
        return unreadable(path);
    }
    source_open(&r->source, name_of(path), fd);
    r->open = true;
    r->format = sniff(&r->source, &r->options, !standard);
    if (r->format == FORMAT_IMAGE)
        record = image_record(&r->source, path);
    else if (r->source.regular && !standard && r->source.end && !r->source.size)
        warn("%s: empty, no records", path);
    if (r->format == FORMAT_IMAGE || r->source.failed)
        close_source(r);
    return record;
}

static struct record *from_source(struct reader *r)
{
    switch (r->format) {
    case FORMAT_CBOR:
        return items_next(&r->source);
    case FORMAT_TAR:
        return tar_next(r->tar, &r->source);
    case FORMAT_NAMES:
        return lines_next(&r->source, true, r->options.null ? 0 : '\n');
    default:
        return lines_next(&r->source, false, '\n');
    }
}

static bool source_waits(struct reader *r)
{
    struct source *s = &r->source;

    switch (r->format) {
    case FORMAT_CBOR:
        return items_wait(s);
    case FORMAT_TAR:
        return s->size < 512 && !source_ready(s);
    case FORMAT_NAMES:
        return lines_wait(s, true, r->options.null ? 0 : '\n');
    default:
        return lines_wait(s, false, '\n');
    }
}

static bool waits(struct reader *r)
{
    if (r->open) {
        bool wait = source_waits(r);

        note_failure(r);
        if (wait || !r->source.end || r->source.size)
            return wait;
    }
    return r->next < r->count && length(r->operands[r->next]) < 0;
}

/* What cannot be opened again by its name is not found again. */
static void forget_places(struct record *record, const struct source *s)
{
    if (s->regular && s->fd != STDIN_FILENO)
        return;
    record->at = -1;
    for (int i = 0; i < record->member_count; i++)
        record->members[i].at = -1;
}

struct record *reader_next(struct reader *r, bool *would_wait)
{
    struct record *record = NULL;
    bool from_operand = false;

    while (!record && (r->open || r->next < r->count)) {
        if (!r->open) {
            record = open_next(r);
            from_operand = record != NULL;
        } else {
            record = from_source(r);
            if (record)
                forget_places(record, &r->source);
            note_failure(r);
            if (!record)
                close_source(r);
        }
    }
    if (record) {
        record->source = from_operand ? name_of(r->operands[r->next - 1]) : r->source.name;
        if (!from_operand && !record->line)
            record->line = r->source.line;
        record->index = r->index++;
    }
    if (would_wait)
        *would_wait = waits(r);
    if (!record && r->failed)
        fail("%s", r->message);
    return record;
}

int reader_failed(const struct reader *r)
{
    return r->failed;
}

const char *reader_message(const struct reader *r)
{
    return r->failed ? r->message : NULL;
}

long long reader_bytes(const struct reader *r, long long *total)
{
    if (total)
        *total = r->total;
    return r->done;
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    if (r->open)
        close_source(r);
    tar_close(r->tar);
    free(r->source.window);
    free(r->message);
    free(r);
}
