/* SPDX-License-Identifier: MIT
 * kernel_avxvnni.c - the tiles of VNNI on 256 bits beside plain C, where the instruction is not
 *
 * One function here does what the instruction does, by two of AVX2; all around it is what
 * processors with AVX-VNNI run.  Sums are whole numbers: the bytes are equal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/panel.h"
#include "tests/unit/tap.h"

#ifdef KERNEL_X86
#include <immintrin.h>
#define TARGET_FEATURES "avx2,fma,f16c"
#include "kernel/target.h"

INLINE __m256i add_fours(__m256i sum, __m256i x, __m256i w)
{
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(255)),
                                     _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(w, 8));

    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

#include "kernel/avxvnni.h"

static TARGET void byte_tile(const struct byte_tile *t)
{
    byte_tile_of_fours(t);
}

static TARGET void duplicates(const struct duplicate_tile *t)
{
    ROWS_OF_SIX(duplicate_pass, t);
}

enum { ROWS = 12, DEPTH = 100, STRIDE = 3 * DEPTH + 4, COLUMNS = BYTE_PANELS * BYTE_COLUMNS };

static void fill(uint8_t *to, size_t count, struct random *r)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)random_below(r, 256);
}

static void test_bytes(int rows, int pieces, int panels)
{
    static uint8_t x[ROWS * STRIDE], w[COLUMNS * DEPTH];
    static float want[ROWS * COLUMNS], got[ROWS * COLUMNS], scale[ROWS];
    int32_t offset[COLUMNS];
    struct random r = { 17 };
    struct byte_tile t = { .x = x,
                           .row_stride = STRIDE,
                           .piece_stride = DEPTH,
                           .rows = rows,
                           .pieces = pieces,
                           .panel = (const int8_t *)w,
                           .panels = panels,
                           .depth = DEPTH,
                           .offset = offset,
                           .scale = scale,
                           .sums = want,
                           .sums_stride = COLUMNS };

    fill(x, sizeof x, &r);
    fill(w, sizeof w, &r);
    for (int i = 0; i < COLUMNS; i++)
        offset[i] = (int32_t)random_below(&r, 1 << 20) - (1 << 19);
    for (int i = 0; i < ROWS; i++)
        scale[i] = 0.5f + (float)random_uniform(&r);
    memset(want, 0, sizeof want);
    memset(got, 0, sizeof got);
    kernels_scalar.byte_tile(&t);
    t.sums = got;
    byte_tile(&t);
    ok(!memcmp(want, got, sizeof want), "%d rows, %d pieces, %d panels", rows, pieces, panels);
}

static void test_hits(int rows, float threshold)
{
    static uint8_t x[DUPLICATE_ROWS * DEPTH];
    static int8_t panel[DUPLICATE_COLUMNS * DEPTH];
    float ones[DUPLICATE_COLUMNS], none[DUPLICATE_COLUMNS] = { 0 };
    uint16_t want[DUPLICATE_ROWS] = { 0 }, got[DUPLICATE_ROWS] = { 0 };
    struct random r = { 23 };
    struct duplicate_tile t = { .x = x,
                                .x_stride = DEPTH,
                                .x_scale = ones,
                                .x_rest = none,
                                .x_error = none,
                                .rows = rows,
                                .panel = panel,
                                .scale = ones,
                                .begin = none,
                                .rest = none,
                                .error = none,
                                .depth = DEPTH / DUPLICATE_DEPTH * DUPLICATE_DEPTH,
                                .threshold = threshold,
                                .hits = want };

    for (int i = 0; i < DUPLICATE_COLUMNS; i++)
        ones[i] = 1;
    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (uint8_t)random_below(&r, 63);
    for (size_t i = 0; i < sizeof panel; i++)
        panel[i] = (int8_t)((int)random_below(&r, 127) - 63);
    kernels_scalar.duplicates(&t);
    t.hits = got;
    duplicates(&t);
    ok(!memcmp(want, got, sizeof want), "hits of %d rows", rows);
    ok(want[0] && want[0] != 0xffff, "some columns are hit, some not");
}

int main(void)
{
    if (!kernels_supported("avx2")) {
        ok(true, "skipped: no AVX2");
        return done();
    }
    for (int rows = 1; rows <= ROWS; rows++)
        test_bytes(rows, 1 + rows % 3, 1 + rows % BYTE_PANELS);
    for (int rows = 1; rows <= DUPLICATE_ROWS; rows++)
        test_hits(rows, 100);
    return done();
}
#else
int main(void)
{
    ok(true, "skipped: another processor");
    return done();
}
#endif
