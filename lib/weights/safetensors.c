/* SPDX-License-Identifier: MIT
 * safetensors.c - read a safetensors file, every rule of the format enforced
 *
 *     u64 N, little-endian | N bytes of JSON | numbers
 *
 *     {"__metadata__": {"format": "pt"},
 *      "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *
 * Offsets count from the end of the JSON.  In order of offset the tensors touch: none overlaps,
 * nothing is left over, and each is as long as its shape and type say.
 *
 * "__metadata__" may say of tensors that they are packed, see weights.h.
 *
 * Source: huggingface/safetensors README.md, "Format", and safetensors/src/tensor.rs.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "weights/container.h"

enum { HEADER_LIMIT = 100000000 };

struct span { /* of a tensor, in the numbers */
    uint64_t begin, end;
    const char *name;
};
struct reading {
    struct weights *w;
    struct scan scan;
    struct buffer text;
    const unsigned char *numbers;
    uint64_t size; /* of the numbers */
    struct span *spans;
};
struct entry { /* what one tensor's object says */
    char type[16];
    bool typed, shaped, placed;
    int rank;
    uint64_t shape[STORED_RANK], begin, end;
};

/* In the format's declaration of types, the later come first in a file.
 * Source: huggingface/safetensors safetensors/src/tensor.rs (Dtype, prepare). */
const struct safetensors_type safetensors_types[DTYPE_COUNT] = {
    [DTYPE_BOOL] = { "BOOL", 0 }, [DTYPE_U8] = { "U8", 1 },   [DTYPE_I8] = { "I8", 2 },
    [DTYPE_I16] = { "I16", 3 },   [DTYPE_F16] = { "F16", 4 }, [DTYPE_BF16] = { "BF16", 5 },
    [DTYPE_I32] = { "I32", 6 },   [DTYPE_F32] = { "F32", 7 }, [DTYPE_F64] = { "F64", 8 },
    [DTYPE_I64] = { "I64", 9 },
};

/* "[2, 3]" */
static int read_shape(struct reading *r, struct entry *e, const char *name)
{
    if (scan_expect(&r->scan, '['))
        return -1;
    if (scan_is(&r->scan, ']'))
        return 0;
    do {
        if (e->rank == STORED_RANK)
            return fail_as("unsupported", "%s has more than %d dimensions", name, STORED_RANK);
        if (scan_unsigned(&r->scan, &e->shape[e->rank++]))
            return -1;
    } while (scan_is(&r->scan, ','));
    return scan_expect(&r->scan, ']');
}

/* "[begin, end]" */
static int read_offsets(struct reading *r, struct entry *e)
{
    if (scan_expect(&r->scan, '[') || scan_unsigned(&r->scan, &e->begin) ||
        scan_expect(&r->scan, ',') || scan_unsigned(&r->scan, &e->end))
        return -1;
    return scan_expect(&r->scan, ']');
}

/* A field that is there twice, or that the format does not have, could mean one thing to us and
 * another to another reader. */
static int read_field(struct reading *r, struct entry *e, const char *name)
{
    const char *field;
    bool *seen;

    if (scan_string(&r->scan, &r->text))
        return -1;
    field = r->text.data;
    seen = !strcmp(field, "dtype")          ? &e->typed
           : !strcmp(field, "shape")        ? &e->shaped
           : !strcmp(field, "data_offsets") ? &e->placed
                                            : NULL;
    if (!seen || *seen)
        return fail("%s has %s field %.40s", name, seen ? "twice the" : "the unknown", field);
    *seen = true;
    if (scan_expect(&r->scan, ':'))
        return -1;
    if (seen == &e->shaped)
        return read_shape(r, e, name);
    if (seen == &e->placed)
        return read_offsets(r, e);
    if (scan_string(&r->scan, &r->text))
        return -1;
    memcpy(e->type, r->text.data,
           r->text.size < sizeof e->type ? r->text.size : sizeof e->type - 1);
    return 0;
}

