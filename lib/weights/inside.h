/* SPDX-License-Identifier: MIT
 * inside.h - what the sources of weights/ share and nobody else needs
 *
 *     open.c -> safetensors.c -> scan.c
 *            -> shards.c
 *            -> torch.c, legacy.c -> state.c, unpickle.c -> rebuild.c
 *               torch.c -> zip.c
 *
 * Failures are sentences without the file's name; open.c puts it in front.
 */
#ifndef WEIGHTS_INSIDE_H
#define WEIGHTS_INSIDE_H

#include "base/base.h"
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
int shards_read(struct weights *w);
int torch_read(struct weights *w);
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
bool utf8_is_valid(const char *text, size_t size);

/* unpickle.c - the object that a pickle describes, as plain data */
enum object_kind {
    OBJECT_OTHER, /* None, floats, bytes, long integers: nobody asks for their values */
    OBJECT_BOOL,
    OBJECT_INTEGER,
    OBJECT_STRING,
    OBJECT_TUPLE,
    OBJECT_LIST,
    OBJECT_DICT,   /* items: key, value, key, value, ... */
    OBJECT_MODULE, /* an inert instance; items: attribute, value, ... */
    OBJECT_GLOBAL,
    OBJECT_STORAGE,
    OBJECT_TENSOR,
};
struct object {
    enum object_kind kind;
    union {
        long long integer;
        struct {
            const char *text; /* inside the pickle, not terminated */
            size_t size;
        };
        struct {
            struct object **items;
            int count, capacity;
        };
        const struct global *global;
        struct view *view;
    };
};
struct element { /* a type of numbers as PyTorch names it */
    const char *storage, *dtype;
    size_t size;
    enum dtype type; /* DTYPE_COUNT: no such type here */
};
struct record { /* the bytes behind one storage key */
    const char *key;
    const unsigned char *data; /* NULL: not found yet, in a legacy file */
    size_t bytes;
    const unsigned char *copy; /* aligned and in our byte order, if `data` is not */
    size_t copy_element;
};
struct view { /* a storage, or a tensor laid over one */
    struct record *record;
    const struct element *element; /* NULL: bytes of a type that the tensor will tell */
    long offset, count;            /* in elements; count: of the storage */
    int rank;
    long shape[STORED_RANK], stride[STORED_RANK];
};
enum global_kind {
    MAKES_DICT,      /* from nothing, or a list of pairs */
    MAKES_TENSOR,    /* from a storage */
    MAKES_TYPED,     /* the same with the type as the seventh argument */
    MAKES_PARAMETER, /* its first argument, a tensor */
    MAKES_DERIVED,   /* (function, class, arguments, state): what the function makes */
    MAKES_SAME,      /* its first argument */
    MAKES_OTHER,     /* nothing of interest */
    IS_CLASS,        /* instances are inert */
    IS_STORAGE,      /* of `element`, or of bytes */
    IS_DTYPE,
    IS_NAME, /* only passed around */
};
struct global {
    const char *module, *name;
    enum global_kind kind;
    const struct element *element;
};
struct pickle {
    const unsigned char *start, *at, *end;
    uint64_t argument;     /* of the opcode being done */
    const struct zip *zip; /* where storages are; NULL: they follow, as in a legacy file */
    const char *folder;
    struct object **stack, **memo;
    int height, stack_size;
    size_t memo_size, memo_count;
    int *marks, mark_count, mark_size;
    struct arena arena;
    size_t allocated; /* since start */
    char *block;      /* small pieces of the arena */
    size_t block_left;
    struct record **records;
    int record_count, record_size;
    struct table keys;
};
/* One pickle, from p->at on, which moves behind it.  NULL after fail().  Objects live until
 * pickle_free(). */
struct object *unpickle(struct pickle *p);

/* object.c - objects, and the stack of them: what is under the last mark is out of reach */
int pickle_push(struct pickle *p, struct object *o); /* -1 for NULL */
struct object *pickle_top(const struct pickle *p);   /* NULL after fail() */
struct object *pickle_pop(struct pickle *p);         /* NULL after fail() */
void pickle_mark(struct pickle *p);
/* Takes `count` objects, or with -1 those above the last mark, and the mark.  How many, or -1 after
 * fail(); *items is valid until the next push. */
int pickle_take(struct pickle *p, int count, struct object ***items);
void pickle_free(struct pickle *p);
void *pickle_alloc(struct pickle *p, size_t bytes); /* zeroed */
struct object *object_new(struct pickle *p, enum object_kind kind);
void object_append(struct pickle *p, struct object *o, struct object *item);
bool object_is(const struct object *o, const char *text);              /* this string? */
struct object *object_get(const struct object *dict, const char *key); /* or NULL */

/* globals.c - the only names a pickle may use; NULL after fail() naming another */
const struct global *global_find(struct pickle *p, const char *module, size_t module_size,
                                 const char *name, size_t name_size);

/* rebuild.c - what calls make; NULL after fail() */
struct object *rebuild_call(struct pickle *p, const struct object *callee,
                            struct object *arguments);
struct object *rebuild_new(struct pickle *p, const struct object *class);
struct object *rebuild_storage(struct pickle *p, const struct object *id);

/* state.c - the named tensors in such an object */
int state_read(struct weights *w, const struct object *root, bool swap);

#endif
