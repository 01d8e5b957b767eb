/* SPDX-License-Identifier: MIT
 * heat.h - a map over an image, for people to look at
 */
#ifndef INPUT_HEAT_H
#define INPUT_HEAT_H

#include "base/base.h"

/* An encoded image, at most `longest` pixels a side (0: as it is), with the map drawn over it, as
 * the bytes of a PNG file; appends.  map: [side, side], stretched over the whole; only the
 * differences of its numbers matter.  -1 after fail(), as image_decode(). */
int heat_draw(struct buffer *out, const void *bytes, size_t size, long max_pixels, const float *map,
              int side, int longest);

#endif
