/* SPDX-License-Identifier: MIT
 * legacy.c - what torch.save wrote before PyTorch 1.6: pickles, then raw numbers
 *
 *     magic | 1001 | {little_endian, ...} | object | [key, ...] | count, numbers | count, numbers
 * ...
 *
 * The first five are pickles.  The storages follow in the order of the keys, each as an int64 count
 * and so many elements.
 *
 * Source: pytorch/pytorch torch/serialization.py (_legacy_save, _legacy_load).
 */
#include <string.h>
#include "base/error.h"
#include "weights/pickle.h"

enum { PICKLE_LIMIT = 256 << 20, PROTOCOL = 1001 };

bool legacy_magic(const unsigned char *data, size_t size)
{
    /* 0x1950a86a20f9469cfc6c, pickled */
    static const unsigned char magic[] = { 0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                           0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

    return size >= sizeof magic && !memcmp(data, magic, sizeof magic);
}

/* The three pickles before the object. */
static int read_head(struct pickle *p, bool *big)
{
    struct object *o, *little;

    if (!unpickle(p) || !(o = unpickle(p)))
        return -1;
    if (o->kind != OBJECT_INTEGER || o->integer != PROTOCOL)
        return fail_as("unsupported", "an unknown version of the legacy format");
    o = unpickle(p);
    if (!o)
        return -1;
    little = o->kind == OBJECT_DICT ? object_get(o, "little_endian") : NULL;
    *big = little && little->kind == OBJECT_BOOL && !little->integer;
    return 0;
}

/* The count is of elements, whose size the pickle gave. */
static bool count_fits(const unsigned char *at, size_t bytes, bool big)
{
    uint64_t count = 0;

    for (int i = 0; i < 8; i++)
        count = count << 8 | at[big ? i : 7 - i];
    return count ? count <= bytes && bytes % count == 0 && bytes / count <= 16 : !bytes;
}

static int read_storage(struct pickle *p, const struct object *key, const unsigned char **at,
                        const unsigned char *end, bool big)
{
    char text[64];
    struct storage *r;
    int found;

    if (key->kind != OBJECT_STRING || key->size >= sizeof text)
        return fail("the list of storages is broken");
    memcpy(text, key->text, key->size);
    text[key->size] = 0;
    found = table_find(&p->keys, text);
    if (found < 0 || p->storages[found]->data)
        return fail("storage %s is %s", text, found < 0 ? "used by nothing" : "there twice");
    r = p->storages[found];
    if ((size_t)(end - *at) < 8 || r->bytes > (size_t)(end - *at) - 8)
        return fail_as("truncated", "the file ends inside storage %s", text);
    if (!count_fits(*at, r->bytes, big))
        return fail("storage %s has another size than the pickle says", text);
    r->data = *at + 8;
    *at += 8 + r->bytes;
    return 0;
}

static int read_storages(struct pickle *p, const unsigned char *end, bool big)
{
    const struct object *keys = unpickle(p);
    const unsigned char *at = p->at;

    if (!keys)
        return -1;
    if (keys->kind != OBJECT_LIST)
        return fail("the list of storages is broken");
    for (int i = 0; i < keys->count; i++)
        if (read_storage(p, keys->items[i], &at, end, big))
            return -1;
    return 0;
}

int legacy_read(struct weights *w)
{
    const unsigned char *end = w->data + w->size;
    struct pickle p = { .at = w->data,
                        .end = w->size > PICKLE_LIMIT ? w->data + PICKLE_LIMIT : end };
    const struct object *root = NULL;
    bool big = false;
    int result = -1;

    w->kind = "legacy";
    if (!read_head(&p, &big))
        root = unpickle(&p);
    if (root && !read_storages(&p, end, big))
        result = state_read(w, &p, root, big);
    pickle_free(&p);
    return result;
}
