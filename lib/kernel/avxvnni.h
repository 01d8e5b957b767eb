/* SPDX-License-Identifier: MIT
 * avxvnni.h - tiles of bytes by VNNI on 256 bits, for processors without AVX-512
 *
 * The includer defines TARGET, INLINE and
 *
 *     add_fours(sum, x, w)    to each 32-bit lane of `sum` four products of x's bytes, without a
 *                             sign, and w's, with one
 *
 * avxvnni.c has the instruction; a test has what it stands for, on any processor with AVX2.
 */
#include <immintrin.h>
#include <string.h>
#include "kernel/panel.h"

enum { FOURS_LANES = 8, FOURS_ROWS = 6, FOURS_LINE = 64 };

/* Four bytes of a row, in each of the eight lanes. */
INLINE __m256i four_of(const uint8_t *p)
{
    int32_t bytes;

    memcpy(&bytes, p, sizeof bytes);
    return _mm256_set1_epi32(bytes);
}

/* rows x 16 sums: 12 of 16 registers at most. */
INLINE void fours(__m256i (*sum)[2], const uint8_t *x, long stride, const int8_t *panel, long depth,
                  const int rows)
{
    UNROLL(6)
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (long k = 0; k < depth; k += BYTE_STEP, panel += FOURS_LINE) {
        __m256i left = _mm256_loadu_si256((const void *)panel);
        __m256i right = _mm256_loadu_si256((const void *)(panel + FOURS_LINE / 2));

        UNROLL(6)
        for (int i = 0; i < rows; i++) {
            __m256i four = four_of(x + i * stride + k);

            sum[i][0] = add_fours(sum[i][0], four, left);
            sum[i][1] = add_fours(sum[i][1], four, right);
        }
    }
}

/* --- int8.c's tiles --- */

INLINE void put_bytes_sum(const struct byte_tile *t, int piece, int row, long column, __m256i sum)
{
    float *to = t->sums + row * t->sums_stride + column;
    __m256 v = _mm256_cvtepi32_ps(
        _mm256_sub_epi32(sum, _mm256_loadu_si256((const void *)(t->offset + column))));

    if (piece) /* 256 times is exact */
        v = _mm256_fmadd_ps(_mm256_loadu_ps(to), _mm256_set1_ps(256), v);
    if (piece + 1 == t->pieces)
        v = _mm256_mul_ps(v, _mm256_set1_ps(t->scale[row]));
    _mm256_storeu_ps(to, v);
}

INLINE void byte_pass(const struct byte_tile *t, int which, int row, const int rows)
{
    __m256i sum[FOURS_ROWS][2];

    for (int piece = 0; piece < t->pieces; piece++) {
        fours(sum, t->x + row * t->row_stride + piece * t->piece_stride, t->row_stride,
              t->panel + which * BYTE_COLUMNS * t->depth, t->depth, rows);
        UNROLL(6)
        for (int i = 0; i < rows; i++)
            UNROLL(2)
        for (int j = 0; j < 2; j++)
            put_bytes_sum(t, piece, row + i, (long)which * BYTE_COLUMNS + j * FOURS_LANES,
                          sum[i][j]);
    }
}

/* Passes over a panel are of nearly as many rows each. */
INLINE void byte_tile_of_fours(const struct byte_tile *t)
{
    int passes = (t->rows + FOURS_ROWS - 1) / FOURS_ROWS;

    for (int which = 0; which < t->panels; which++)
        for (int pass = 0; pass < passes; pass++) {
            int row = t->rows * pass / passes;

            switch (t->rows * (pass + 1) / passes - row) {
            case 1:
                byte_pass(t, which, row, 1);
                break;
            case 2:
                byte_pass(t, which, row, 2);
                break;
            case 3:
                byte_pass(t, which, row, 3);
                break;
            case 4:
                byte_pass(t, which, row, 4);
                break;
            case 5:
                byte_pass(t, which, row, 5);
                break;
            default:
                byte_pass(t, which, row, 6);
            }
        }
}

/* --- duplicates.c's tiles --- */

INLINE void duplicate_pass(const struct duplicate_tile *t, const int rows)
{
    __m256i sum[DUPLICATE_ROWS][2];
    int32_t sums[DUPLICATE_COLUMNS];

    fours(sum, t->x, t->x_stride, t->panel, t->depth, rows);
    UNROLL(6)
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_si256((void *)sums, sum[i][0]);
        _mm256_storeu_si256((void *)(sums + FOURS_LANES), sum[i][1]);
        t->hits[i] = duplicate_hits(t, i, sums);
    }
}
