/* SPDX-License-Identifier: MIT
 * resume.c - what the output file holds already
 *
 * OUT.vlm says it, if it is there and its hashes are those of OUT's bytes.  Without it, records are
 * compared.  A command keeps its input's bytes, so a record of the file belongs to a record of the
 * input if every member of the input's is found in it, in the same order, under the same name and
 * with the same bytes - but for the fields that the command writes, and `error`.  Both are compared
 * as they are written, whatever form the input had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/random.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/loop.h"

enum { RELEASE_EVERY = 64 << 20 }; /* bytes */

static bool is_file(int fd, const char *path)
{
    struct stat by_fd, by_name;

    return fstat(fd, &by_fd) == 0 && stat(path, &by_name) == 0 && by_fd.st_dev == by_name.st_dev &&
           by_fd.st_ino == by_name.st_ino;
}

/* A run that rewrites OUT gives its name to another file: then that one is to be locked. */
static int open_locked(const char *path)
{
    struct stat status;
    int fd;

    for (;;) {
        fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (fd < 0)
            return fail_errno("%s", path);
        if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
            close(fd);
            return fail("%s: not a regular file", path);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
            close(fd);
            return fail("%s: another process is writing it", path);
        }
        if (is_file(fd, path))
            return fd;
        close(fd);
    }
}

