/* SPDX-License-Identifier: MIT
 * lines.c - records from lines: JSON objects, or paths of images
 *
 * A line ends with its separator or with the input.  Blank lines are passed over.  A line that is
 * no object becomes a record with the reason; one that is longer than the limit becomes one too,
 * and is never held in memory whole.
 */
#include <string.h>
#include "stream/inside.h"

static bool blank(const char *line, size_t size, bool names)
{
    for (size_t i = 0; i < size; i++)
        if (names || !memchr(" \t\r\n", line[i], 4))
            return false;
    return true;
}

/* Where the first separator of the unread is; NULL: none. */
static const char *separator_at(struct source *s, int separator)
{
    const char *at = memchr(source_data(s) + s->looked, separator, s->size - s->looked);

    s->looked = at ? (size_t)(at - source_data(s)) : s->size;
    return at;
}

static struct record *too_long(struct source *s, int separator)
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

struct record *lines_next(struct source *s, bool names, int separator)
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
        if (!blank(line, size, names))
            return names ? record_of_path(line, size)
                         : object_or_trouble(line, size, s->line, s->position - (long long)taken);
    }
}

bool lines_wait(struct source *s, bool names, int separator)
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
