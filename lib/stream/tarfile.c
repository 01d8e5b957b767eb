/* SPDX-License-Identifier: MIT
 * tarfile.c - the members of a tar archive: ustar, GNU long names, pax path and size
 *
 *     offset  0 name 100 | 124 size 12 | 148 sum 8 | 156 type | 257 "ustar" | 345 prefix 155
 *
 * Blocks have 512 bytes; numbers are octal text, or big-endian behind a byte with its high bit set.
 * Two blocks of zeros end an archive; what follows may be another.
 */
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "stream/tarfile.h"

enum { BLOCK = TAR_BLOCK, LONGEST_NAME = 1 << 20 };

/* GNU tar writes what does not fit 11 digits as big-endian bytes; 2^62 and more are refused. */
static bool octal(const unsigned char *field, size_t size, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    if (field[0] & 0x80) {
        if (field[0] != 0x80)
            return false;
        for (i = 1; i < size; i++) {
            if (*value >> 54)
                return false;
            *value = *value << 8 | field[i];
        }
        return true;
    }
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    return i == size || !field[i] || field[i] == ' ';
}

/* As tar wrote it before POSIX, in 1979: no "ustar", and nothing in its place. */
static bool is_old_header(const unsigned char *b)
{
    uint64_t number;

    return b[0] && b[148] && octal(b + 100, 8, &number) && octal(b + 124, 12, &number) &&
           octal(b + 136, 12, &number) && (!b[156] || (b[156] >= '0' && b[156] <= '7')) &&
           !b[257] && !memcmp(b + 257, b + 258, BLOCK - 258);
}

/* The sum counts its own field as blanks. It decides: random bytes match by chance once in
 * thousands of blocks, and then lack "ustar". */
bool tar_is_header(const void *block)
{
    const unsigned char *b = block;
    uint64_t wanted, sum = 0;

    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : b[i];
    return octal(b + 148, 8, &wanted) && wanted == sum &&
           (!memcmp(b + 257, "ustar", 5) || is_old_header(b));
}

static bool is_zero(const char *block)
{
    return !block[0] && !memcmp(block, block + 1, BLOCK - 1);
}

