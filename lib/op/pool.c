/* SPDX-License-Identifier: MIT
 * pool.c - images with channels last, and means over their squares
 *
 *     to_channels_last   [n, c, h, w] -> [n, h, w, c]
 *     average_pool       [n, h, w, c] -> [n, h / size, w / size, c], squares side by side
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *x, *y;
    long size;
};

static void turn_back(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long c = p->x->shape[1], area = p->x->shape[2] * p->x->shape[3];

    for (long i = first; i < last; i++)
        for (long j = 0; j < c; j++)
            p->x->grad[(i / area * c + j) * area + i % area] += p->y->grad[i * c + j];
}

static void backward_turn(const struct node *n)
{
    struct pass p = { n->in[0], n->out, 0 };

    over_rows(turn_back, &p, rows(p.y), width(p.y));
}

static const struct op op_turn = { .name = "to_channels_last", .backward = backward_turn };

static void transpose(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long c = p->x->shape[1], area = p->x->shape[2] * p->x->shape[3];

    for (long i = first; i < last; i++)
        for (long j = 0; j < c; j++)
            p->y->data[i * c + j] = p->x->data[(i / area * c + j) * area + i % area];
}

struct tensor *to_channels_last(struct tape *t, struct tensor *pixels)
{
    const long *shape = pixels->shape;
    struct tensor *y = tensor_make(t, shape[0], shape[2], shape[3], shape[1]);
    struct pass p = { pixels, y, 0 };

    assert(pixels->rank == 4 && pixels->stride == width(pixels));
    over_rows(transpose, &p, rows(y), width(y));
    return REMEMBER(t, &op_turn, y, NULL, pixels);
}

/* Row in x of the first corner of the square that makes row i of y */
static long corner(const struct pass *p, long i)
{
    long down = p->y->shape[1], across = p->y->shape[2];
    long image = i / (down * across), y = i / across % down, x = i % across;

    return (image * p->x->shape[1] + y * p->size) * p->x->shape[2] + x * p->size;
}

static void average_back(const void *argument, long first, long last)
{
    const struct pass *p = argument;

    for (long i = first; i < last; i++)
        for (long j = 0; j < p->size * p->size; j++)
            kernels.add_scaled(
                grad_of(p->x, corner(p, i) + j / p->size * p->x->shape[2] + j % p->size),
                grad_of(p->y, i), 1.0f / (float)(p->size * p->size), width(p->x));
}

static void backward_average(const struct node *n)
{
    struct pass p = { n->in[0], n->out, *(long *)n->saved };

    over_rows(average_back, &p, rows(p.y), p.size * p.size * width(p.y));
}

static const struct op op_average = { .name = "average_pool", .backward = backward_average };

static void average(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long c = width(p->x);

    for (long i = first; i < last; i++) {
        float *y = row_of(p->y, i);

        memset(y, 0, (size_t)c * sizeof *y);
        for (long j = 0; j < p->size * p->size; j++)
            kernels.add(y, y,
                        row_of(p->x, corner(p, i) + j / p->size * p->x->shape[2] + j % p->size), c);
        for (long j = 0; j < c; j++)
            y[j] /= (float)(p->size * p->size);
    }
}

struct tensor *average_pool(struct tape *t, struct tensor *x, int size)
{
    struct tensor *y =
        tensor_make(t, x->shape[0], x->shape[1] / size, x->shape[2] / size, width(x));
    long *saved = tape_alloc(t, sizeof *saved);
    struct pass p = { x, y, size };

    assert(x->rank == 4 && size > 0);
    *saved = size;
    over_rows(average, &p, rows(y), size * size * width(y));
    return REMEMBER(t, &op_average, y, saved, x);
}
