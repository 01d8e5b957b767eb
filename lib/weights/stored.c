/* SPDX-License-Identifier: MIT
 * stored.c - one tensor's elements: how many, and a copy in row-major order
 *
 *     element (i, j, ...) is data[i * stride[0] + j * stride[1] + ...]
 */
#include <assert.h>
#include <string.h>
#include "base/number.h"
#include "weights/container.h"

enum { TILE = 32 }; /* rows and columns turned at a time: both sides stay in the first cache */

/* As if no axis were empty, so that no order of multiplying overflows. */
bool stored_is_possible(const struct stored *s)
{
    uint64_t product = 1;

    for (int i = 0; i < s->rank; i++) {
        uint64_t size = s->shape[i] > 1 ? (uint64_t)s->shape[i] : 1;

        if (s->shape[i] < 0 || __builtin_mul_overflow(product, size, &product) ||
            product >= ELEMENT_LIMIT)
            return false;
    }
    return true;
}

/* An axis of no or one element never moves: its stride is what it would be for one. */
void stored_row_major(struct stored *s)
{
    long stride = 1;

    for (int i = s->rank - 1; i >= 0; i--) {
        s->stride[i] = stride;
        stride *= s->shape[i] > 1 ? s->shape[i] : 1;
    }
}

long stored_count(const struct stored *s)
{
    long count = 1;

    for (int i = 0; i < s->rank; i++)
        count *= s->shape[i];
    return count;
}

bool stored_is_contiguous(const struct stored *s)
{
    long stride = 1;

    if (!stored_count(s))
        return true;
    for (int i = s->rank - 1; i >= 0; i--) {
        if (s->shape[i] > 1 && s->stride[i] != stride)
            return false;
        stride *= s->shape[i];
    }
    return true;
}

struct plane { /* two axes: where they lead in the source, in elements */
    long rows, columns, row_stride, column_stride;
};

/* `size` is a constant at each call, so the copies become loads and stores. */
static inline void gather(char *out, const char *in, const struct plane *p, size_t size)
{
    for (long i = 0; i < p->rows; i += TILE)
        for (long j = 0; j < p->columns; j += TILE)
            for (long r = i; r < p->rows && r < i + TILE; r++)
                for (long c = j; c < p->columns && c < j + TILE; c++)
                    memcpy(out + (size_t)(r * p->columns + c) * size,
                           in + (size_t)(r * p->row_stride + c * p->column_stride) * size, size);
}

static void copy_plane(char *out, const char *in, const struct plane *p, size_t size)
{
    size_t row = (size_t)p->columns * size;

    if (p->column_stride == 1) {
        for (long r = 0; r < p->rows; r++)
            memcpy(out + (size_t)r * row, in + (size_t)(r * p->row_stride) * size, row);
        return;
    }
    switch (size) {
    case 1:
        gather(out, in, p, 1);
        break;
    case 2:
        gather(out, in, p, 2);
        break;
    case 4:
        gather(out, in, p, 4);
        break;
    default:
        assert(size == 8);
        gather(out, in, p, 8);
    }
}

/* All axes but the last two, then planes. */
/* Where the next element goes, so that the loops need no index of their own. */
static char *copy_axis(const struct stored *s, int axis, const char *in, char *out)
{
    size_t size = dtype_size(s->type);

    if (axis < s->rank - 2) {
        for (long i = 0; i < s->shape[axis]; i++)
            out = copy_axis(s, axis + 1, in + (size_t)(i * s->stride[axis]) * size, out);
        return out;
    }
    copy_plane(
        out, in,
        &(struct plane){ s->shape[axis], s->shape[axis + 1], s->stride[axis], s->stride[axis + 1] },
        size);
    return out + (size_t)(s->shape[axis] * s->shape[axis + 1]) * size;
}

void stored_copy(const struct stored *s, bool transpose, void *out)
{
    struct stored view = *s;

    assert(!transpose || s->rank == 2);
    if (!stored_count(s))
        return;
    if (transpose) {
        view.shape[0] = s->shape[1], view.shape[1] = s->shape[0];
        view.stride[0] = s->stride[1], view.stride[1] = s->stride[0];
    }
    if (stored_is_contiguous(&view)) {
        memcpy(out, view.data, view.bytes);
        return;
    }
    if (view.rank == 1) { /* as a plane of one row */
        view.shape[1] = view.shape[0], view.stride[1] = view.stride[0];
        view.shape[0] = 1, view.stride[0] = 0;
        view.rank = 2;
    }
    copy_axis(&view, 0, view.data, out);
}
