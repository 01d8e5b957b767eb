/* SPDX-License-Identifier: MIT
 * window.c - what a filter sees, laid out as rows for a product
 *
 *     row of pixel i of y: (ky, kx, in) of x around it, zero beyond the edges
 *
 * The weight [out, in, k, k] is turned into that order.  The rows are k k times the image, so they
 * are made and used a block at a time.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "op/window.h"

enum { BLOCK = 1 << 20 }; /* numbers in a block of rows: 4 MB */

struct window window_over(const struct tensor *x, const struct tensor *weight, long stride)
{
    long k = weight->shape[2], pad = k / 2;
    struct window at = { x->shape[0], x->shape[1], x->shape[2], width(x), weight->shape[0],
                         k,           stride,      0,           0 };

    assert(x->rank == 4 && weight->rank == 4 && weight->shape[3] == k);
    assert(weight->shape[1] == at.channels);
    at.down = (at.h + 2 * pad - k) / stride + 1;
    at.across = (at.w + 2 * pad - k) / stride + 1;
    return at;
}

long window_numbers(const struct window *at)
{
    return at->k * at->k * at->channels;
}

/* The row of x that pixel i of y sees at (ky, kx), or -1 where that is padding */
static long source(const struct window *at, long i, long ky, long kx)
{
    long image = i / (at->down * at->across);
    long y = i / at->across % at->down * at->stride + ky - at->k / 2;
    long x = i % at->across * at->stride + kx - at->k / 2;

    if (y < 0 || y >= at->h || x < 0 || x >= at->w)
        return -1;
    return (image * at->h + y) * at->w + x;
}

static void gather(const void *argument, long first, long last)
{
    const struct rows_of *p = argument;
    const struct window *at = p->at;
    size_t bytes = (size_t)at->channels * sizeof(float);

    for (long i = first; i < last; i++) {
        float *to = p->rows + i * window_numbers(at);

        for (long tap = 0; tap < at->k * at->k; tap++, to += at->channels) {
            long from = source(at, p->start + i, tap / at->k, tap % at->k);

            if (from < 0)
                memset(to, 0, bytes);
            else
                memcpy(to, row_of(p->x, from), bytes);
        }
    }
}

/* Adds the rows of whole images first .. last to dx; images share no pixel. */
static void scatter(const void *argument, long first, long last)
{
    const struct rows_of *p = argument;
    const struct window *at = p->at;
    long area = at->down * at->across;

    for (long i = first * area; i < last * area; i++) {
        const float *from = p->rows + i * window_numbers(at);

        for (long tap = 0; tap < at->k * at->k; tap++, from += at->channels) {
            long to = source(at, p->start + i, tap / at->k, tap % at->k);

            if (to >= 0)
                kernels.add(grad_of(p->x, to), grad_of(p->x, to), from, at->channels);
        }
    }
}

void window_gather(const struct rows_of *p, long count)
{
    over_rows(gather, p, count, window_numbers(p->at));
}

void window_scatter(const struct rows_of *p, long images)
{
    over_rows(scatter, p, images, p->at->down * p->at->across * window_numbers(p->at));
}

/* [out, in, k k] and [out, k k, in], of elements of `size` bytes */
static void turn_weight(char *to, const char *from, const struct window *at, size_t size)
{
    long taps = at->k * at->k;

    for (long o = 0; o < at->out; o++)
        for (long tap = 0; tap < taps; tap++)
            for (long c = 0; c < at->channels; c++)
                memcpy(to + (size_t)((o * taps + tap) * at->channels + c) * size,
                       from + (size_t)((o * at->channels + c) * taps + tap) * size, size);
}

float *window_weight(struct tape *t, const struct tensor *weight, const struct window *at)
{
    float *turned = tape_floats(t, tensor_count(weight));

    turn_weight((char *)turned, (const char *)tensor_floats(t, weight), at, sizeof *turned);
    return turned;
}

void window_weight_back(float *to, const float *from, const struct window *at)
{
    long taps = at->k * at->k;

    for (long o = 0; o < at->out; o++)
        for (long tap = 0; tap < taps; tap++)
            for (long c = 0; c < at->channels; c++)
                to[(o * at->channels + c) * taps + tap] +=
                    from[(o * taps + tap) * at->channels + c];
}

struct pack *window_pack(const struct tensor *weight, const struct window *at)
{
    size_t size = dtype_size(weight->type);
    char *turned = xalloc((size_t)tensor_count(weight), size);
    struct matrix part = { turned, weight->type, at->out, weight->scale };
    struct pack *pack;

    turn_weight(turned, weight->bytes, at, size);
    pack = pack_weights(&part, 1, window_numbers(at), false);
    free(turned);
    return pack;
}

long window_block(const struct window *at)
{
    return BLOCK / window_numbers(at) > 0 ? BLOCK / window_numbers(at) : 1;
}

void window_product(struct tape *t, const struct window *at, const struct tensor *x,
                    struct product *product)
{
    long total = at->n * at->down * at->across, d = window_numbers(at), step = window_block(at);
    struct arena_mark scratch = arena_mark(&t->arena);
    struct rows_of p = { .at = at, .x = x };
    struct product part = *product;

    if (at->k == 1 && at->stride == 1) {
        part.x = x->data;
        part.x_stride = x->stride;
        part.rows = total;
        multiply_packed(&part);
        return;
    }
    part.x = p.rows = tape_floats(t, (step < total ? step : total) * d);
    part.x_stride = d;
    for (p.start = 0; p.start < total; p.start += step) {
        part.rows = p.start + step < total ? step : total - p.start;
        part.y = product->y + p.start * product->y_stride;
        part.residual = product->residual ? product->residual + p.start * product->y_stride : NULL;
        window_gather(&p, part.rows);
        multiply_packed(&part);
    }
    arena_rewind(&t->arena, scratch);
}
