/* SPDX-License-Identifier: MIT
 * draw.h - pictures for people to look at
 */
#ifndef DRAW_DRAW_H
#define DRAW_DRAW_H

#include "base/base.h"
#include "base/buffer.h"
#include "vlm.h"

struct image;

/* png.c - RGB or grey to the bytes of a PNG file; appends */
void png_write(struct buffer *out, const struct image *image);

/* thumbnail.c - an encoded image made small, as the bytes of a JPEG file; appends.  -1 after
 * fail(), as image_decode(). */
struct thumbnail {
    int longest;       /* pixels a side, at most; a smaller picture is not enlarged */
    int width, height; /* out: what it has become */
};
int thumbnail_write(struct buffer *out, const void *bytes, size_t size, long max_pixels,
                    struct thumbnail *t);
/* Such files in one: `across` a row, each in the upper left corner of a square of `side` pixels, on
 * white; appends. */
int sprites_write(struct buffer *out, const struct vlm_bytes *jpegs, int count, int across,
                  int side);

/* heatmap.c - a map over a picture, as the bytes of a PNG file; appends.  The picture becomes RGB,
 * and no side of it longer than `longest`. */
struct heatmap {
    const float *map;  /* [side, side], stretched over the whole; only differences matter */
    int side, longest; /* longest 0: as the picture is */
};
void heatmap_draw(struct buffer *out, struct image *image, const struct heatmap *h);

#endif
