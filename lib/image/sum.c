/* SPDX-License-Identifier: MIT
 * sum.c - weighted sums of rows, and of columns
 *
 *     out[i] = clip((2^21 + sum W[x] in[x]) >> 22)
 *
 * A row of the vertical pass is one long sum of rows.  The horizontal pass packs some rows side by
 * side, 16 bytes a column, and so becomes the same sum of columns.
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "image/resample.h"

enum { LANES = 16 };

/* The compiler makes these loops wide; which width, the processor says when the program starts. */
#if defined(__x86_64__) && __GNUC__ >= 12 && !defined(__clang__) && defined(__gnu_linux__) &&      \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

/* Hides how a pointer moves: gcc would else turn the two loops around it inside out. */
#ifdef __GNUC__
#define STAY_INSIDE(pointer) __asm__("" : "+r"(pointer))
#else
#define STAY_INSIDE(pointer) (void)0
#endif

static inline unsigned char clip(int32_t sum)
{
    sum >>= PRECISION;
    return (unsigned char)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* out[x] = sum over k < taps of weights[k] in[k stride + x], for x < LANES.  A function of its own:
 * inlined into a third loop, gcc 12 no longer makes it wide. */
WIDE __attribute__((noinline)) static void sum_lanes(unsigned char *out, const unsigned char *in,
                                                     size_t stride, const int32_t *weights,
                                                     int taps)
{
    int32_t sum[LANES];

    for (int x = 0; x < LANES; x++)
        sum[x] = 1 << (PRECISION - 1);
    for (int k = 0; k < taps; k++, in += stride) {
        STAY_INSIDE(in);
        for (int x = 0; x < LANES; x++)
            sum[x] += weights[k] * in[x];
    }
    for (int x = 0; x < LANES; x++)
        out[x] = clip(sum[x]);
}

/* One row out of `taps` rows in. */
static void sum_rows(unsigned char *out, const unsigned char *in, size_t stride,
                     const int32_t *weights, int taps, size_t width)
{
    size_t x = 0;

    for (; x + LANES <= width; x += LANES)
        sum_lanes(out + x, in + x, stride, weights, taps);
    for (; x < width; x++) {
        int32_t sum = 1 << (PRECISION - 1);

        for (int k = 0; k < taps; k++)
            sum += weights[k] * in[(size_t)k * stride + x];
        out[x] = clip(sum);
    }
}

/* packed: [columns, LANES]; out: [a->count, LANES].  Column 0 is input `from`. */
static void sum_columns(unsigned char *out, const unsigned char *packed, const struct axis *a,
                        int from)
{
    for (int i = 0; i < a->count; i++)
        sum_lanes(out + (size_t)i * LANES, packed + (size_t)(a->first[i] - from) * LANES, LANES,
                  a->weights + (size_t)i * (size_t)a->taps, a->used[i]);
}

void sum_down(const struct axis *a, const struct inputs *in, unsigned char *out, size_t width)
{
    for (int y = 0; y < a->count; y++)
        sum_rows(out + (size_t)y * width, in->at + (size_t)(a->first[y] - in->from) * in->stride,
                 in->stride, a->weights + (size_t)y * (size_t)a->taps, a->used[y], width);
}

/* Moves `count` pixels of some bytes, the starts `in_step` and `out_step` bytes apart.  Pixels of
 * three bytes are moved as four: what is too much is overwritten by the next, or goes nowhere. */
static void move(unsigned char *out, size_t out_step, const unsigned char *in, size_t in_step,
                 int count, int bytes)
{
    switch (bytes) {
    case 1:
        for (int x = 0; x < count; x++, out += out_step, in += in_step)
            *out = *in;
        break;
    case 2:
        for (int x = 0; x < count; x++, out += out_step, in += in_step)
            memcpy(out, in, 2);
        break;
    case 3:
        for (int x = 0; x < count - 1; x++, out += out_step, in += in_step)
            memcpy(out, in, 4);
        memcpy(out, in, 3);
        break;
    default:
        for (int x = 0; x < count; x++, out += out_step, in += in_step)
            memcpy(out, in, 4);
    }
}

void sum_across(const struct axis *a, const struct inputs *in, unsigned char *out, int rows,
                int channels)
{
    int lane = channels == 3 ? 4 : channels, together = LANES / lane;
    int columns = in->to - in->from;
    unsigned char *packed = xalloc((size_t)columns, LANES);
    unsigned char *sums = xalloc((size_t)a->count, LANES);
    size_t width = (size_t)a->count * (size_t)channels;

    for (int y = 0; y < rows; y += together) {
        int block = rows - y < together ? rows - y : together;

        for (int r = 0; r < block; r++)
            move(packed + r * lane, LANES, in->at + (size_t)(y + r) * in->stride, (size_t)channels,
                 columns, channels);
        sum_columns(sums, packed, a, in->from);
        for (int r = 0; r < block; r++)
            move(out + (size_t)(y + r) * width, (size_t)channels, sums + r * lane, LANES, a->count,
                 channels);
    }
    free(packed);
    free(sums);
}
