/* SPDX-License-Identifier: MIT
 * rebuild.c - what the calls in a pickle make: storages, tensors laid over them, dicts
 *
 *     storage   ('storage', class, key, location, count), with a view behind it in legacy files
 *     tensor    (storage, offset, sizes, strides, ...)
 *
 * Sizes, strides and offsets count elements.  What a tensor may reach is checked here.
 *
 * Source: pytorch/pytorch torch/_utils.py (_rebuild_tensor_v2, _rebuild_tensor_v3,
 * _rebuild_parameter) and torch/serialization.py (persistent_id).
 */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "weights/pickle.h"

enum {
    EXPANDED_LIMIT = 1 << 26, /* elements of a tensor that has more than its storage */
    STORAGE_FIELDS = 5,
};

/* A whole number that fits a size. */
static bool integer(const struct object *o, long *value)
{
    *value = o->kind == OBJECT_INTEGER ? (long)o->integer : -1;
    return *value >= 0 && (uint64_t)*value < ELEMENT_LIMIT;
}

static bool integers(const struct object *o, int count, long *values)
{
    if ((o->kind != OBJECT_TUPLE && o->kind != OBJECT_LIST) || o->count != count)
        return false;
    for (int i = 0; i < count; i++)
        if (!integer(o->items[i], &values[i]))
            return false;
    return true;
}

/* The storage of a key: found, or made and, from a zip archive, filled. */
static struct storage *storage_of(struct pickle *p, const struct object *key, size_t bytes)
{
    char text[64], path[80];
    const struct zip_entry *e;
    struct storage *r;
    int at;

    if (key->size >= sizeof text || memchr(key->text, 0, key->size))
        return fail("a storage has no usable key"), NULL;
    memcpy(text, key->text, key->size);
    text[key->size] = 0;
    at = table_find(&p->keys, text);
    if (at >= 0)
        return p->storages[at];
    r = pickle_alloc(p, sizeof *r);
    *r = (struct storage){ .key = strcpy(pickle_alloc(p, key->size + 1), text), .bytes = bytes };
    if (p->zip) {
        snprintf(path, sizeof path, "data/%s", text);
        e = zip_find(p->zip, p->folder, path);
        if (!e)
            return fail_as("truncated", "storage %s is not in the archive", text), NULL;
        if (e->method)
            return fail_as("unsupported", "storage %s is compressed", text), NULL;
        r->data = e->data;
        r->bytes = e->size;
    }
    if (p->storage_count == p->storage_size) {
        p->storage_size = p->storage_size ? 2 * p->storage_size : 64;
        p->storages = xresize(p->storages, (size_t)p->storage_size, sizeof(struct storage *));
    }
    table_add(&p->keys, r->key, p->storage_count);
    p->storages[p->storage_count++] = r;
    return r;
}

/* Legacy files: (key, offset, size), a part of the storage. */
static int narrow(struct view *v, const struct object *part)
{
    long offset, size;

    if (part->kind == OBJECT_OTHER)
        return 0;
    if (part->kind != OBJECT_TUPLE || part->count != 3 || !integer(part->items[1], &offset) ||
        !integer(part->items[2], &size) || offset > v->count || size > v->count - offset)
        return fail("a storage's view is not inside the storage");
    v->offset = offset;
    v->count = size;
    return 0;
}

struct object *rebuild_storage(struct pickle *p, const struct object *id)
{
    struct object *o = object_new(p, OBJECT_STORAGE), **item = id->items;
    struct view *v = o->view = pickle_alloc(p, sizeof *v);
    size_t bytes;

    if (id->kind != OBJECT_TUPLE || id->count < STORAGE_FIELDS || !object_is(item[0], "storage") ||
        item[1]->kind != OBJECT_GLOBAL || item[1]->global->kind != IS_STORAGE ||
        item[2]->kind != OBJECT_STRING || !integer(item[4], &v->count))
        return fail("a storage is described in an unknown way"), NULL;
    v->element = item[1]->global->element;
    bytes = (size_t)v->count * (v->element ? v->element->size : 1);
    v->storage = storage_of(p, item[2], bytes);
    if (!v->storage)
        return NULL;
    if (v->storage->bytes != bytes)
        return fail("storage %s has %zu bytes and is said to have %zu", v->storage->key,
                    v->storage->bytes, bytes),
               NULL;
    return id->count > STORAGE_FIELDS && narrow(v, item[STORAGE_FIELDS]) ? NULL : o;
}

