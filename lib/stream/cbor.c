/* SPDX-License-Identifier: MIT
 * cbor.c - records as items of a CBOR sequence (RFC 8742), through libcbor
 *
 *     { "json": text, NAME: vector, NAME: matrix, NAME: bytes, ... }
 *
 *     vector   tag 84 (float16) or 85 (float32), a byte string, little-endian (RFC 8746)
 *     matrix   tag 40, [[rows, columns, ...], vector]
 *
 * libcbor's streaming decoder hands out one token after the other and allocates nothing; a string
 * is only handed out when all of it is there.  So a length that is claimed costs nothing.
 */
#include <cbor.h>
#include <string.h>
#include "stream/inside.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "typed arrays are copied as they are");

enum { DEPTH = 16, TOKENS = 1 << 16 };

/* The callbacks: each leaves its token. */
static void on_uint8(void *t, uint8_t value)
{
    *(struct token *)t = (struct token){ UINT, value, NULL };
}

static void on_uint16(void *t, uint16_t value)
{
    *(struct token *)t = (struct token){ UINT, value, NULL };
}

static void on_uint32(void *t, uint32_t value)
{
    *(struct token *)t = (struct token){ UINT, value, NULL };
}

static void on_uint64(void *t, uint64_t value)
{
    *(struct token *)t = (struct token){ UINT, value, NULL };
}

static void on_bytes(void *t, cbor_data data, size_t size)
{
    *(struct token *)t = (struct token){ BYTES, size, data };
}

static void on_text(void *t, cbor_data data, size_t size)
{
    *(struct token *)t = (struct token){ TEXT, size, data };
}

static void on_array(void *t, size_t count)
{
    *(struct token *)t = (struct token){ ARRAY, count, NULL };
}

static void on_map(void *t, size_t count)
{
    *(struct token *)t = (struct token){ MAP, count, NULL };
}

static void on_tag(void *t, uint64_t value)
{
    *(struct token *)t = (struct token){ TAG, value, NULL };
}

static void on_endless(void *t)
{
    *(struct token *)t = (struct token){ ENDLESS, 0, NULL };
}

static void on_endless_map(void *t)
{
    *(struct token *)t = (struct token){ ENDLESS, 1, NULL };
}

static void on_chunked(void *t)
{
    *(struct token *)t = (struct token){ CHUNKED, 0, NULL };
}

static void on_break(void *t)
{
    *(struct token *)t = (struct token){ BREAK, 0, NULL };
}

/* Numbers below 0, floats and simple values are SCALAR, which the token is beforehand. */
static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = cbor_null_negint8_callback,
    .negint16 = cbor_null_negint16_callback,
    .negint32 = cbor_null_negint32_callback,
    .negint64 = cbor_null_negint64_callback,
    .byte_string_start = on_chunked,
    .byte_string = on_bytes,
    .string_start = on_chunked,
    .string = on_text,
    .indef_array_start = on_endless,
    .array_start = on_array,
    .indef_map_start = on_endless_map,
    .map_start = on_map,
    .tag = on_tag,
    .float2 = cbor_null_float2_callback,
    .float4 = cbor_null_float4_callback,
    .float8 = cbor_null_float8_callback,
    .undefined = cbor_null_undefined_callback,
    .null = cbor_null_null_callback,
    .boolean = cbor_null_boolean_callback,
    .indef_break = on_break,
};

int cbor_advance(struct cursor *c)
{
    size_t left = (size_t)(c->end - c->at);
    struct cbor_decoder_result result;

    c->token = (struct token){ SCALAR, 0, NULL };
    if (!left)
        return fail_as("truncated", "the CBOR item ends early");
    if (++c->tokens > TOKENS)
        return fail("a CBOR item of more than %d parts", TOKENS);
    result = cbor_stream_decode(c->at, left, &callbacks, &c->token);
    if (result.status == CBOR_DECODER_NEDATA &&
        (result.required > c->limit || result.required <= left)) /* wrapped around */
        return fail_as("too_large", "a CBOR string longer than the limit of %zu bytes", c->limit);
    if (result.status == CBOR_DECODER_NEDATA)
        return fail_as("truncated", "the CBOR item ends early");
    if (result.status != CBOR_DECODER_FINISHED)
        return fail("not CBOR: byte %02x", *c->at);
    c->at += result.read;
    return 0;
}

