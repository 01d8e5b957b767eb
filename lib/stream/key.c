/* SPDX-License-Identifier: MIT
 * key.c - what a person's decision on a record is filed under
 */
#include <inttypes.h>
#include "base/base.h"
#include "stream/stream.h"

static char *hash_of(const char *json, size_t size)
{
    return xprintf("%016" PRIx64, hash_bytes(json, size, 0));
}

char *record_key(const struct record *r, bool *hashed)
{
    struct span value;
    struct record *bare;
    char *key;

    *hashed = !record_id(r, &value, NULL);
    if (!*hashed)
        return xmemdup(value.data, value.size);
    if (!record_find(r, "reason", &value))
        return hash_of(r->json.data, r->json.size);
    bare = record_new(r->json.data, r->json.size);
    record_remove(bare, "reason");
    key = hash_of(bare->json.data, bare->json.size);
    record_free(bare);
    return key;
}