/* The shape and row-major strides; the size equation. */
static int lay_out(struct stored *s, const struct entry *e)
{
    for (int i = 0; i < e->rank; i++)
        s->shape[i] = e->shape[i] < ELEMENT_LIMIT ? (long)e->shape[i] : LONG_MAX;
    if (!stored_is_possible(s))
        return fail("%s has an impossible shape", s->name);
    stored_row_major(s);
    s->bytes = (size_t)stored_count(s) * dtype_size(s->type);
    if (e->begin > e->end || e->end - e->begin != s->bytes)
        return fail("%s needs %zu bytes and has offsets %llu to %llu", s->name, s->bytes,
                    (unsigned long long)e->begin, (unsigned long long)e->end);
    return 0;
}

/* The three fields may come in any order, so they are put together only now. */
static int add_tensor(struct reading *r, const struct entry *e, const char *name)
{
    struct stored s = { .name = name, .type = DTYPE_COUNT, .rank = e->rank };

    if (!e->typed || !e->shaped || !e->placed)
        return fail("%s lacks its %s", name,
                    !e->typed    ? "dtype"
                    : !e->shaped ? "shape"
                                 : "data_offsets");
    for (enum dtype i = 0; i < DTYPE_COUNT; i++)
        if (!strcmp(safetensors_types[i].name, e->type))
            s.type = i;
    if (s.type == DTYPE_COUNT)
        return fail_as("unsupported", "%s has type %s, which is not supported", name, e->type);
    if (lay_out(&s, e))
        return -1;
    if (e->end > r->size)
        return fail_as("truncated", "%s ends at byte %llu of the numbers, which end at %llu", name,
                       (unsigned long long)e->end, (unsigned long long)r->size);
    s.data = r->numbers + e->begin;
    return weights_add(r->w, &s);
}

/* The name has been read into r->text by the caller. */
static int read_tensor(struct reading *r)
{
    const char *name = weights_name(r->w, r->text.data, r->text.size);
    struct entry e = { 0 };
    int at = r->w->count;

    if (!name || scan_expect(&r->scan, ':') || scan_expect(&r->scan, '{'))
        return -1;
    do {
        if (read_field(r, &e, name))
            return -1;
    } while (scan_is(&r->scan, ','));
    if (scan_expect(&r->scan, '}') || add_tensor(r, &e, name))
        return -1;
    if (!(at & (at - 1))) /* doubles: room for twice as many */
        r->spans = xresize(r->spans, at ? 2 * (size_t)at : 1, sizeof *r->spans);
    r->spans[at] = (struct span){ e.begin, e.end, name };
    return 0;
}

/* One object of strings; its text is kept as it is. */
static int read_metadata(struct reading *r)
{
    const char *start;

    if (r->w->metadata)
        return fail("__metadata__ is there twice");
    if (scan_expect(&r->scan, ':') || scan_expect(&r->scan, '{'))
        return -1;
    start = r->scan.at - 1;
    if (!scan_is(&r->scan, '}')) {
        do {
            if (scan_string(&r->scan, &r->text) || scan_expect(&r->scan, ':') ||
                scan_string(&r->scan, &r->text))
                return -1;
        } while (scan_is(&r->scan, ','));
        if (scan_expect(&r->scan, '}'))
            return -1;
    }
    r->w->metadata = xmemdup(start, (size_t)(r->scan.at - start));
    return 0;
}

/* The header may be padded with blanks, so that the numbers begin at a multiple of 8. */
static int read_header(struct reading *r)
{
    if (r->scan.at == r->scan.end || *r->scan.at != '{')
        return scan_fail(&r->scan, "'{'");
    if (!utf8_is_valid(r->scan.start, (size_t)(r->scan.end - r->scan.start)))
        return fail("the header is not UTF-8");
    r->scan.at++;
    if (!scan_is(&r->scan, '}')) {
        do {
            if (scan_string(&r->scan, &r->text))
                return -1;
            if (!strcmp(r->text.data, "__metadata__") ? read_metadata(r) : read_tensor(r))
                return -1;
        } while (scan_is(&r->scan, ','));
        if (scan_expect(&r->scan, '}'))
            return -1;
    }
    scan_is(&r->scan, ' ');
    return r->scan.at == r->scan.end ? 0 : scan_fail(&r->scan, "its end");
}

