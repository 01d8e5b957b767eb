/* SPDX-License-Identifier: MIT
 * pairs_plain.c - what AVX512_BF16's vdpbf16ps does, in plain C: the same bits
 *
 *     sum += x[odd] w[odd]; sum += x[even] w[even]      each a fused multiply-add, to nearest even
 *
 * Numbers below 2^-126 are taken for zeros of their sign, as factors and as sums, and become such:
 * whatever the processor's own settings are.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, VDPBF16PS, "Operation".
 */
#include <float.h>
#include <math.h>
#include <string.h>
#include "kernel/panel.h"

#define TARGET
#define INLINE static inline __attribute__((always_inline))
#define UNROLL(times)

typedef struct {
    float lane[PAIR_LANES];
} vec;
typedef struct {
    uint16_t lane[PAIR_LANES][PAIR_STEP];
} pairs;

static inline float flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

static inline float of_bfloat(uint16_t x)
{
    return flushed(bfloat_to_float(x));
}

float pair_add_one(float sum, uint16_t x, uint16_t w)
{
    return flushed(fmaf(of_bfloat(x), of_bfloat(w), flushed(sum)));
}

INLINE vec zero(void)
{
    return (vec){ { 0 } };
}

INLINE pairs load_pairs(const uint16_t *p)
{
    pairs x;

    memcpy(&x, p, sizeof x);
    return x;
}

INLINE pairs repeat_pair(const uint16_t *p)
{
    pairs x;

    for (int i = 0; i < PAIR_LANES; i++)
        memcpy(x.lane[i], p, sizeof x.lane[i]);
    return x;
}

INLINE vec add_pairs(vec sum, pairs x, pairs w)
{
    for (int i = 0; i < PAIR_LANES; i++)
        for (int k = PAIR_STEP - 1; k >= 0; k--)
            sum.lane[i] = pair_add_one(sum.lane[i], x.lane[i][k], w.lane[i][k]);
    return sum;
}

INLINE void put(float *to, bool add, vec v, int columns)
{
    for (int i = 0; i < PAIR_LANES && i < columns; i++)
        to[i] = add ? to[i] + v.lane[i] : v.lane[i];
}

#define PAIR_TILE pair_tile_plain
#include "kernel/pair_tile.h"
