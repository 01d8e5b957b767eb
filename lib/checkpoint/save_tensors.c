/* SPDX-License-Identifier: MIT
 * save_tensors.c - a model's parameters as a layout stores them
 *
 * A layout's tables are read the other way round: a parameter goes where loading would look for it.
 * Query, key and value become the thirds of one tensor where the layout has them so.  Numbers that
 * lie in memory as they are to be stored are written from there; others are made one tensor at a
 * time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "checkpoint/save_parts.h"

enum { FEW_ROWS = 16 }; /* below it, a matrix is small and its few outputs matter: not for int8 */

static const struct param *find_param(const struct params *p, const char *name)
{
    for (int i = 0; i < p->count; i++)
        if (!strcmp(p->list[i].name, name))
            return &p->list[i];
    return NULL;
}

/* Tied tensors that were loaded from two copies in a file. */
static bool same_numbers(const struct tensor *a, const struct tensor *b)
{
    if (a->type != b->type || a->order != b->order || memcmp(a->bytes, b->bytes, tensor_bytes(a)))
        return false;
    return !a->scale || !memcmp(a->scale, b->scale, (size_t)a->shape[0] * sizeof *a->scale);
}

const struct param *save_tied(const struct model *m, const struct layout *l, const struct param *p)
{
    const struct param *other;
    const struct tensor *a, *b;
    struct place place;

    if (!l->ties || !layout_place(l->ties, p->name, &place))
        return NULL;
    other = find_param(&m->params, place.name);
    a = *p->slot;
    b = other ? *other->slot : NULL;
    if (!b || other->rank != p->rank || memcmp(other->shape, p->shape, sizeof p->shape))
        return NULL;
    return a == b || same_numbers(a, b) ? other : NULL;
}

/* Products with weights, tables of words, and filters as large as their steps, which make a product
 * of squares of pixels. Other filters and queries are few numbers: they stay floats. */
static bool is_matrix(const struct param *p)
{
    const char *dot = strrchr(p->name, '.'), *last = dot ? dot + 1 : p->name;
    const char *patch = strstr(p->name, "patch.weight");

    if (p->rank == 4)
        return patch && !strcmp(patch, "patch.weight") && (patch == p->name || patch[-1] == '.');
    return p->rank == 2 &&
           (!strcmp(last, "weight") || !strcmp(last, "words") || !strcmp(last, "token"));
}

/* int8 is for matrices that are multiplied as they lie; what is small or transposed becomes f16. */
static enum dtype stored_type(const struct param *p, const struct place *place, enum dtype wanted)
{
    if (param_wide(p))
        return DTYPE_F32;
    if (wanted == DTYPE_COUNT)
        wanted = (*p->slot)->type;
    if (wanted != DTYPE_I8)
        return wanted;
    return is_matrix(p) && !place->transpose && p->shape[0] >= FEW_ROWS ? DTYPE_I8 : DTYPE_F16;
}

static int add(struct pieces *p, const char *name, const char *ending)
{
    size_t size = strlen(name) + strlen(ending) + 1;
    char *copy = arena_alloc(&p->names, size);

    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 256;
        p->list = xresize(p->list, (size_t)p->capacity, sizeof *p->list);
        p->pieces = xresize(p->pieces, (size_t)p->capacity, sizeof *p->pieces);
    }
    strcpy(copy, name);
    strcat(copy, ending);
    p->list[p->count] = (struct saving){ .name = copy };
    p->pieces[p->count] = (struct piece){ 0 };
    return p->count++;
}

/* The shape of the stored tensor. */
static void shape_of(struct saving *s, const struct param *p, const struct place *place)
{
    int extra = place->axes > p->rank ? place->axes - p->rank : 0;

    s->rank = p->rank + extra;
    for (int i = 0; i < extra; i++)
        s->shape[i] = 1;
    for (int i = 0; i < p->rank; i++)
        s->shape[i + extra] = p->shape[place->transpose ? p->rank - 1 - i : i];
    if (p->rank)
        s->shape[extra] *= place->parts;
}

