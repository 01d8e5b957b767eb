/* SPDX-License-Identifier: MIT
 * position.c - position embeddings for another image size
 *
 * Cubic convolution with a = -0.75 over four neighbours a side, indices held at the border, as
 * torch.nn.functional.interpolate(mode="bicubic") computes it.  The squares' middles are spread
 * over the same picture, or with `corners`, as LAVIS has it for CLIP's tower, those of the corners
 * stay.
 */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "checkpoint/position.h"

static void weights_at_fraction(float t, float w[4])
{
    const float a = -0.75f;
    float x = t + 1, y = 1 - t, z = 2 - t;

    w[0] = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    w[3] = ((a * z - 5 * a) * z + 8 * a) * z - 4 * a;
}

static int held(int i, int side)
{
    return i < 0 ? 0 : i >= side ? side - 1 : i;
}

static float ratio_of(int to, int from, bool corners)
{
    if (!corners)
        return (float)from / (float)to;
    return to > 1 ? (float)(from - 1) / (float)(to - 1) : 0;
}

static float source(int at, float ratio, bool corners)
{
    return corners ? (float)at * ratio : ((float)at + 0.5f) * ratio - 0.5f;
}

void position_resize(float *to, int to_side, const float *from, int from_side, long width,
                     bool corners)
{
    float ratio = ratio_of(to_side, from_side, corners);

    memcpy(to, from, (size_t)width * sizeof *to);
    to += width;
    from += width;
    for (int y = 0; y < to_side; y++) {
        float sy = source(y, ratio, corners), wy[4];

        weights_at_fraction(sy - floorf(sy), wy);
        for (int x = 0; x < to_side; x++, to += width) {
            float sx = source(x, ratio, corners), wx[4];

            weights_at_fraction(sx - floorf(sx), wx);
            memset(to, 0, (size_t)width * sizeof *to);
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) {
                    int row = held((int)floorf(sy) - 1 + i, from_side);
                    int column = held((int)floorf(sx) - 1 + j, from_side);

                    kernels.add_scaled(to, from + ((long)row * from_side + column) * width,
                                       wy[i] * wx[j], width);
                }
        }
    }
}

int position_fit(struct vit *v, int size, struct arena *memory)
{
    struct vit_config *c = &v->config;
    struct tensor *old = v->position, *new;
    int from = c->image / c->patch, to = size / c->patch;

    if (!size || size == c->image)
        return 0;
    if (size % c->patch)
        return fail("--image-size=%d is not a multiple of the patch size %d", size, c->patch);
    new = arena_alloc(memory, sizeof *new);
    *new = *old;
    new->shape[0] = (long)to *to + 1;
    new->stride = c->width;
    new->mapped = false;
    new->data = arena_alloc(memory, (size_t)tensor_count(new) * sizeof *new->data);
    position_resize(new->data, to, old->data, from, c->width, c->corners);
    v->position = new;
    c->image = size;
    return 0;
}
