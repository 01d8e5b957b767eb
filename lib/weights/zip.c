/* SPDX-License-Identifier: MIT
 * zip.c - the directory of a zip archive
 *
 *     local header, name, extra, content | ... | directory | zip64 end | locator | end
 *
 * The local headers of torch.save carry no sizes: these come from the directory.  The padding that
 * aligns the content exists in the local headers alone: where the content starts comes from those.
 * A 32-bit field of all ones stands for a 64-bit number in the entry's zip64 block, which lists
 * just the replaced ones, always in the same order.
 *
 * Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 (layout) and 4.5.3 (64-bit numbers).
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/error.h"
#include "base/memory.h"
#include "weights/container.h"

enum {
    END_SIZE = 22,
    LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    COMMENT_LIMIT = 65535,
    UNPACK_LIMIT = 256 << 20, /* bytes of an entry that is read whole */
    UNPACK_FREE = 4 << 20,    /* what any entry may unpack to ... */
    UNPACK_RATIO = 64,        /* ... and a larger one: pickles of names and numbers give a tenth */
    ZIP64_BLOCK = 1
};
#define SATURATED 0xffffffffu

/* Little-endian. */
static uint64_t number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;

    while (bytes > 0)
        value = value << 8 | at[--bytes];
    return value;
}

static bool is_signature(const unsigned char *at, int a, int b)
{
    return at[0] == 'P' && at[1] == 'K' && at[2] == a && at[3] == b;
}

struct directory {
    const unsigned char *file;
    size_t size;
    uint64_t offset, length, entries;
};

/* The last record, behind which there is only a comment. */
static const unsigned char *find_end(const unsigned char *file, size_t size)
{
    for (size_t tail = END_SIZE; tail <= size && tail <= END_SIZE + COMMENT_LIMIT; tail++) {
        const unsigned char *end = file + size - tail;

        if (is_signature(end, 5, 6) && END_SIZE + number(end + 20, 2) == tail)
            return end;
    }
    return NULL;
}

/* The 64-bit record counts where it is there: the old one holds 0xffff and 0xffffffff then. */
static int find_directory(struct directory *d)
{
    const unsigned char *end = find_end(d->file, d->size), *end64;
    uint64_t at;

    if (!end)
        return fail_as("truncated", "the zip archive has no end: the file is cut off");
    d->entries = number(end + 10, 2);
    d->length = number(end + 12, 4);
    d->offset = number(end + 16, 4);
    at = (uint64_t)(end - d->file);
    if (at >= LOCATOR_SIZE && is_signature(end - LOCATOR_SIZE, 6, 7)) {
        uint64_t place = number(end - LOCATOR_SIZE + 8, 8);

        if (at < LOCATOR_SIZE + END64_SIZE || place > at - LOCATOR_SIZE - END64_SIZE ||
            !is_signature(d->file + place, 6, 6))
            return fail("the zip archive's 64-bit end record is not where it should be");
        end64 = d->file + place;
        d->entries = number(end64 + 32, 8);
        d->length = number(end64 + 40, 8);
        d->offset = number(end64 + 48, 8);
    }
    if (d->offset > at || d->length > at - d->offset || d->entries > d->length / ENTRY_SIZE)
        return fail("the zip archive's directory does not fit the file");
    return 0;
}