/* The last element must lie in the storage. */
static int check_reach(const struct view *v, long start, long available)
{
    const char *key = v->storage->key;
    struct stored s = { .rank = v->rank };
    long last = start, step, count;

    memcpy(s.shape, v->shape, sizeof s.shape);
    if (!stored_is_possible(&s))
        return fail("a tensor over storage %s has an impossible shape", key);
    count = stored_count(&s);
    for (int i = 0; i < v->rank && count; i++)
        if (__builtin_mul_overflow(v->shape[i] - 1, v->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            last = available;
    if (count ? last >= available : start > available)
        return fail("a tensor reaches behind the end of storage %s", key);
    if (count > available && count > EXPANDED_LIMIT)
        return fail_as("too_large", "a tensor makes %ld elements of the %ld in storage %s", count,
                       available, key);
    return 0;
}

/* The view of a storage that (storage, offset, sizes, strides, ...) describes.  With a type it is
 * one of bytes, whose count and offset become those of elements. */
static struct object *rebuild_tensor(struct pickle *p, const struct object *arguments, bool typed)
{
    struct object *o = object_new(p, OBJECT_TENSOR), **item = arguments->items;
    struct view *v = o->view = pickle_alloc(p, sizeof *v);
    long start;

    if (arguments->count < (typed ? 7 : 4) || item[0]->kind != OBJECT_STORAGE ||
        !integer(item[1], &start) ||
        (item[2]->kind != OBJECT_TUPLE && item[2]->kind != OBJECT_LIST) ||
        (typed && (item[6]->kind != OBJECT_GLOBAL || item[6]->global->kind != IS_DTYPE)))
        return fail("a tensor is described in an unknown way"), NULL;
    *v = *item[0]->view;
    v->rank = item[2]->count;
    if (v->rank > STORED_RANK)
        return fail_as("unsupported", "a tensor has more than %d dimensions", STORED_RANK), NULL;
    if (!integers(item[2], v->rank, v->shape) || !integers(item[3], v->rank, v->stride))
        return fail("a tensor has an impossible shape or stride"), NULL;
    if (typed && !v->element) {
        v->element = item[6]->global->element;
        v->offset /= (long)v->element->size;
        v->count /= (long)v->element->size;
    }
    if (!v->element)
        return fail_as("unsupported", "a tensor over bytes has no type"), NULL;
    if (check_reach(v, start, v->count))
        return NULL;
    v->offset += start;
    return o;
}

/* A state dict is an OrderedDict: what its class would do with its items is to keep them. */
/* OrderedDict(), or as Python 2 wrote it: OrderedDict([[key, value], ...]). */
static struct object *rebuild_dict(struct pickle *p, const struct object *arguments)
{
    struct object *o = object_new(p, OBJECT_DICT);
    const struct object *list = arguments->count ? arguments->items[0] : NULL;

    if (list && list->kind != OBJECT_LIST)
        return fail("an OrderedDict is made in an unknown way"), NULL;
    for (int i = 0; list && i < list->count; i++) {
        const struct object *pair = list->items[i];

        if ((pair->kind != OBJECT_LIST && pair->kind != OBJECT_TUPLE) || pair->count != 2)
            return fail("an OrderedDict is made in an unknown way"), NULL;
        object_append(p, o, pair->items[0]);
        object_append(p, o, pair->items[1]);
    }
    return o;
}

static struct object *first(const struct object *arguments, bool tensor)
{
    if (arguments->count && (!tensor || arguments->items[0]->kind == OBJECT_TENSOR))
        return arguments->items[0];
    fail("the pickle makes something of nothing");
    return NULL;
}

/* A wrapper (MAKES_DERIVED) names the function that it calls: that one decides, once. */
struct object *rebuild_call(struct pickle *p, const struct object *callee, struct object *arguments)
{
    enum global_kind kind = callee->kind == OBJECT_GLOBAL  ? callee->global->kind
                            : callee->kind == OBJECT_OTHER ? IS_UNKNOWN
                                                           : IS_NAME;

    if (kind == MAKES_DERIVED && arguments->kind == OBJECT_TUPLE && arguments->count >= 3 &&
        arguments->items[0]->kind == OBJECT_GLOBAL) {
        kind = arguments->items[0]->global->kind;
        arguments = arguments->items[2];
    }
    if (arguments->kind != OBJECT_TUPLE)
        return fail("the pickle calls a function without arguments"), NULL;
    switch (kind) {
    case MAKES_DICT:
        return rebuild_dict(p, arguments);
    case MAKES_TENSOR:
    case MAKES_TYPED:
        return rebuild_tensor(p, arguments, kind == MAKES_TYPED);
    case MAKES_PARAMETER:
    case MAKES_SAME:
        return first(arguments, kind == MAKES_PARAMETER);
    case MAKES_OTHER:
    case IS_UNKNOWN:
        return object_new(p, OBJECT_OTHER);
    case IS_CLASS:
        return object_new(p, OBJECT_MODULE);
    default:
        return fail("the pickle calls what is no function"), NULL;
    }
}

/* What class.__new__ makes; op_build fills it. */
struct object *rebuild_new(struct pickle *p, const struct object *class)
{
    if (class->kind == OBJECT_GLOBAL && class->global->kind == IS_CLASS)
        return object_new(p, OBJECT_MODULE);
    if (class->kind == OBJECT_GLOBAL && class->global->kind == MAKES_DICT)
        return object_new(p, OBJECT_DICT);
    if (class->kind == OBJECT_OTHER ||
        (class->kind == OBJECT_GLOBAL && class->global->kind == IS_UNKNOWN))
        return object_new(p, OBJECT_OTHER);
    return fail("the pickle makes an instance of what is no class"), NULL;
}
