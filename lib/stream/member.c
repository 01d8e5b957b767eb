/* SPDX-License-Identifier: MIT
 * member.c - the binary members of a record: vectors, matrices, bytes
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "stream/stream.h"

/* Members are few (RECORD_MEMBERS), so they are looked for one after the other. */
struct member *record_member(const struct record *r, const char *name)
{
    for (int i = 0; i < r->member_count; i++)
        if (!strcmp(r->members[i].name, name))
            return &r->members[i];
    return NULL;
}

void member_remove(struct record *r, const char *name)
{
    struct member *m = record_member(r, name), *end = r->members + r->member_count;

    if (!m)
        return;
    free(m->name);
    free(m->data);
    free(m->ending);
    memmove(m, m + 1, (size_t)(end - m - 1) * sizeof *m);
    r->member_count--;
}

/* A member of that name is replaced. Its bytes are to be filled in by the caller. */
struct member *member_add(struct record *r, const char *name, size_t size)
{
    struct member *m = record_member(r, name);

    if (!m) {
        if ((r->member_count & (r->member_count - 1)) == 0) /* room for 1, 2, 4, 8 .. */
            r->members = xresize(r->members, 2 * (size_t)r->member_count + 1, sizeof *r->members);
        m = &r->members[r->member_count++];
        *m = (struct member){ .name = xstrdup(name) };
    }
    free(m->data);
    free(m->ending);
    m->ending = NULL;
    m->kind = MEMBER_BYTES;
    m->data = xresize(NULL, size, 1);
    m->size = size;
    m->at = -1;
    m->rank = 1;
    memset(m->shape, 0, sizeof m->shape);
    m->shape[0] = (long)size;
    return m;
}

static int by_name(const void *a, const void *b)
{
    const struct member *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* A sorted list of the members is searched for each field's name, so that many fields beside many
 * members do not cost their product. */
const struct member **record_hiding(const struct record *r)
{
    int fields = r->fields.count, members = r->member_count, rest = 0;
    const struct member **hiding, **sorted;
    bool *hides;

    if (!members)
        return NULL;
    hiding = xalloc((size_t)fields + (size_t)members + 1, sizeof *hiding);
    sorted = xalloc((size_t)members, sizeof *sorted);
    hides = xalloc((size_t)members, sizeof *hides);
    for (int k = 0; k < members; k++)
        sorted[k] = &r->members[k];
    qsort(sorted, (size_t)members, sizeof *sorted, by_name);
    for (int i = fields - 1; i >= 0; i--) { /* the last field of a name is the one that is hidden */
        char *name = record_field_name(r, i);
        struct member key = { .name = name }, *wanted = &key;
        const struct member **found =
            bsearch(&wanted, sorted, (size_t)members, sizeof *sorted, by_name);

        free(name);
        if (!found || hides[*found - r->members])
            continue;
        hides[*found - r->members] = true;
        hiding[i] = *found;
    }
    for (int k = 0; k < members; k++)
        if (!hides[k])
            hiding[fields + rest++] = &r->members[k];
    free(sorted);
    free(hides);
    return hiding;
}

/* A shape that is set is one of ours; those that are read are checked in cbor.c. */
static size_t shape_count(int rank, const long *shape)
{
    size_t count = 1;

    assert(rank >= 1 && rank <= 4);
    for (int i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    return count;
}

static void set_shape(struct member *m, int rank, const long *shape)
{
    m->rank = rank;
    memcpy(m->shape, shape, (size_t)rank * sizeof *shape);
}

/* f32, little-endian as in memory. */
void record_set_floats(struct record *r, const char *name, const float *list, int rank,
                       const long *shape)
{
    size_t count = shape_count(rank, shape);
    struct member *m = member_add(r, name, count * sizeof *list);

    m->kind = MEMBER_F32;
    set_shape(m, rank, shape);
    memcpy(m->data, list, m->size);
}

void record_set_halves(struct record *r, const char *name, const float *list, int rank,
                       const long *shape)
{
    size_t count = shape_count(rank, shape);
    struct member *m = member_add(r, name, count * sizeof(uint16_t));
    uint16_t *halves = m->data;

    m->kind = MEMBER_F16;
    set_shape(m, rank, shape);
    for (size_t i = 0; i < count; i++)
        halves[i] = float_to_half(list[i]);
}

void record_set_bytes(struct record *r, const char *name, const void *data, size_t size)
{
    struct member *m = member_add(r, name, size);

    if (size)
        memcpy(m->data, data, size);
}

/* A copy as f32, to free; NULL for plain bytes. */
float *member_floats(const struct member *m, long *count)
{
    const uint16_t *halves = m->data;
    float *list;

    *count = 0;
    if (m->kind == MEMBER_BYTES)
        return NULL;
    if (m->kind == MEMBER_F32) {
        *count = (long)(m->size / sizeof(float));
        return (float *)(void *)xmemdup(m->data, m->size);
    }
    *count = (long)(m->size / sizeof *halves);
    list = xresize(NULL, (size_t)*count, sizeof *list);
    for (long i = 0; i < *count; i++)
        list[i] = half_to_float(halves[i]);
    return list;
}

/* What is binary goes first: the JSON member of its name is hidden. */
float *record_floats(const struct record *r, const char *name, long *count)
{
    const struct member *m = record_member(r, name);
    struct span value;
    float *list;

    *count = 0;
    if (m)
        return member_floats(m, count);
    if (record_find(r, name, &value) && json_floats(value, &list, count))
        return list;
    return NULL;
}

/* The rows of [[..],[..]] one behind the other; NULL: no such thing. */
static float *read_matrix(struct span value, long shape[2])
{
    struct span none = { 0 }, item;
    size_t at = 0, room = 0, have = 0;
    float *all = NULL, *row = NULL;
    long count = 0;
    bool good = true;

    shape[0] = shape[1] = 0;
    while (good && json_each(value, &at, &none, &item)) {
        row = NULL;
        good = json_floats(item, &row, &count) && count && (!shape[0] || count == shape[1]);
        if (good) {
            shape[1] = count;
            if (have + (size_t)count > room)
                all = xresize(all, room = 2 * room + (size_t)count, sizeof *all);
            memcpy(all + have, row, (size_t)count * sizeof *all);
            have += (size_t)count;
            shape[0]++;
        }
        free(row);
    }
    if (good && shape[0])
        return all;
    free(all);
    return NULL;
}

/* A vector that is spelt as JSON, as a member, if that gives the same text again; false: it stays
 * text.  The member's data are to be freed. */
bool member_of_json(struct span value, const char *name, struct member *m)
{
    struct buffer again = { 0 };
    float *list = NULL;
    bool same;

    *m = (struct member){ .name = (char *)(uintptr_t)name, .kind = MEMBER_F32, .rank = 1 };
    if (value.size < 3 || value.data[0] != '[')
        return false;
    if (value.data[1] == '[') {
        m->rank = 2;
        list = read_matrix(value, m->shape);
    } else if (!json_floats(value, &list, &m->shape[0]) || !m->shape[0]) {
        free(list);
        list = NULL;
    }
    if (!list)
        return false;
    m->data = list;
    m->size = (size_t)m->shape[0] * (size_t)(m->rank == 2 ? m->shape[1] : 1) * sizeof *list;
    member_json(&again, m);
    same = again.size == value.size && !memcmp(again.data, value.data, value.size);
    buffer_free(&again);
    if (!same)
        free(list);
    return same;
}