/* NAME.scale, f32, one factor a row. */
static void add_scales(struct pieces *p, int rows)
{
    int at = add(p, p->list[rows].name, ".scale");

    p->list[at].type = DTYPE_F32;
    p->list[at].rank = 1;
    p->list[at].shape[0] = p->list[rows].shape[0];
    p->pieces[at].form = PIECE_SCALES;
    p->pieces[at].parts = p->pieces[rows].parts;
}

static int pieces_of(const struct pieces *p, const struct tensor *x)
{
    return p->int8_pieces ? p->int8_pieces : x->type == DTYPE_I8 ? x->pieces : 0;
}

/* NAME.pieces: in how many bytes a number is taken that this matrix multiplies. */
static void add_pieces(struct pieces *p, int rows, const struct tensor *x)
{
    int pieces = pieces_of(p, x);
    char *name;

    if (!pieces)
        return;
    name = xprintf("%s.pieces", p->list[rows].name);
    pieces_number(p, name, pieces);
    free(name);
}

/* A matrix of a product, if asked for, in the order in which this processor reads it. */
static void set_order(struct pieces *p, int at, const struct param *one, const struct place *place)
{
    enum dtype type = p->list[at].type;
    int pieces = type == DTYPE_I8 ? pieces_of(p, *one->slot) : 0;
    const struct order *order;

    if (!p->packed || !one->multiplies || one->rank != 2 || place->transpose ||
        place->axes > one->rank || (p->packed_int8 && type != DTYPE_I8))
        return;
    order = order_here(type, pieces, one->memory_bound);
    p->pieces[at].order = order;
    p->list[at].packed = true;
    p->list[at].rank = 1;
    p->list[at].shape[0] = place->parts *
                           (long)order_size(order, type, one->shape[0], one->shape[1]) /
                           (long)dtype_size(type);
}

/* A norm's numbers, whose channels the matrices behind it take over. */
static const float *folded_vector(struct pieces *p, const struct param *one)
{
    const float *factor = folds_of_vector(&p->folds, one);
    float *to = arena_alloc(&p->names, (size_t)one->shape[0] * sizeof *to);

    tensor_read(*one->slot, 0, one->shape[0], to);
    for (long i = 0; i < one->shape[0]; i++)
        to[i] /= factor[i];
    return to;
}

/* The first part of a tensor makes its entry; the others are behind it. */
static void add_first(struct pieces *p, const struct param *one, const struct place *place,
                      enum dtype type)
{
    const struct tensor *x = *one->slot;
    int at = add(p, place->name, "");

    p->list[at].type = type;
    shape_of(&p->list[at], one, place);
    p->pieces[at].parts = place->parts;
    p->pieces[at].transpose = place->transpose;
    p->pieces[at].form = type == DTYPE_I8 ? PIECE_ROWS : PIECE_NUMBERS;
    if (type == DTYPE_I8) {
        add_scales(p, at);
        add_pieces(p, at, x);
    }
    set_order(p, at, one, place);
    if (folds_of_vector(&p->folds, one)) {
        p->list[at].data = folded_vector(p, one);
        return;
    }
    if (type != DTYPE_I8 && place->parts == 1 && !place->transpose && x->type == type &&
        x->order == p->pieces[at].order)
        p->list[at].data = x->bytes;
}

static int find_piece(const struct pieces *p, const char *name)
{
    int at = p->count - 1;

    while (at >= 0 && strcmp(p->list[at].name, name))
        at--;
    return at;
}

void pieces_alias(struct pieces *p, const char *name, const char *of)
{
    int from = find_piece(p, of), at;

    if (from < 0)
        return;
    at = add(p, name, "");
    name = p->list[at].name;
    p->list[at] = p->list[from];
    p->list[at].name = name;
    p->list[at].same = p->list[from].same ? p->list[from].same : from + 1;
    p->pieces[at] = p->pieces[from];
}

