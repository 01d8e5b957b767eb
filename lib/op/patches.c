/* SPDX-License-Identifier: MIT
 * patches.c - squares of pixels times a matrix
 *
 *     pixels: [n, 3, h, w]  weight: [d, 3, p, p]  ->  [n, (h/p)(w/p), d], row-major over y, x
 *
 * A square is laid out as one row in the weight's order (channel, y, x); the rest is `linear`.
 * Pixels beyond the last whole square are not seen.
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    float *pixels; /* or their gradient */
    float *squares;
    long channels, h, w, across, down, p;
    bool back; /* from squares to pixels, adding */
};

/* Lines of p pixels between one square and its place in the image */
static void move_squares(const void *argument, long first, long last)
{
    const struct pass *a = argument;
    long area = a->channels * a->p * a->p;

    for (long s = first; s < last; s++) {
        long image = s / (a->across * a->down), place = s % (a->across * a->down);
        long y = place / a->across * a->p, x = place % a->across * a->p;

        for (long c = 0; c < a->channels; c++) {
            for (long i = 0; i < a->p; i++) {
                float *pixel = a->pixels + ((image * a->channels + c) * a->h + y + i) * a->w + x;
                float *line = a->squares + s * area + (c * a->p + i) * a->p;

                if (a->back)
                    kernels.add(pixel, pixel, line, a->p);
                else
                    memcpy(line, pixel, (size_t)a->p * sizeof *line);
            }
        }
    }
}

static struct pass pass_over(const struct tensor *pixels, float *data, float *squares, long p)
{
    return (struct pass){
        .pixels = data,
        .squares = squares,
        .channels = pixels->shape[1],
        .h = pixels->shape[2],
        .w = pixels->shape[3],
        .across = pixels->shape[3] / p,
        .down = pixels->shape[2] / p,
        .p = p,
    };
}

static void backward(const struct node *n)
{
    const struct tensor *pixels = n->in[0], *y = n->out;
    struct pass a = pass_over(pixels, pixels->grad, y->grad, *(long *)n->saved);

    a.back = true;
    over_rows(move_squares, &a, rows(y), width(y));
}

static const struct op op_squares = { .name = "squares", .backward = backward };

static struct tensor *squares(struct tape *t, struct tensor *pixels, long p)
{
    long *saved = tape_alloc(t, sizeof *saved);
    long across = pixels->shape[3] / p, down = pixels->shape[2] / p;
    struct tensor *y = tensor_make(t, pixels->shape[0], across * down, pixels->shape[1] * p * p);
    struct pass a = pass_over(pixels, pixels->data, y->data, p);

    *saved = p;
    over_rows(move_squares, &a, rows(y), width(y));
    return REMEMBER(t, &op_squares, y, saved, pixels);
}

struct tensor *patches(struct tape *t, struct linear *layer, struct tensor *pixels, int patch)
{
    long across = pixels->shape[3] / patch, down = pixels->shape[2] / patch;
    struct tensor *y;
    struct tape_mark mark;

    assert(pixels->rank == 4 && pixels->stride == width(pixels) && layer->parts == 1);
    if (wants(pixels) || linear_learns(layer) || layer->weight[0]->moves)
        return linear(t, layer, squares(t, pixels, patch), ACTIVATION_NONE);
    y = tensor_make(t, pixels->shape[0], across * down, layer->weight[0]->shape[0]);
    mark = tape_mark(t); /* the squares are as many as the pixels: not kept */
    linear_packed(t, layer, squares(t, pixels, patch), y, ACTIVATION_NONE, NULL);
    tape_drop(t, mark);
    return y;
}
