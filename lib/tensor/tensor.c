/* SPDX-License-Identifier: MIT
 * tensor.c - numbers with a shape, and views of them
 *
 *     row i of x is x->data[i * x->stride] .. + width(x)
 *
 * A view shares data and gradient with its base.  An operation gives its result a gradient when it
 * is made, so a view made later finds it.
 */
#include <assert.h>
#include <string.h>
#include "base/number.h"
#include "tensor/tensor.h"

enum { SOME = 512 }; /* numbers widened at a time */

long rows(const struct tensor *x)
{
    long count = 1;

    for (int i = 0; i < x->rank - 1; i++)
        count *= x->shape[i];
    return count;
}

long width(const struct tensor *x)
{
    return x->rank ? x->shape[x->rank - 1] : 1;
}

long tensor_count(const struct tensor *x)
{
    return rows(x) * width(x);
}

size_t tensor_bytes(const struct tensor *x)
{
    return x->order ? order_size(x->order, x->type, rows(x), width(x))
                    : (size_t)tensor_count(x) * dtype_size(x->type);
}

bool wants(const struct tensor *x)
{
    return x && x->needs_grad;
}

static struct tensor *header(struct tape *t, int rank, const long *shape)
{
    struct tensor *x = tape_alloc(t, sizeof *x);

    assert(rank >= 0 && rank <= TENSOR_RANK);
    *x = (struct tensor){ .rank = rank };
    for (int i = 0; i < rank; i++) {
        assert(shape[i] >= 0);
        x->shape[i] = shape[i];
    }
    x->stride = width(x);
    return x;
}

struct tensor *tensor_new(struct tape *t, int rank, const long *shape)
{
    struct tensor *x = header(t, rank, shape);

    x->data = tape_floats(t, tensor_count(x));
    return x;
}

struct tensor *tensor_like(struct tape *t, const struct tensor *x)
{
    return tensor_new(t, x->rank, x->shape);
}

struct tensor *tensor_from(struct tape *t, float *data, int rank, const long *shape)
{
    struct tensor *x = header(t, rank, shape);

    x->data = data;
    return x;
}

/* A copy of the base's header, moved by `offset` floats. */
static struct tensor *view(struct tape *t, struct tensor *base, long offset)
{
    struct tensor *x = tape_alloc(t, sizeof *x);

    assert(base->type == DTYPE_F32 && !base->order);
    *x = *base;
    x->data += offset;
    x->base = base->base ? base->base : base;
    return x;
}

struct tensor *tensor_columns(struct tape *t, struct tensor *base, long first, long count)
{
    struct tensor *x = view(t, base, first);

    assert(base->rank > 0 && first >= 0 && count >= 0 && first + count <= width(base));
    x->shape[x->rank - 1] = count;
    return x;
}

struct tensor *tensor_rows(struct tape *t, struct tensor *base, long first, long count)
{
    struct tensor *x = view(t, base, first * base->stride);

    assert(first >= 0 && count >= 0 && first + count <= rows(base));
    x->rank = 2;
    x->shape[0] = count;
    x->shape[1] = width(base);
    return x;
}

/* Rows may be grouped anew at any stride; another width needs rows without gaps. */
struct tensor *tensor_reshape(struct tape *t, struct tensor *base, int rank, const long *shape)
{
    struct tensor *x = view(t, base, 0);

    assert(rank >= 0 && rank <= TENSOR_RANK);
    x->rank = rank;
    for (int i = 0; i < rank; i++)
        x->shape[i] = shape[i];
    assert(tensor_count(x) == tensor_count(base));
    if (width(x) != width(base)) {
        assert(base->stride == width(base) || rows(base) == 1);
        x->stride = width(x);
    }
    return x;
}

struct tensor *tensor_as_rows(struct tape *t, struct tensor *x)
{
    return tensor_reshape(t, x, 2, (long[]){ rows(x), width(x) });
}

static void scale_up(const struct tensor *x, long first, long count, float *to)
{
    long one = tensor_count(x) / x->shape[0]; /* numbers under one scale */

    assert(x->scale && x->stride == width(x));
    for (long i = 0; i < count;) {
        float scale = x->scale[(first + i) / one];
        long end = i + one - (first + i) % one;

        for (end = end < count ? end : count; i < end; i++)
            to[i] *= scale;
    }
}

/* Of row after row, as far as they are asked for. */
static void stored_in_order(const struct tensor *x, long first, long count, char *to)
{
    const struct ordered m = { x->order, x->type, x->bytes, rows(x), width(x) };

    while (count) {
        long row = first / m.inputs, at = first % m.inputs;
        long some = m.inputs - at < count ? m.inputs - at : count;

        order_read(&m, row, at, some, to);
        to += (size_t)some * dtype_size(x->type);
        first += some;
        count -= some;
    }
}

void tensor_stored(const struct tensor *x, long first, long count, void *to)
{
    size_t size = dtype_size(x->type);

    if (x->order)
        stored_in_order(x, first, count, to);
    else if (count)
        memcpy(to, (const char *)x->bytes + (size_t)first * size, (size_t)count * size);
}

static void widen_in_order(const struct tensor *x, long first, long count, float *to)
{
    float some[SOME];

    for (long at = 0; at < count; at += SOME) {
        long now = count - at < SOME ? count - at : SOME;

        stored_in_order(x, first + at, now, (char *)some);
        kernels.widen(to + at, some, x->type, now);
    }
}

void tensor_read(const struct tensor *x, long first, long count, float *to)
{
    if (x->order)
        widen_in_order(x, first, count, to);
    else
        kernels.widen(to, (const char *)x->bytes + (size_t)first * dtype_size(x->type), x->type,
                      count);
    if (x->type == DTYPE_I8)
        scale_up(x, first, count, to);
}

const float *tensor_floats(struct tape *t, const struct tensor *x)
{
    float *wide;

    if (!x || (x->type == DTYPE_F32 && !x->order))
        return x ? x->data : NULL;
    assert(x->stride == width(x));
    wide = tape_floats(t, tensor_count(x));
    tensor_read(x, 0, tensor_count(x), wide);
    return wide;
}
