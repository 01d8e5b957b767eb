/* SPDX-License-Identifier: MIT
 * bind.c - tensors of a file become parameters
 *
 * All of a file is compared before anything is said: a user sees in one sentence what is missing,
 * what has another shape, and what belongs to no parameter.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "checkpoint/layout.h"

enum { LISTED = 6 }; /* names of each kind in the sentence; the rest is counted */

struct binding {
    const struct source *sources;
    int source_count;
    const struct weights *weights; /* of the source that has the parameter */
    struct arena *memory;
    bool *used; /* by index in the file */
    struct buffer missing, misshapen, unknown;
    int missing_count, misshapen_count, unknown_count;
};

/* A sentence with a hundred names would be of no use. */
static void list(struct buffer *b, int *count, const char *name)
{
    if ((*count)++ < LISTED)
        buffer_printf(b, "%s%s", b->size ? ", " : "", name);
}

static void list_shape(struct binding *b, const struct stored *s, const struct param *p)
{
    struct buffer text = { 0 };

    buffer_printf(&text, "%s is %s%s[", s->name, s->order ? "packed " : "", dtype_name(s->type));
    for (int i = 0; i < s->rank; i++)
        buffer_printf(&text, "%s%ld", i ? "," : "", s->shape[i]);
    buffer_string(&text, "] for [");
    for (int i = 0; i < p->rank; i++)
        buffer_printf(&text, "%s%ld", i ? "," : "", p->shape[i]);
    buffer_string(&text, "]");
    list(&b->misshapen, &b->misshapen_count, text.data);
    buffer_free(&text);
}

/* The factors of a tensor of bytes, one a row, where there are such; or NULL. */
static const struct stored *scales_of(const struct weights *w, const struct stored *s)
{
    char *name = xprintf("%s.scale", s->name);
    const struct stored *found = weights_find(w, name);

    free(name);
    return found && found->type == DTYPE_F32 && found->rank == 1 && s->rank > 0 &&
                   found->shape[0] == s->shape[0] && stored_is_contiguous(found)
               ? found
               : NULL;
}

/* For how many bytes a number is taken that the tensor's bytes multiply: NAME.pieces, 1 to 3; NULL:
 * nothing says it. */
static const struct stored *pieces_of(const struct weights *w, const struct stored *s, int *pieces)
{
    char *name = xprintf("%s.pieces", s->name);
    const struct stored *found = weights_find(w, name);
    int64_t value = 0;

    free(name);
    *pieces = 0;
    if (found && found->type == DTYPE_I64 && stored_count(found) == 1)
        memcpy(&value, found->data, sizeof value);
    if (value < 1 || value > 3)
        return NULL;
    *pieces = (int)value;
    return found;
}

/* Bytes are numbers only with their factors, and they cannot be transposed: a factor belongs to a
 * row. */
static bool is_number(const struct weights *w, const struct stored *s, const struct place *place)
{
    if (s->type == DTYPE_I8)
        return !place->transpose && scales_of(w, s);
    return s->type == DTYPE_F32 || s->type == DTYPE_F16 || s->type == DTYPE_BF16 ||
           s->type == DTYPE_F64;
}

/* Bytes of a matrix in the order that its file names, as many as its padded parts have. */
static bool order_fits(const struct weights *w, const struct stored *s, const struct param *p,
                       const struct place *place)
{
    const struct order *order = order_named(s->order);
    int pieces = 0;

    if (s->type == DTYPE_I8)
        pieces_of(w, s, &pieces);
    return order && p->rank == 2 && s->rank == 2 && !place->transpose && !p->buffer &&
           order_holds(order, s->type, pieces) &&
           s->bytes == (size_t)place->parts * order_size(order, s->type, p->shape[0], p->shape[1]);
}

