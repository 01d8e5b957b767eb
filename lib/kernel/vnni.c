/* SPDX-License-Identifier: MIT
 * vnni.c - products of i8 weights with rows of f32, added up by integers
 *
 * A stretch of at most TILE_DEPTH of a row is taken as fixed point: whole numbers t of 24 bits
 * times the stretch's scale, so that what is lost is 2^-24 of its largest number, as when f32 are
 * added. A t is three signed bytes, its pieces:
 *
 *     x = scale t        t = 65536 t1 + 256 t2 + t3        |t1| <= 127
 *     sum x w = scale (65536 sum t1 w + 256 sum t2 w + sum t3 w)
 *
 * The processor multiplies four unsigned bytes by four signed ones and adds them to a lane.  So
 * weights lie in memory as w + 128, four of a column together (see panel.h), and sums of pieces
 * begin at -128 times what the pieces add up to.  Sums of a stretch are exact; stretches are added
 * in f32.
 *
 * Three instructions a row do for 64 weights what takes vectors of f32 four, and eight to widen:
 * five rows wait for nothing but memory.
 *
 * A stretch of numbers below 2^-103 counts as 0; one that is not finite makes its row NaN.
 */
#include "kernel/panel.h"

#ifdef KERNEL_X86
#include <math.h>
#include <string.h>

#define TARGET_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c" WIDE
#include "kernel/avx512.h"

enum { VECTORS = 3, PASS_ROWS = 2, LINE = 64 };

/* --- rows into pieces --- */

static TARGET float largest(const float *x, int count, float *not_finite)
{
    vec most = set(0), zero = set(0);

    for (int i = 0; i < count; i += LANES) {
        vec v = load_some(x + i, count - i < LANES ? count - i : LANES);

        most = larger(_mm512_abs_ps(v), most);
        zero += v * set(0);
    }
    *not_finite = lanes_sum(zero);
    return lanes_largest(most);
}

static TARGET void split_stretch(int8_t *pieces, long stride, float *scale, int32_t *begin,
                                 const float *x, int count)
{
    const __m512i half = _mm512_set1_epi32(128);
    __m512i sum[INT8_PIECES] = { _mm512_setzero_si512(), _mm512_setzero_si512(),
                                 _mm512_setzero_si512() };
    float not_finite, most = largest(x, count, &not_finite);
    vec by = set(most > 0x1p-103f && most < INFINITY ? 126 * 65536.f / most : 0);

    *scale = (most > 0x1p-103f ? most / (126 * 65536.f) : 0) + not_finite;
    for (int i = 0; i < count; i += LANES) {
        vec v = load_some(x + i, count - i < LANES ? count - i : LANES);
        __m512i t = _mm512_cvtps_epi32(v * by);

        for (int p = INT8_PIECES - 1; p >= 0; p--) {
            __m512i rest = _mm512_srai_epi32(_mm512_add_epi32(t, half), 8);

            _mm_storeu_si128((void *)(pieces + p * stride + i), _mm512_cvtepi32_epi8(t));
            sum[p] = _mm512_add_epi32(sum[p], t);
            if (p)
                sum[p] = _mm512_sub_epi32(sum[p], _mm512_slli_epi32(rest, 8));
            t = rest;
        }
    }
    for (int p = 0; p < INT8_PIECES; p++)
        begin[p] = -128 * _mm512_reduce_add_epi32(sum[p]);
}

static TARGET void split(const struct int8_row *to, const float *x, long count)
{
    for (long k = 0, i = 0; k < count; k += TILE_DEPTH, i++)
        split_stretch(to->pieces + k, to->stride, to->scale + i, to->begin + i * INT8_PIECES, x + k,
                      (int)(count - k < TILE_DEPTH ? count - k : TILE_DEPTH));
}

/* --- tiles --- */

/* The compiler's own would keep a copy of each sum. */
INLINE __m512i add_fours(__m512i sum, __m512i weights, __m512i pieces)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(pieces));
    return sum;
}

INLINE vec joined(__m512i (*sum)[VECTORS], const int j)
{
    vec v = muladd(_mm512_cvtepi32_ps(sum[0][j]), set(256), _mm512_cvtepi32_ps(sum[1][j]));

    return muladd(v, set(256), _mm512_cvtepi32_ps(sum[2][j]));
}

INLINE void put(float *to, bool add, vec v, int columns)
{
    int n = columns < LANES ? columns : LANES;

    if (add)
        v += load_some(to, n);
    store_some(to, v, n);
}

