/* SPDX-License-Identifier: MIT
 * items.c - records from a CBOR sequence
 *
 * An item that is CBOR but no record becomes a record with the reason, and the next one follows.
 * Behind bytes that are no CBOR nothing can be found again: a record with the reason is the last.
 */
#include <stdlib.h>
#include <string.h>
#include "stream/inside.h"

static bool incomplete(void)
{
    return !strcmp(error_code(), "truncated");
}

static struct record *give_up(struct source *s)
{
    char *why = xstrdup(error_text());
    struct record *r = record_of_trouble(error_code(), why, s->line, NULL, 0);

    s->failed = 1;
    fail_as(error_code(), "%s: item %ld: %s", s->name, s->line, why);
    source_take(s, s->size);
    free(why);
    return r;
}

struct record *items_next(struct source *s)
{
    struct record *r;
    size_t size;

    for (;;) {
        if (s->failed)
            return NULL;
        size = s->size ? cbor_extent(source_data(s), s->size, s->limit) : 0;
        if (size && size <= s->limit)
            break;
        if (s->end && !s->size)
            return NULL;
        if (size || s->size > s->limit)
            fail_as("too_large", "longer than the limit of %zu bytes", s->limit);
        if (s->size && (s->end || !incomplete())) {
            s->line++;
            return give_up(s);
        }
        if (source_fill(s) < 0)
            return NULL;
    }
    s->line++;
    r = cbor_read_record(source_data(s), size, &size);
    if (!r)
        r = record_of_trouble(error_code(), error_text(), s->line, NULL, 0);
    for (int i = 0; i < r->member_count; i++)
        r->members[i].at += s->position;
    source_take(s, size);
    return r;
}

bool items_wait(struct source *s)
{
    for (;;) {
        if (s->size &&
            (s->size > s->limit || cbor_extent(source_data(s), s->size, s->limit) || !incomplete()))
            return false;
        if (s->end || s->failed)
            return false;
        if (!source_ready(s))
            return true;
        if (source_fill(s) < 0)
            return false;
    }
}
