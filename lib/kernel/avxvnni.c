/* SPDX-License-Identifier: MIT
 * avxvnni.c - tiles of bytes for AVX-VNNI: the instruction on 256 bits, without AVX-512
 */
#include "kernel/panel.h"

#ifdef KERNEL_X86
#include <immintrin.h>

#define TARGET_FEATURES "avx2,fma,f16c,avxvnni"
#include "kernel/target.h"

/* The compiler's own would keep a copy of each sum. */
INLINE __m256i add_fours(__m256i sum, __m256i x, __m256i w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
    return sum;
}

#include "kernel/avxvnni.h"

TARGET void byte_tile_avxvnni(const struct byte_tile *t)
{
    byte_tile_of_fours(t);
}

TARGET void duplicates_avxvnni(const struct duplicate_tile *t)
{
    ROWS_OF_SIX(duplicate_pass, t);
}
#endif
