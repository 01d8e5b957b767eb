/* SPDX-License-Identifier: MIT
 * save.c - write a safetensors file, under another name first
 *
 * Tensors in order of falling rank of their type, then of name, and a header padded with spaces to
 * a multiple of eight bytes: so every tensor lies aligned.  Packed ones lie before the others.
 *
 * Source: huggingface/safetensors safetensors/src/tensor.rs (prepare, serialize).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "base/json.h"
#include "weights/container.h"

enum { PACKED = 64 }; /* at a multiple of this a packed tensor lies */

static int by_type_and_name(const void *a, const void *b)
{
    const struct saving *x = *(const struct saving *const *)a;
    const struct saving *y = *(const struct saving *const *)b;

    if (x->packed != y->packed)
        return x->packed ? -1 : 1;
    if (safetensors_types[x->type].order != safetensors_types[y->type].order)
        return safetensors_types[y->type].order - safetensors_types[x->type].order;
    return strcmp(x->name, y->name);
}

/* The shapes are ours, of tensors that are in memory or were mapped: no product overflows. */
static size_t bytes_of(const struct saving *s)
{
    size_t bytes = dtype_size(s->type);

    for (int i = 0; i < s->rank; i++)
        bytes *= (size_t)s->shape[i];
    return bytes;
}

static void describe(struct buffer *b, const struct saving *s, size_t begin)
{
    json_escape(b, s->name, strlen(s->name));
    buffer_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_types[s->type].name);
    for (int i = 0; i < s->rank; i++)
        buffer_printf(b, "%s%ld", i ? "," : "", s->shape[i]);
    buffer_printf(b, "],\"data_offsets\":[%zu,%zu]}", begin, begin + bytes_of(s));
}

/* Eight bytes of length, then the JSON. */
static void make_header(struct buffer *b, const struct saving *const *list, int count,
                        const char *metadata)
{
    size_t at = 0;

    buffer_add(b, "\0\0\0\0\0\0\0", 8);
    buffer_byte(b, '{');
    if (metadata)
        buffer_printf(b, "\"__metadata__\":%s", metadata);
    for (int i = 0; i < count; at += bytes_of(list[i++])) {
        if (i || metadata)
            buffer_byte(b, ',');
        describe(b, list[i], at);
    }
    buffer_byte(b, '}');
    while (b->size % (count && list[0]->packed ? PACKED : 8))
        buffer_byte(b, ' ');
    for (int i = 0; i < 8; i++)
        b->data[i] = (char)((b->size - 8) >> 8 * i);
}

struct job {
    const struct saving *list, **sorted;
    int count;
    struct buffer header;
    const struct making *making;
};

/* Its own bytes, or those that are made now, in a buffer that all of them share. */
static int write_tensor(struct new_file *f, const struct job *job, const struct saving *s,
                        void **scratch)
{
    size_t size = bytes_of(s);

    if (s->data || !size)
        return new_file_write(f, s->data, size);
    *scratch = xresize(*scratch, size, 1);
    job->making->make(job->making->self, (int)(s - job->list), *scratch);
    return new_file_write(f, *scratch, size);
}

/* The file appears under its name when all of it is written. */
static int save_as(const char *path, const struct job *job)
{
    struct new_file f;
    void *scratch = NULL;
    int result;

    if (new_file_open(&f, path))
        return -1;
    result = new_file_write(&f, job->header.data, job->header.size);
    for (int i = 0; i < job->count && !result; i++)
        result = write_tensor(&f, job, job->sorted[i], &scratch);
    free(scratch);
    if (!result)
        return new_file_commit(&f);
    new_file_drop(&f);
    return -1;
}

int weights_save_made(const char *path, const struct saving *list, int count,
                      const char *metadata_json, const struct making *making)
{
    struct job job = { .list = list, .count = count, .making = making };
    struct table names = { 0 };
    int result;

    job.sorted = xalloc((size_t)count + 1, sizeof *job.sorted);
    for (int i = 0; i < count; i++) {
        bool is_new = table_add(&names, list[i].name, i);

        assert(is_new && list[i].rank <= STORED_RANK);
        (void)is_new;
        job.sorted[i] = &list[i];
    }
    table_free(&names);
    qsort(job.sorted, (size_t)count, sizeof *job.sorted, by_type_and_name);
    make_header(&job.header, job.sorted, count, metadata_json);
    result = save_as(path, &job);
    buffer_free(&job.header);
    free(job.sorted);
    return result;
}

int weights_save(const char *path, const struct saving *list, int count, const char *metadata_json)
{
    return weights_save_made(path, list, count, metadata_json, NULL);
}
