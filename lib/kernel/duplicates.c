/* SPDX-License-Identifier: MIT
 * duplicates.c - near duplicates among unit vectors: exact, at the speed of bytes
 *
 * A vector is kept unless its dot product with one kept before reaches the threshold.  Few pairs
 * come near it, so most are passed by for a bound.  With x = s q + e, q whole numbers of some bits,
 * over the first `depth` of the width, and x' the rest:
 *
 *     x y  <=  s_x s_y (q_x q_y) + |e_x| |y| + |e_y| (|x| + |e_x|) + |x'| |y'| (Cauchy-Schwarz)
 *
 * q_x q_y is exact.  q is 6 bits of a vector that comes and 7 of one that is kept, so that
 * processors that add pairs of products of bytes in 16 bits can add four such pairs.  Pairs whose
 * bound reaches the threshold are looked at as f32: first by the fastest sum, with room for its
 * roundings; then by dot_in_order(), which decides.  So neither the depth, which follows what the
 * bound lets through, nor the processor has an influence on what is found.
 *
 * A panel is 16 kept vectors: [depth / 4][16][4] bytes.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum {
    ARRIVALS = 48,     /* vectors that pass by the kept ones together */
    PIECE = 64,        /* panels in a piece of the work */
    LINE = 64,         /* bytes */
    LEAST = 64,        /* of depth */
    FIRST_LOOK = 2048, /* kept vectors before the depth is chosen anew; then at each doubling */
    ARRIVING = 31,
    KEPT = 63,        /* largest whole numbers */
    EXACT_COST = 600, /* of a pair that is looked at, in products of bytes */
};

struct duplicate_set {
    long width, padded,
        depth; /* padded: to a multiple of DUPLICATE_DEPTH; depth: that the bound reads */
    float threshold;
    long count, room;
    float *vectors;              /* [room, width] */
    int8_t *panels;              /* [room / 16][padded / 4][16][4] */
    float *scale;                /* [room] */
    float *begin, *rest, *error; /* [room]: of the present depth; see struct duplicate_tile */
    long next_look;
    atomic_long hits, pairs; /* since the depth was chosen */
};

/* Vectors that came. */
struct arrivals {
    struct duplicate_set *set;
    const float *vectors;
    int count;
    uint8_t *bytes; /* [count, stride] */
    long stride;    /* rows lie in different sets of the cache */
    float scale[ARRIVALS], rest[ARRIVALS], error[ARRIVALS];
    atomic_long first[ARRIVALS]; /* the first kept vector that is near; LONG_MAX: none */
};