static uint64_t size_of(const char *path)
{
    struct stat status;

    return path && stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* A pipe or device has all that was written to it, and nothing of it can be written again. */
static bool is_kept(const char *path)
{
    struct stat status;

    return path && (stat(path, &status) || S_ISREG(status.st_mode));
}

/* How many lines of OUT.vlm describe what is in OUT.  One whose bytes are there, but are others,
 * was not written with this OUT: -1. */
static long count_lines(const struct resume *s, struct side *side)
{
    uint64_t at = 0, dropped = 0, dropped_size = size_of(settings.dropped);
    bool kept = is_kept(settings.dropped);
    struct result r;
    long lines = 0;

    for (; side_next(side, &r); lines++) {
        if (r.bytes > s->file.size - at || (kept && dropped + r.dropped > dropped_size))
            break; /* written no more */
        if (hash_bytes(s->file.data + at, r.bytes, 0) != r.content)
            return -1;
        at += r.bytes;
        dropped += r.dropped;
    }
    return lines;
}

/* OUT has to come from the same options, the same model and the same version. */
static int check_header(const struct resume *s, const struct filter *f)
{
    struct buffer b = { 0 };
    int result = 0;

    side_header(&b, f->name);
    if (b.size != s->side.header.size || memcmp(b.data, s->side.header.data, b.size)) {
        if (settings.retry_errors)
            warn("%s was made by other options, another model or version", s->path);
        else
            result =
                fail("%s was made by other options, another model or version: it says %.*s, "
                     "and this run is %s; without %s its records are compared instead",
                     s->path, (int)s->side.header.size, s->side.header.data, b.data, s->side.path);
    }
    buffer_free(&b);
    return result;
}

static int open_side(struct resume *s, const struct filter *f)
{
    if (side_open(&s->side, s->path))
        return -1;
    s->lines = s->side.header.size ? count_lines(s, &s->side) : -1;
    if (s->lines >= 0) {
        side_rewind(&s->side);
        return check_header(s, f);
    }
    if (!s->file.size)
        return 0;
    if (!settings.quiet)
        warn(s->side.header.size ? "%s does not belong to %s: its records are compared instead"
                                 : "there is no %s: the records of %s are compared instead",
             s->side.path, s->path);
    if (settings.dropped && size_of(settings.dropped))
        return fail("%s cannot be continued without %s, which says what of it belongs to %s",
                    settings.dropped, s->side.path, s->path);
    return 0;
}

int resume_open(struct resume *s, const struct filter *f)
{
    bool anew = !path_exists(settings.resume);

    temporary_sweep(settings.resume); /* of a run that began with --output */
    if (settings.dropped)
        temporary_sweep(settings.dropped);
    *s = (struct resume){
        .path = settings.resume,
        .binary = settings.binary,
        .may_drop = f->drops || settings.errors.action == ON_ERROR_SKIP || settings.retry_errors,
        .writes = f->writes,
        .lines = -1,
    };
    s->fd = open_locked(s->path);
    if (s->fd < 0 || (!anew && file_map(&s->file, s->path)))
        return -1;
    if (!anew && open_side(s, f))
        return -1;
    if (s->lines < 0 && s->file.size && (s->file.data[0] == '{') == s->binary)
        return fail("%s holds %s records: %s", s->path, s->binary ? "JSONL" : "binary",
                    s->binary ? "resume without --binary" : "resume with --binary");
    return 0;
}

static struct record *next_line(struct resume *s, size_t *used)
{
    const char *start = (const char *)s->file.data + s->at;
    const char *end = memchr(start, '\n', s->file.size - s->at);
    struct record *r;

    if (!end)
        return NULL;
    if (json_check(start, (size_t)(end - start))) {
        fail("%s", error_text());
        return NULL;
    }
    r = record_new(start, (size_t)(end - start));
    *used = (size_t)(end - start) + 1;
    return r;
}

struct record *resume_next(struct resume *s)
{
    struct record *r = NULL;
    size_t used = 0;

    error_clear();
    if (s->at == s->file.size)
        return NULL;
    if (s->binary)
        r = cbor_read_record(s->file.data + s->at, s->file.size - s->at, &used);
    else
        r = next_line(s, &used);
    if (r) {
        s->records++;
        s->at += used;
        if (s->at - s->released > RELEASE_EVERY)
            file_release(s->file.data, s->released = s->at);
    } else if (!strcmp(error_code(), "truncated") || !*error_text()) {
        error_clear(); /* torn: it will be cut off */
    } else {
        fail("%s: record %ld cannot be read: %s", s->path, s->records + 1, error_text());
    }
    return r;
}

static bool writes(const struct resume *s, struct span name)
{
    if ((name.size == 5 && !memcmp(name.data, "error", 5)) ||
        (settings.provenance && name.size == 10 && !memcmp(name.data, "provenance", 10)))
        return true;
    for (const char *const *w = s->writes; w && *w; w++) {
        size_t n = strlen(*w);
        bool prefix = n && (*w)[n - 1] == '.';

        if (prefix ? name.size >= n && !memcmp(name.data, *w, n)
                   : name.size == n && !memcmp(name.data, *w, n))
            return true;
    }
    return false;
}

static struct span unquoted(struct span name)
{
    if (name.size >= 2 && name.data[0] == '"')
        return (struct span){ name.data + 1, name.size - 2 };
    return name;
}

static bool equal(struct span a, struct span b)
{
    return a.size == b.size && !memcmp(a.data, b.data, a.size);
}

static bool objects_match(const struct resume *s, struct span out, struct span in)
{
    size_t at = 0, out_at = 0;
    struct span name, value, out_name, out_value;

    while (json_each(in, &at, &name, &value)) {
        size_t before = out_at;
        bool exempt = writes(s, unquoted(name)), found = false;

        while (!found && json_each(out, &out_at, &out_name, &out_value))
            found = equal(name, out_name);
        if (!found && exempt)
            out_at = before; /* taken out, or put elsewhere */
        else if (!found || (!exempt && !equal(value, out_value)))
            return false;
    }
    return true;
}

static bool members_match(const struct resume *s, const struct record *out, const struct record *in)
{
    for (int i = 0; i < in->member_count; i++) {
        const struct member *a = &in->members[i], *b;

        if (writes(s, (struct span){ a->name, strlen(a->name) }))
            continue;
        b = record_member(out, a->name);
        if (!b || a->kind != b->kind || a->size != b->size || memcmp(a->data, b->data, a->size))
            return false;
    }
    return true;
}

bool resume_matches(const struct resume *s, const struct record *out, const struct record *in)
{
    struct span out_json = { out->json.data, out->json.size };
    struct buffer line = { 0 };
    bool matches;
    size_t used;

    if (s->binary) { /* vectors that came as text were written as arrays */
        struct record *same;

        record_write(&line, in, RECORD_CBOR);
        same = cbor_read_record(line.data, line.size, &used);
        matches = same &&
                  objects_match(s, out_json, (struct span){ same->json.data, same->json.size }) &&
                  members_match(s, out, same);
        buffer_free(&line);
        record_free(same);
        return matches;
    }
    if (!in->member_count)
        return objects_match(s, out_json, (struct span){ in->json.data, in->json.size }) &&
               members_match(s, out, in);
    record_write(&line, in, false);
    matches = objects_match(s, out_json, (struct span){ line.data, line.size });
    buffer_free(&line);
    return matches;
}

int resume_mismatch(const struct resume *s, const struct record *in)
{
    if (!in)
        return fail("%s was not made from this input: its record %ld has none to come from",
                    s->path, s->records);
    return fail("%s was not made from this input: its record %ld does not come from %s:%ld",
                s->path, s->records, in->source ? in->source : "operand", in->line);
}

void resume_close(struct resume *s)
{
    file_unmap(&s->file);
    side_close(&s->side);
    buffer_free(&s->rebuilt);
}
