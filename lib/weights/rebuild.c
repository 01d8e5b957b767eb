/* SPDX-License-Identifier: MIT
 * rebuild.c - the only names a pickle may use, and what they make
 *
 *     storage   ('storage', class, key, location, count), with a view behind it in legacy files
 *     tensor    (storage, offset, sizes, strides, ...)
 *
 * Sizes, strides and offsets count elements.  What a tensor may reach is checked here.
 */
#include <stdio.h>
#include <string.h>
#include "weights/inside.h"

enum {
    SHOWN = 60,               /* characters of an unknown name */
    EXPANDED_LIMIT = 1 << 26, /* elements of a tensor that has more than its storage */
    STORAGE_FIELDS = 5,
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

static const struct element elements[] = {
    { "FloatStorage", "float32", 4, DTYPE_F32 },
    { "HalfStorage", "float16", 2, DTYPE_F16 },
    { "BFloat16Storage", "bfloat16", 2, DTYPE_BF16 },
    { "DoubleStorage", "float64", 8, DTYPE_F64 },
    { "LongStorage", "int64", 8, DTYPE_I64 },
    { "IntStorage", "int32", 4, DTYPE_I32 },
    { "ShortStorage", "int16", 2, DTYPE_I16 },
    { "CharStorage", "int8", 1, DTYPE_I8 },
    { "ByteStorage", "uint8", 1, DTYPE_U8 },
    { "BoolStorage", "bool", 1, DTYPE_BOOL },
    { "ComplexFloatStorage", "complex64", 8, DTYPE_COUNT },
    { "ComplexDoubleStorage", "complex128", 16, DTYPE_COUNT },
    { "-", "uint16", 2, DTYPE_COUNT },
    { "-", "uint32", 4, DTYPE_COUNT },
    { "-", "uint64", 8, DTYPE_COUNT },
    { "-", "float8_e4m3fn", 1, DTYPE_COUNT },
    { "-", "float8_e5m2", 1, DTYPE_COUNT },
};

static const struct global names[] = {
    { "collections", "OrderedDict", MAKES_DICT, NULL },
    { "torch._utils", "_rebuild_tensor", MAKES_TENSOR, NULL },
    { "torch._utils", "_rebuild_tensor_v2", MAKES_TENSOR, NULL },
    { "torch._utils", "_rebuild_tensor_v3", MAKES_TYPED, NULL },
    { "torch._utils", "_rebuild_parameter", MAKES_PARAMETER, NULL },
    { "torch._utils", "_rebuild_parameter_with_state", MAKES_PARAMETER, NULL },
    { "torch._tensor", "_rebuild_from_type_v2", MAKES_DERIVED, NULL },
    { "torch.nn.parameter", "Parameter", MAKES_PARAMETER, NULL },
    { "torch.storage", "UntypedStorage", IS_STORAGE, NULL },
    { "torch", "Tensor", IS_NAME, NULL },
    { "torch", "Size", MAKES_SAME, NULL },
    { "torch", "device", MAKES_OTHER, NULL },
    { "torch.serialization", "_get_layout", MAKES_OTHER, NULL },
    { "torch.jit._pickle", "build_intlist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "build_doublelist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "build_boollist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "build_tensorlist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "restore_type_tag", MAKES_SAME, NULL },
    { "_codecs", "encode", MAKES_OTHER, NULL },
    { "argparse", "Namespace", IS_CLASS, NULL }, /* the options of a training run */
    { "numpy", "dtype", MAKES_OTHER, NULL },     /* its best score, now and then */
    { "numpy.core.multiarray", "scalar", MAKES_OTHER, NULL },
    { "numpy._core.multiarray", "scalar", MAKES_OTHER, NULL },
};
static bool equal(const char *text, size_t size, const char *wanted)
{
    return strlen(wanted) == size && !memcmp(text, wanted, size);
}

static const struct element *find_element(const char *name, size_t size, bool storage)
{
    for (int i = 0; i < COUNT(elements); i++)
        if (equal(name, size, storage ? elements[i].storage : elements[i].dtype))
            return &elements[i];
    return NULL;
}

static const struct global *make(struct pickle *p, enum global_kind kind,
                                 const struct element *element)
{
    struct global *g = pickle_alloc(p, sizeof *g);

    *g = (struct global){ "-", "", kind, element };
    return g;
}

/* A name for the sentence: cut, and without what could move a terminal's cursor. */
static const char *show(const char *text, size_t size, char out[SHOWN + 1])
{
    size_t n = 0;

    for (; n < size && n < SHOWN; n++)
        out[n] = text[n] > ' ' && text[n] < 0x7f ? text[n] : '?';
    out[n] = 0;
    return out;
}

const struct global *global_find(struct pickle *p, const char *module, size_t module_size,
                                 const char *name, size_t name_size)
{
    bool torch = equal(module, module_size, "torch");
    bool storage = equal(module, module_size, "torch.storage");
    const struct element *element;
    char shown[2][SHOWN + 1];

    for (int i = 0; i < COUNT(names); i++)
        if (equal(module, module_size, names[i].module) && equal(name, name_size, names[i].name))
            return &names[i];
    if ((torch || storage) && (element = find_element(name, name_size, true)))
        return make(p, IS_STORAGE, element);
    if (torch && (element = find_element(name, name_size, false)))
        return make(p, IS_DTYPE, element);
    if (module_size >= 9 && !memcmp(module, "__torch__", 9) &&
        (module_size == 9 || module[9] == '.'))
        return make(p, IS_CLASS, NULL);
    fail_as("unsupported",
            "refused: its pickle asks for %s.%s, and a checkpoint may hold tensors and plain "
            "containers only",
            show(module, module_size, shown[0]), show(name, name_size, shown[1]));
    return NULL;
}

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

/* The record of a key: found, or made and, from a zip archive, filled. */
static struct record *record_of(struct pickle *p, const struct object *key, size_t bytes)
{
    char text[64], path[80];
    const struct zip_entry *e;
    struct record *r;
    int at;

