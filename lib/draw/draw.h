/* SPDX-License-Identifier: MIT
 * draw.h - pictures for people to look at
 */
#ifndef DRAW_DRAW_H
#define DRAW_DRAW_H

#include "base/buffer.h"

struct image;

/* png.c - RGB or grey to the bytes of a PNG file; appends */
void png_write(struct buffer *out, const struct image *image);

/* heatmap.c - a map over an image
 *
 * An encoded image, at most `longest` pixels a side (0: as it is), with the map drawn over it, as
 * the bytes of a PNG file; appends.  map: [side, side], stretched over the whole; only the
 * differences of its numbers matter.  -1 after fail(), as image_decode(). */
int heat_draw(struct buffer *out, const void *bytes, size_t size, long max_pixels, const float *map,
              int side, int longest);

#endif
