/* SPDX-License-Identifier: MIT
 * lines.c - records from lines: the formats jsonl, JSON objects, and names, paths of images
 *
 * A line ends with its separator or with the input.  Blank lines are passed over.  A line that is
 * no object becomes a record with the reason; one that is longer than the limit becomes one too,
 * and is never held in memory whole.
 */
#include <string.h>
#include "base/error.h"
#include "stream/tarfile.h"

static bool blank(const char *line, size_t size, bool names)
{
    for (size_t i = 0; i < size; i++)
        if (names || !memchr(" \t\r\n", line[i], 4))
            return false;
    return true;
}

/* Where the first separator of the unread is; NULL: none. */
static const char *separator_at(struct stream_source *s, int separator)
{
    const char *at = memchr(source_data(s) + s->looked, separator, s->size - s->looked);

    s->looked = at ? (size_t)(at - source_data(s)) : s->size;
    return at;
}

static struct record *too_long(struct stream_source *s, int separator)
{
    const char *end;
    char message[80];

    while (!(end = separator_at(s, separator))) {
        source_take(s, s->size);
        if (source_fill(s) <= 0)
            break;
    }
    source_take(s, end ? s->looked + 1 : s->size);
    snprintf(message, sizeof message, "longer than the limit of %zu bytes", s->limit);
    return record_of_trouble("too_large", message, s->line, NULL, 0);
}

static struct record *object_or_trouble(const char *line, size_t size, long number, long long at)
{
    struct record *r = record_parse(line, size);

    if (!r)
        return record_of_trouble(error_code(), error_text(), number, line, size);
    r->at = at;
    return r;
}

static struct record *next_line(struct stream_source *s, bool names, int separator)
{
    for (;;) {
        const char *end = s->size ? separator_at(s, separator) : NULL, *line = source_data(s);
        size_t size = end ? s->looked : s->size, taken = size + (end != NULL);

        if (size > s->limit) {
            s->line++;
            return too_long(s, separator);
        }
        if (!end && !s->end) {
            if (source_fill(s) < 0)
                return NULL;
            continue;
        }
        if (!end && !size)
            return NULL;
        s->line++;
        source_take(s, taken); /* its bytes stay where they are until the next read */
        if (size && separator == '\n' && line[size - 1] == '\r')
            size--;
        if (names && s->line == 1 && size >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
            line += 3; /* a byte order mark is no part of the first name */
            size -= 3;
        }
        if (!blank(line, size, names))
            return names ? record_of_path(line, size)
                         : object_or_trouble(line, size, s->line, s->position - (long long)taken);
    }
}

static bool line_waits(struct stream_source *s, bool names, int separator)
{
    for (;;) {
        const char *end = s->size ? separator_at(s, separator) : NULL;

        if (end && blank(source_data(s), s->looked, names)) {
            s->line++;
            source_take(s, s->looked + 1);
        } else if (end || s->size > s->limit || s->end) {
            return false;
        } else if (!source_ready(s)) {
            return true;
        } else if (source_fill(s) < 0) {
            return false;
        }
    }
}

/* An object, or lines of which one is: then a damaged first line is that line's trouble alone. */
static enum answer knows_objects(const struct stream_source *s)
{
    const char *end = source_data(s) + s->size, *first = json_space(source_data(s), end);
    bool line = memchr(source_data(s), '\n', s->size), whole = head_is_whole(s);

    if (first == end)
        return whole ? YES : MORE;
    if (s->size >= TAR_BLOCK && tar_is_header(source_data(s)))
        return NO;                         /* of a file whose name begins with a brace */
    if (*first == '{' && !head_foreign(s)) /* a tar may begin so too, and has no line */
        return whole || line || s->size >= 512 ? YES : MORE;
    if (head_foreign(s) || head_is_image(s) || format_cbor.knows(s) == YES)
        return NO;
    return head_has_objects(s) ? YES : whole || (line && !s->path) ? NO : MORE;
}

static struct record *next_object(struct stream_source *s)
{
    return next_line(s, false, '\n');
}

static bool object_waits(struct stream_source *s)
{
    return line_waits(s, false, '\n');
}

const struct format format_jsonl = {
    .knows = knows_objects,
    .next = next_object,
    .waits = object_waits,
};

/* A list of names on standard input: as an operand it would be read for want of anything better. */
static enum answer knows_names(const struct stream_source *s)
{
    bool whole = head_is_whole(s), null = s->options->null;
    const char *end = source_data(s) + s->size;

    if (s->path || json_space(source_data(s), end) == end)
        return NO; /* blank: what follows decides */
    if (!whole && !memchr(source_data(s), null ? 0 : '\n', s->size))
        return MORE;
    return head_is_text(s, null) && !head_foreign(s) ? YES : NO;
}

static int separator(const struct stream_source *s)
{
    return s->options->null ? 0 : '\n';
}

static struct record *next_name(struct stream_source *s)
{
    return next_line(s, true, separator(s));
}

static bool name_waits(struct stream_source *s)
{
    return line_waits(s, true, separator(s));
}

const struct format format_names = {
    .knows = knows_names,
    .next = next_name,
    .waits = name_waits,
};
