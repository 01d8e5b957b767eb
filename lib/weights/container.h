/* SPDX-License-Identifier: MIT
 * container.h - one file a container of tensors: what open.c asks of each, and what they share
 *
 *     open.c -> safetensors.c -> scan.c
 *            -> shards.c
 *            -> zip.c, then torch.c or npz.c
 *               torch.c, legacy.c -> state.c -> unpickle.c (pickle.h)
 *
 * Failures are sentences without the file's name; open.c puts it in front.
 */
#ifndef WEIGHTS_CONTAINER_H
#define WEIGHTS_CONTAINER_H

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "weights/weights.h"

enum { NAME_LIMIT = 1024 };               /* bytes in a tensor's name */
#define ELEMENT_LIMIT ((uint64_t)1 << 48) /* elements in a tensor */

/* table.c - names to numbers; the names stay the caller's */
struct table {
    struct slot {
        const char *name; /* NULL: empty */
        int value;
    } * slots;
    size_t size, used; /* size: 0 or a power of two */
};
int table_find(const struct table *t, const char *name);      /* -1: not there */
bool table_add(struct table *t, const char *name, int value); /* false: it is there already */
void table_free(struct table *t);

/* zip.c - the directory of a zip archive */
struct zip_entry {
    const char *name;
    const unsigned char *data;
    size_t packed, size;
    uint32_t crc;
    int method; /* 0: stored */
};
struct zip {
    struct zip_entry *entries;
    int count;
    struct table names;
};
/* Names go to the arena.  -1 after fail(). */
int zip_read(struct zip *z, struct arena *arena, const unsigned char *data, size_t size);
const struct zip_entry *zip_find(const struct zip *z, const char *folder, const char *name);
int zip_check(const struct zip_entry *e); /* CRC-32 of a stored entry */
/* The content, inflated if need be, CRC checked; to free.  NULL after fail(). */
unsigned char *zip_unpack(const struct zip_entry *e);
void zip_free(struct zip *z);

/* open.c */
struct weights {
    char *path;
    const char *kind;
    struct file map;           /* what is ours to unmap */
    const unsigned char *data; /* the file; NULL of an index */
    size_t size;
    struct stored *list;
    int count, capacity;
    struct table names;
    struct arena arena; /* names, and copies of numbers that are not aligned */
    struct zip zip;     /* of torch and torchscript */
    char *metadata;
    struct weights **shards;
    int shard_count;
};
/* Names as they are stored.  NULL after fail() with the path in front. */
struct weights *weights_load(const char *path, bool index_allowed);
/* A name in the arena, checked; NULL after fail(). */
char *weights_name(struct weights *w, const char *text, size_t size);
int weights_add(struct weights *w, const struct stored *s); /* -1 if the name is taken */
/* `data`, or a copy of it that is aligned to its elements and, if `swap`, turned around. */
const void *weights_align(struct weights *w, const void *data, size_t bytes, size_t element,
                          bool swap);

/* One reader a container: fills w from w->data (shards: from w->path).  -1 after fail(). */
int safetensors_read(struct weights *w);
extern const struct safetensors_type {
    const char *name;
    int order; /* of the numbers in a file: the largest first */
} safetensors_types[DTYPE_COUNT];
int shards_read(struct weights *w);
int torch_read(struct weights *w); /* w->zip is read */
int npz_read(struct weights *w);   /* w->zip is read */
bool npz_knows(const struct zip *z);
/* flax.c - adds an array of NumPy's, as a matrix where Flax's transformers have another shape; -1
 * after fail() */
int flax_add(struct weights *w, struct stored *s);
int legacy_read(struct weights *w);
bool legacy_magic(const unsigned char *data, size_t size);

/* stored.c */
bool stored_is_possible(const struct stored *s); /* its shape's product stays in bounds */
void stored_row_major(struct stored *s);         /* sets the strides */

/* scan.c - strict JSON, left to right, nothing kept */
struct scan {
    const char *start, *at, *end;
};
int scan_fail(const struct scan *s, const char *wanted);
bool scan_is(struct scan *s, char c); /* skips white space, and c if it is next */
int scan_expect(struct scan *s, char c);
int scan_string(struct scan *s, struct buffer *out); /* decoded; in place of what was in out */
int scan_unsigned(struct scan *s, uint64_t *value);

#endif
