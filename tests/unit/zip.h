/* SPDX-License-Identifier: MIT
 * zip.h - a zip archive in memory, for tests: checksums are right
 */
#ifndef TESTS_ZIP_H
#define TESTS_ZIP_H

#include <string.h>
#include <zlib.h>
#include "base/base.h"

struct archive {
    struct buffer file, directory;
    int count;
};

static inline void put_number(struct buffer *b, uint64_t value, int bytes)
{
    for (; bytes > 0; bytes--, value >>= 8)
        buffer_byte(b, (int)(value & 0xff));
}

/* What the local header and the directory have in common.  packed 0: it is stored. */
static inline void put_facts(struct buffer *b, const char *name, const void *data, size_t size,
                             size_t packed)
{
    buffer_add(b, packed ? "\0\0\x08\0\0\0\0" : "\0\0\0\0\0\0\0",
               8); /* flags, method, time, date */
    put_number(b, crc32(0, data, (unsigned)size), 4);
    put_number(b, packed ? packed : size, 4);
    put_number(b, size, 4);
    put_number(b, strlen(name), 2);
    put_number(b, 0, 2);
}

static inline void put_entry(struct archive *a, const char *name, const void *data, size_t size,
                             size_t packed, size_t header)
{
    buffer_add(&a->directory, "PK\1\2\24\0\24", 8);
    put_facts(&a->directory, name, data, size, packed);
    buffer_add(&a->directory, "\0\0\0\0\0\0\0\0\0", 10); /* comment, disk, attributes */
    put_number(&a->directory, header, 4);
    buffer_string(&a->directory, name);
    a->count++;
}

static inline void archive_add(struct archive *a, const char *name, const void *data, size_t size)
{
    size_t header = a->file.size;

    buffer_add(&a->file, "PK\3\4\24", 6);
    put_facts(&a->file, name, data, size, 0);
    buffer_string(&a->file, name);
    buffer_add(&a->file, data, size);
    put_entry(a, name, data, size, 0, header);
}

/* An entry that has a name of its own and the bytes of the one before it. */
static inline void archive_again(struct archive *a, const char *name, const void *data, size_t size)
{
    put_entry(a, name, data, size, 0, a->file.size - size - 30 - strlen(name));
}

static inline void archive_deflated(struct archive *a, const char *name, void *data, size_t size)
{
    z_stream z = { .next_in = data, .avail_in = (unsigned)size };
    size_t header = a->file.size;
    struct buffer b = { 0 };

    deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    buffer_reserve(&b, size / 2 + 1000);
    z.next_out = (Bytef *)b.data;
    z.avail_out = (unsigned)(size / 2 + 1000);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    buffer_add(&a->file, "PK\3\4\24", 6);
    put_facts(&a->file, name, data, size, z.total_out);
    buffer_string(&a->file, name);
    buffer_add(&a->file, b.data, z.total_out);
    put_entry(a, name, data, size, z.total_out, header);
    buffer_free(&b);
}

/* The archive's bytes: a->file. */
static inline void archive_end(struct archive *a)
{
    size_t start = a->file.size;

    buffer_add(&a->file, a->directory.data, a->directory.size);
    buffer_add(&a->file, "PK\5\6\0\0\0", 8);
    put_number(&a->file, (uint64_t)a->count, 2);
    put_number(&a->file, (uint64_t)a->count, 2);
    put_number(&a->file, a->directory.size, 4);
    put_number(&a->file, start, 4);
    put_number(&a->file, 0, 2);
}

static inline void archive_free(struct archive *a)
{
    buffer_free(&a->file);
    buffer_free(&a->directory);
    a->count = 0;
}

/* A checkpoint around a pickle, with two storages, "0" and "1", of 64 bytes each. */
static inline void archive_checkpoint(struct archive *a, const void *pickle, size_t size)
{
    char numbers[64] = { 0 };

    archive_add(a, "a/data.pkl", pickle, size);
    archive_add(a, "a/data/0", numbers, sizeof numbers);
    archive_add(a, "a/data/1", numbers, sizeof numbers);
    archive_end(a);
}

#endif
