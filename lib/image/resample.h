/* SPDX-License-Identifier: MIT
 * resample.h - the two halves of resize.c: how much of which input, and the sums
 */
#ifndef IMAGE_RESAMPLE_H
#define IMAGE_RESAMPLE_H

#include "base/core.h"
#include "image/image.h"

enum { PRECISION = 22 }; /* bits of a weight */

/* axis.c - what outputs at .. at + count of a resized axis need of its inputs */
struct axis {
    int count, taps;
    int *first, *used; /* inputs first[i] .. first[i] + used[i] */
    int32_t *weights;  /* [count, taps] */
};
void axis_open(struct axis *a, int in, long out, enum resampling filter, long at, int count);
void axis_close(struct axis *a);
void axis_span(const struct axis *a, int *from, int *to); /* inputs that any output needs */

/* sum.c - the passes */
struct inputs {              /* rows or columns from .. to, as far as they are needed */
    const unsigned char *at; /* the first byte of row or column `from` */
    size_t stride;           /* bytes from a row to the next */
    int from, to;            /* sum_down: `to` is not read */
};
/* out: [a->count, width] */
void sum_down(const struct axis *a, const struct inputs *in, unsigned char *out, size_t width);
/* out: [rows, a->count, channels] */
void sum_across(const struct axis *a, const struct inputs *in, unsigned char *out, int rows,
                int channels);

#endif