static float largest_of(const float *x, long count)
{
    float most = 0;

    for (long i = 0; i < count; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

/* A little more than the root: sums of squares are rounded too. */
static float length_above(double squares)
{
    return (float)(sqrt(squares) * (1 + 1e-6) + 1e-9);
}

static long whole(float x, float scale, long limit)
{
    long q = scale > 0 ? lrintf(x / scale) : 0;

    return q > limit ? limit : q < -limit ? -limit : q;
}

/* What the bound needs of a vector's first `depth` and the rest. */
static void measure(const struct duplicate_set *s, const float *x, float scale, long limit,
                    float *rest, float *error)
{
    double squares = 0, lost = 0;

    for (long i = 0; i < s->width; i++) {
        double e = x[i] - (double)scale * (double)whole(x[i], scale, limit);

        if (i < s->depth)
            lost += e * e;
        else
            squares += (double)x[i] * (double)x[i];
    }
    *rest = length_above(squares);
    *error = length_above(lost);
}

/* --- the kept vectors --- */

static int8_t *byte_at(const struct duplicate_set *s, long vector, long i)
{
    return s->panels + vector / DUPLICATE_COLUMNS * DUPLICATE_COLUMNS * s->padded +
           (i / DUPLICATE_STEP * DUPLICATE_COLUMNS + vector % DUPLICATE_COLUMNS) * DUPLICATE_STEP +
           i % DUPLICATE_STEP;
}

/* Sums of arriving bytes are 31 q_y too large. */
static void describe(const struct duplicate_set *s, long vector)
{
    long sum = 0;

    for (long i = 0; i < s->depth; i++)
        sum += *byte_at(s, vector, i);
    s->begin[vector] = s->scale[vector] * (float)(ARRIVING * sum);
    measure(s, s->vectors + vector * s->width, s->scale[vector], KEPT, &s->rest[vector],
            &s->error[vector]);
}

static void describe_panel(void *argument, long index, int worker)
{
    const struct duplicate_set *s = argument;

    (void)worker;
    for (long i = index * DUPLICATE_COLUMNS; i < (index + 1) * DUPLICATE_COLUMNS && i < s->count;
         i++)
        describe(s, i);
}

static void grow(struct duplicate_set *s)
{
    long old = s->room, room = old ? 2 * old : 1024;
    size_t n = (size_t)room;

    s->vectors = xresize(s->vectors, n * (size_t)s->width, sizeof *s->vectors);
    s->panels = xresize(s->panels, n, (size_t)s->padded);
    memset(s->panels + old * s->padded, 0, (size_t)((room - old) * s->padded));
    s->scale = xresize(s->scale, n, sizeof *s->scale);
    s->begin = xresize(s->begin, n, sizeof *s->begin);
    s->rest = xresize(s->rest, n, sizeof *s->rest);
    s->error = xresize(s->error, n, sizeof *s->error);
    for (long i = old; i < room; i++) { /* columns of no vector have no hits */
        s->scale[i] = s->begin[i] = s->rest[i] = 0;
        s->error[i] = -1e30f;
    }
    s->room = room;
}

static void keep(struct duplicate_set *s, const float *x)
{
    long at = s->count;

    if (at == s->room)
        grow(s);
    memcpy(s->vectors + at * s->width, x, (size_t)s->width * sizeof *x);
    s->scale[at] = largest_of(x, s->width) / KEPT;
    for (long i = 0; i < s->width; i++)
        *byte_at(s, at, i) = (int8_t)whole(x[i], s->scale[at], KEPT);
    s->count++;
    describe(s, at);
}

/* --- the depth --- */

static long depth_within(const struct duplicate_set *s, double depth)
{
    long d = round_up((long)depth, DUPLICATE_DEPTH);

    return d < LEAST ? (LEAST < s->padded ? LEAST : s->padded) : d < s->padded ? d : s->padded;
}

/* A deeper bound lets fewer pairs through.  What they cost should be some of what it costs. */
static void choose_depth(struct duplicate_set *s)
{
    double pairs = (double)atomic_load(&s->pairs), hits = (double)atomic_load(&s->hits);
    double ratio = pairs > 0 ? hits / pairs * EXACT_COST / (double)s->depth : 0.1;
    long depth = depth_within(s, ratio > 0.3    ? 1.5 * (double)s->depth
                                 : ratio < 0.02 ? 0.8 * (double)s->depth
                                                : (double)s->depth);

    s->next_look = 2 * s->count;
    atomic_store(&s->pairs, 0);
    atomic_store(&s->hits, 0);
    if (depth == s->depth)
        return;
    s->depth = depth;
    pool_run(describe_panel, s, (s->count + DUPLICATE_COLUMNS - 1) / DUPLICATE_COLUMNS);
}

/* --- those that come --- */

static float product_of(const struct duplicate_set *s, const float *a, const float *b)
{
    return fminf(fmaxf(kernels.dot_in_order(a, b, s->width), -1), 1); /* rounding may lead past 1 */
}

/* What two orders of a sum of unit vectors' products may differ by: 2^-24 for each addition. */
static bool is_duplicate(const struct duplicate_set *s, const float *a, const float *b)
{
    float room = 1.2e-7f * (float)s->width + 1e-6f;

    return kernels.dot(a, b, s->width) >= s->threshold - room &&
           product_of(s, a, b) >= s->threshold;
}

static void arrive(void *argument, long i, int worker)
{
    struct arrivals *a = argument;
    const struct duplicate_set *s = a->set;
    const float *x = a->vectors + i * s->width;
    uint8_t *to = a->bytes + i * a->stride;

    (void)worker;
    a->scale[i] = largest_of(x, s->width) / ARRIVING;
    for (long k = 0; k < s->padded; k++)
        to[k] = (uint8_t)(ARRIVING + (k < s->width ? whole(x[k], a->scale[i], ARRIVING) : 0));
    measure(s, x, a->scale[i], ARRIVING, &a->rest[i], &a->error[i]);
    atomic_store(&a->first[i], LONG_MAX);
}

static void lower(atomic_long *to, long value)
{
    long now = atomic_load(to);

    while (value < now && !atomic_compare_exchange_weak(to, &now, value))
        ;
}

static void look(struct arrivals *a, int i, long panel, unsigned hits)
{
    const struct duplicate_set *s = a->set;
    const float *x = a->vectors + i * s->width;

    for (long j = panel * DUPLICATE_COLUMNS; hits; hits >>= 1, j++)
        if (hits & 1 && j < atomic_load(&a->first[i]) &&
            is_duplicate(s, x, s->vectors + j * s->width))
            lower(&a->first[i], j);
}

static void pass_by(void *argument, long index, int worker)
{
    struct arrivals *a = argument;
    struct duplicate_set *s = a->set;
    long panels = (s->count + DUPLICATE_COLUMNS - 1) / DUPLICATE_COLUMNS, found = 0;
    long first = index * PIECE, end = first + PIECE < panels ? first + PIECE : panels;
    uint16_t hits[DUPLICATE_ROWS];

    (void)worker;
    for (long p = first; p < end; p++) {
        const int8_t *next = s->panels + (p + 1) * DUPLICATE_COLUMNS * s->padded;

        for (int i = 0; i < a->count; i += DUPLICATE_ROWS) {
            long at = p * DUPLICATE_COLUMNS;
            int rows = a->count - i < DUPLICATE_ROWS ? a->count - i : DUPLICATE_ROWS;

            kernels.duplicates(&(struct duplicate_tile){
                .x = a->bytes + i * a->stride,
                .x_stride = a->stride,
                .x_scale = a->scale + i,
                .x_rest = a->rest + i,
                .x_error = a->error + i,
                .rows = rows,
                .panel = s->panels + at * s->padded,
                .scale = s->scale + at,
                .begin = s->begin + at,
                .rest = s->rest + at,
                .error = s->error + at,
                .depth = s->depth,
                .threshold = s->threshold - 1e-5f, /* room for the bound's roundings */
                .hits = hits,
            });
            for (int r = 0; r < rows; r++) {
                if (!hits[r])
                    continue;
                found += __builtin_popcount(hits[r]);
                look(a, i + r, p, hits[r]);
            }
            if (i == 0 && p + 1 < end) /* panels lie apart where the depth is short */
                for (long line = 0; line < s->depth * DUPLICATE_COLUMNS; line += LINE)
                    __builtin_prefetch(next + line);
        }
    }
    atomic_fetch_add(&s->hits, found);
    atomic_fetch_add(&s->pairs, (end - first) * DUPLICATE_COLUMNS * a->count);
}

static void take_some(struct arrivals *a, long *of, float *sim)
{
    struct duplicate_set *s = a->set;
    long before = s->count, panels = (s->count + DUPLICATE_COLUMNS - 1) / DUPLICATE_COLUMNS;

    pool_run(arrive, a, a->count);
    pool_run(pass_by, a, (panels + PIECE - 1) / PIECE);
    for (int i = 0; i < a->count; i++) {
        const float *x = a->vectors + i * s->width;
        long first = atomic_load(&a->first[i]);

        for (long j = before; first == LONG_MAX && j < s->count; j++) /* those of this time */
            if (is_duplicate(s, x, s->vectors + j * s->width))
                first = j;
        of[i] = first == LONG_MAX ? -1 : first;
        if (of[i] < 0)
            keep(s, x);
        else
            sim[i] = product_of(s, x, s->vectors + first * s->width);
    }
    if (s->count >= s->next_look)
        choose_depth(s);
}

void duplicate_set_take(struct duplicate_set *s, const float *vectors, long count, long *of,
                        float *sim)
{
    struct arrivals *a = xalloc(1, sizeof *a);

    a->set = s;
    a->stride = s->padded + LINE;
    a->bytes = xalloc(ARRIVALS, (size_t)a->stride);
    for (long at = 0; at < count; at += ARRIVALS) {
        a->vectors = vectors + at * s->width;
        a->count = count - at < ARRIVALS ? (int)(count - at) : ARRIVALS;
        take_some(a, of + at, sim + at);
    }
    free(a->bytes);
    free(a);
}

/* A vector's product with itself misses 1 by what rounding adds up to: 1.1e-6 was the most of 300
 * vectors of 1024 numbers.  A threshold above that would tell equal vectors apart. */
static float reachable(float threshold, long width)
{
    return fminf(threshold, 1 - 2e-7f - 5e-8f * sqrtf((float)width));
}

/* Of random vectors the rest alone reaches the threshold until 1 - depth / width is below it. */
struct duplicate_set *duplicate_set_new(long width, float threshold)
{
    struct duplicate_set *s = xalloc(1, sizeof *s);

    assert(width > 0);
    s->width = width;
    s->padded = round_up(width, DUPLICATE_DEPTH);
    s->threshold = reachable(threshold, width);
    s->depth = depth_within(s, (1.1 - (double)s->threshold) * (double)width);
    s->next_look = FIRST_LOOK;
    return s;
}

void duplicate_set_free(struct duplicate_set *s)
{
    if (!s)
        return;
    free(s->vectors);
    free(s->panels);
    free(s->scale);
    free(s->begin);
    free(s->rest);
    free(s->error);
    free(s);
}
