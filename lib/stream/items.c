/* SPDX-License-Identifier: MIT
 * items.c - the format cbor: records from a CBOR sequence
 *
 * An item that is CBOR but no record becomes a record with the reason, and the next one follows.
 * Behind bytes that are no CBOR nothing can be found again: a record with the reason is the last.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "stream/format.h"

static bool incomplete(void)
{
    return !strcmp(error_code(), "truncated");
}

static struct record *give_up(struct stream_source *s)
{
    char *why = xstrdup(error_text());
    struct record *r = record_of_trouble(error_code(), why, s->line, NULL, 0);

    s->failed = 1;
    fail_as(error_code(), "%s: item %ld: %s", s->name, s->line, why);
    source_take(s, s->size);
    free(why);
    return r;
}

static struct record *items_next(struct stream_source *s)
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

static bool items_wait(struct stream_source *s)
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

/* The tag of self-described CBOR, or a map whose first key is a text. */
static enum answer knows(const struct stream_source *s)
{
    const unsigned char *head = (const unsigned char *)source_data(s);
    /* bytes of the count behind a map's head */
    size_t at = 1 + (head[0] >= 0xb8 && head[0] <= 0xbb ? 1u << (head[0] - 0xb8) : 0);

    if (s->size >= 3 && !memcmp(head, "\xd9\xd9\xf7", 3))
        return YES;
    if (head[0] != 0xd9 && (head[0] < 0xa0 || head[0] > 0xbf))
        return NO;
    if (s->size <= at)
        return MORE;
    return head[0] != 0xd9 && head[at] >= 0x60 && head[at] < 0x80 ? YES : NO;
}

const struct format format_cbor = {
    .knows = knows,
    .next = items_next,
    .waits = items_wait,
};
