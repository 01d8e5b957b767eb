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
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "stream/format.h"

#define ROW(constant, name)  &format_##name,
#define NAME(constant, name) #name,

static const struct format *const formats[] = { FORMATS(ROW) };
const char *const stream_formats[] = { "any", FORMATS(NAME) NULL };

struct reader {
    struct reader_options options;
    char *const *operands;
    int count, next; /* operands; the first that was not opened */
    struct named_files named;
    struct pairs *pairs; /* NULL: none, or its end has come */
    struct stream_source source;
    const struct format *format; /* of the source; NULL: none is open */
    uint64_t index;
    long long total;
    bool reported_nan, reported_bytes;
    bool was_read, was_refused; /* an operand that is something; one that is nothing known */
    bool all_refused;
    _Atomic long long done;
    _Atomic int failed;
    char *message;
};

static char *const standard_input[] = { (char[]){ "-" } };

/* What --from names. */
int format_named(const char *name)
{
    for (int i = 0; stream_formats[i]; i++)
        if (!strcmp(name, stream_formats[i]))
            return i;
    return -1;
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

/* Of a format that names files: these take the operands' place. */
static int read_names(struct reader *r)
{
    int from = r->options.from;

    if (!from || !formats[from - 1]->files)
        return 0;
    r->options.from = FORMAT_ANY;
    if (formats[from - 1]->files(&r->named, r->operands, r->count, r->options.null))
        return -1;
    r->operands = r->named.names;
    r->count = r->named.count;
    return 0;
}

/* Opens nothing yet but lists and folders of pairs: an operand that is missing fails in its turn,
 * and those before it are read.  The sum of all sizes is what progress is measured against. */
struct reader *reader_open(char *const *operands, int count, const struct reader_options *o)
{
    struct reader *r = xalloc(1, sizeof *r);

    if (o)
        r->options = *o;
    if (!r->options.max_record)
        r->options.max_record = (size_t)1 << 30;
    r->operands = count ? operands : standard_input;
    r->count = count ? count : 1;
    if (read_names(r)) {
        r->failed = 1;
        r->message = xstrdup(error_text());
        r->count = 0;
    }
    if (r->options.pairs) {
        r->count = 0;
        r->total = -1;
        r->pairs = pairs_open(r->options.pairs);
        if (!r->pairs) {
            r->failed = 1;
            r->message = xstrdup(error_text());
        }
    }
    for (int i = 0; i < r->count && r->total >= 0; i++) {
        long long bytes = length(r->operands[i]);

        r->total = bytes < 0 ? -1 : r->total + bytes;
    }
    r->source.limit = r->options.max_record;
    r->source.counter = &r->done;
    r->source.options = &r->options;
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

/* The format first: it may still look at the source. */
static void close_source(struct reader *r)
{
    note_failure(r);
    if (r->format && r->format->close)
        r->format->close(&r->source);
    source_close(&r->source);
    if (r->source.fd != STDIN_FILENO)
        close(r->source.fd);
    r->format = NULL;
}

/* A record in the operand's place, so that a failure stays in the stream. */
static struct record *unreadable(const char *path, const char *code, const char *why)
{
    struct record *record = record_of_path(path, strlen(path));
    char *text = xprintf("%s: %s", path, why);

    record_fail(record, "read", code, text);
    free(text);
    return record;
}

/* What an operand names in place of a file; NULL: nothing that is known. */
static struct record *no_file(struct reader *r, const char *path, int error)
{
    struct record *record;
    char *why;

    if (strstr(path, "://")) {
        r->was_refused = true;
        return unreadable(path, "unsupported",
                          "nothing is fetched from a network; first: curl -O URL");
    }
    if (error != EISDIR) {
        r->was_read = true; /* a name, and no worse than one in a list */
        return unreadable(path, error == ENOENT || error == ENOTDIR ? "not_found" : "io",
                          strerror(error));
    }
    r->was_refused = true;
    why = xprintf("a folder; what is in it: find %s -type f | %s", path, program_name);
    record = unreadable(path, "io", why);
    free(why);
    return record;
}

/* What a text is told whose format its first bytes do not tell; its name may. */
static const char *unknown_text(const char *path)
{
    const char *ending = strrchr(path, '.');

    if (ending && !strcasecmp(ending, ".csv"))
        return "a table without a column that vlm-stream(5) names; it needs --from=csv";
    if (ending && !strcasecmp(ending, ".tsv"))
        return "a table without a column that vlm-stream(5) names; it needs --from=tsv";
    return "a text without records; as a list of names it needs --from=names";
}

/* An operand that is neither records nor a picture that is known. */
static struct record *unknown(struct reader *r, struct stream_source *s)
{
    const char *kind = s->size ? head_foreign(s) : NULL;

    r->was_refused = true;
    if (!kind)
        kind = head_is_text(s, false) ? unknown_text(s->path)
                                      : "neither records nor an image in a known format";
    return unreadable(s->path, s->size ? "unknown_format" : "empty", kind);
}

/* Compressed input is unpacked whatever --from says: no format begins as it does. */
static void find_format(struct reader *r)
{
    int from = r->options.from;

    r->format = source_unpack(&r->source) ? NULL
                : from                    ? formats[from - 1]
                                          : sniff(&r->source, formats, COUNT(formats));
}

/* Opens the next operand; a record if it cannot be read as records. */
static struct record *open_next(struct reader *r)
{
    const char *path = r->operands[r->next++];
    bool standard = is_standard_input(path);
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct record *record = NULL;

    if (fd < 0)
        return no_file(r, path, errno);
    if (!standard && path_is_folder(path)) {
        close(fd);
        return no_file(r, path, EISDIR);
    }
    source_open(&r->source, name_of(path), fd);
    r->source.path = standard ? NULL : path;
    find_format(r);
    if (!r->format && !r->source.failed)
        record = unknown(r, &r->source);
    else if (r->source.regular && !standard && r->source.end && !r->source.size)
        warn("%s: empty, no records", path);
    r->was_read |= r->format != NULL;
    if (!r->format)
        close_source(r);
    return record;
}

/* Nothing more is at hand: neither in this source nor, without a wait, in the next. */
static bool waits(struct reader *r)
{
    if (r->format) {
        bool wait = r->format->waits(&r->source);

        note_failure(r);
        if (wait || !r->source.end || r->source.size)
            return wait;
    }
    return r->next < r->count && length(r->operands[r->next]) < 0;
}

/* What cannot be opened again by its name is not found again. */
static void forget_places(struct record *record, const struct stream_source *s)
{
    if (source_is_file(s))
        return;
    record->at = -1;
    for (int i = 0; i < record->member_count; i++)
        record->members[i].at = -1;
}

/* Of the folder of pairs, which is the only source then. */
static struct record *next_pair(struct reader *r)
{
    struct record *record = pairs_next(r->pairs);

    if (record) {
        record->source = r->options.pairs;
        record->index = r->index++;
        record->line = (long)r->index;
        return record;
    }
    if (pairs_alone(r->pairs) && !r->options.quiet)
        warn("%s: %ld text files belong to no picture", r->options.pairs, pairs_alone(r->pairs));
    pairs_close(r->pairs);
    r->pairs = NULL;
    return NULL;
}

/* Sources one behind the other; an operand that cannot be read is a record in its place. */
struct record *reader_next(struct reader *r, bool *would_wait)
{
    struct record *record = NULL;
    bool from_operand = false;

    if (r->pairs) {
        if (would_wait)
            *would_wait = false;
        return next_pair(r);
    }
    while (!record && (r->format || r->next < r->count)) {
        if (!r->format) {
            record = open_next(r);
            from_operand = record != NULL;
        } else {
            record = r->format->next(&r->source);
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
        if (record->had_bytes && !r->reported_bytes && !r->options.quiet) {
            warn("%s:%ld: a text that is not UTF-8; iconv -f LATIN1 -t UTF-8 may make it so",
                 record->source, record->line);
            r->reported_bytes = true;
        }
        if (record->had_nan && !r->reported_nan && !r->options.quiet) {
            warn("%s:%ld: NaN or Infinity is no JSON: read as null, here and below", record->source,
                 record->line);
            r->reported_nan = true;
        }
    }
    if (would_wait)
        *would_wait = waits(r);
    if (!record && !r->failed && r->was_refused && !r->was_read) {
        r->failed = 4;
        r->message = xstrdup("no operand holds records or a picture");
        r->all_refused = true;
    }
    if (!record && r->failed)
        fail("%s", r->message);
    return record;
}

int reader_failed(const struct reader *r)
{
    return r->failed;
}

bool reader_refused_all(const struct reader *r)
{
    return r->all_refused;
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
    if (r->format)
        close_source(r);
    pairs_close(r->pairs);
    free(r->source.window);
    free(r->message);
    free(r->named.names);
    buffer_free(&r->named.bytes);
    free(r);
}
