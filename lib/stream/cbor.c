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
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/stream.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "typed arrays are copied as they are");

enum { DEPTH = 16, TOKENS = 1 << 16 };

struct token {
    enum { SCALAR, UINT, BYTES, TEXT, ARRAY, MAP, TAG, ENDLESS, CHUNKED, BREAK } kind;
    uint64_t value; /* of a number or tag; count of items; bytes of a string */
    const unsigned char *data;
};
struct cursor {
    const unsigned char *at, *end;
    size_t limit; /* no string is longer */
    long tokens;  /* seen so far: a record has few */
    struct token token;
};
enum { TAG_MATRIX = 40, TAG_F16 = 84, TAG_F32 = 85, TAG_SELF = 55799 };

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

/* To the next token; -1 after fail(). */
static int advance(struct cursor *c)
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

    if (advance(c))
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

static int skip_item(struct cursor *c)
{
    return skip(c, 0, NULL);
}

size_t cbor_extent(const void *bytes, size_t size, size_t limit)
{
    struct cursor c = { .at = bytes, .end = (const unsigned char *)bytes + size, .limit = limit };

    return skip_item(&c) ? 0 : (size_t)(c.at - (const unsigned char *)bytes);
}

/* A record from an item that is known to be complete CBOR: what is left to check is that it is a
 * record. */

/* The map's head, behind tags that say "this is CBOR"; *count is UINT64_MAX for an endless map. */
static int enter_map(struct cursor *c, uint64_t *count)
{
    *count = 0;
    do
        if (advance(c))
            return -1;
    while (c->token.kind == TAG && c->token.value == TAG_SELF);
    if (c->token.kind == ENDLESS && c->token.value)
        *count = UINT64_MAX;
    else if (c->token.kind == MAP)
        *count = c->token.value;
    else
        return fail_as("not_a_record", "a CBOR item that is no map");
    return 0;
}

/* The next key into the token: 1, 0 at the end of the map, -1. */
static int next_key(struct cursor *c, uint64_t *count)
{
    if (!*count)
        return 0;
    if (advance(c))
        return -1;
    if (c->token.kind == BREAK)
        return 0;
    *count -= *count != UINT64_MAX;
    if (c->token.kind != TEXT || (c->token.value && memchr(c->token.data, 0, c->token.value)))
        return fail_as("not_a_record", "a key in a CBOR map that is no name");
    return 1;
}

/* The one key that every record has; all others are members. */
static bool is_json(const struct token *t)
{
    return t->value == 4 && !memcmp(t->data, "json", 4);
}

/* The cursor is a copy: the members are read in a second walk, once there is a record to hold them.
 */
static int read_json(struct cursor c, struct record **r)
{
    uint64_t count;
    int more;

    if (enter_map(&c, &count))
        return -1;
    while ((more = next_key(&c, &count)) > 0) {
        if (!is_json(&c.token)) {
            if (skip_item(&c))
                return -1;
            continue;
        }
        if (advance(&c))
            return -1;
        if (c.token.kind != TEXT)
            break;
        *r = record_parse((const char *)c.token.data, c.token.value);
        return *r ? 0 : -1;
    }
    return more < 0 ? -1 : fail_as("not_a_record", "a CBOR map without a text \"json\"");
}

/* The dimensions before a typed array, behind tag 40; the token is then the typed array's tag.  A
 * dimension of 0 is refused: no bytes would stand for as many rows as the shape claims. */
static int read_shape(struct cursor *c, struct member *m)
{
    if (advance(c) || c->token.kind != ARRAY || c->token.value != 2 || advance(c) ||
        c->token.kind != ARRAY || c->token.value < 1 || c->token.value > COUNT(m->shape))
        return -1;
    m->rank = (int)c->token.value;
    for (int i = 0; i < m->rank; i++) {
        if (advance(c) || c->token.kind != UINT || c->token.value < 1 || c->token.value > INT32_MAX)
            return -1;
        m->shape[i] = (long)c->token.value;
    }
    return advance(c);
}

/* The value of a member, described in m; its bytes are the token's. */
static int describe(struct cursor *c, struct member *m)
{
    size_t count = 1, unit;

    if (advance(c))
        return -1;
    if (c->token.kind == BYTES) {
        *m = (struct member){ .kind = MEMBER_BYTES, .rank = 1, .shape = { (long)c->token.value } };
        return 0;
    }
    if (c->token.kind == TAG && c->token.value == TAG_MATRIX && read_shape(c, m))
        return -1;
    if (c->token.kind != TAG || (c->token.value != TAG_F16 && c->token.value != TAG_F32))
        return -1;
    m->kind = c->token.value == TAG_F16 ? MEMBER_F16 : MEMBER_F32;
    unit = m->kind == MEMBER_F16 ? 2 : 4;
    if (advance(c) || c->token.kind != BYTES || c->token.value % unit)
        return -1;
    if (!m->rank) {
        m->rank = 1;
        m->shape[0] = (long)(c->token.value / unit);
    }
    for (int i = 0; i < m->rank; i++)
        if (!size_product(count, (size_t)m->shape[i], &count))
            return -1;
    return count == c->token.value / unit ? 0 : -1;
}

