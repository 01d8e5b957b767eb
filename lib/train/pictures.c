/* SPDX-License-Identifier: MIT
 * pictures.c - where the images of a dataset are
 *
 * A path, or a piece of a file of records: then a member (PART) or a JSON string with a data: URI
 * (PART_URI).  What has no place of its own, because it came through a pipe, is kept.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/data_inside.h"

static uint32_t *slot_of(const struct picture_table *t, const struct picture *pictures,
                         int64_t group)
{
    size_t at = (uint64_t)group & (t->capacity - 1);

    while (t->slots[at] && pictures[t->slots[at] - 1].group != group)
        at = (at + 1) & (t->capacity - 1);
    return &t->slots[at];
}

static void table_grow(struct picture_table *t, const struct picture *pictures, size_t count)
{
    if (2 * count < t->capacity)
        return;
    free(t->slots);
    t->capacity = t->capacity ? 2 * t->capacity : 1024;
    t->slots = xalloc(t->capacity, sizeof *t->slots);
    for (size_t i = 0; i < count; i++)
        *slot_of(t, pictures, pictures[i].group) = (uint32_t)i + 1;
}

static void keep(struct dataset *d, struct picture *p, const void *data, size_t size)
{
    p->at = d->kept.size;
    p->size = (uint32_t)size;
    buffer_add(&d->kept, data, size);
}

static void place_member(struct dataset *d, struct picture *p, const struct member *m)
{
    p->kind = m->at < 0 ? KEPT : PART;
    p->wide = m->kind == MEMBER_F32;
    p->size = (uint32_t)m->size;
    p->at = (uint64_t)m->at;
    if (m->at < 0)
        keep(d, p, m->data, m->size);
}

static int place_reference(struct dataset *d, struct picture *p, const struct record *r,
                           const struct fields *f, const char *reference)
{
    struct buffer bytes = { 0 };
    struct span value;

    if (strncmp(reference, "data:", 5)) {
        p->kind = PATH;
        keep(d, p, reference, strlen(reference) + 1);
        return 0;
    }
    if (r->at >= 0 && record_image(r, f, &value, NULL)) {
        p->kind = PART_URI;
        p->at = (uint64_t)(r->at + (value.data - r->json.data));
        p->size = (uint32_t)value.size;
        return 0;
    }
    p->kind = KEPT;
    if (image_reference_read(&bytes, f->root, reference))
        return -1;
    keep(d, p, bytes.data, bytes.size);
    buffer_free(&bytes);
    return 0;
}

static uint32_t source_of(struct dataset *d, const char *name)
{
    int n = d->source_count;

    if (!n || strcmp(d->sources[n - 1], name)) {
        d->sources = xresize(d->sources, (size_t)n + 1, sizeof *d->sources);
        d->sources[d->source_count++] = xstrdup(name);
    }
    return (uint32_t)d->source_count - 1;
}

static struct picture *picture_new(struct dataset *d)
{
    if (d->picture_count == d->picture_capacity) {
        d->picture_capacity = d->picture_capacity ? 2 * d->picture_capacity : 1024;
        d->pictures = xresize(d->pictures, d->picture_capacity, sizeof *d->pictures);
    }
    return memset(&d->pictures[d->picture_count], 0, sizeof *d->pictures);
}

int features_check(const struct dataset *d, const struct record *r)
{
    const struct member *m = record_member(r, "image_features");
    char *tower = record_string(r, "image_features_tower");
    bool own = tower && !strcmp(tower, d->tower);

    free(tower);
    if (!m)
        return fail_as("no_features", "the record has no image_features in binary form");
    if (!own)
        return fail_as("other_tower",
                       "image_features come from another vision tower than this model's");
    if (m->kind == MEMBER_BYTES || m->rank != 2 || m->shape[0] != d->tokens ||
        m->shape[1] != d->width)
        return fail_as("misshapen", "image_features have not the tower's shape");
    return 0;
}

int picture_add(struct dataset *d, struct picture_table *t, const struct record *r,
                const struct fields *f, uint32_t *number)
{
    const struct member *m =
        d->options.features ? record_member(r, "image_features") : record_image_member(r, f);
    char *reference = m ? NULL : record_image_reference(r, f);
    int result = 0;
    uint64_t hash;
    uint32_t *slot;

    if (!m && !reference)
        return -1;
    hash = m ? hash_bytes(m->data, m->size, 0) : hash_bytes(reference, strlen(reference), 0);
    table_grow(t, d->pictures, d->picture_count);
    slot = slot_of(t, d->pictures, (int64_t)(hash >> 1));
    if (!*slot) {
        struct picture *p = picture_new(d);

        p->group = (int64_t)(hash >> 1);
        p->source = source_of(d, r->source);
        p->line = (uint32_t)r->line;
        if (m)
            place_member(d, p, m);
        else
            result = place_reference(d, p, r, f, reference);
        if (!result)
            *slot = (uint32_t)++d->picture_count;
    }
    *number = *slot - 1;
    free(reference);
    return result;
}

static int read_uri(const struct dataset *d, const struct picture *p, struct buffer *b)
{
    struct buffer value = { 0 };
    int result = file_read_part(&value, d->sources[p->source], (long long)p->at, p->size);
    char *uri = result ? NULL : json_text((struct span){ value.data, value.size });

    if (uri)
        result = image_reference_read(b, NULL, uri);
    else if (!result)
        result = fail("%s has changed", d->sources[p->source]);
    buffer_free(&value);
    free(uri);
    return result;
}

int picture_read(const struct dataset *d, const struct picture *p, struct buffer *b)
{
    switch (p->kind) {
    case PATH:
        return image_reference_read(b, d->root, d->kept.data + p->at);
    case KEPT:
        buffer_add(b, d->kept.data + p->at, p->size);
        return 0;
    case PART:
        return file_read_part(b, d->sources[p->source], (long long)p->at, p->size);
    default:
        return read_uri(d, p, b);
    }
}

/* "SOURCE:LINE: NAME: REASON", with what is known, and without what REASON begins with.  A name may
 * hold newlines; a line of the report may not. */
static void warn_of(const char *source, long line, const char *name, const char *reason)
{
    bool named = name && !strncmp(reason, name, strlen(name));
    char *text =
        line ? xprintf("%s:%ld: %s%s%s", source, line, name && !named ? name : "",
                       name && !named ? ": " : "", reason)
             : xprintf("%s%s%s", name && !named ? name : "", name && !named ? ": " : "", reason);

    make_printable(text, "");
    warn("%s", text);
    free(text);
}

void picture_warn(const struct dataset *d, const struct picture *p)
{
    if (d->options.quiet)
        return;
    warn_of(d->sources[p->source], p->line, p->kind == PATH ? d->kept.data + p->at : "image",
            error_text());
}

void record_warn(const struct dataset *d, const struct record *r, const char *reason)
{
    if (!d->options.quiet)
        warn_of(r->source, r->line, NULL, reason);
}
