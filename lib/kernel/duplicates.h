/* SPDX-License-Identifier: MIT
 * duplicates.h - what duplicates.c is made of: kept vectors as bytes, and reference points
 */
#ifndef KERNEL_DUPLICATES_H
#define KERNEL_DUPLICATES_H

#include "kernel/panel.h"

/* Products of unit vectors that are summed in two orders differ by less, as does a vector whose
 * length is 1 by f32's roundings: 2^-24 for each addition, and room. */
static inline float duplicate_room(long width)
{
    return 1.2e-7f * (float)width + 3e-5f;
}

/* duplicates_panels.c - kept vectors as whole numbers, 16 in a panel, and what the bound needs */
enum { ARRIVING = 31, KEPT = 63 }; /* largest whole numbers */
struct duplicate_panels {
    long width, padded; /* to a multiple of DUPLICATE_DEPTH */
    long depth;         /* that the bound reads */
    long count, room;
    int8_t *bytes;               /* [room][padded / 4][16][4] */
    long *of;                    /* [room, 16]: a kept vector's number; -1: none */
    float *scale;                /* [room, 16] */
    float *begin, *rest, *error; /* [room, 16]: of the present depth; see struct duplicate_tile */
};
long duplicate_panels_add(struct duplicate_panels *p); /* an empty one's index */
/* `place`: a panel's index times 16, and the column. */
void duplicate_panels_put(struct duplicate_panels *p, long place, const float *x, long number);
/* Puts all vectors that `of` names, on the pool; or describes them anew, at another depth. */
void duplicate_panels_fill(struct duplicate_panels *p, const float *vectors);
void duplicate_panels_deepen(struct duplicate_panels *p, const float *vectors, long depth);
void duplicate_panels_drop(struct duplicate_panels *p);
/* A vector's scale for whole numbers up to `limit`, and one of those numbers. */
bool duplicate_is_unit(const float *x, long width);
float duplicate_scale(const float *x, long width, long limit);
long duplicate_whole(float x, float scale, long limit);
/* How long the vector is behind the depth, and what its first numbers lost; a little more. */
void duplicate_measure(const struct duplicate_panels *p, const float *x, float scale, long limit,
                       float *rest, float *error);

/* duplicates_groups.c - kept vectors in groups around some of them, the reference points
 *
 * The angle between unit vectors is a distance.  So a vector that comes is near none of a group
 * where its angle to the group's point is more than the group reaches and what `near` means:
 *
 *     angle(x, y)  >=  angle(x, point) - angle(y, point)  >=  angle(x, point) - reach
 *
 * Group 0 has no point: all look at it.
 */
struct duplicate_group {
    long *panels; /* [count] */
    long count, room, vectors;
    float reach; /* radians; the largest of its vectors' angles to the point */
    float least; /* a product with the point that is less means: near none of them */
};
struct duplicate_groups {
    long width;
    float near; /* radians */
    float join; /* a product with a point that is less: too far */
    int count;  /* groups */
    int room;
    struct duplicate_group *group;
    float *points; /* [count - 1, width]: group i has point i - 1 */
};
void duplicate_groups_open(struct duplicate_groups *g, long width, float threshold);
void duplicate_groups_close(struct duplicate_groups *g);
/* The group to which a vector belongs, by its products with the points; or 0. */
int duplicate_groups_nearest(const struct duplicate_groups *g, const float *products);
/* Room for one that joins, whose product with its group's point is `product`: its place. */
long duplicate_groups_join(struct duplicate_groups *g, struct duplicate_panels *p, int group,
                           float product);
/* Puts all vectors into panels again, after those that were in group 0 became points or joined new
 * ones, up to `most` groups.  group_of: [count]. */
void duplicate_groups_renew(struct duplicate_groups *g, struct duplicate_panels *p,
                            const float *vectors, int *group_of, long count, int most);

#endif
