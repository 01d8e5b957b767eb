/* SPDX-License-Identifier: MIT
 * pickle.h - what torch.save's pickles describe, as plain data; nothing in them is ever run
 */
#ifndef WEIGHTS_PICKLE_H
#define WEIGHTS_PICKLE_H

#include "base/memory.h"
#include "base/number.h"
#include "weights/container.h"

/* unpickle.c - the object that a pickle describes, as plain data */
enum object_kind {
    OBJECT_OTHER, /* None, floats, bytes, sets, and what unknown classes and functions make */
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
struct storage { /* the bytes behind one storage key */
    const char *key;
    const unsigned char *data; /* NULL: not found yet, in a legacy file */
    size_t bytes;
    const unsigned char *copy; /* aligned and in our byte order, if `data` is not */
    size_t copy_element;
};
struct view { /* a storage, or a tensor laid over one */
    struct storage *storage;
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
    IS_NAME,    /* only passed around */
    IS_UNKNOWN, /* what is made of it is nothing: OBJECT_OTHER */
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
    struct storage **storages;
    int storage_count, storage_size;
    struct table keys;
    const char *unknown; /* the first name of IS_UNKNOWN, for a message; or NULL */
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

/* globals.c - what a name stands for; IS_UNKNOWN for all but a few */
const struct global *global_find(struct pickle *p, const char *module, size_t module_size,
                                 const char *name, size_t name_size);

/* rebuild.c - what calls make; NULL after fail() */
struct object *rebuild_call(struct pickle *p, const struct object *callee,
                            struct object *arguments);
struct object *rebuild_new(struct pickle *p, const struct object *class);
struct object *rebuild_storage(struct pickle *p, const struct object *id);

/* state.c - the named tensors in such an object */
int state_read(struct weights *w, const struct pickle *p, const struct object *root, bool swap);

#endif