void pieces_number(struct pieces *p, const char *name, long value)
{
    int64_t *data = arena_alloc(&p->names, sizeof *data);
    int at = add(p, name, "");

    *data = value;
    p->list[at].type = DTYPE_I64;
    p->list[at].data = data;
}

void pieces_positions(struct pieces *p)
{
    static const char table[] = ".embeddings.position_embeddings.weight";

    for (int i = p->count - 1; i >= 0; i--) {
        size_t size = strlen(p->list[i].name), tail = sizeof table - 1;
        long count = p->list[i].shape[0];
        char name[192];
        int64_t *data;
        int at;

        if (size < tail || size >= sizeof name || strcmp(p->list[i].name + size - tail, table))
            continue;
        memcpy(name, p->list[i].name, size);
        strcpy(name + size - tail, ".embeddings.position_ids");
        data = arena_alloc(&p->names, (size_t)count * sizeof *data);
        for (long k = 0; k < count; k++)
            data[k] = k;
        at = add(p, name, "");
        p->list[at].type = DTYPE_I64;
        p->list[at].rank = 2;
        p->list[at].shape[0] = 1;
        p->list[at].shape[1] = count;
        p->list[at].data = data;
    }
}

static int place_part(struct pieces *p, const struct param *one, const struct place *place,
                      enum dtype type)
{
    int at;

    if (place->part == 0)
        add_first(p, one, place, type);
    at = find_piece(p, place->name);
    if (at < 0)
        return fail("%s comes without what is before it in %s", one->name, place->name);
    p->pieces[at].part[place->part] = one;
    if (p->pieces[at].form == PIECE_ROWS)
        p->pieces[at + 1].part[place->part] = one;
    return 0;
}

/* Tied tensors are written twice, as the originals' files have them, unless save_options.once. */
int pieces_gather(struct pieces *p, const struct model *m, const struct layout *l,
                  const struct save_options *o)
{
    bool shared = false;

    *p = (struct pieces){ .int8_pieces = o->pieces, .packed = o->packed };
    p->packed_int8 = (o->type < DTYPE_COUNT ? o->type : save_type(m)) == DTYPE_I8;
    if (o->type == DTYPE_I8)
        folds_find(&p->folds, m);
    for (int i = 0; i < m->params.count; i++) {
        const struct param *one = &m->params.list[i];
        const struct param *other = *one->slot ? save_tied(m, l, one) : NULL;
        struct place place, others;

        shared |= other != NULL;
        if (!*one->slot || (o->once && other))
            continue;
        if (!layout_place(l, one->name, &place))
            return fail_as("unsupported", "the %s layout has no place for %s", l->name, one->name);
        if (place_part(p, one, &place, stored_type(one, &place, o->type)))
            return -1;
        if (other && layout_place(l, other->name, &others) && others.parts == 1 && others.part == 0)
            p->list[find_piece(p, place.name)].same = find_piece(p, others.name) + 1;
    }
    if (o->once_said && !shared)
        return fail_as("unsupported", "--once has no effect: no tensor has two names here");
    return 0;
}

void pieces_free(struct pieces *p)
{
    free(p->list);
    free(p->pieces);
    folds_free(&p->folds);
    arena_free(&p->names);
    *p = (struct pieces){ 0 };
}

/* --- numbers --- */

/* Numbers that have been read are not wanted again soon: their pages go. */
static void release(const struct tensor *x)
{
    if (x->mapped)
        file_release(x->bytes, tensor_bytes(x));
}

/* A block at a time: a tensor of a large model is never in memory twice. */
static void convert(const struct tensor *x, enum dtype type, char *out)
{
    enum { BLOCK = 4096 };
    float block[BLOCK];
    long count = tensor_count(x);

    if (x->type == type) {
        tensor_stored(x, 0, count, out);
        return;
    }
    for (long i = 0; i < count; i += BLOCK) {
        long some = count - i < BLOCK ? count - i : BLOCK;

        tensor_read(x, i, some, block);
        kernels.narrow(out + (size_t)i * dtype_size(type), block, type, some);
    }
}

