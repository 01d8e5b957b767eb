/* SPDX-License-Identifier: MIT
 * avx512.h - the operations that vector.h asks for, for avx512.c, vnni.c and amx.c
 */
#include <immintrin.h>
#include "base/core.h"
#include "kernel/target.h"

enum { LANES = 16 };
typedef __m512 vec;

INLINE vec load(const float *p)
{
    return _mm512_loadu_ps(p);
}

INLINE void store(float *p, vec v)
{
    _mm512_storeu_ps(p, v);
}

INLINE __mmask16 first(int n)
{
    return (__mmask16)((1u << n) - 1);
}

INLINE vec load_some(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(first(n), p);
}

INLINE void store_some(float *p, vec v, int n)
{
    _mm512_mask_storeu_ps(p, first(n), v);
}

INLINE vec set(float value)
{
    return _mm512_set1_ps(value);
}

INLINE vec muladd(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE vec smaller(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

INLINE vec larger(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

INLINE vec nearest(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE vec power(vec p, vec n)
{
    return _mm512_scalef_ps(p, n);
}

INLINE vec where_below(vec x, vec limit, vec a, vec b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), b, a);
}

INLINE float lanes_sum(vec v)
{
    return _mm512_reduce_add_ps(v);
}

INLINE float lanes_largest(vec v)
{
    return _mm512_reduce_max_ps(v);
}

INLINE vec load_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

INLINE vec load_bfloat(const uint16_t *p)
{
    __m256i bits = _mm256_loadu_si256((const void *)p);

    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

INLINE vec load_byte(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}

INLINE void store_half(uint16_t *p, vec v)
{
    _mm256_storeu_si256((void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

/* As float_to_bfloat(). */
INLINE void store_bfloat(uint16_t *p, vec v)
{
    __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));

    up = _mm512_mask_or_epi32(_mm512_srli_epi32(up, 16), _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q),
                              high, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(up));
}

/* Of each four whole numbers 0 2 1 3, as words. */
INLINE void store_words(int16_t *p, vec v)
{
    __m256i words = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v));

    words = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(words, 0xd8), 0xd8);
    _mm256_storeu_si256((void *)p, words);
}

INLINE void store_byte(uint8_t *p, vec v)
{
    _mm_storeu_si128((void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}
