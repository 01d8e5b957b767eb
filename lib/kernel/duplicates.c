/* SPDX-License-Identifier: MIT
 * duplicates.c - near duplicates among unit vectors: exact, at the speed of bytes
 *
 * A vector is kept unless its dot product with one kept before reaches the threshold.  Few pairs
 * come near it.  Where vectors lie in clusters most are left out with a whole group of kept ones,
 * by the angle to a reference point (duplicates_groups.c).  Most others are passed by for a bound.
 * With x = s q + e, q whole numbers of some bits, over the first `depth` of the width, and x' the
 * rest:
 *
 *     x y  <=  s_x s_y (q_x q_y) + |e_x| |y| + |e_y| (|x| + |e_x|) + |x'| |y'| (Cauchy-Schwarz)
 *
 * q_x q_y is exact.  q is 6 bits of a vector that comes and 7 of one that is kept, so that
 * processors that add pairs of products of bytes in 16 bits can add four such pairs.  Pairs whose
 * bound reaches the threshold are looked at as f32: first by the fastest sum, with room for its
 * roundings; then by dot_in_order(), which decides.  So neither groups, nor the depth, which
 * follows what the bound lets through, nor the processor has an influence on what is found.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/duplicates.h"

enum {
    ARRIVALS = 48, /* vectors that pass by the kept ones together */
    PIECE = 64,    /* panels in a piece of the work, at most */
    LINE = 64,     /* bytes */
    LEAST = 64,    /* of depth */
    FIRST_LOOK =
        2048, /* kept vectors before depth and groups are chosen anew; then at each doubling */
    EXACT_COST =
        6000, /* of a pair that is looked at, in products of bytes: its vector comes from memory */
    A_GROUP = 32, /* kept vectors for each group, at least */
    MOST_GROUPS = 4096,
};

struct duplicate_set {
    long width;
    float threshold;
    long count, room;
    float *vectors; /* [room, width] */
    int *group_of;  /* [room] */
    struct duplicate_panels panels;
    struct duplicate_groups groups;
    bool by_groups; /* they have left out enough */
    long next_look;
    long asked, left_out;    /* pairs of vectors and panels, since they were renewed */
    atomic_long hits, pairs; /* since the depth was chosen */
};

/* Panels of one group, and who passes by them. */
struct piece {
    int group;
    long first, end;
    uint64_t who; /* a bit for each arrival */
};

/* Vectors that came. */
struct arrivals {
    struct duplicate_set *set;
    const float *vectors;
    int count;
    uint8_t *bytes; /* [ARRIVALS, stride] */
    long stride;    /* rows lie in different sets of the cache */
    float scale[ARRIVALS], rest[ARRIVALS], error[ARRIVALS];
    bool unit[ARRIVALS];
    float *products;             /* [count, points] */
    atomic_long first[ARRIVALS]; /* the first kept vector that is near; LONG_MAX: none */
    struct piece *pieces;
    long piece_count, piece_room;
};

/* --- the kept vectors --- */

static void grow(struct duplicate_set *s)
{
    s->room = s->room ? 2 * s->room : 1024;
    s->vectors = xresize(s->vectors, (size_t)s->room * (size_t)s->width, sizeof *s->vectors);
    s->group_of = xresize(s->group_of, (size_t)s->room, sizeof *s->group_of);
}

/* `products`: with the points; or NULL, and it is in no group. */
static void keep(struct duplicate_set *s, const float *x, const float *products)
{
    int group = products ? duplicate_groups_nearest(&s->groups, products) : 0;
    long at = s->count, place;

    if (at == s->room)
        grow(s);
    memcpy(s->vectors + at * s->width, x, (size_t)s->width * sizeof *x);
    s->group_of[at] = group;
    place = duplicate_groups_join(&s->groups, &s->panels, group, group ? products[group - 1] : 0);
    duplicate_panels_put(&s->panels, place, x, at);
    s->count++;
}

/* --- the depth, and the groups --- */

static long depth_within(const struct duplicate_set *s, double depth)
{
    long padded = s->panels.padded, d = round_up((long)depth, DUPLICATE_DEPTH);

    return d < LEAST ? (LEAST < padded ? LEAST : padded) : d < padded ? d : padded;
}

/* A deeper bound lets fewer pairs through.  What they cost should be some of what it costs. */
static long better_depth(struct duplicate_set *s)
{
    double pairs = (double)atomic_load(&s->pairs), hits = (double)atomic_load(&s->hits);
    double depth = (double)s->panels.depth;
    double ratio = pairs > 0 ? hits / pairs * EXACT_COST / depth : 0.1;

    atomic_store(&s->pairs, 0);
    atomic_store(&s->hits, 0);
    return depth_within(s, ratio > 1      ? 2 * depth
                           : ratio > 0.3  ? 1.5 * depth
                           : ratio < 0.02 ? 0.8 * depth
                                          : depth);
}

