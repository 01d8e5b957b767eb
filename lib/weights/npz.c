/* SPDX-License-Identifier: MIT
 * npz.c - the arrays that numpy.savez writes: a zip of .npy files, as big_vision keeps its models
 *
 *     93 "NUMPY" major8 minor8 length16 (length32 from version 2 on) header, then the numbers
 *     header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * Source: NumPy's format specification, numpy/lib/format.py.  The name of an array is its file's
 * without ".npy".  Two bytes without a type, '|V2', are bfloat16: so JAX's arrays are saved. Arrays
 * of objects would have to be unpickled: they, texts and structures are passed over.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "weights/container.h"

enum { MAGIC = 6 };
static const char ending[] = ".npy";

static const struct {
    const char *name;
    enum dtype type;
} types[] = {
    { "f4", DTYPE_F32 }, { "f2", DTYPE_F16 },  { "f8", DTYPE_F64 }, { "V2", DTYPE_BF16 },
    { "i8", DTYPE_I64 }, { "i4", DTYPE_I32 },  { "i2", DTYPE_I16 }, { "i1", DTYPE_I8 },
    { "u1", DTYPE_U8 },  { "b1", DTYPE_BOOL },
};

struct array {
    struct stored s;
    bool swap, known; /* known: of a type that we have */
    size_t numbers;   /* where they begin */
};

static bool is_array(const struct zip_entry *e)
{
    size_t size = strlen(e->name), tail = sizeof ending - 1;

    return size > tail && !strcmp(e->name + size - tail, ending);
}

/* torch.save writes no file of this ending. */
bool npz_knows(const struct zip *z)
{
    for (int i = 0; i < z->count; i++)
        if (is_array(&z->entries[i]))
            return true;
    return false;
}

static int bad(const char *what)
{
    return fail("its NumPy header %s", what);
}

/* The text behind 'name': in the header, NULL after fail(). */
static const char *value_of(const char *header, const char *name)
{
    const char *at = strstr(header, name);

    if (!at)
        return bad("lacks a field"), NULL;
    at += strlen(name);
    return at + strspn(at, " :");
}

/* Order of bytes and type: '<f4'.  Another type leaves a.known false. */
static int read_type(const char *text, struct array *a)
{
    char order = text[0] == '\'' ? text[1] : 0;

    for (int i = 0; order && i < COUNT(types); i++)
        if (!strncmp(text + 2, types[i].name, 2) && text[4] == '\'') {
            a->s.type = types[i].type;
            a->known = order == '<' || order == '>' || order == '|' || order == '=';
            a->swap = order == '>';
        }
    return 0;
}

static int read_shape(const char *text, struct array *a)
{
    if (*text != '(')
        return bad("has no shape");
    for (text++; *(text += strspn(text, " ,")) && *text != ')'; a->s.rank++) {
        uint64_t size = 0;

        if (a->s.rank == STORED_RANK)
            return fail_as("unsupported", "it has more than %d dimensions", STORED_RANK);
        if (*text < '0' || *text > '9')
            return bad("has an impossible shape");
        for (; *text >= '0' && *text <= '9'; text++)
            if ((size = 10 * size + (uint64_t)(*text - '0')) >= ELEMENT_LIMIT)
                return bad("has an impossible shape");
        a->s.shape[a->s.rank] = (long)size;
    }
    return *text == ')' && stored_is_possible(&a->s) ? 0 : bad("has an impossible shape");
}

/* Column-major arrays have the strides of a row-major one of the reversed shape. */
static void set_strides(struct stored *s, bool columns)
{
    long stride = 1;

    if (!columns) {
        stored_row_major(s);
        return;
    }
    for (int i = 0; i < s->rank; i++) {
        s->stride[i] = stride;
        stride *= s->shape[i] > 1 ? s->shape[i] : 1;
    }
}

static int read_header(const unsigned char *data, size_t size, struct array *a)
{
    size_t start = 10, length, bytes;
    char *header;
    const char *descr, *order, *shape;
    int result = -1;

    *a = (struct array){ 0 };
    if (size < 12 || memcmp(data, "\x93NUMPY", MAGIC))
        return bad("is not there");
    length = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] >= 2) {
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
        start = 12;
    }
    if (length > size - start)
        return fail_as("truncated", "its NumPy header ends too early");
    header = xmemdup(data + start, length);
    a->numbers = start + length;
    if ((descr = value_of(header, "'descr'")) && (order = value_of(header, "'fortran_order'")) &&
        (shape = value_of(header, "'shape'")) && !read_type(descr, a) && !read_shape(shape, a)) {
        set_strides(&a->s, *order == 'T');
        result = 0;
    }
    free(header);
    if (result || !a->known)
        return result;
    bytes = (size_t)stored_count(&a->s) * dtype_size(a->s.type);
    a->s.bytes = bytes;
    return bytes == size - a->numbers
               ? 0
               : fail_as("truncated", "it has %zu bytes of numbers and is said to have %zu",
                         size - a->numbers, bytes);
}

/* The whole file of an entry: in the mapping, or inflated into memory that lives as long as w. */
static const unsigned char *contents(struct weights *w, const struct zip_entry *e)
{
    unsigned char *inflated, *copy;

    if (!e->method)
        return e->data;
    inflated = zip_unpack(e);
    if (!inflated)
        return NULL;
    copy = arena_alloc(&w->arena, e->size + 1);
    memcpy(copy, inflated, e->size);
    free(inflated);
    return copy;
}

static int add(struct weights *w, const struct zip_entry *e)
{
    const unsigned char *data = contents(w, e);
    struct array a;

    if (!data || read_header(data, e->size, &a)) {
        char *why = xstrdup(error_text()), *code = xstrdup(error_code());

        fail_as(code, "%.80s: %s", e->name, why);
        free(why);
        free(code);
        return -1;
    }
    if (!a.known)
        return 0;
    a.s.name = weights_name(w, e->name, strlen(e->name) - (sizeof ending - 1));
    if (!a.s.name)
        return -1;
    a.s.data = weights_align(w, data + a.numbers, a.s.bytes, dtype_size(a.s.type), a.swap);
    return flax_add(w, &a.s);
}

int npz_read(struct weights *w)
{
    w->kind = "npz";
    for (int i = 0; i < w->zip.count; i++)
        if (is_array(&w->zip.entries[i]) && add(w, &w->zip.entries[i]))
            return -1;
    return w->count ? 0 : fail("no arrays of numbers in it");
}
