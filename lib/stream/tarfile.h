/* SPDX-License-Identifier: MIT
 * tarfile.h - the members of a tar archive, one after the other
 */
#ifndef STREAM_TARFILE_H
#define STREAM_TARFILE_H

#include "base/buffer.h"
#include "stream/format.h"

enum { TAR_BLOCK = 512 };
bool tar_is_header(const void *block);

struct tar_entry {
    struct buffer name;
    uint64_t size;
    bool file; /* a plain file; all else is to be skipped */
};
enum { TAR_END = 0, TAR_ENTRY = 1, TAR_NEXT_ARCHIVE = 2 };
/* The next header, long names applied; counts s->line; -1 after fail(). */
int tar_header(struct stream_source *s, struct tar_entry *e);
/* The data behind a header, where it lies, until tar_taken; NULL after fail(). */
const char *tar_data(struct stream_source *s, uint64_t size);
void tar_taken(struct stream_source *s, uint64_t size);
int tar_skip(struct stream_source *s, uint64_t size); /* -1 after fail() */

/* keys.c */
struct key_set { /* zeroed: empty */
    uint64_t *table;
    size_t count, capacity;
};
bool key_set_add(struct key_set *s, const char *key); /* false: it was there */
void key_set_clear(struct key_set *s);

#endif
