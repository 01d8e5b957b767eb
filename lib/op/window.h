/* SPDX-License-Identifier: MIT
 * window.h - what a filter sees, as rows; for this folder's own use
 */
#ifndef OP_WINDOW_H
#define OP_WINDOW_H

#include "op/rows.h"

struct window {
    long n, h, w, channels;            /* of x: [n, h, w, channels] */
    long out, k, stride, down, across; /* of y: [n, down, across, out] */
};
struct rows_of {
    const struct window *at;
    const struct tensor *x;
    float *rows; /* of y's pixels from `start` on, [.., window_numbers] */
    long start;
};
struct window window_over(const struct tensor *x, const struct tensor *weight, long stride);
long window_numbers(const struct window *at);              /* k k channels: in one row */
long window_block(const struct window *at);                /* rows that are made at once */
void window_gather(const struct rows_of *p, long count);   /* rows of `count` pixels, from x */
void window_scatter(const struct rows_of *p, long images); /* whole images, added to x's gradient */
/* The weight in the rows' order, widened; and a gradient of that added to one of the weight. */
float *window_weight(struct tape *t, const struct tensor *weight, const struct window *at);
void window_weight_back(float *to, const float *from, const struct window *at);
struct pack *window_pack(const struct tensor *weight, const struct window *at);
/* multiply_packed over all pixels of y; rows and x of `product` are filled in here. */
void window_product(struct tape *t, const struct window *at, const struct tensor *x,
                    struct product *product);

#endif
