/* SPDX-License-Identifier: MIT
 * torch_save.c - write a PyTorch checkpoint, as torch.load(.., weights_only=True) reads it
 *
 *     archive/data.pkl    a pickle of protocol 2: an ordered dictionary of tensors
 *     archive/byteorder   "little"
 *     archive/data/0 ..   the numbers of one storage each, on boundaries of 64 bytes
 *     archive/version     "3"
 *
 * A zip archive whose entries are stored.  Their checksums are known when their bytes have passed,
 * so local headers leave sizes open, a descriptor follows the bytes, and the directory at the end
 * has it all, in the form of 64 bits where 32 do not do.  Tensors that are one under two names
 * share a storage.
 *
 * Source: pytorch/pytorch torch/serialization.py (_save) and caffe2/serialize/inline_container.cc,
 * which also pads with "FB" and 'Z'.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "weights/container.h"

static const struct {
    const char *storage;
} types[DTYPE_COUNT] = {
    [DTYPE_F32] = { "FloatStorage" },     [DTYPE_F16] = { "HalfStorage" },
    [DTYPE_BF16] = { "BFloat16Storage" }, [DTYPE_F64] = { "DoubleStorage" },
    [DTYPE_I64] = { "LongStorage" },      [DTYPE_I32] = { "IntStorage" },
    [DTYPE_I16] = { "ShortStorage" },     [DTYPE_I8] = { "CharStorage" },
    [DTYPE_U8] = { "ByteStorage" },       [DTYPE_BOOL] = { "BoolStorage" },
};

/* --- the pickle --- */

static void put_little(struct buffer *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buffer_byte(b, (int)(value >> 8 * i & 0xff));
}

/* BINUNICODE: readers of protocol 2 know no shorter form. */
static void put_text(struct buffer *b, const char *text)
{
    buffer_byte(b, 'X');
    put_little(b, strlen(text), 4);
    buffer_string(b, text);
}

static void put_global(struct buffer *b, const char *module, const char *name)
{
    buffer_printf(b, "c%s\n%s\n", module, name);
}

/* BININT, or LONG1 of eight bytes. */
static void put_integer(struct buffer *b, long value)
{
    if (value <= INT32_MAX) {
        buffer_byte(b, 'J');
        put_little(b, (uint64_t)value, 4);
    } else {
        buffer_add(b, "\x8a\x08", 2);
        put_little(b, (uint64_t)value, 8);
    }
}

static long count_of(const struct saving *s)
{
    long count = 1;

    for (int i = 0; i < s->rank; i++)
        count *= s->shape[i];
    return count;
}

static void put_shape(struct buffer *b, const struct saving *s)
{
    buffer_byte(b, '(');
    for (int i = 0; i < s->rank; i++)
        put_integer(b, s->shape[i]);
    buffer_byte(b, 't');
}

/* Row-major: tensors are written contiguous whatever they were. */
static void put_strides(struct buffer *b, const struct saving *s)
{
    buffer_byte(b, '(');
    for (int i = 0; i < s->rank; i++) {
        long stride = 1;

        for (int k = i + 1; k < s->rank; k++)
            stride *= s->shape[k];
        put_integer(b, stride);
    }
    buffer_byte(b, 't');
}

/* Also the hooks of a tensor, of which it has none. */
static void put_empty_dict(struct buffer *b)
{
    put_global(b, "collections", "OrderedDict");
    buffer_add(b, ")R", 2);
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks) */
static void put_tensor(struct buffer *b, const struct saving *s, int storage)
{
    char key[16];

    snprintf(key, sizeof key, "%d", storage);
    put_text(b, s->name);
    put_global(b, "torch._utils", "_rebuild_tensor_v2");
    buffer_add(b, "((", 2);
    put_text(b, "storage");
    put_global(b, "torch", types[s->type].storage);
    put_text(b, key);
    put_text(b, "cpu");
    put_integer(b, count_of(s));
    buffer_add(b, "tQ", 2);
    put_integer(b, 0);
    put_shape(b, s);
    put_strides(b, s);
    buffer_byte(b, '\x89');
    put_empty_dict(b);
    buffer_add(b, "tR", 2);
}

