/* SPDX-License-Identifier: MIT
 * window.h - where a filter lies over an image; for this folder's own use
 */
#ifndef OP_WINDOW_H
#define OP_WINDOW_H

#include "op/rows.h"

struct window {
    long n, h, w, channels;            /* of x: [n, h, w, channels] */
    long out, k, stride, down, across; /* of y: [n, down, across, out] */
    long above, before;                /* rows and columns of zeros there */
};
/* conv.c */
struct window window_over(const struct tensor *x, const struct linear *layer, long stride);

#endif
