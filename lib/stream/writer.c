/* SPDX-License-Identifier: MIT
 * writer.c - records as bytes: lines of JSON, or a CBOR sequence
 *
 * A line has no binary members: a vector is written as an array, a matrix as arrays in an array,
 * bytes as a data: URI.  Where the object has a member of that name, the value stands in its place.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/json.h"
#include "base/picture.h"
#include "stream/stream.h"

static const char *media_type(const unsigned char *data, size_t size)
{
    enum picture_type picture = picture_of(data, size);

    return picture == PICTURE_NONE ? "application/octet-stream"
                                   : picture_formats[picture].media_type;
}

/* Row by row; as deep as the shape has dimensions, which are four at most. */
static void add_matrix(struct buffer *b, const float *list, int rank, const long *shape)
{
    long stride = 1;

    if (rank == 1) {
        json_add_floats(b, list, shape[0]);
        return;
    }
    for (int i = 1; i < rank; i++)
        stride *= shape[i];
    buffer_byte(b, '[');
    for (long i = 0; i < shape[0]; i++) {
        if (i)
            buffer_byte(b, ',');
        add_matrix(b, list + i * stride, rank - 1, shape + 1);
    }
    buffer_byte(b, ']');
}

void member_json(struct buffer *b, const struct member *m)
{
    long count;
    float *list;

    if (m->kind == MEMBER_BYTES) {
        buffer_printf(b, "\"data:%s;base64,", media_type(m->data, m->size));
        base64_write(b, m->data, m->size);
        buffer_byte(b, '"');
    } else if (m->kind == MEMBER_F32) {
        add_matrix(b, m->data, m->rank, m->shape);
    } else {
        list = member_floats(m, &count);
        add_matrix(b, list, m->rank, m->shape);
        free(list);
    }
}

/* The bytes between two replaced values are copied as they came. */
static void write_line(struct buffer *out, const struct record *r)
{
    const char *json = r->json.data;
    const struct member **hiding = record_hiding(r); /* NULL where there are no members */
    const struct member **rest = hiding ? hiding + r->fields.count : NULL;
    bool comma = r->fields.count > 0;
    size_t at = 0;

    for (int i = 0; r->member_count && i < r->fields.count; i++) {
        const struct json_field *f = &r->fields.list[i];

        if (!hiding[i])
            continue;
        buffer_add(out, json + at, f->value - at);
        member_json(out, hiding[i]);
        at = f->value + f->value_size;
    }
    buffer_add(out, json + at, r->fields.close - at);
    for (; r->member_count && *rest; rest++) {
        if (comma)
            buffer_byte(out, ',');
        json_escape(out, (*rest)->name, strlen((*rest)->name));
        buffer_byte(out, ':');
        member_json(out, *rest);
        comma = true;
    }
    free(hiding);
    buffer_add(out, json + r->fields.close, r->json.size - r->fields.close);
    buffer_byte(out, '\n');
}

void record_write(struct buffer *out, const struct record *r, enum record_form form)
{
    if (form == RECORD_CBOR)
        cbor_write_record(out, r);
    else
        write_line(out, r);
}
