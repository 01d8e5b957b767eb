/* SPDX-License-Identifier: MIT
 * position.h - position embeddings for another image size
 */
#ifndef CHECKPOINT_POSITION_H
#define CHECKPOINT_POSITION_H

#include "base/memory.h"
#include "nn/vit.h"

/* Bicubic, without antialiasing, a = -0.75 (torch.nn.functional.interpolate; `corners`: its
 * align_corners): [1 + from^2, width] -> [1 + to^2, width]; the class token's row stays. */
void position_resize(float *to, int to_side, const float *from, int from_side, long width,
                     bool corners);
/* The tower takes images of `size` pixels a side from now on; 0: as before.  -1 after fail() where
 * squares do not divide it. */
int position_fit(struct vit *v, int size, struct arena *memory);

#endif