static void make_pickle(struct buffer *b, const struct saving *list, int count, const char *wrapper)
{
    buffer_add(b, "\x80\x02", 2);
    if (wrapper) {
        buffer_byte(b, '}');
        put_text(b, wrapper);
    }
    put_empty_dict(b);
    buffer_byte(b, '(');
    for (int i = 0; i < count; i++)
        put_tensor(b, &list[i], list[i].same ? list[i].same - 1 : i);
    buffer_byte(b, 'u');
    if (wrapper)
        buffer_byte(b, 's');
    buffer_byte(b, '.');
}

/* --- the archive --- */

enum { ALIGNMENT = 64, UTF8_AND_DESCRIPTOR = 0x0808, VERSION_64 = 45 };
#define ALL_ONES 0xffffffffu
static const char top[] = "archive/";

struct archive {
    struct new_file *file;
    int entries;
    uint64_t at;
    struct buffer directory;
};

static int put(struct archive *a, const void *data, size_t size)
{
    a->at += size;
    return new_file_write(a->file, data, size);
}

/* The extra field "FB" fills up to the boundary. */
static int put_local(struct archive *a, const char *name)
{
    struct buffer b = { 0 };
    size_t length = strlen(name), fill;
    int status;

    fill = (ALIGNMENT - (a->at + 30 + length + 4) % ALIGNMENT) % ALIGNMENT;
    buffer_add(&b, "PK\3\4", 4);
    put_little(&b, VERSION_64, 2);
    put_little(&b, UTF8_AND_DESCRIPTOR, 2);
    for (int i = 0; i < 9; i++) /* stored; no time, no sizes */
        put_little(&b, 0, 2);
    put_little(&b, length, 2);
    put_little(&b, fill + 4, 2);
    buffer_string(&b, name);
    buffer_add(&b, "FB", 2);
    put_little(&b, fill, 2);
    for (size_t i = 0; i < fill; i++)
        buffer_byte(&b, 'Z');
    status = put(a, b.data, b.size);
    buffer_free(&b);
    return status;
}

/* Sum and sizes, behind the bytes that they are about. */
static int put_descriptor(struct archive *a, uint32_t crc, uint64_t size)
{
    struct buffer b = { 0 };
    int bytes = size >= ALL_ONES ? 8 : 4, status;

    buffer_add(&b, "PK\7\10", 4);
    put_little(&b, crc, 4);
    put_little(&b, size, bytes);
    put_little(&b, size, bytes);
    status = put(a, b.data, b.size);
    buffer_free(&b);
    return status;
}

/* A line of the directory.  Numbers that need 64 bits are all ones here and follow in the extra
 * field 1, sizes first. */
static void add_entry(struct archive *a, const char *name, uint64_t start, uint32_t crc,
                      uint64_t size)
{
    struct buffer *b = &a->directory, extra = { 0 };

    if (size >= ALL_ONES) {
        put_little(&extra, size, 8);
        put_little(&extra, size, 8);
    }
    if (start >= ALL_ONES)
        put_little(&extra, start, 8);
    buffer_add(b, "PK\1\2", 4);
    put_little(b, VERSION_64, 2);
    put_little(b, VERSION_64, 2);
    put_little(b, UTF8_AND_DESCRIPTOR, 2);
    put_little(b, 0, 2);
    put_little(b, 0, 4);
    put_little(b, crc, 4);
    put_little(b, size >= ALL_ONES ? ALL_ONES : size, 4);
    put_little(b, size >= ALL_ONES ? ALL_ONES : size, 4);
    put_little(b, strlen(name), 2);
    put_little(b, extra.size ? extra.size + 4 : 0, 2);
    for (int i = 0; i < 5; i++) /* no comment, one disk, no attributes */
        put_little(b, 0, 2);
    put_little(b, start >= ALL_ONES ? ALL_ONES : start, 4);
    buffer_string(b, name);
    if (extra.size) {
        put_little(b, 1, 2);
        put_little(b, extra.size, 2);
        buffer_add(b, extra.data, extra.size);
    }
    buffer_free(&extra);
    a->entries++;
}

