/* SPDX-License-Identifier: MIT
 * vit_shapes.c - the vision transformer on pictures that keep their shape (NaFlex)
 *
 *     x = squares W^T + b + position, the table's grid drawn out over the picture's
 *     x = block(x) for every layer, each picture's squares among themselves
 *
 * Pictures have as many rows as squares: nothing is padded and nothing masked.
 *
 * Source: huggingface/transformers models/siglip2/modeling_siglip2.py, Siglip2VisionEmbeddings
 * (arXiv 2307.06304; arXiv 2502.14786, section 2.4.2).
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "nn/vit.h"

struct picture {
    const float *squares;
    int down, across;
};

static struct picture picture_at(const struct tensor *pixels, long i)
{
    const float *at = pixels->data + i * pixels->stride, *last = at + width(pixels) - 2;

    return (struct picture){ at, (int)last[0], (int)last[1] };
}

/* What place `at` of `count` takes of each of `grid` places along one side: bilinear, and where
 * places become fewer the triangle is as much wider, as torch's interpolate does with antialias. */
static void spread(float *weight, int grid, int at, int count)
{
    float ratio = (float)grid / (float)count, support = ratio < 1 ? 1 : ratio;
    float middle = ((float)at + 0.5f) * ratio - 0.5f, sum = 0;

    for (int i = 0; i < grid; i++) {
        weight[i] = fmaxf(0, 1 - fabsf((float)i - middle) / support);
        sum += weight[i];
    }
    for (int i = 0; i < grid; i++)
        weight[i] /= sum;
}

struct blending { /* a struct blend in the making */
    int *start, *index;
    float *weight;
    int rows;
};

/* The rows of one picture; side: [2, grid] to work in. */
static void draw_out(struct blending *b, const struct picture *p, float *side, int grid)
{
    for (int row = 0; row < p->down * p->across; row++) {
        int at = b->start[b->rows];

        spread(side, grid, row / p->across, p->down);
        spread(side + grid, grid, row % p->across, p->across);
        for (int i = 0; i < grid * grid; i++)
            if (side[i / grid] > 0 && side[grid + i % grid] > 0) {
                b->index[at] = i;
                b->weight[at++] = side[i / grid] * side[grid + i % grid];
            }
        b->start[++b->rows] = at;
    }
}

/* A square takes of a table of g x g places, along a side that has n, at most 2 g / n + 1 of them,
 * or two where n is more. */
static size_t most_places(int grid, int count)
{
    int some = count < grid ? 2 * grid / count + 1 : 2;

    return (size_t)(some < grid ? some : grid) * (size_t)count;
}

static struct tensor *positions(struct tape *t, struct vit *v, const struct picture *pictures,
                                int count, long total)
{
    int grid = v->config.image / v->config.patch;
    struct blending b = { 0 };
    float *side = tape_alloc(t, 2 * (size_t)grid * sizeof *side);
    size_t room = 0;

    for (int i = 0; i < count; i++)
        room += most_places(grid, pictures[i].down) * most_places(grid, pictures[i].across);
    b.start = tape_alloc(t, ((size_t)total + 1) * sizeof *b.start);
    b.index = tape_alloc(t, room * sizeof *b.index);
    b.weight = tape_alloc(t, room * sizeof *b.weight);
    b.start[0] = 0;
    for (int i = 0; i < count; i++)
        draw_out(&b, &pictures[i], side, grid);
    assert((size_t)b.start[total] <= room);
    return blend(t, v->position, &(struct blend){ b.start, b.index, b.weight }, total);
}

struct tensor *vit_forward_shapes(struct tape *t, struct vit *v, struct tensor *pixels,
                                  const struct spans **spans)
{
    int count = (int)pixels->shape[0], *lengths = tape_alloc(t, (size_t)count * sizeof *lengths);
    struct picture *pictures = tape_alloc(t, (size_t)count * sizeof *pictures);
    long area = 3L * v->config.patch * v->config.patch, total = 0;
    struct tensor *x;
    float *to;

    for (int i = 0; i < count; i++) {
        pictures[i] = picture_at(pixels, i);
        lengths[i] = pictures[i].down * pictures[i].across;
        assert(lengths[i] > 0 && lengths[i] * area <= width(pixels) - 2);
        total += lengths[i];
    }
    x = tensor_make(t, total, area);
    to = x->data;
    for (int i = 0; i < count; to += lengths[i++] * area)
        memcpy(to, pictures[i].squares, (size_t)(lengths[i] * area) * sizeof *to);
    *spans = spans_of(t, count, lengths);
    x = linear(t, &v->patches, x, ACTIVATION_NONE);
    x = add(t, x, positions(t, v, pictures, count, total));
    for (int i = 0; i < v->config.layers; i++)
        x = block_forward(t, &v->blocks[i], x, *spans, false, NULL);
    return x;
}
