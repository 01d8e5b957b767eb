/* SPDX-License-Identifier: MIT
 * avx2.c - the table for AVX2 with FMA and F16C: tiles of 6 rows x 16 columns, 12 of 16 registers
 */
#include "kernel/panel.h"

#ifdef KERNEL_X86
#include <immintrin.h>
#define TARGET_FEATURES "avx2,fma,f16c"
#include "kernel/target.h"

enum { LANES = 8, ROWS = 6, VECTORS = 2 };
typedef __m256 vec;

INLINE vec load(const float *p)
{
    return _mm256_loadu_ps(p);
}

INLINE void store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}

/* A mask of the first n lanes: reads and writes of a row's end touch nothing behind it. */
INLINE __m256i first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE vec load_some(const float *p, int n)
{
    return _mm256_maskload_ps(p, first(n));
}

INLINE void store_some(float *p, vec v, int n)
{
    _mm256_maskstore_ps(p, first(n), v);
}

INLINE vec set(float value)
{
    return _mm256_set1_ps(value);
}

INLINE vec muladd(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

INLINE vec smaller(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

INLINE vec larger(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

/* To the nearest whole number, halves to even, as rintf() in scalar.c. */
INLINE vec nearest(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* In two steps: 2^128 is no number, though p 2^128 may be one. */
INLINE vec power(vec p, vec n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i one = _mm256_set1_epi32(127), rest = _mm256_sub_epi32(whole, half);
    vec a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, one), 23));
    vec b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, one), 23));

    return p * a * b;
}

/* Lane by lane: x < limit ? a : b.  With NaN it is b. */
INLINE vec where_below(vec x, vec limit, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, limit, _CMP_LT_OQ));
}

/* The order of additions is fixed: halves, then pairs.  Results do not depend on who calls. */
INLINE float lanes_sum(vec v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

INLINE float lanes_largest(vec v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

INLINE vec load_half(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}

/* bf16 is the upper half of an f32. */
INLINE vec load_bfloat(const uint16_t *p)
{
    __m128i bits = _mm_loadu_si128((const void *)p);

    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

INLINE vec load_byte(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)));
}

INLINE void store_half(uint16_t *p, vec v)
{
    _mm_storeu_si128((void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

/* Of 8 whole numbers below 2^16 the two low bytes. */
INLINE __m128i low_halves(__m256i x)
{
    return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}

/* As float_to_bfloat(). */
INLINE void store_bfloat(uint16_t *p, vec v)
{
    __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i none = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));

    up = _mm256_blendv_epi8(_mm256_srli_epi32(up, 16),
                            _mm256_or_si256(high, _mm256_set1_epi32(0x40)), none);
    _mm_storeu_si128((void *)p, low_halves(up));
}

INLINE void store_byte(uint8_t *p, vec v)
{
    __m128i x = low_halves(_mm256_cvtps_epi32(v));

    _mm_storel_epi64((void *)p, _mm_packus_epi16(x, x));
}

#define CASES                                                                                      \
    CASE(1, 1)                                                                                     \
    CASE(1, 2)                                                                                     \
    CASE(2, 1)                                                                                     \
    CASE(2, 2)                                                                                     \
    CASE(3, 1) CASE(3, 2) CASE(4, 1) CASE(4, 2) CASE(5, 1) CASE(5, 2) CASE(6, 1) CASE(6, 2)

#include "kernel/vector.h"
#include "kernel/vector_tile.h"

/* --- duplicates.c's tiles: bytes times bytes --- */

/* Four bytes of a row, in each of the eight groups of four lanes. */
INLINE __m256i four_bytes(const uint8_t *p)
{
    int32_t bytes;

    memcpy(&bytes, p, sizeof bytes);
    return _mm256_set1_epi32(bytes);
}

/* maddubs adds two products of bytes in 16 bits: four such sums fit, as 8 62 63 < 2^15. */
INLINE __m256i sixteen_deep(const __m256i *x, const int8_t *at)
{
    const long step = DUPLICATE_COLUMNS * DUPLICATE_STEP;
    __m256i sum = _mm256_maddubs_epi16(x[0], _mm256_loadu_si256((const void *)at));

    UNROLL(3)
    for (int s = 1; s < 4; s++)
        sum = _mm256_add_epi16(
            sum, _mm256_maddubs_epi16(x[s], _mm256_loadu_si256((const void *)(at + s * step))));
    return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}

/* rows x 16 sums in 12 registers; `rows` is a constant wherever this is inlined. */
INLINE void duplicate_rows(const struct duplicate_tile *t, const int rows)
{
    __m256i sum[DUPLICATE_ROWS][2], x[4];
    int32_t sums[DUPLICATE_COLUMNS];
    const int8_t *at = t->panel;

    UNROLL(6)
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (long k = 0; k < t->depth;
         k += DUPLICATE_DEPTH, at += DUPLICATE_DEPTH * DUPLICATE_COLUMNS) {
        UNROLL(6)
        for (int i = 0; i < rows; i++) {
            UNROLL(4)
            for (int s = 0; s < 4; s++)
                x[s] = four_bytes(t->x + i * t->x_stride + k + s * DUPLICATE_STEP);
            sum[i][0] = _mm256_add_epi32(sum[i][0], sixteen_deep(x, at));
            sum[i][1] = _mm256_add_epi32(sum[i][1], sixteen_deep(x, at + 32));
        }
    }
    UNROLL(6)
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_si256((void *)sums, sum[i][0]);
        _mm256_storeu_si256((void *)(sums + 8), sum[i][1]);
        t->hits[i] = duplicate_hits(t, i, sums);
    }
}

