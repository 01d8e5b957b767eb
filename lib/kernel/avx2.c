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

/* Of each four whole numbers 0 2 1 3, as words. */
INLINE void store_words(int16_t *p, vec v)
{
    __m256i x = _mm256_cvtps_epi32(v);
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));

    words = _mm_shufflehi_epi16(_mm_shufflelo_epi16(words, 0xd8), 0xd8);
    _mm_storeu_si128((void *)p, words);
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

/* --- int8.c's tiles: words times words --- */

/* Two products of bytes do not fit into the 16 bits in which maddubs adds them.  madd adds two
 * products of 16 bits in 32, and with all that belongs to it takes no more instructions than
 * maddubs and what would mend it.  So rows come as words (see split_words in vector.h), and a
 * stretch of a panel is widened to words once for all rows of the tile:
 *
 *     a column's four bytes b0 b1 b2 b3  ->  (b0, b2) (b1, b3)        as the rows' numbers lie
 */
enum { PASS_ROWS = 6, STRETCH = 512, WORDS = 2 * BYTE_COLUMNS };

static TARGET void widen_panel(int16_t *to, const int8_t *from, long depth)
{
    for (long k = 0; k < depth; k += BYTE_STEP, to += 2 * WORDS, from += BYTE_STEP * BYTE_COLUMNS)
        UNROLL(2)
    for (int j = 0; j < 2; j++) {
        __m256i four = _mm256_loadu_si256((const void *)(from + 32 * j));

        _mm256_storeu_si256((void *)(to + 16 * j),
                            _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8));
        _mm256_storeu_si256((void *)(to + WORDS + 16 * j), _mm256_srai_epi16(four, 8));
    }
}

/* Two words of a row times 16 columns.  The compiler's own would keep more in registers than there
 * are. */
INLINE void add_words(__m256i *sum, const int16_t *x, __m256i even, __m256i odd)
{
    __m256i two, product;

    __asm__(
        "vpbroadcastd %[x], %[two]\n\t"
        "vpmaddwd %[even], %[two], %[product]\n\t"
        "vpaddd %[product], %[first], %[first]\n\t"
        "vpmaddwd %[odd], %[two], %[two]\n\t"
        "vpaddd %[two], %[second], %[second]"
        : [first] "+x"(sum[0]), [second] "+x"(sum[1]), [two] "=&x"(two), [product] "=&x"(product)
        : [even] "x"(even), [odd] "x"(odd), [x] "m"(*(const int16_t(*)[2])(const void *)x));
}

/* rows x 16 sums in 12 of 16 registers. */
INLINE void word_rows(int32_t *sums, const int16_t *x, long stride, const int16_t *w, long depth,
                      const int rows)
{
    __m256i sum[PASS_ROWS][2];

    UNROLL(6)
    for (int i = 0; i < rows; i++)
        UNROLL(2)
    for (int j = 0; j < 2; j++)
        sum[i][j] = _mm256_loadu_si256((const void *)(sums + i * BYTE_COLUMNS + j * LANES));
    for (long k = 0; k < depth; k += 2, w += WORDS) {
        __m256i even = _mm256_loadu_si256((const void *)w);
        __m256i odd = _mm256_loadu_si256((const void *)(w + 16));

        UNROLL(6)
        for (int i = 0; i < rows; i++)
            add_words(sum[i], x + i * stride + k, even, odd);
    }
    UNROLL(6)
    for (int i = 0; i < rows; i++)
        UNROLL(2)
    for (int j = 0; j < 2; j++)
        _mm256_storeu_si256((void *)(sums + i * BYTE_COLUMNS + j * LANES), sum[i][j]);
}

static TARGET void word_pass(int32_t *sums, const int16_t *x, long stride, const int16_t *w,
                             long depth, int rows)
{
    switch (rows) {
    case 1:
        word_rows(sums, x, stride, w, depth, 1);
        break;
    case 2:
        word_rows(sums, x, stride, w, depth, 2);
        break;
    case 3:
        word_rows(sums, x, stride, w, depth, 3);
        break;
    case 4:
        word_rows(sums, x, stride, w, depth, 4);
        break;
    case 5:
        word_rows(sums, x, stride, w, depth, 5);
        break;
    default:
        word_rows(sums, x, stride, w, depth, 6);
    }
}

/* Words have no 128 more: there is no offset to take off. */
static TARGET void store_words_sum(const struct byte_tile *t, int row, int which,
                                   const int32_t *sums, long piece_step)
{
    float *to = t->sums + row * t->sums_stride + (long)which * BYTE_COLUMNS;

    for (int j = 0; j < BYTE_COLUMNS; j += LANES) {
        vec v = set(0);

        for (int piece = 0; piece < t->pieces; piece++) {
            vec s = _mm256_cvtepi32_ps(
                _mm256_loadu_si256((const void *)(sums + piece * piece_step + j)));

            v = piece ? muladd(v, set(256), s) : s; /* 256 times is exact */
        }
        store(to + j, v * set(t->scale[row]));
    }
}

TARGET void word_tile_avx2(const struct byte_tile *t)
{
    enum { PIECES = 3, ALL = BYTE_MOST_ROWS * BYTE_COLUMNS };
    int32_t sums[PIECES * ALL] __attribute__((aligned(64)));
    int16_t words[STRETCH / 2 * WORDS] __attribute__((aligned(64)));
    long stride = t->row_stride / (long)sizeof *words;
    int passes = (t->rows + PASS_ROWS - 1) / PASS_ROWS;

    for (int which = 0; which < t->panels; which++) {
        const int8_t *bytes = t->panel + which * BYTE_COLUMNS * t->depth;

        memset(sums, 0, (size_t)t->pieces * ALL * sizeof *sums);
        for (long k = 0; k < t->depth; k += STRETCH) {
            long depth = t->depth - k < STRETCH ? t->depth - k : STRETCH;

            widen_panel(words, bytes + k * BYTE_COLUMNS, depth);
            for (int piece = 0; piece < t->pieces; piece++)
                for (int pass = 0; pass < passes; pass++) {
                    int row = t->rows * pass / passes, end = t->rows * (pass + 1) / passes;
                    const uint8_t *x = t->x + row * t->row_stride + piece * t->piece_stride;

                    word_pass(sums + piece * ALL + row * BYTE_COLUMNS,
                              (const int16_t *)(const void *)x + k, stride, words, depth,
                              end - row);
                }
        }
        for (int row = 0; row < t->rows; row++)
            store_words_sum(t, row, which, sums + row * BYTE_COLUMNS, ALL);
    }
}

const struct kernels kernels_avx2 =
    VECTOR_TABLE("avx2", &panel, &panel, duplicates_avx2, WORDS(word_tile_avx2), NULL);
/* Where VNNI works on 256 bits, products of bytes are its; see avxvnni.h. */
const struct kernels kernels_avxvnni =
    VECTOR_TABLE("avxvnni", &panel, &panel, duplicates_avxvnni, BYTES(byte_tile_avxvnni, 12), NULL);
#endif
