/* SPDX-License-Identifier: MIT
 * source.c - the bytes of one input, seen through a window that slides over them
 *
 *     window  [ read and taken | unread ........ | free ]
 *                              ^ start            ^ start + size
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/memory.h"
#include "stream/format.h"
#include "stream/unpack.h"

enum { FIRST = 4096, CHUNK = 1 << 18 };

void source_open(struct stream_source *s, const char *name, int fd)
{
    struct stat status;

    s->name = name;
    s->fd = fd;
    s->regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    s->end = false;
    s->start = s->size = s->looked = 0;
    s->position = 0;
    s->line = 0;
    s->failed = 0;
    s->state = NULL;
    s->unpacker = NULL;
}

/* Space for `more` bytes behind the unread. */
static void make_room(struct stream_source *s, size_t more)
{
    if (s->capacity - s->start - s->size >= more)
        return;
    if (s->start) {
        memmove(s->window, s->window + s->start, s->size);
        s->start = 0;
    }
    if (s->capacity - s->size < more) {
        s->capacity = 2 * s->capacity > s->size + more ? 2 * s->capacity : s->size + more;
        s->window = xresize(s->window, s->capacity, 1);
    }
}

static long read_raw(struct stream_source *s, void *to, size_t room)
{
    ssize_t got;

    do
        got = read(s->fd, to, room);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        s->failed = 1;
        return fail_errno("%s: read", s->name);
    }
    if (s->counter && s->unpacker) /* else what is taken counts */
        *s->counter += got;
    return got;
}

/* Until something comes out, or the input ends. */
static long read_packed(struct stream_source *s, void *to, size_t room)
{
    char bytes[1 << 14];
    long made, got = 1;

    while (!(made = unpacker_read(s->unpacker, to, room)) && got > 0) {
        got = read_raw(s, bytes, sizeof bytes);
        if (got > 0)
            unpacker_feed(s->unpacker, bytes, (size_t)got);
    }
    if (got < 0)
        return -1;
    if (!made && !unpacker_is_whole(s->unpacker))
        made = fail_as("truncated", "the compressed data end early");
    if (made < 0) {
        s->failed = 1;
        fail_in(s->name);
    }
    return made;
}

long source_fill(struct stream_source *s)
{
    /* The first look at a file is short: an image is not read here beyond its head. */
    size_t more = s->regular && s->start + s->size == 0 ? FIRST : CHUNK;
    long got;

    if (s->failed)
        return -1;
    if (s->end)
        return 0;
    make_room(s, more);
    got = (s->unpacker ? read_packed : read_raw)(s, s->window + s->start + s->size, more);
    if (got < 0)
        return -1;
    s->end = got == 0;
    s->size += (size_t)got;
    return got;
}

int source_unpack(struct stream_source *s)
{
    while (!s->end && (!s->size || unpacker_may_know(source_data(s), s->size)))
        if (source_fill(s) < 0)
            return -1;
    s->unpacker = unpacker_open(source_data(s), s->size);
    if (s->unpacker) {
        if (s->counter)
            *s->counter += (long long)s->size;
        s->size = s->start = 0;
        s->end = false;
    }
    return 0;
}

void source_close(struct stream_source *s)
{
    source_take(s, s->size); /* of an input that is given up */
    unpacker_close(s->unpacker);
    s->unpacker = NULL;
}

bool source_want(struct stream_source *s, size_t size)
{
    while (s->size < size)
        if (source_fill(s) <= 0)
            return false;
    return true;
}

bool source_ready(const struct stream_source *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };

    return s->regular || s->end || s->failed || poll(&p, 1, 0) > 0;
}

void source_take(struct stream_source *s, size_t size)
{
    assert(size <= s->size);
    s->start += size;
    s->position += (long long)size;
    if (s->counter && !s->unpacker)
        *s->counter += (long long)size;
    s->size -= size;
    s->looked = 0;
    if (!s->size)
        s->start = 0;
}