/* Their bytes are copied: the input's buffer moves on. */
static int read_members(struct cursor c, struct record *r)
{
    const unsigned char *start = c.at;
    uint64_t count;
    int more;

    if (enter_map(&c, &count))
        return -1;
    while ((more = next_key(&c, &count)) > 0) {
        struct member described = { 0 }, *m;
        char *name;

        if (is_json(&c.token)) {
            if (skip_item(&c))
                return -1;
            continue;
        }
        if (r->member_count == RECORD_MEMBERS)
            return fail_as("too_large", "more than %d binary members", RECORD_MEMBERS);
        name = xmemdup(c.token.data, c.token.value);
        if (describe(&c, &described)) {
            fail_as("not_a_record", "the member \"%s\" is no vector, matrix or byte string", name);
            free(name);
            return -1;
        }
        m = member_add(r, name, c.token.value);
        m->kind = described.kind;
        m->rank = described.rank;
        memcpy(m->shape, described.shape, sizeof m->shape);
        m->at = c.token.data - start; /* in the item; the reader knows where that is */
        if (c.token.value)
            memcpy(m->data, c.token.data, c.token.value);
        free(name);
    }
    return more;
}

/* Its whole extent is known before anything is allocated, so a claim of a length costs nothing. */
struct record *cbor_read_record(const void *bytes, size_t size, size_t *used)
{
    struct cursor c = { .at = bytes, .limit = SIZE_MAX };
    struct record *r = NULL;

    *used = cbor_extent(bytes, size, SIZE_MAX / 4);
    if (!*used)
        return NULL;
    c.end = c.at + *used;
    if (read_json(c, &r))
        return NULL;
    if (read_members(c, r)) {
        record_free(r);
        return NULL;
    }
    record_seal(r);
    return r;
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

/* As read_members() reads it: a vector, a matrix with its dimensions, or plain bytes. */
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

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

struct names { /* of the binary members, sorted */
    const char **list;
    size_t count;
};

static bool is_null(const struct record *r, const struct json_field *f)
{
    return f->value_size == 4 && !memcmp(r->json.data + f->value, "null", 4);
}

static bool is_hidden(struct span raw, const void *what)
{
    const struct names *names = what;
    char *name = json_text((struct span){ raw.data - 1, raw.size + 2 });
    const char *key = name;
    bool found = bsearch(&key, names->list, names->count, sizeof key, by_name);

    free(name);
    return found;
}

/* The object without the members that binary ones stand for, but for a null, which keeps their
 * place; NULL: it is as it is. */
static struct record *without_hidden(const struct record *r)
{
    struct names names = { .count = (size_t)r->member_count };
    struct record *plain = NULL;

    if (!r->member_count)
        return NULL;
    names.list = xalloc(names.count, sizeof *names.list);
    names.count = 0;
    for (int i = 0; i < r->member_count; i++) {
        const struct json_field *f = record_field(r, r->members[i].name);

        if (f && !is_null(r, f))
            names.list[names.count++] = r->members[i].name;
    }
    qsort(names.list, names.count, sizeof *names.list, by_name);
    for (int i = 0; i < r->fields.count && !plain; i++) {
        const struct json_field *f = &r->fields.list[i];

        if (is_hidden((struct span){ r->json.data + f->name, f->name_size }, &names))
            plain = record_new(r->json.data, r->json.size);
    }
    if (plain)
        record_remove_all(plain, is_hidden, &names);
    free(names.list);
    return plain;
}

/* Lists of numbers become vectors of f32: a third of the size, and no digits to parse. A null keeps
 * the place that the field has in the object, so that JSON made of it again has the old order. */
void cbor_write_record(struct buffer *out, const struct record *r)
{
    struct record *plain = without_hidden(r);
    struct member vectors[VECTOR_FIELDS];
    const struct buffer *json;
    struct span value;
    int count = 0;

    for (int i = 0; i < VECTOR_FIELDS; i++) {
        if (!record_find(r, vector_fields[i], &value) ||
            !member_of_json(value, vector_fields[i], &vectors[count]))
            continue;
        plain = plain ? plain : record_new(r->json.data, r->json.size);
        record_set_json(plain, vector_fields[i], "null", 4); /* its place */
        count++;
    }
    json = plain ? &plain->json : &r->json;
    add_head(out, cbor_encode_map_start, 1 + (uint64_t)r->member_count + (uint64_t)count);
    add_string(out, cbor_encode_string_start, "json", 4);
    add_string(out, cbor_encode_string_start, json->data, json->size);
    for (int i = 0; i < r->member_count; i++)
        add_member(out, &r->members[i]);
    for (int i = 0; i < count; i++) {
        add_member(out, &vectors[i]);
        free(vectors[i].data);
    }
    record_free(plain);
}
