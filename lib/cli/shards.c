/* SPDX-License-Identifier: MIT
 * shards.c - an output in parts, out-00000.tar, out-00001.tar ..: names, and where to go on
 *
 * A part appears when it is whole, so what is there is done.  Beside each, with --resume, stands
 * its own side file: the lines of the records of the input that it came from, and behind them
 *
 *     end  N      how many records the part holds
 *
 * The last part of a finished run may hold fewer than --per-shard; it is made anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/loop.h"

/* Where the number stands, "%0Nd", and how long that is; NULL: not once. */
static const char *number_in(const char *pattern, size_t *length)
{
    const char *percent = strchr(pattern, '%');

    if (!percent || percent[1] != '0' || percent[2] < '1' || percent[2] > '9' || percent[3] != 'd')
        return NULL;
    *length = 4;
    return strchr(percent + 1, '%') ? NULL : percent;
}

bool shards_pattern(const char *path)
{
    size_t length;

    return number_in(path, &length);
}

char *shards_path(const char *pattern, long index)
{
    size_t length;
    const char *number = number_in(pattern, &length);

    return xprintf("%.*s%0*ld%s", (int)(number - pattern), pattern, number[2] - '0', index,
                   number + length);
}

/* The last line of a side file. */
static long count_in(const struct side *s)
{
    const char *text = (const char *)s->file.data;
    size_t from = s->file.size ? s->file.size - 1 : 0;
    long count = -1;
    char *last;

    while (from && text[from - 1] != '\n')
        from--;
    last = xmemdup(text + from, s->file.size - from);
    if (sscanf(last, "end\t%ld", &count) != 1)
        count = -1;
    free(last);
    return count;
}

static int check(const struct resume *s, const struct filter *f)
{
    struct buffer b = { 0 };
    int result = 0;

    side_header(&b, f->name);
    if (!s->side.header.size)
        result = fail("%s cannot be continued: there is no %s", s->path, s->side.path);
    else if (b.size != s->side.header.size || memcmp(b.data, s->side.header.data, b.size))
        result = fail("%s was made by other options, another model or version", s->path);
    buffer_free(&b);
    return result;
}

/* Passes over what one part holds: 1, 0 if it is not full, -1 after fail(). */
static int pass_part(struct input *in, const char *path, const struct filter *f, uint64_t *dropped)
{
    struct resume s = { .path = path, .fd = -1 };
    struct result line;
    int result;

    if (side_open(&s.side, path))
        return -1;
    result = check(&s, f);
    if (!result && count_in(&s.side) >= settings.per_shard) {
        while (side_next(&s.side, &line))
            s.lines++;
        side_rewind(&s.side);
        result = input_skip(in, &s) ? -1 : 1;
        *dropped += s.dropped;
    }
    side_close(&s.side);
    return result;
}

long shards_pass(struct input *in, const char *pattern, const struct filter *f, uint64_t *dropped)
{
    long index = 0;
    int more = 1;

    for (*dropped = 0; more > 0; index++) {
        char *path = shards_path(pattern, index);

        more = path_exists(path) ? pass_part(in, path, f, dropped) : 0;
        free(path);
    }
    return more < 0 ? -1 : index - 1;
}