TARGET void duplicates_avx2(const struct duplicate_tile *t)
{
    ROWS_OF_SIX(duplicate_rows, t);
}

/* --- int8.c's tiles, some rows and a panel at a time --- */

enum { SOME_ROWS = 4 };

INLINE void store_bytes_sum(const struct byte_tile *t, int piece, int row, long column, __m256i sum)
{
    float *to = t->sums + row * t->sums_stride + column;
    vec v = _mm256_cvtepi32_ps(
        _mm256_sub_epi32(sum, _mm256_loadu_si256((const void *)(t->offset + column))));

    if (piece)
        v = muladd(load(to), set(256), v); /* 256 times is exact */
    if (piece + 1 == t->pieces)
        v *= set(t->scale[row]);
    store(to, v);
}

/* x has at most 7 bits, so that the two products that maddubs adds fit into 16. */
/* Two products of 8 bits by 7 and a sign do not fit into the 16 that maddubs adds them in: so x is
 * 2 high + low. */
INLINE __m256i add_bytes(__m256i sum, __m256i high, __m256i low, __m256i w)
{
    __m256i twice = _mm256_madd_epi16(_mm256_maddubs_epi16(high, w), _mm256_set1_epi16(2));
    __m256i once = _mm256_madd_epi16(_mm256_maddubs_epi16(low, w), _mm256_set1_epi16(1));

    return _mm256_add_epi32(sum, _mm256_add_epi32(twice, once));
}

INLINE void byte_rows(const struct byte_tile *t, int piece, int row, int which, const int rows)
{
    const uint8_t *x = t->x + row * t->row_stride + piece * t->piece_stride;
    const int8_t *at = t->panel + which * BYTE_COLUMNS * t->depth;
    __m256i sum[SOME_ROWS][2];

    UNROLL(4)
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (long k = 0; k < t->depth; k += BYTE_STEP, at += BYTE_STEP * BYTE_COLUMNS) {
        __m256i w[2] = { _mm256_loadu_si256((const void *)at),
                         _mm256_loadu_si256((const void *)(at + 32)) };

        UNROLL(4)
        for (int i = 0; i < rows; i++) {
            __m256i four = four_bytes(x + i * t->row_stride + k);
            __m256i high = _mm256_and_si256(_mm256_srli_epi16(four, 1), _mm256_set1_epi8(127));
            __m256i low = _mm256_and_si256(four, _mm256_set1_epi8(1));

            sum[i][0] = add_bytes(sum[i][0], high, low, w[0]);
            sum[i][1] = add_bytes(sum[i][1], high, low, w[1]);
        }
    }
    UNROLL(4)
    for (int i = 0; i < rows; i++)
        UNROLL(2)
    for (int j = 0; j < 2; j++)
        store_bytes_sum(t, piece, row + i, (long)which * BYTE_COLUMNS + j * LANES, sum[i][j]);
}

TARGET void byte_tile_avx2(const struct byte_tile *t)
{
    for (int which = 0; which < t->panels; which++)
        for (int piece = 0; piece < t->pieces; piece++) {
            int row = 0;

            for (; row + SOME_ROWS <= t->rows; row += SOME_ROWS)
                byte_rows(t, piece, row, which, SOME_ROWS);
            for (; row < t->rows; row++)
                byte_rows(t, piece, row, which, 1);
        }
}

const struct kernels kernels_avx2 =
    VECTOR_TABLE("avx2", &panel, &panel, duplicates_avx2, byte_tile_avx2, NULL);
#endif
