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
#include "stream/inside.h"

enum { FIRST = 4096, CHUNK = 1 << 18 };

void source_open(struct source *s, const char *name, int fd)
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
}

/* Space for `more` bytes behind the unread. */
static void make_room(struct source *s, size_t more)
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

long source_fill(struct source *s)
{
    /* The first look at a file is short: an image is not read here beyond its head. */
    size_t more = s->regular && s->start + s->size == 0 ? FIRST : CHUNK;
    ssize_t got;

    if (s->failed)
        return -1;
    if (s->end)
        return 0;
    make_room(s, more);
    do
        got = read(s->fd, s->window + s->start + s->size, more);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        s->failed = 1;
        return fail_errno("%s: read", s->name);
    }
    s->end = got == 0;
    s->size += (size_t)got;
    if (s->counter)
        *s->counter += got;
    return got;
}

bool source_want(struct source *s, size_t size)
{
    while (s->size < size)
        if (source_fill(s) <= 0)
            return false;
    return true;
}

bool source_ready(const struct source *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };

    return s->regular || s->end || s->failed || poll(&p, 1, 0) > 0;
}

void source_take(struct source *s, size_t size)
{
    assert(size <= s->size);
    s->start += size;
    s->position += (long long)size;
    s->size -= size;
    s->looked = 0;
    if (!s->size)
        s->start = 0;
}
