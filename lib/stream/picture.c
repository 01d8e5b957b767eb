/* SPDX-License-Identifier: MIT
 * picture.c - the format image: an input that is one picture is one record
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "stream/format.h"

static enum answer knows(const struct stream_source *s)
{
    return head_is_image(s) ? YES : head_is_whole(s) ? NO : MORE;
}

/* A file is opened again by whoever decodes it; what came through a pipe is taken along. */
static struct record *next(struct stream_source *s)
{
    const char *name = s->path ? s->path : "-";
    struct record *record;
    struct stat status;

    if (s->state)
        return NULL;
    s->state = s;
    if (source_is_file(s)) {
        if (s->counter && fstat(s->fd, &status) == 0)
            *s->counter += status.st_size - (long long)s->size; /* which are taken */
        record = record_of_path(name, strlen(name));
    } else {
        while (s->size <= s->limit && source_fill(s) > 0)
            ;
        if (s->failed || (!s->size && s->end))
            return NULL;
        record = record_of_path(name, strlen(name));
        if (s->size > s->limit) {
            record_fail(record, "read", "too_large", "longer than the limit for a record");
        } else {
            record_set_bytes(record, "image", source_data(s), s->size);
            record_seal(record);
        }
    }
    source_take(s, s->size);
    s->end = true;
    return record;
}

static bool waits(struct stream_source *s)
{
    return !s->state && !source_ready(s);
}

const struct format format_image = {
    .knows = knows,
    .next = next,
    .waits = waits,
};
