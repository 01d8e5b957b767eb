/* SPDX-License-Identifier: MIT
 * cbor_record.c - a record from the tokens of a CBOR item
 *
 * The item is known to be complete CBOR when this looks at it; what is left to check is that it is
 * a record.
 */
#include <stdlib.h>
#include <string.h>
#include "stream/inside.h"

/* The map's head, behind tags that say "this is CBOR"; *count is UINT64_MAX for an endless map. */
static int enter_map(struct cursor *c, uint64_t *count)
{
    *count = 0;
    do
        if (cbor_advance(c))
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
    if (cbor_advance(c))
        return -1;
    if (c->token.kind == BREAK)
        return 0;
    *count -= *count != UINT64_MAX;
    if (c->token.kind != TEXT || (c->token.value && memchr(c->token.data, 0, c->token.value)))
        return fail_as("not_a_record", "a key in a CBOR map that is no name");
    return 1;
}

static bool is_json(const struct token *t)
{
    return t->value == 4 && !memcmp(t->data, "json", 4);
}

static int read_json(struct cursor c, struct record **r)
{
    uint64_t count;
    int more;

    if (enter_map(&c, &count))
        return -1;
    while ((more = next_key(&c, &count)) > 0) {
        if (!is_json(&c.token)) {
            if (cbor_skip(&c))
                return -1;
            continue;
        }
        if (cbor_advance(&c))
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
    if (cbor_advance(c) || c->token.kind != ARRAY || c->token.value != 2 || cbor_advance(c) ||
        c->token.kind != ARRAY || c->token.value < 1 || c->token.value > COUNT(m->shape))
        return -1;
    m->rank = (int)c->token.value;
    for (int i = 0; i < m->rank; i++) {
        if (cbor_advance(c) || c->token.kind != UINT || c->token.value < 1 ||
            c->token.value > INT32_MAX)
            return -1;
        m->shape[i] = (long)c->token.value;
    }
    return cbor_advance(c);
}

/* The value of a member, described in m; its bytes are the token's. */
static int describe(struct cursor *c, struct member *m)
{
    size_t count = 1, unit;

    if (cbor_advance(c))
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
    if (cbor_advance(c) || c->token.kind != BYTES || c->token.value % unit)
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
            if (cbor_skip(&c))
                return -1;
            continue;
        }
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