static uint64_t padded(uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* In the source's buffer, until the next call; NULL after fail(). */
const char *tar_data(struct stream_source *s, uint64_t size)
{
    if (source_want(s, padded(size)))
        return source_data(s);
    if (!s->failed)
        fail_as("truncated", "the archive ends within member %ld", s->line);
    return NULL;
}

void tar_taken(struct stream_source *s, uint64_t size)
{
    source_take(s, padded(size));
}

int tar_skip(struct stream_source *s, uint64_t size)
{
    for (size = padded(size); size;) {
        size_t part = size < s->size ? size : s->size;

        source_take(s, part);
        size -= part;
        if (size && source_fill(s) <= 0)
            return s->failed ? -1
                             : fail_as("truncated", "the archive ends within member %ld", s->line);
    }
    return 0;
}

/* ustar splits a name longer than 100 bytes at a slash. */
static void plain_name(struct buffer *name, const char *block)
{
    buffer_clear(name);
    if (!memcmp(block + 257, "ustar", 6) && block[345]) { /* GNU keeps other things there */
        buffer_add(name, block + 345, strnlen(block + 345, 155));
        buffer_byte(name, '/');
    }
    buffer_add(name, block, strnlen(block, 100));
}

/* "LENGTH KEY=VALUE\n", LENGTH counting itself */
static bool pax_next(const char **at, const char *end, struct span *key, struct span *value)
{
    const char *start = *at, *s = start, *equals;
    size_t length = 0;

    for (; s < end && *s >= '0' && *s <= '9' && length < LONGEST_NAME; s++)
        length = length * 10 + (size_t)(*s - '0');
    if (s == end || *s != ' ' || length > (size_t)(end - start) ||
        length < (size_t)(s - start) + 3 || start[length - 1] != '\n')
        return false;
    s++;
    *at = start + length;
    equals = memchr(s, '=', (size_t)(*at - s));
    if (!equals)
        return false;
    *key = (struct span){ s, (size_t)(equals - s) };
    *value = (struct span){ equals + 1, (size_t)(*at - 1 - (equals + 1)) };
    return true;
}

/* Other keys (times, owners, comments) do not matter here. */
static void read_pax(const char *at, size_t size, struct buffer *name, uint64_t *bytes)
{
    const char *end = at + size;
    struct span key, value;

    while (at < end && pax_next(&at, end, &key, &value)) {
        if (key.size == 4 && !memcmp(key.data, "path", 4)) {
            buffer_clear(name);
            buffer_add(name, value.data, value.size);
        } else if (key.size == 4 && !memcmp(key.data, "size", 4)) {
            *bytes = 0;
            for (size_t i = 0; i < value.size && value.data[i] >= '0' && value.data[i] <= '9' &&
                               *bytes < UINT64_MAX / 100;
                 i++)
                *bytes = *bytes * 10 + (uint64_t)(value.data[i] - '0');
        }
    }
}

/* The long name or the pax records in front of a member. */
static int read_extra(struct stream_source *s, char type, uint64_t size, struct buffer *name,
                      uint64_t *bytes)
{
    const char *data;

    if (size > LONGEST_NAME)
        return fail_as("corrupt", "an extended header of %llu bytes", (unsigned long long)size);
    data = tar_data(s, size);
    if (!data)
        return -1;
    if (type == 'x') {
        read_pax(data, size, name, bytes);
    } else if (type == 'L') {
        buffer_clear(name);
        buffer_add(name, data, strnlen(data, size));
    }
    tar_taken(s, size);
    return 0;
}

/* The next block that is not zero. */
static int next_block(struct stream_source *s, char block[BLOCK])
{
    for (int zeros = 0;; zeros++) {
        if (!source_want(s, BLOCK)) {
            if (s->failed)
                return -1;
            return s->size ? fail_as("truncated", "the archive ends within a header") : TAR_END;
        }
        if (zeros == 2)
            return TAR_NEXT_ARCHIVE;
        memcpy(block, source_data(s), BLOCK);
        if (!is_zero(block))
            return TAR_ENTRY;
        source_take(s, BLOCK);
    }
}

/* Long names and pax records stand in front of the member that they describe, each as a member of
 * its own. */
int tar_header(struct stream_source *s, struct tar_entry *e)
{
    struct buffer name = { 0 };
    uint64_t bytes = UINT64_MAX;
    char block[BLOCK];
    int more;

    for (;;) {
        more = next_block(s, block);
        if (more != TAR_ENTRY)
            break;
        more = -1;
        if (!tar_is_header(block)) {
            fail_as("corrupt", "the header behind member %ld is none: its sum is wrong", s->line);
            break;
        }
        if (!octal((unsigned char *)block + 124, 12, &e->size)) {
            fail_as("corrupt", "the size of member %ld is no number", s->line + 1);
            break;
        }
        source_take(s, BLOCK);
        if (strchr("xgLK", block[156]) && block[156]) {
            if (read_extra(s, block[156], e->size, &name, &bytes))
                break;
            continue;
        }
        s->line++;
        e->file = !block[156] || block[156] == '0' || block[156] == '7';
        e->size = bytes != UINT64_MAX ? bytes : e->size;
        if (block[156] >= '1' && block[156] <= '6') /* links, folders, devices have no data */
            e->size = 0;
        if (e->size > UINT64_MAX / 4) {
            fail_as("corrupt", "the size of member %ld is no number", s->line);
            break;
        }
        plain_name(&e->name, block);
        if (name.size) {
            buffer_clear(&e->name);
            buffer_add(&e->name, name.data, strnlen(name.data, name.size));
        }
        more = TAR_ENTRY;
        break;
    }
    buffer_free(&name);
    return more;
}