static uint32_t checksum(const unsigned char *data, size_t size)
{
    uLong crc = crc32(0, NULL, 0);

    for (; size;) {
        size_t some = size < 1u << 30 ? size : 1u << 30;

        crc = crc32(crc, data, (uInt)some);
        data += some;
        size -= some;
    }
    return (uint32_t)crc;
}

static int put_entry(struct archive *a, const char *name, const void *data, size_t size)
{
    char *path = xprintf("%s%s", top, name);
    uint64_t start = a->at;
    uint32_t crc = checksum(data, size);
    int status = put_local(a, path) || put(a, data, size) || put_descriptor(a, crc, size) ? -1 : 0;

    add_entry(a, path, start, crc, size);
    free(path);
    return status;
}

static int put_directory(struct archive *a)
{
    struct buffer b = { 0 };
    uint64_t start = a->at, size = a->directory.size, entries = (uint64_t)a->entries;
    bool large = start >= ALL_ONES || entries >= 0xffff;
    int status;

    buffer_add(&b, a->directory.data, a->directory.size);
    buffer_add(&b, "PK\6\6", 4);
    put_little(&b, 44, 8);
    put_little(&b, VERSION_64, 2);
    put_little(&b, VERSION_64, 2);
    put_little(&b, 0, 8);
    put_little(&b, entries, 8);
    put_little(&b, entries, 8);
    put_little(&b, size, 8);
    put_little(&b, start, 8);
    buffer_add(&b, "PK\6\7", 4);
    put_little(&b, 0, 4);
    put_little(&b, start + size, 8);
    put_little(&b, 1, 4);
    buffer_add(&b, "PK\5\6", 4);
    put_little(&b, 0, 4);
    put_little(&b, large ? 0xffff : entries, 2);
    put_little(&b, large ? 0xffff : entries, 2);
    put_little(&b, large ? ALL_ONES : size, 4);
    put_little(&b, large ? ALL_ONES : start, 4);
    put_little(&b, 0, 2);
    status = put(a, b.data, b.size);
    buffer_free(&b);
    return status;
}

static int put_storage(struct archive *a, const struct saving *list, int index,
                       const struct making *making, void **scratch)
{
    const struct saving *s = &list[index];
    size_t size = (size_t)count_of(s) * dtype_size(s->type);
    const void *data = s->data;
    char name[32];

    if (!data) {
        *scratch = xresize(*scratch, size + 1, 1);
        making->make(making->self, index, *scratch);
        data = *scratch;
    }
    snprintf(name, sizeof name, "data/%d", index);
    return put_entry(a, name, data, size);
}

static int put_all(struct archive *a, const struct saving *list, int count, const char *wrapper,
                   const struct making *making)
{
    struct buffer pickle = { 0 };
    void *scratch = NULL;
    int status;

    make_pickle(&pickle, list, count, wrapper);
    status = put_entry(a, "data.pkl", pickle.data, pickle.size);
    status = status ? status : put_entry(a, "byteorder", "little", 6);
    for (int i = 0; i < count && !status; i++)
        if (!list[i].same)
            status = put_storage(a, list, i, making, &scratch);
    status = status ? status : put_entry(a, "version", "3\n", 2);
    buffer_free(&pickle);
    free(scratch);
    return status ? status : put_directory(a);
}

int weights_save_torch(const char *path, const struct saving *list, int count, const char *wrapper,
                       const struct making *making)
{
    struct new_file f;
    struct archive a = { .file = &f };
    int status;

    if (new_file_open(&f, path))
        return -1;
    status = put_all(&a, list, count, wrapper, making);
    buffer_free(&a.directory);
    if (!status)
        return new_file_commit(&f);
    new_file_drop(&f);
    return -1;
}
