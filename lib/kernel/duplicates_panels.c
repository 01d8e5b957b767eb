/* SPDX-License-Identifier: MIT
 * duplicates_panels.c - kept vectors as whole numbers, in panels of 16: [depth / 4][16][4] bytes
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/duplicates.h"

/* So that a product with another one is the cosine, but for roundings. */
bool duplicate_is_unit(const float *x, long width)
{
    double squares = 0;

    for (long i = 0; i < width; i++)
        squares += (double)x[i] * (double)x[i];
    return fabs(squares - 1) < 1e-5;
}

float duplicate_scale(const float *x, long width, long limit)
{
    float most = 0;

    for (long i = 0; i < width; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most / (float)limit;
}

long duplicate_whole(float x, float scale, long limit)
{
    long q = scale > 0 ? lrintf(x / scale) : 0;

    return q > limit ? limit : q < -limit ? -limit : q;
}

/* A little more than the root: sums of squares are rounded too. */
static float length_above(double squares)
{
    return (float)(sqrt(squares) * (1 + 1e-6) + 1e-9);
}

void duplicate_measure(const struct duplicate_panels *p, const float *x, float scale, long limit,
                       float *rest, float *error)
{
    double squares = 0, lost = 0;
    long depth = p->depth < p->width ? p->depth : p->width;

    for (long i = 0; i < depth; i++) {
        double e = x[i] - (double)scale * (double)duplicate_whole(x[i], scale, limit);

        lost += e * e;
    }
    for (long i = depth; i < p->width; i++)
        squares += (double)x[i] * (double)x[i];
    *rest = length_above(squares);
    *error = length_above(lost);
}

static int8_t *byte_at(const struct duplicate_panels *p, long place, long i)
{
    return p->bytes + place / DUPLICATE_COLUMNS * DUPLICATE_COLUMNS * p->padded +
           (i / DUPLICATE_STEP * DUPLICATE_COLUMNS + place % DUPLICATE_COLUMNS) * DUPLICATE_STEP +
           i % DUPLICATE_STEP;
}

/* Sums of arriving bytes are 31 q_y too large. */
static void describe(struct duplicate_panels *p, long place, const float *x)
{
    long sum = 0;

    for (long i = 0; i < p->depth; i++)
        sum += *byte_at(p, place, i);
    p->begin[place] = p->scale[place] * (float)(ARRIVING * sum);
    duplicate_measure(p, x, p->scale[place], KEPT, &p->rest[place], &p->error[place]);
}

static void grow(struct duplicate_panels *p)
{
    long old = p->room, room = old ? 2 * old : 64;
    size_t places = (size_t)room * DUPLICATE_COLUMNS;

    p->bytes = xresize(p->bytes, places, (size_t)p->padded);
    p->of = xresize(p->of, places, sizeof *p->of);
    p->scale = xresize(p->scale, places, sizeof *p->scale);
    p->begin = xresize(p->begin, places, sizeof *p->begin);
    p->rest = xresize(p->rest, places, sizeof *p->rest);
    p->error = xresize(p->error, places, sizeof *p->error);
    p->room = room;
}

long duplicate_panels_add(struct duplicate_panels *p)
{
    long first = p->count * DUPLICATE_COLUMNS;

    if (p->count == p->room)
        grow(p);
    memset(p->bytes + first * p->padded, 0, (size_t)(DUPLICATE_COLUMNS * p->padded));
    for (long i = first; i < first + DUPLICATE_COLUMNS; i++) { /* no vector has no hits */
        p->of[i] = -1;
        p->scale[i] = p->begin[i] = p->rest[i] = 0;
        p->error[i] = -1e30f;
    }
    return p->count++;
}

void duplicate_panels_put(struct duplicate_panels *p, long place, const float *x, long number)
{
    p->of[place] = number;
    p->scale[place] = duplicate_scale(x, p->width, KEPT);
    for (long i = 0; i < p->width; i++)
        *byte_at(p, place, i) = (int8_t)duplicate_whole(x[i], p->scale[place], KEPT);
    describe(p, place, x);
}

/* --- all of them --- */

struct filling {
    struct duplicate_panels *panels;
    const float *vectors;
    bool put;
};

static void fill_panel(void *argument, long index, int worker)
{
    const struct filling *f = argument;
    struct duplicate_panels *p = f->panels;

    (void)worker;
    for (long at = index * DUPLICATE_COLUMNS; at < (index + 1) * DUPLICATE_COLUMNS; at++) {
        const float *x = f->vectors + p->of[at] * p->width;

        if (p->of[at] >= 0 && f->put)
            duplicate_panels_put(p, at, x, p->of[at]);
        else if (p->of[at] >= 0)
            describe(p, at, x);
    }
}

void duplicate_panels_fill(struct duplicate_panels *p, const float *vectors)
{
    pool_run(fill_panel, &(struct filling){ p, vectors, true }, p->count);
}

void duplicate_panels_deepen(struct duplicate_panels *p, const float *vectors, long depth)
{
    p->depth = depth;
    pool_run(fill_panel, &(struct filling){ p, vectors, false }, p->count);
}

void duplicate_panels_drop(struct duplicate_panels *p)
{
    free(p->bytes);
    free(p->of);
    free(p->scale);
    free(p->begin);
    free(p->rest);
    free(p->error);
    *p = (struct duplicate_panels){ .width = p->width, .padded = p->padded, .depth = p->depth };
}
