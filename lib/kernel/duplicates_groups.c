/* SPDX-License-Identifier: MIT
 * duplicates_groups.c - kept vectors in groups around reference points; see duplicates.h
 *
 * A vector joins the nearest point that is not too far.  Others go to group 0; when the groups are
 * renewed, some of these become points.  Everything here only leaves out pairs that cannot be near:
 * which points there are has no influence on what is found.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "kernel/duplicates.h"

enum {
    BLOCK = 256,  /* vectors that look for a point together */
    TRIED = 8192, /* vectors in no group, after which few must not stay alone */
    FEW = TRIED / 8,
};
static const float degree = 0.017453293f;

/* Groups reach so far that those who belong together find one, and so little that the others, often
 * at 60 to 90 degrees, are passed by. */
void duplicate_groups_open(struct duplicate_groups *g, long width, float threshold)
{
    float far;

    *g = (struct duplicate_groups){ .width = width, .count = 1, .room = 16 };
    g->group = xalloc((size_t)g->room, sizeof *g->group);
    g->points = xalloc((size_t)(g->room * width), sizeof *g->points);
    g->group[0].least = -INFINITY;
    g->near = acosf(fminf(fmaxf(threshold - duplicate_room(width), -1), 1));
    far = fminf(fmaxf(2.2f * g->near, 40 * degree), 80 * degree - g->near);
    g->join = far > 10 * degree ? cosf(far) : INFINITY;
}

void duplicate_groups_close(struct duplicate_groups *g)
{
    for (int i = 0; i < g->count; i++)
        free(g->group[i].panels);
    free(g->group);
    free(g->points);
}

int duplicate_groups_nearest(const struct duplicate_groups *g, const float *products)
{
    int best = 0;

    for (int i = 1; i < g->count; i++)
        if (products[i - 1] >= g->join && (!best || products[i - 1] > products[best - 1]))
            best = i;
    return best;
}

/* The group reaches to a vector whose product with its point is known but for roundings. */
static void reach_to(struct duplicate_groups *g, int group, float product)
{
    struct duplicate_group *to = &g->group[group];
    float room = duplicate_room(g->width), angle = acosf(fmaxf(fminf(product, 1) - room, -1));

    if (!group || angle <= to->reach)
        return;
    to->reach = angle;
    angle += g->near + 1e-5f;
    to->least = angle < 3.14f ? cosf(angle) - room : -INFINITY;
}

long duplicate_groups_join(struct duplicate_groups *g, struct duplicate_panels *p, int group,
                           float product)
{
    struct duplicate_group *to = &g->group[group];
    long column = to->vectors++ % DUPLICATE_COLUMNS;

    reach_to(g, group, product);
    if (!column) {
        if (to->count == to->room) {
            to->room = to->room ? 2 * to->room : 4;
            to->panels = xresize(to->panels, (size_t)to->room, sizeof *to->panels);
        }
        to->panels[to->count++] = duplicate_panels_add(p);
    }
    return to->panels[to->count - 1] * DUPLICATE_COLUMNS + column;
}

/* --- again --- */

static int new_point(struct duplicate_groups *g, const float *x)
{
    if (g->count == g->room) {
        g->room *= 2;
        g->group = xresize(g->group, (size_t)g->room, sizeof *g->group);
        g->points = xresize(g->points, (size_t)(g->room * g->width), sizeof *g->points);
    }
    memcpy(g->points + (g->count - 1) * g->width, x, (size_t)g->width * sizeof *x);
    g->group[g->count] = (struct duplicate_group){ .least = INFINITY };
    reach_to(g, g->count, 1);
    return g->count++;
}

/* Vectors that are in no group, some at a time. */
struct some {
    float *x, *products; /* [BLOCK, width], [BLOCK, points] */
    long number[BLOCK];
    int count;
};

/* Returns how many found a point, or became one that others of the block found. */
static long place_some(struct duplicate_groups *g, struct some *s, int *group_of, int most)
{
    int before = g->count - 1;
    long found = 0;

    s->products = xresize(s->products, (size_t)(BLOCK * (before + 1)), sizeof *s->products);
    dots(s->x, s->count, g->points, before, g->width, s->products);
    for (int i = 0; i < s->count; i++) {
        const float *x = s->x + i * g->width;
        float best = -INFINITY;
        int group = 0;

        for (int k = 0; k + 1 < g->count; k++) {
            float product = k < before ? s->products[i * before + k]
                                       : kernels.dot(x, g->points + k * g->width, g->width);

            if (product > best)
                best = product, group = k + 1;
        }
        if (best >= g->join) {
            found++;
            reach_to(g, group, best);
        } else {
            group = g->count < most ? new_point(g, x) : 0;
        }
        group_of[s->number[i]] = group;
    }
    s->count = 0;
    return found;
}

static void place_all(struct duplicate_groups *g, const float *vectors, int *group_of, long count,
                      int most)
{
    struct some s = { .x = xalloc(BLOCK, (size_t)g->width * sizeof *s.x) };
    long tried = 0, found = 0;

    for (long i = 0; i < count; i++) {
        const float *x = vectors + i * g->width;

        if (!group_of[i] && duplicate_is_unit(x, g->width)) {
            memcpy(s.x + s.count * g->width, x, (size_t)g->width * sizeof *x);
            s.number[s.count++] = i;
        }
        if (s.count == BLOCK || (s.count && i + 1 == count)) {
            tried += s.count;
            found += place_some(g, &s, group_of, most);
            if (tried >= TRIED && found < FEW)
                break;
        }
    }
    free(s.x);
    free(s.products);
}

/* Groups that do not fill a panel cost more than they leave out. */
static void dissolve_small(struct duplicate_groups *g, int *group_of, long count)
{
    int *now = xalloc((size_t)g->count, sizeof *now), left = 1;

    for (long i = 0; i < count; i++)
        now[group_of[i]]++;
    for (int i = 1; i < g->count; i++) {
        if (now[i] < DUPLICATE_COLUMNS) {
            free(g->group[i].panels);
            now[i] = 0;
            continue;
        }
        memmove(g->points + (left - 1) * g->width, g->points + (i - 1) * g->width,
                (size_t)g->width * sizeof *g->points);
        g->group[left] = g->group[i];
        now[i] = left++;
    }
    now[0] = 0;
    g->count = left;
    for (long i = 0; i < count; i++)
        group_of[i] = now[group_of[i]];
    free(now);
}

void duplicate_groups_renew(struct duplicate_groups *g, struct duplicate_panels *p,
                            const float *vectors, int *group_of, long count, int most)
{
    if (g->join < 1)
        place_all(g, vectors, group_of, count, most);
    dissolve_small(g, group_of, count);
    for (int i = 0; i < g->count; i++)
        g->group[i].vectors = g->group[i].count = 0;
    duplicate_panels_drop(p);
    for (long i = 0; i < count; i++) { /* how far its group reaches is known */
        long place = duplicate_groups_join(g, p, group_of[i], 1);

        p->of[place] = i;
    }
    duplicate_panels_fill(p, vectors);
}