static int by_place(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Bytes that no tensor owns could hide another file in this one; the format forbids them. */
static int check_spans(const struct reading *r)
{
    uint64_t end = 0;

    if (r->w->count)
        qsort(r->spans, (size_t)r->w->count, sizeof *r->spans, by_place);
    for (int i = 0; i < r->w->count; end = r->spans[i++].end)
        if (r->spans[i].begin != end)
            return fail("%s %s", r->spans[i].name,
                        r->spans[i].begin < end ? "overlaps the tensor before it"
                                                : "leaves a hole before it");
    return end == r->size
               ? 0
               : fail("bytes behind the last tensor: %llu", (unsigned long long)(r->size - end));
}

/* "order:NAME": "ORDER ROWS COLUMNS" says that a tensor of rank 1 is such a matrix, packed. */
static int set_order(struct weights *w, const char *name, const char *text)
{
    char order[32];
    long rows, columns;
    int at = table_find(&w->names, name);
    struct stored s;

    if (at < 0 || !text || sscanf(text, "%31s %ld %ld", order, &rows, &columns) != 3)
        return fail("the order of %.80s cannot be read", name);
    s = w->list[at];
    s.rank = 2;
    s.shape[0] = rows;
    s.shape[1] = columns;
    if (w->list[at].rank != 1 || rows < 1 || columns < 1 || !stored_is_possible(&s) ||
        stored_count(&s) > w->list[at].shape[0])
        return fail("%s: an impossible order", s.name);
    stored_row_major(&s);
    s.order = weights_name(w, order, strlen(order));
    w->list[at] = s;
    return s.order ? 0 : -1;
}

static int read_orders(struct weights *w)
{
    static const char prefix[] = "order:";
    cJSON *all = w->metadata && strstr(w->metadata, prefix)
                     ? json_parse(w->metadata, strlen(w->metadata))
                     : NULL;
    int result = 0;

    for (const cJSON *one = all ? all->child : NULL; one && !result; one = one->next)
        if (!strncmp(one->string, prefix, sizeof prefix - 1))
            result = set_order(w, one->string + sizeof prefix - 1, cJSON_GetStringValue(one));
    cJSON_Delete(all);
    return result;
}

int safetensors_read(struct weights *w)
{
    struct reading r = { .w = w };
    uint64_t header = 0;
    int result;

    w->kind = "safetensors";
    if (w->size < 8)
        return fail_as("truncated", "too short for a safetensors file");
    for (int i = 7; i >= 0; i--)
        header = header << 8 | w->data[i];
    if (header > HEADER_LIMIT)
        return fail_as("too_large", "a header of %llu bytes; the format allows %d",
                       (unsigned long long)header, HEADER_LIMIT);
    if (header > w->size - 8)
        return fail_as("truncated", "a header of %llu bytes in a file of %zu",
                       (unsigned long long)header, w->size);
    r.scan.start = r.scan.at = (const char *)w->data + 8;
    r.scan.end = r.scan.start + header;
    r.numbers = w->data + 8 + header;
    r.size = w->size - 8 - header;
    result = read_header(&r) || check_spans(&r) || read_orders(w) ? -1 : 0;
    for (int i = 0; i < w->count && !result;
         i++) /* files of the format's first year have no padding */
        w->list[i].data =
            weights_align(w, w->list[i].data, w->list[i].bytes, dtype_size(w->list[i].type), false);
    buffer_free(&r.text);
    free(r.spans);
    return result;
}
