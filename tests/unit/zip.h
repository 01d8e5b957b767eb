/* SPDX-License-Identifier: MIT
 * zip.h - a zip archive in memory, for tests: entries are stored, checksums are right
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

static void put_number(struct buffer *b, uint64_t value, int bytes)
{
    for (; bytes > 0; bytes--, value >>= 8)
        buffer_byte(b, (int)(value & 0xff));
}

/* What the local header and the directory have in common. */
static void put_facts(struct buffer *b, const char *name, const void *data, size_t size)
{
    buffer_add(b, "\0\0\0\0\0\0\0", 8); /* flags, method, time, date */
    put_number(b, crc32(0, data, (unsigned)size), 4);
    put_number(b, size, 4);
    put_number(b, size, 4);
    put_number(b, strlen(name), 2);
    put_number(b, 0, 2);
}

static void archive_add(struct archive *a, const char *name, const void *data, size_t size)
{
    size_t header = a->file.size;

    buffer_add(&a->file, "PK\3\4\24", 6);
    put_facts(&a->file, name, data, size);
    buffer_string(&a->file, name);
    buffer_add(&a->file, data, size);
    buffer_add(&a->directory, "PK\1\2\24\0\24", 8);
    put_facts(&a->directory, name, data, size);
    buffer_add(&a->directory, "\0\0\0\0\0\0\0\0\0", 10); /* comment, disk, attributes */
    put_number(&a->directory, header, 4);
    buffer_string(&a->directory, name);
    a->count++;
}

/* The archive's bytes: a->file. */
static void archive_end(struct archive *a)
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

static void archive_free(struct archive *a)
{
    buffer_free(&a->file);
    buffer_free(&a->directory);
    a->count = 0;
}

/* A checkpoint around a pickle, with two storages, "0" and "1", of 64 bytes each. */
static void archive_checkpoint(struct archive *a, const void *pickle, size_t size)
{
    char numbers[64] = { 0 };

    archive_add(a, "a/data.pkl", pickle, size);
    archive_add(a, "a/data/0", numbers, sizeof numbers);
    archive_add(a, "a/data/1", numbers, sizeof numbers);
    archive_end(a);
}

#endif
