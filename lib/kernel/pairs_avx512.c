/* SPDX-License-Identifier: MIT
 * pairs_avx512.c - products of pairs of bf16 by AVX512_BF16
 */
#include "kernel/panel.h"

#ifdef KERNEL_X86
#include <string.h>

#define TARGET_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c" WIDE
#include "kernel/avx512.h"

typedef __m512i pairs;

INLINE vec zero(void)
{
    return _mm512_setzero_ps();
}

INLINE pairs load_pairs(const uint16_t *p)
{
    return _mm512_loadu_si512(p);
}

INLINE pairs repeat_pair(const uint16_t *p)
{
    int32_t bits;

    memcpy(&bits, p, sizeof bits);
    return _mm512_set1_epi32(bits);
}

/* By name: the compiler's own would keep a copy of each sum, and its type of pairs differs. */
INLINE vec add_pairs(vec sum, pairs x, pairs w)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

INLINE void put(float *to, bool add, vec v, int columns)
{
    int n = columns < LANES ? columns : LANES;

    if (add)
        v = _mm512_add_ps(load_some(to, n), v);
    store_some(to, v, n);
}

#define PAIR_TILE pair_tile_avx512
#include "kernel/pair_tile.h"
#endif