/* Moves past one item, whatever it is; *ended: it was a break, which only `inside` may be. */
static int skip(struct cursor *c, int depth, bool *ended)
{
    uint64_t count = 0;
    bool stop = false, endless;

    if (cbor_advance(c))
        return -1;
    if (ended)
        *ended = c->token.kind == BREAK;
    else if (c->token.kind == BREAK)
        return fail("not CBOR: a break that ends nothing");
    if (depth > DEPTH)
        return fail("a CBOR item nested deeper than %d", DEPTH);
    endless = c->token.kind == ENDLESS || c->token.kind == CHUNKED;
    if (c->token.kind == TAG)
        count = 1;
    else if (c->token.kind == ARRAY || c->token.kind == MAP)
        count = c->token.value;
    if (count > c->limit)
        return fail_as("too_large", "a CBOR list of %llu items", (unsigned long long)count);
    count *= c->token.kind == MAP ? 2 : 1;
    for (uint64_t i = 0; endless ? !stop : i < count; i++)
        if (skip(c, depth + 1, endless ? &stop : NULL))
            return -1;
    return 0;
}

int cbor_skip(struct cursor *c)
{
    return skip(c, 0, NULL);
}

size_t cbor_extent(const void *bytes, size_t size, size_t limit)
{
    struct cursor c = { .at = bytes, .end = (const unsigned char *)bytes + size, .limit = limit };

    return cbor_skip(&c) ? 0 : (size_t)(c.at - (const unsigned char *)bytes);
}

static void add_head(struct buffer *out, size_t (*encode)(uint64_t, unsigned char *, size_t),
                     uint64_t value)
{
    buffer_reserve(out, 9);
    out->size += encode(value, (unsigned char *)out->data + out->size, 9);
}

static void add_string(struct buffer *out, size_t (*encode)(size_t, unsigned char *, size_t),
                       const void *data, size_t size)
{
    add_head(out, encode, size);
    buffer_add(out, data, size);
}

static void add_member(struct buffer *out, const struct member *m)
{
    add_string(out, cbor_encode_string_start, m->name, strlen(m->name));
    if (m->kind != MEMBER_BYTES && m->rank > 1) {
        add_head(out, cbor_encode_tag, TAG_MATRIX);
        add_head(out, cbor_encode_array_start, 2);
        add_head(out, cbor_encode_array_start, (uint64_t)m->rank);
        for (int i = 0; i < m->rank; i++)
            add_head(out, cbor_encode_uint, (uint64_t)m->shape[i]);
    }
    if (m->kind != MEMBER_BYTES)
        add_head(out, cbor_encode_tag, m->kind == MEMBER_F16 ? TAG_F16 : TAG_F32);
    add_string(out, cbor_encode_bytestring_start, m->data, m->size);
}

/* The object without the members that binary ones stand for. */
static struct record *without_hidden(const struct record *r)
{
    struct record *plain = NULL;

    for (int i = 0; i < r->member_count; i++) {
        if (!record_field(r, r->members[i].name))
            continue;
        if (!plain)
            plain = record_new(r->json.data, r->json.size);
        record_remove(plain, r->members[i].name);
    }
    return plain;
}

void cbor_write_record(struct buffer *out, const struct record *r)
{
    struct record *plain = without_hidden(r);
    const struct buffer *json = plain ? &plain->json : &r->json;

    add_head(out, cbor_encode_map_start, 1 + (uint64_t)r->member_count);
    add_string(out, cbor_encode_string_start, "json", 4);
    add_string(out, cbor_encode_string_start, json->data, json->size);
    for (int i = 0; i < r->member_count; i++)
        add_member(out, &r->members[i]);
    record_free(plain);
}