static void look_anew(struct duplicate_set *s)
{
    long depth = better_depth(s), most = s->count / A_GROUP;

    s->next_look = 2 * s->count;
    s->asked = s->left_out = 0;
    s->by_groups = true;
    if (s->groups.join < 1) {
        s->panels.depth = depth;
        duplicate_groups_renew(&s->groups, &s->panels, s->vectors, s->group_of, s->count,
                               (int)(most < MOST_GROUPS ? most : MOST_GROUPS));
    } else if (depth != s->panels.depth) {
        duplicate_panels_deepen(&s->panels, s->vectors, depth);
    }
}

/* --- those that come --- */

static float product_of(const struct duplicate_set *s, const float *a, const float *b)
{
    return fminf(fmaxf(kernels.dot_in_order(a, b, s->width), -1), 1); /* rounding may lead past 1 */
}

/* What two orders of a sum of unit vectors' products may differ by: 2^-24 for each addition. */
static bool is_duplicate(const struct duplicate_set *s, const float *a, const float *b)
{
    return kernels.dot(a, b, s->width) >= s->threshold - duplicate_room(s->width) &&
           product_of(s, a, b) >= s->threshold;
}

static void arrive(void *argument, long i, int worker)
{
    struct arrivals *a = argument;
    const struct duplicate_set *s = a->set;
    const float *x = a->vectors + i * s->width;
    uint8_t *to = a->bytes + i * a->stride;

    (void)worker;
    a->scale[i] = duplicate_scale(x, s->width, ARRIVING);
    for (long k = 0; k < s->panels.padded; k++)
        to[k] =
            (uint8_t)(ARRIVING + (k < s->width ? duplicate_whole(x[k], a->scale[i], ARRIVING) : 0));
    duplicate_measure(&s->panels, x, a->scale[i], ARRIVING, &a->rest[i], &a->error[i]);
    a->unit[i] = duplicate_is_unit(x, s->width);
    atomic_store(&a->first[i], LONG_MAX);
}

/* Who may be near one of a group. */
static uint64_t who_looks(const struct arrivals *a, int group)
{
    const struct duplicate_set *s = a->set;
    float least = s->groups.group[group].least;
    long points = s->groups.count - 1;
    uint64_t who = 0;

    for (int i = 0; i < a->count; i++)
        if (!group || !s->by_groups || !a->unit[i] ||
            !(a->products[i * points + group - 1] < least))
            who |= 1ULL << i;
    return who;
}

static void add_pieces(struct arrivals *a, int group)
{
    struct duplicate_set *s = a->set;
    long panels = s->groups.group[group].count;
    uint64_t who = panels ? who_looks(a, group) : 0;

    s->asked += panels * a->count;
    s->left_out += panels * (a->count - __builtin_popcountll(who));
    for (long first = 0; who && first < panels; first += PIECE) {
        if (a->piece_count == a->piece_room) {
            a->piece_room = a->piece_room ? 2 * a->piece_room : 64;
            a->pieces = xresize(a->pieces, (size_t)a->piece_room, sizeof *a->pieces);
        }
        a->pieces[a->piece_count++] =
            (struct piece){ group, first, first + PIECE < panels ? first + PIECE : panels, who };
    }
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

    for (long at = panel * DUPLICATE_COLUMNS; hits; hits >>= 1, at++) {
        long j = s->panels.of[at];

        if (hits & 1 && j < atomic_load(&a->first[i]) &&
            is_duplicate(s, x, s->vectors + j * s->width))
            lower(&a->first[i], j);
    }
}

/* Arrivals that pass by together: their bytes one after the other. */
struct passing {
    int count, number[ARRIVALS];
    float scale[ARRIVALS], rest[ARRIVALS], error[ARRIVALS];
    const uint8_t *bytes;
};

static void gather(struct passing *w, const struct arrivals *a, uint64_t who, uint8_t *room)
{
    bool all = __builtin_popcountll(who) == a->count;

    w->count = 0;
    w->bytes = all ? a->bytes : room;
    for (int i = 0; i < a->count; i++) {
        if (!(who >> i & 1))
            continue;
        if (!all)
            memcpy(room + w->count * a->stride, a->bytes + i * a->stride,
                   (size_t)a->set->panels.depth);
        w->scale[w->count] = a->scale[i];
        w->rest[w->count] = a->rest[i];
        w->error[w->count] = a->error[i];
        w->number[w->count++] = i;
    }
}