/* The shape that the place must have, from the parameter's; axes of length 1 in front are free. */
static bool fits(const struct weights *w, const struct stored *s, const struct param *p,
                 const struct place *place)
{
    long shape[TENSOR_RANK];
    int extra = 0, rank = p->rank;

    if (s->order && !order_fits(w, s, p, place))
        return false;
    if (!is_number(w, s, place) || (s->type == DTYPE_I8 && s->rank != rank))
        return false;
    memcpy(shape, p->shape, sizeof shape);
    if (place->transpose) {
        shape[0] = p->shape[1];
        shape[1] = p->shape[0];
    }
    if (rank)
        shape[0] *= place->parts;
    while (extra < s->rank && s->rank - extra > rank && s->shape[extra] == 1)
        extra++;
    if (s->rank - extra != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (s->shape[i + extra] != shape[i])
            return false;
    return true;
}

static void widen_f64(float *to, const double *from, long count)
{
    for (long i = 0; i < count; i++)
        to[i] = (float)from[i];
}

/* The old numbers stay where they are: they may be a mapped file. */
void tensor_widen(struct tensor *x, struct arena *memory)
{
    long count = tensor_count(x);
    float *wide;

    if (x->type == DTYPE_F32 && !x->order)
        return;
    wide = arena_alloc(memory, (size_t)count * sizeof *wide);
    if (x->type == DTYPE_F64)
        widen_f64(wide, x->bytes, count);
    else
        tensor_read(x, 0, count, wide);
    x->data = wide;
    x->type = DTYPE_F32;
    x->scale = NULL;
    x->order = NULL;
    x->mapped = false;
}

bool stored_is_float(const struct stored *s)
{
    return s->type == DTYPE_F32 || s->type == DTYPE_F16 || s->type == DTYPE_BF16;
}

float *stored_floats(const struct stored *s, struct arena *memory)
{
    long count = stored_count(s);
    float *to = arena_alloc(memory, (size_t)count * sizeof *to);
    void *raw = arena_alloc(memory, (size_t)count * dtype_size(s->type));

    stored_copy(s, false, raw);
    if (s->type == DTYPE_F32)
        memcpy(to, raw, (size_t)count * sizeof *to);
    else
        kernels.widen(to, raw, s->type, count);
    return to;
}

/* Vectors, scalars and position tables. */
bool param_wide(const struct param *p)
{
    const char *dot = strrchr(p->name, '.');

    return p->rank < 2 || !strcmp(dot ? dot + 1 : p->name, "position");
}

/* Numbers that lie as they are wanted are used in place: opening a model takes no time and no
 * memory. Those of a buffer are copied, because learning changes them. */
static struct tensor *bind(struct binding *b, const struct param *p, const struct stored *s,
                           const struct place *place)
{
    struct tensor *x = arena_alloc(b->memory, sizeof *x);
    const struct order *order = s->order ? order_named(s->order) : NULL;
    size_t size = dtype_size(s->type), part;

    *x = (struct tensor){ .type = s->type, .rank = p->rank, .order = order };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->stride = width(x);
    if (stored_is_contiguous(s) && !place->transpose && !p->buffer) {
        x->bytes = (void *)(uintptr_t)s->data; /* not written: learning moves out */
        x->mapped = weights_is_mapped(b->weights, s);
    } else {
        x->bytes = arena_alloc(b->memory, (size_t)stored_count(s) * size);
        stored_copy(s, place->transpose, x->bytes);
    }
    part = order ? order_size(order, s->type, p->shape[0], p->shape[1])
                 : (size_t)tensor_count(x) * size;
    x->bytes = (char *)x->bytes + (size_t)place->part * part;
    if (s->type == DTYPE_I8) {
        x->scale = (const float *)scales_of(b->weights, s)->data + place->part * x->shape[0];
        pieces_of(b->weights, s, &x->pieces);
    }
    if (param_wide(p) || s->type == DTYPE_F64)
        tensor_widen(x, b->memory);
    return x;
}

/* Only the first file must make sense as a whole; others may be larger models, of which a part is
 * taken. */
static void mark_used(struct binding *b, const struct stored *s)
{
    const struct weights *first = b->sources[0].weights;

    for (int i = 0; b->weights == first && i < weights_count(first); i++)
        if (weights_at(first, i) == s)
            b->used[i] = true;
}

/* The parameter that `one` shares its tensor with in files that keep it once. */
static bool bind_tied(struct binding *b, const struct params *p, struct param *one)
{
    struct place place;

    const struct layout *ties = b->sources[0].layout->ties;

    if (!ties || !layout_place(ties, one->name, &place))
        return false;
    for (const struct param *q = p->list; q < one; q++)
        if (!strcmp(q->name, place.name) && *q->slot && q->rank == one->rank &&
            !memcmp(q->shape, one->shape, sizeof q->shape)) {
            *one->slot = *q->slot;
            return true;
        }
    return false;
}

/* The first file that has the parameter gives it. One that no file has may be tied to another, or
 * optional. */
static void bind_one(struct binding *b, const struct params *all, struct param *p)
{
    struct place place, first = { 0 };
    const struct stored *s = NULL;
    int pieces;

    for (int i = 0; i < b->source_count && !s; i++) {
        b->weights = b->sources[i].weights;
        if (layout_place(b->sources[i].layout, p->name, &place))
            s = weights_find(b->weights, place.name);
        first = i ? first : place;
    }
    if (!s) {
        if (!bind_tied(b, all, p) && !p->optional)
            list(&b->missing, &b->missing_count, first.name[0] ? first.name : p->name);
        return;
    }
    mark_used(b, s);
    if (s->type == DTYPE_I8) {
        mark_used(b, scales_of(b->weights, s));
        mark_used(b, pieces_of(b->weights, s, &pieces));
    }
    if (fits(b->weights, s, p, &place))
        *p->slot = bind(b, p, s, &place);
    else
        list_shape(b, s, p);
}

static bool ends_with_any(const char *name, const char *const *endings)
{
    size_t length = strlen(name);

    for (; *endings; endings++) {
        size_t tail = strlen(*endings);

        if (**endings == '*' && !strncmp(name, *endings + 1, tail - 1))
            return true;
        if (tail <= length && !strcmp(name + length - tail, *endings))
            return true;
    }
    return false;
}

static void say(struct buffer *b, const char *what, const struct buffer *names, int count)
{
    if (!count)
        return;
    buffer_printf(b, "%s%s %s", b->size ? "; " : "", what, names->data);
    if (count > LISTED)
        buffer_printf(b, " and %d more", count - LISTED);
}

static int verdict(struct binding *b)
{
    struct buffer text = { 0 };

    say(&text, "missing", &b->missing, b->missing_count);
    say(&text, "misshapen", &b->misshapen, b->misshapen_count);
    say(&text, "unknown", &b->unknown, b->unknown_count);
    if (text.size)
        fail("%s: the tensors do not fit the model: %s", weights_path(b->sources[0].weights),
             text.data);
    buffer_free(&b->missing);
    buffer_free(&b->misshapen);
    buffer_free(&b->unknown);
    if (!text.size)
        return 0;
    buffer_free(&text);
    return -1;
}

/* Query, key and value are packed together, so of one type; mixed files have them so, unless
 * somebody edited one. */
static void unify(struct params *p, int key, struct arena *memory)
{
    const char *name = p->list[key].name;
    size_t prefix = strlen(name) - strlen("key.weight");
    struct tensor *group[5];
    int count = 0;
    bool mixed = false;

    for (int i = key - 2; i <= key + 2; i++) {
        const char *ending = i >= 0 && i < p->count ? strrchr(p->list[i].name, '.') : NULL;

        if (!ending || strcmp(ending, ".weight") || strncmp(p->list[i].name, name, prefix) ||
            !*p->list[i].slot)
            continue;
        group[count] = *p->list[i].slot;
        mixed |= group[count]->type != group[0]->type;
        count++;
    }
    for (int i = 0; mixed && i < count; i++)
        tensor_widen(group[i], memory);
}

int params_bind(struct params *p, const struct weights *w, const struct layout *l,
                const char *const *ignored, struct arena *memory)
{
    const struct source source = { (struct weights *)(uintptr_t)w, l };

    return params_bind_all(p, &source, 1, ignored, memory);
}

/* Everything of all parameters first, the sentence at the end. */
int params_bind_all(struct params *p, const struct source *sources, int count,
                    const char *const *ignored, struct arena *memory)
{
    const struct weights *w = sources[0].weights;
    struct binding b = { .sources = sources, .source_count = count, .memory = memory };

    b.used = arena_alloc(memory, (size_t)weights_count(w) + 1);
    memset(b.used, 0, (size_t)weights_count(w) + 1);
    for (int i = 0; i < p->count; i++)
        bind_one(&b, p, &p->list[i]);
    for (int i = 0; i < weights_count(w); i++)
        if (!b.used[i] && !ends_with_any(weights_at(w, i)->name, ignored))
            list(&b.unknown, &b.unknown_count, weights_at(w, i)->name);
    for (int i = 0; i < p->count; i++)
        if (ends_with_any(p->list[i].name, (const char *const[]){ ".key.weight", NULL }))
            unify(p, i, memory);
    return verdict(&b);
}