/* What the panel's vectors will read next, fetched while a stretch is read from the first cache:
 * each pass over it fetches a share, so that memory is never idle.  The vectors are streams, which
 * memory serves faster together than one. */
struct coming {
    const char *at; /* line of the first stream */
    int stream;     /* whose turn it is */
    int due, every; /* a line each time that `due` has grown by `every` */
};

/* Behind the stretch from k on lies another, or the next panel. */
INLINE struct coming coming_of(const struct int8_tile *t, int row, long k, const int vectors)
{
    enum { STEPS = TILE_DEPTH / INT8_STEP };
    int passes = (t->rows + PASS_ROWS - 1) / PASS_ROWS;
    int done = row / PASS_ROWS * STEPS * vectors / passes;
    const char *at = (const char *)t->panel +
                     (k + TILE_DEPTH < t->depth ? k + TILE_DEPTH : t->depth * vectors) * LANES;

    return (struct coming){ .at = at + done / vectors * LINE,
                            .stream = done % vectors,
                            .every = passes };
}

/* What one step of the depth has to fetch. */
INLINE void fetch(struct coming *c, long stream, const int vectors)
{
    for (c->due += vectors; c->due >= c->every; c->due -= c->every) {
        __builtin_prefetch(c->at + c->stream * stream);
        if (++c->stream == vectors) {
            c->stream = 0;
            c->at += LINE;
        }
    }
}

/* Four of the depth: some rows' pieces times the panel. */
INLINE void add_products(__m512i (*sum)[VECTORS], const char *const *pieces, long stride,
                         const char *panel, long stream, const int rows, const int vectors)
{
    __m512i w[VECTORS], four;
    int32_t bytes;

    UNROLL(3)
    for (int j = 0; j < vectors; j++)
        w[j] = _mm512_loadu_si512(panel + j * stream);
    UNROLL(2)
    for (int i = 0; i < rows; i++)
        UNROLL(3)
    for (int p = 0; p < INT8_PIECES; p++) {
        memcpy(&bytes, pieces[i] + p * stride, sizeof bytes);
        four = _mm512_set1_epi32(bytes);
        UNROLL(3)
        for (int j = 0; j < vectors; j++)
            sum[i * INT8_PIECES + p][j] = add_fours(sum[i * INT8_PIECES + p][j], w[j], four);
    }
}

/* Some rows times a stretch of the panel. */
INLINE void stretch(const struct int8_tile *t, int row, long k, const int rows, const int vectors)
{
    const long depth = t->depth - k < TILE_DEPTH ? t->depth - k : TILE_DEPTH, at = k / TILE_DEPTH;
    const char *panel = (const char *)t->panel + k * LANES, *pieces[PASS_ROWS];
    const struct int8_row *left = t->left + row;
    struct coming coming = coming_of(t, row, k, vectors);
    __m512i sum[PASS_ROWS * INT8_PIECES][VECTORS];

    UNROLL(2)
    for (int i = 0; i < rows; i++) {
        pieces[i] = (const char *)left[i].pieces + k;
        UNROLL(3)
        for (int p = 0; p < INT8_PIECES; p++)
            UNROLL(3)
        for (int j = 0; j < vectors; j++)
            sum[i * INT8_PIECES + p][j] = _mm512_set1_epi32(left[i].begin[at * INT8_PIECES + p]);
    }
    for (long d = 0; d < depth; d += INT8_STEP, panel += LINE) {
        fetch(&coming, t->depth * LANES, vectors);
        add_products(sum, pieces, left->stride, panel, t->depth * LANES, rows, vectors);
        UNROLL(2)
        for (int i = 0; i < rows; i++)
            pieces[i] += INT8_STEP;
    }
    UNROLL(2)
    for (int i = 0; i < rows; i++)
        UNROLL(3)
    for (int j = 0; j < vectors; j++)
        put(t->sums + (row + i) * t->sums_stride + j * LANES, k > 0,
            set(left[i].scale[at]) * joined(sum + i * INT8_PIECES, j), t->columns - j * LANES);
}

INLINE void tile_of(const struct int8_tile *t, const int vectors)
{
    for (long k = 0; k < t->depth; k += TILE_DEPTH) {
        int row = 0;

        for (; row + PASS_ROWS <= t->rows; row += PASS_ROWS)
            stretch(t, row, k, PASS_ROWS, vectors);
        if (row < t->rows)
            stretch(t, row, k, 1, vectors);
    }
}

static TARGET void tile(const struct int8_tile *t)
{
    if (t->columns > 2 * LANES)
        tile_of(t, 3);
    else if (t->columns > LANES)
        tile_of(t, 2);
    else
        tile_of(t, 1);
}