    if (key->size >= sizeof text || memchr(key->text, 0, key->size))
        return fail("a storage has no usable key"), NULL;
    memcpy(text, key->text, key->size);
    text[key->size] = 0;
    at = table_find(&p->keys, text);
    if (at >= 0)
        return p->records[at];
    r = pickle_alloc(p, sizeof *r);
    *r = (struct record){ .key = strcpy(pickle_alloc(p, key->size + 1), text), .bytes = bytes };
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
    if (p->record_count == p->record_size) {
        p->record_size = p->record_size ? 2 * p->record_size : 64;
        p->records = xresize(p->records, (size_t)p->record_size, sizeof(struct record *));
    }
    table_add(&p->keys, r->key, p->record_count);
    p->records[p->record_count++] = r;
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
    v->record = record_of(p, item[2], bytes);
    if (!v->record)
        return NULL;
    if (v->record->bytes != bytes)
        return fail("storage %s has %zu bytes and is said to have %zu", v->record->key,
                    v->record->bytes, bytes),
               NULL;
    return id->count > STORAGE_FIELDS && narrow(v, item[STORAGE_FIELDS]) ? NULL : o;
}

/* The last element must lie in the storage. */
static int check_reach(const struct view *v, long start, long available)
{
    const char *key = v->record->key;
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

struct object *rebuild_call(struct pickle *p, const struct object *callee, struct object *arguments)
{
    enum global_kind kind = callee->kind == OBJECT_GLOBAL ? callee->global->kind : IS_NAME;

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
        return object_new(p, OBJECT_OTHER);
    case IS_CLASS:
        return object_new(p, OBJECT_MODULE);
    default:
        return fail("the pickle calls what is no function"), NULL;
    }
}

struct object *rebuild_new(struct pickle *p, const struct object *class)
{
    if (class->kind == OBJECT_GLOBAL && class->global->kind == IS_CLASS)
        return object_new(p, OBJECT_MODULE);
    if (class->kind == OBJECT_GLOBAL && class->global->kind == MAKES_DICT)
        return object_new(p, OBJECT_DICT);
    return fail("the pickle makes an instance of what is no class"), NULL;
}