/* Replaces those of the three that are saturated. */
static int read_zip64(const unsigned char *extra, size_t size, uint64_t *const fields[3])
{
    while (size >= 4) {
        size_t length = number(extra + 2, 2), used = 0;

        if (length > size - 4)
            break;
        for (int i = 0; i < 3 && number(extra, 2) == ZIP64_BLOCK; i++) {
            if (*fields[i] != SATURATED)
                continue;
            if (length - used < 8)
                return fail("a zip64 block is too short");
            *fields[i] = number(extra + 4 + used, 8);
            used += 8;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    return 0;
}

/* From the local header: the content's place. */
static int locate(struct zip_entry *e, const struct directory *d, uint64_t header)
{
    uint64_t start, limit = d->offset; /* content lies before the directory */

    if (header > limit || limit - header < LOCAL_SIZE || !is_signature(d->file + header, 3, 4))
        return fail("%.80s has no local header in the zip archive", e->name);
    start =
        header + LOCAL_SIZE + number(d->file + header + 26, 2) + number(d->file + header + 28, 2);
    if (start > limit || e->packed > limit - start)
        return fail_as("truncated", "%.80s does not fit into the zip archive", e->name);
    if (e->method == 0 && e->packed != e->size)
        return fail("%.80s is stored and has two sizes", e->name);
    e->data = d->file + start;
    return 0;
}

/* One entry of the directory at *at, which moves on. */
/* Only what the directory says counts; the local header in front of the content is asked for its
 * length alone. */
static int read_entry(struct zip *z, struct arena *arena, const struct directory *d, uint64_t *at)
{
    const unsigned char *entry = d->file + *at;
    uint64_t left = d->offset + d->length - *at, packed, size, header;
    struct zip_entry *e = &z->entries[z->count];
    size_t name, extra;
    char *text;

    if (left < ENTRY_SIZE || !is_signature(entry, 1, 2))
        return fail("the zip archive's directory is broken");
    name = number(entry + 28, 2);
    extra = number(entry + 30, 2);
    if (left - ENTRY_SIZE < name + extra + number(entry + 32, 2))
        return fail("the zip archive's directory is broken");
    packed = number(entry + 20, 4);
    size = number(entry + 24, 4);
    header = number(entry + 42, 4);
    if (read_zip64(entry + ENTRY_SIZE + name, extra, (uint64_t *[]){ &size, &packed, &header }))
        return -1;
    text = arena_alloc(arena, name + 1);
    memcpy(text, entry + ENTRY_SIZE, name);
    text[name] = 0;
    *e = (struct zip_entry){ .name = text,
                             .packed = packed,
                             .size = size,
                             .crc = (uint32_t)number(entry + 16, 4),
                             .method = (int)number(entry + 10, 2) };
    if (number(entry + 8, 2) & 1)
        return fail_as("unsupported", "the zip archive is encrypted");
    if (strlen(text) != name || !table_add(&z->names, text, z->count))
        return fail("the zip archive has two entries %.80s", text);
    z->count++;
    *at += ENTRY_SIZE + name + extra + number(entry + 32, 2);
    return locate(e, d, header);
}

static int by_place(const void *a, const void *b)
{
    const struct zip_entry *const *x = a, *const *y = b;

    return (*x)->data < (*y)->data ? -1 : (*x)->data > (*y)->data;
}

/* Entries that share bytes would let a small file stand for any number of large ones. */
static int check_overlap(const struct zip *z)
{
    const struct zip_entry **sorted = xalloc((size_t)z->count + 1, sizeof *sorted);
    int result = 0;

    for (int i = 0; i < z->count; i++)
        sorted[i] = &z->entries[i];
    qsort(sorted, (size_t)z->count, sizeof *sorted, by_place);
    for (int i = 1; i < z->count && result == 0; i++)
        if (sorted[i]->data - sorted[i - 1]->data < LOCAL_SIZE + (ptrdiff_t)sorted[i - 1]->packed)
            result = fail("the zip archive's entries %.80s and %.80s overlap", sorted[i - 1]->name,
                          sorted[i]->name);
    free(sorted);
    return result;
}

int zip_read(struct zip *z, struct arena *arena, const unsigned char *data, size_t size)
{
    struct directory d = { .file = data, .size = size };
    uint64_t at;

    if (find_directory(&d))
        return -1;
    z->entries = xalloc(d.entries, sizeof *z->entries);
    at = d.offset;
    for (uint64_t i = 0; i < d.entries; i++)
        if (read_entry(z, arena, &d, &at))
            return -1;
    return check_overlap(z);
}

const struct zip_entry *zip_find(const struct zip *z, const char *folder, const char *name)
{
    char *path = xprintf("%s/%s", folder, name);
    int found = table_find(&z->names, path);

    free(path);
    return found < 0 ? NULL : &z->entries[found];
}

/* Bytes that were changed since they were written must not become weights. */
static int check(const struct zip_entry *e, const unsigned char *data)
{
    if (crc32_z(0, data, e->size) == e->crc)
        return 0;
    return fail("%.80s is damaged: its checksum differs", e->name);
}

int zip_check(const struct zip_entry *e)
{
    return e->method ? 0 : check(e, e->data);
}

/* To exactly the size that the directory tells. */
static int inflate_all(const struct zip_entry *e, unsigned char *out)
{
    z_stream s = { .next_in = (unsigned char *)(uintptr_t)e->data,
                   .avail_in = (unsigned)e->packed,
                   .next_out = out,
                   .avail_out = (unsigned)e->size };
    int result;

    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return fail("%.80s cannot be unpacked", e->name);
    result = inflate(&s, Z_FINISH);
    inflateEnd(&s);
    if (result != Z_STREAM_END || s.avail_out)
        return fail("%.80s cannot be unpacked: its compressed data is broken", e->name);
    return 0;
}

unsigned char *zip_unpack(const struct zip_entry *e)
{
    unsigned char *out;

    if (e->size > UNPACK_LIMIT || e->packed > UNPACK_LIMIT ||
        (e->size > UNPACK_FREE && e->size / UNPACK_RATIO > e->packed)) {
        fail_as("too_large", "%.80s unpacks to %zu bytes", e->name, e->size);
        return NULL;
    }
    if (e->method != 0 && e->method != Z_DEFLATED) {
        fail_as("unsupported", "%.80s is compressed by method %d", e->name, e->method);
        return NULL;
    }
    out = xalloc(e->size + 1, 1);
    if (!e->method)
        memcpy(out, e->data, e->size);
    if ((e->method && inflate_all(e, out)) || check(e, out)) {
        free(out);
        return NULL;
    }
    return out;
}

void zip_free(struct zip *z)
{
    free(z->entries);
    table_free(&z->names);
    *z = (struct zip){ 0 };
}