static long pass_panel(struct arrivals *a, const struct passing *w, long panel)
{
    const struct duplicate_set *s = a->set;
    const struct duplicate_panels *p = &s->panels;
    long at = panel * DUPLICATE_COLUMNS, found = 0;
    uint16_t hits[DUPLICATE_ROWS];

    for (int i = 0; i < w->count; i += DUPLICATE_ROWS) {
        int rows = w->count - i < DUPLICATE_ROWS ? w->count - i : DUPLICATE_ROWS;

        kernels.duplicates(&(struct duplicate_tile){
            .x = w->bytes + i * a->stride,
            .x_stride = a->stride,
            .x_scale = w->scale + i,
            .x_rest = w->rest + i,
            .x_error = w->error + i,
            .rows = rows,
            .panel = p->bytes + at * p->padded,
            .scale = p->scale + at,
            .begin = p->begin + at,
            .rest = p->rest + at,
            .error = p->error + at,
            .depth = p->depth,
            .threshold = s->threshold - 1e-5f, /* room for the bound's roundings */
            .hits = hits,
        });
        for (int r = 0; r < rows; r++)
            if (hits[r]) {
                found += __builtin_popcount(hits[r]);
                look(a, w->number[i + r], panel, hits[r]);
            }
    }
    return found;
}

static void pass_by(void *argument, long index, int worker)
{
    struct arrivals *a = argument;
    struct duplicate_set *s = a->set;
    const struct piece *piece = &a->pieces[index];
    const long *panels = s->groups.group[piece->group].panels;
    struct passing w;
    long found = 0;

    gather(&w, a, piece->who, (uint8_t *)scratch_of(worker));
    for (long i = piece->first; i < piece->end; i++) {
        if (i + 1 < piece->end) { /* panels lie apart where the depth is short */
            const int8_t *next =
                s->panels.bytes + panels[i + 1] * DUPLICATE_COLUMNS * s->panels.padded;

            for (long line = 0; line < s->panels.depth * DUPLICATE_COLUMNS; line += LINE)
                __builtin_prefetch(next + line);
        }
        found += pass_panel(a, &w, panels[i]);
    }
    atomic_fetch_add(&s->hits, found);
    atomic_fetch_add(&s->pairs, (piece->end - piece->first) * DUPLICATE_COLUMNS * w.count);
}

/* Groups that leave out little cost more than they bring. */
static void judge_groups(struct duplicate_set *s)
{
    enum { ENOUGH = 1 << 22 };

    if (s->asked > ENOUGH && s->left_out < s->asked / 8)
        s->by_groups = false;
}

static void compare(struct arrivals *a)
{
    struct duplicate_set *s = a->set;
    long points = s->by_groups ? s->groups.count - 1 : 0;

    pool_run(arrive, a, a->count);
    if (points) {
        a->products = xresize(a->products, (size_t)(ARRIVALS * points), sizeof *a->products);
        dots(a->vectors, a->count, s->groups.points, points, s->width, a->products);
    }
    a->piece_count = 0;
    for (int group = 0; group < s->groups.count; group++)
        add_pieces(a, group);
    scratch_reserve((size_t)(ARRIVALS * a->stride) / sizeof(float));
    pool_run(pass_by, a, a->piece_count);
    judge_groups(s);
}

static void take_some(struct arrivals *a, long *of, float *sim)
{
    struct duplicate_set *s = a->set;
    long before = s->count, points = s->groups.count - 1;
    bool grouped = s->by_groups;

    compare(a);
    for (int i = 0; i < a->count; i++) {
        const float *x = a->vectors + i * s->width;
        long first = atomic_load(&a->first[i]);

        for (long j = before; first == LONG_MAX && j < s->count; j++) /* those of this time */
            if (is_duplicate(s, x, s->vectors + j * s->width))
                first = j;
        of[i] = first == LONG_MAX ? -1 : first;
        if (of[i] < 0)
            keep(s, x, grouped && points && a->unit[i] ? a->products + i * points : NULL);
        else
            sim[i] = product_of(s, x, s->vectors + first * s->width);
    }
    if (s->count >= s->next_look)
        look_anew(s);
}

void duplicate_set_take(struct duplicate_set *s, const float *vectors, long count, long *of,
                        float *sim)
{
    struct arrivals *a = xalloc(1, sizeof *a);

    a->set = s;
    a->stride = s->panels.padded + LINE;
    a->bytes = xalloc(ARRIVALS, (size_t)a->stride);
    for (long at = 0; at < count; at += ARRIVALS) {
        a->vectors = vectors + at * s->width;
        a->count = count - at < ARRIVALS ? (int)(count - at) : ARRIVALS;
        take_some(a, of + at, sim + at);
    }
    free(a->bytes);
    free(a->products);
    free(a->pieces);
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
    s->width = s->panels.width = width;
    s->panels.padded = round_up(width, DUPLICATE_DEPTH);
    s->threshold = reachable(threshold, width);
    s->panels.depth = depth_within(s, (1.1 - (double)s->threshold) * (double)width);
    duplicate_groups_open(&s->groups, width, s->threshold);
    s->next_look = FIRST_LOOK;
    return s;
}

void duplicate_set_free(struct duplicate_set *s)
{
    if (!s)
        return;
    free(s->vectors);
    free(s->group_of);
    duplicate_panels_drop(&s->panels);
    duplicate_groups_close(&s->groups);
    free(s);
}