/* --- duplicates.c's tiles --- */

/* Two chains of sums a row: an addition need not wait for the one before. */
INLINE void duplicate_rows(const struct duplicate_tile *t, const int rows)
{
    __m512i sum[DUPLICATE_ROWS][2];
    int32_t sums[DUPLICATE_COLUMNS], bytes;
    const int8_t *panel = t->panel;

    UNROLL(6)
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_si512();
    for (long k = 0; k < t->depth; k += 2 * DUPLICATE_STEP, panel += 2 * LINE) {
        __m512i even = _mm512_loadu_si512(panel), odd = _mm512_loadu_si512(panel + LINE);

        UNROLL(6)
        for (int i = 0; i < rows; i++) {
            memcpy(&bytes, t->x + i * t->x_stride + k, sizeof bytes);
            sum[i][0] = add_fours(sum[i][0], _mm512_set1_epi32(bytes), even);
            memcpy(&bytes, t->x + i * t->x_stride + k + DUPLICATE_STEP, sizeof bytes);
            sum[i][1] = add_fours(sum[i][1], _mm512_set1_epi32(bytes), odd);
        }
    }
    UNROLL(6)
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_si512(sums, _mm512_add_epi32(sum[i][0], sum[i][1]));
        t->hits[i] = duplicate_hits(t, i, sums);
    }
}

TARGET void duplicates_vnni(const struct duplicate_tile *t)
{
    ROWS_OF_SIX(duplicate_rows, t);
}

/* --- int8.c's tiles --- */

/* What one piece adds to a tile's sums. */
INLINE void byte_piece(const struct byte_tile *t, const int piece, const int rows, const int panels)
{
    const uint8_t *x = t->x + piece * t->piece_stride;
    const int8_t *at = t->panel;
    const long stride = t->depth * BYTE_COLUMNS;
    const int coming = piece ? 0 : t->coming_panels;
    __m512i sum[BYTE_ROWS][BYTE_PANELS];

    UNROLL(8)
    for (int i = 0; i < rows; i++)
        UNROLL(3)
    for (int j = 0; j < panels; j++)
        sum[i][j] = _mm512_setzero_si512();
    for (long k = 0; k < t->depth; k += BYTE_STEP, at += LINE) {
        __m512i w[BYTE_PANELS];

        for (int j = 0; j < coming; j++)
            __builtin_prefetch(t->coming + (at - t->panel) + j * stride, 0, 2);
        UNROLL(3)
        for (int j = 0; j < panels; j++)
            w[j] = _mm512_loadu_si512(at + j * stride);
        UNROLL(8)
        for (int i = 0; i < rows; i++) {
            int32_t bytes;
            __m512i four;

            memcpy(&bytes, x + i * t->row_stride + k, sizeof bytes);
            four = _mm512_set1_epi32(bytes);
            UNROLL(3)
            for (int j = 0; j < panels; j++)
                sum[i][j] = add_fours(sum[i][j], four, w[j]);
        }
    }
    UNROLL(8)
    for (int i = 0; i < rows; i++)
        UNROLL(3)
    for (int j = 0; j < panels; j++) {
        float *to = t->sums + i * t->sums_stride + j * LANES;
        vec v = _mm512_cvtepi32_ps(
            _mm512_sub_epi32(sum[i][j], _mm512_loadu_si512(t->offset + j * LANES)));

        if (piece)
            v = muladd(load(to), set(256), v); /* 256 times is exact */
        if (piece + 1 == t->pieces)
            v *= set(t->scale[i]);
        store(to, v);
    }
}

#define BYTE_CASE(rows)                                                                            \
    case rows:                                                                                     \
        for (int piece = 0; piece < t->pieces; piece++)                                            \
            if (t->panels == 3)                                                                    \
                byte_piece(t, piece, rows, 3);                                                     \
            else if (t->panels == 2)                                                               \
                byte_piece(t, piece, rows, 2);                                                     \
            else                                                                                   \
                byte_piece(t, piece, rows, 1);                                                     \
        break;

TARGET void byte_tile_vnni(const struct byte_tile *t)
{
    switch (t->rows) {
        BYTE_CASE(1)
        BYTE_CASE(2)
        BYTE_CASE(3)
        BYTE_CASE(4)
        BYTE_CASE(5)
        BYTE_CASE(6)
        BYTE_CASE(7)
        BYTE_CASE(8)
    }
}

const struct int8_kernel int8_vnni = { split, tile };
#endif
