/* SPDX-License-Identifier: MIT
 * draw.h - pictures for people to look at
 */
#ifndef DRAW_DRAW_H
#define DRAW_DRAW_H

#include "base/buffer.h"

struct image;

/* png.c - RGB or grey to the bytes of a PNG file; appends */
void png_write(struct buffer *out, const struct image *image);

/* heatmap.c - a map over a picture, as the bytes of a PNG file; appends.  The picture becomes RGB,
 * and no side of it longer than `longest`. */
struct heatmap {
    const float *map;  /* [side, side], stretched over the whole; only differences matter */
    int side, longest; /* longest 0: as the picture is */
};
void heatmap_draw(struct buffer *out, struct image *image, const struct heatmap *h);

#endif