/* [rows, columns] -> [columns, rows] */
static void turn(const char *from, char *to, long rows, long columns, size_t size)
{
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            memcpy(to + (size_t)(c * rows + r) * size, from + (size_t)(r * columns + c) * size,
                   size);
}

/* The thirds of one tensor come one after the other, in the order of the layout. */
static void make_numbers(const struct piece *p, enum dtype type, char *out)
{
    for (int i = 0; i < p->parts; i++) {
        const struct tensor *x = *p->part[i]->slot;
        size_t bytes = (size_t)tensor_count(x) * dtype_size(type);
        char *straight = p->transpose ? xalloc(bytes, 1) : out;

        convert(x, type, straight);
        release(x);
        if (p->transpose) {
            turn(straight, out, rows(x), width(x), dtype_size(type));
            free(straight);
        }
        out += bytes;
    }
}

static float largest(const float *row, long count)
{
    float most = 0;

    for (long i = 0; i < count; i++)
        most = fmaxf(most, fabsf(row[i]));
    return most;
}

/* value = scale * int8, the largest of a row being 127 or -127; either may be NULL. */
static void round_row(const float *row, long count, int8_t *out, float *scale)
{
    float most = largest(row, count);

    if (scale)
        *scale = most / 127;
    for (long k = 0; out && k < count; k++)
        out[k] = (int8_t)(most > 0 && isfinite(most) ? lrintf(row[k] / most * 127) : 0);
}

/* A filter is a row. */
static void round_rows(const struct tensor *x, const float *folded, int8_t *out, float *scales)
{
    long count = tensor_count(x) / x->shape[0];
    float *row = xalloc((size_t)count, sizeof *row);

    for (long r = 0; r < x->shape[0]; r++) {
        tensor_read(x, r * count, count, row);
        for (long k = 0; folded && k < count; k++)
            row[k] *= folded[k];
        round_row(row, count, out ? out + r * count : NULL, scales ? scales + r : NULL);
    }
    free(row);
    release(x);
}

/* Bytes that were rounded once stay as they are. */
static void make_rows(const struct pieces *all, const struct piece *p, int8_t *out, float *scales)
{
    for (int i = 0; i < p->parts; i++) {
        const struct tensor *x = *p->part[i]->slot;
        size_t count = (size_t)x->shape[0];

        if (x->type != DTYPE_I8)
            round_rows(x, folds_of_matrix(&all->folds, p->part[i]), out, scales);
        else if (out)
            tensor_stored(x, 0, tensor_count(x), out);
        else
            memcpy(scales, x->scale, count * sizeof *scales);
        out += out ? tensor_count(x) : 0;
        scales += scales ? count : 0;
    }
}

static void make_plain(const struct pieces *p, const struct piece *one, enum dtype type, void *out)
{
    if (one->form == PIECE_NUMBERS)
        make_numbers(one, type, out);
    else if (one->form == PIECE_ROWS)
        make_rows(p, one, out, NULL);
    else
        make_rows(p, one, NULL, out);
}

/* Each part by itself. */
static void make_packed(const struct pieces *p, const struct piece *one, enum dtype type, char *out)
{
    long rows = one->part[0]->shape[0], inputs = one->part[0]->shape[1];
    size_t bytes = (size_t)(rows * inputs) * dtype_size(type);
    size_t size = order_size(one->order, type, rows, inputs);
    char *plain = xalloc((size_t)one->parts, bytes);

    make_plain(p, one, type, plain);
    for (int i = 0; i < one->parts; i++)
        order_fill(one->order, type, out + (size_t)i * size, plain + (size_t)i * bytes, rows,
                   inputs);
    free(plain);
}

void pieces_make(void *self, int index, void *out)
{
    const struct pieces *p = self;
    const struct piece *one = &p->pieces[index];
    enum dtype type = p->list[index].type;

    if (one->order)
        make_packed(p, one, type, out);
    else
        make_plain(p, one, type, out);
}
