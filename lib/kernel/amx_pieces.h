/* SPDX-License-Identifier: MIT
 * amx_pieces.h - numbers split into pieces and laid out in tiles; amx.c says how, and includes this
 */
#include "base/number.h"

INLINE __mmask16 mask(long n)
{
    return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0;
}

/* What the right is split from, and into how many pieces. */
enum kind { KIND_F32, KIND_TWO, KIND_ONE, KIND_F16, KIND_BF16, KIND_I8 };

INLINE enum kind kind_of(enum dtype type, int pieces)
{
    return type == DTYPE_F16    ? KIND_F16
           : type == DTYPE_BF16 ? KIND_BF16
           : type == DTYPE_I8   ? KIND_I8
           : pieces == 2        ? KIND_TWO
           : pieces == 1        ? KIND_ONE
                                : KIND_F32;
}

/* --- pieces --- */

INLINE __m512i round_both(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Pieces of 32 numbers of a row, each [32], a tile apart. */
INLINE void split_row(uint16_t *to, const int pieces, __m512 low, __m512 high)
{
    UNROLL(3)
    for (int i = 0; i < pieces; i++, to += TILE) {
        __m512i p = round_both(low, high);

        _mm512_store_si512(to, p);
        low -= (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(p)), 16);
        high -=
            (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(p, 1)), 16);
    }
}

/* Pieces of two rows of 16 columns, each [16][2]. */
INLINE void split_pair(uint16_t *to, long step, const int pieces, __m512 even, __m512 odd)
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    /* 0 16 1 17 .. */
    const __m512i order = _mm512_or_si512(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_slli_epi32(
            _mm512_setr_epi32(16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31), 16));

    UNROLL(3)
    for (int i = 0; i < pieces; i++, to += step) {
        __m512i p = _mm512_permutexvar_epi16(order, round_both(even, odd));

        _mm512_store_si512(to, p);
        even -= (__m512)_mm512_slli_epi32(p, 16);
        odd -= (__m512)_mm512_and_si512(p, upper);
    }
}

/* to[j][i] = x[i][j], i < rows, j < columns, the rest of 16 x 16 zero */
INLINE void transpose_square(float *to, long to_stride, const float *x, long x_stride, long rows,
                             long columns)
{
    __mmask16 some = mask(columns);
    __m512 r[16], s[16];

    UNROLL(16)
    for (int i = 0; i < 16; i++)
        r[i] = i < rows ? _mm512_maskz_loadu_ps(some, x + i * x_stride) : _mm512_setzero_ps();
    UNROLL(8)
    for (int i = 0; i < 16; i += 2) { /* pairs */
        s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL(4)
    for (int i = 0; i < 16; i += 4) { /* fours: columns 0 1 2 3 of each quarter */
        r[i] = _mm512_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    UNROLL(2)
    for (int i = 0; i < 16; i += 8) { /* quarters 0 2, 1 3 of eights */
        UNROLL(4)
        for (int j = 0; j < 4; j++) {
            s[i + j] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0x88);
            s[i + j + 4] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0xdd);
        }
    }
    UNROLL(4)
    for (int j = 0; j < 4; j++) {
        _mm512_store_ps(to + j * to_stride, _mm512_shuffle_f32x4(s[j], s[j + 8], 0x88));
        _mm512_store_ps(to + (j + 4) * to_stride, _mm512_shuffle_f32x4(s[j + 4], s[j + 12], 0x88));
        _mm512_store_ps(to + (j + 8) * to_stride, _mm512_shuffle_f32x4(s[j], s[j + 8], 0xdd));
        _mm512_store_ps(to + (j + 12) * to_stride, _mm512_shuffle_f32x4(s[j + 4], s[j + 12], 0xdd));
    }
}

/* --- the left: rows --- */

/* One step of 32 of the depth, 16 rows. */
INLINE void left_plain(uint16_t *to, const int pieces, const float *x, long x_stride, long rows,
                       long depth)
{
    const __mmask16 low = mask(depth), high = mask(depth - 16);

    for (long i = 0; i < 16; i++, x += x_stride) {
        if (i < rows)
            split_row(to + i * 32, pieces, _mm512_maskz_loadu_ps(low, x),
                      _mm512_maskz_loadu_ps(high, x + 16));
        else
            split_row(to + i * 32, pieces, _mm512_setzero_ps(), _mm512_setzero_ps());
    }
}

/* x [depth, rows] */
INLINE void left_transposed(uint16_t *to, const int pieces, const float *x, long x_stride,
                            long rows, long depth)
{
    float square[16 * 32] __attribute__((aligned(64)));

    transpose_square(square, 32, x, x_stride, depth, rows);
    transpose_square(square + 16, 32, x + 16 * x_stride, x_stride, depth - 16, rows);
    for (int i = 0; i < 16; i++)
        split_row(to + i * 32, pieces, _mm512_load_ps(square + i * 32),
                  _mm512_load_ps(square + i * 32 + 16));
}

/* In the order in which few pages are used at a time, and those from end to end. */
INLINE void left_pieces(uint16_t *to, const int pieces, const struct unit_rows *r, long rows,
                        long depth)
{
    const float *x = r->x;
    long size = (depth + 31) / 32 * LEFT * TILE, x_stride = r->x_stride;

    for (long i = 0; !r->transposed && i < rows; i += 16)
        for (long k = 0; k < depth; k += 32)
            left_plain(to + i / 16 * size + k / 32 * LEFT * TILE, pieces, x + i * x_stride + k,
                       x_stride, rows - i, depth - k);
    for (long k = 0; r->transposed && k < depth; k += 32)
        for (long i = 0; i < rows; i += 16)
            left_transposed(to + i / 16 * size + k / 32 * LEFT * TILE, pieces, x + k * x_stride + i,
                            x_stride, rows - i, depth - k);
}

static TARGET void left(uint16_t *to, const struct unit_rows *x, long rows, long depth)
{
    if (x->pieces == 1)
        left_pieces(to, 1, x, rows, depth);
    else if (x->pieces == 2)
        left_pieces(to, 2, x, rows, depth);
    else
        left_pieces(to, LEFT, x, rows, depth);
}

/* --- the left, from scores --- */

/* A line of 16 rows, a step of 32 columns each: exponentials and their sums. */
INLINE void softmax_step(uint16_t *to, vec *sum, const float *x, long x_stride, const vec *most,
                         vec scale, long rows, long columns)
{
    for (long i = 0; i < rows && i < 16; i++, x += x_stride) {
        vec low = exponential((_mm512_maskz_loadu_ps(mask(columns), x) - most[i]) * scale);
        vec high =
            exponential((_mm512_maskz_loadu_ps(mask(columns - 16), x + 16) - most[i]) * scale);

        low = _mm512_maskz_mov_ps(mask(columns), low);
        high = _mm512_maskz_mov_ps(mask(columns - 16), high);
        sum[i] += low + high;
        split_row(to + i * 32, LEFT, low, high);
    }
    for (long i = rows; i < 16; i++)
        split_row(to + i * 32, LEFT, set(0), set(0));
}

static TARGET vec row_most(const float *x, long columns)
{
    vec most = set(-INFINITY);
    long i = 0;

    for (; i + 16 <= columns; i += 16)
        most = larger(most, load(x + i));
    if (i < columns)
        most =
            _mm512_mask_max_ps(most, mask(columns - i), most, load_some(x + i, (int)(columns - i)));
    return set(lanes_largest(most));
}

static TARGET void left_softmax(uint16_t *to, float *inverse, const float *x, long x_stride,
                                float scale, long rows, long columns)
{
    long size = (columns + 31) / 32 * LEFT * TILE;

    for (; rows > 0; rows -= 16, x += 16 * x_stride, to += size, inverse += 16) {
        vec most[16], sum[16];

        for (int i = 0; i < 16; i++) {
            most[i] = row_most(x + (i < rows ? i : 0) * x_stride, columns);
            sum[i] = set(0);
        }
        for (long k = 0; k < columns; k += 32)
            softmax_step(to + k / 32 * LEFT * TILE, sum, x + k, x_stride, most, set(scale), rows,
                         columns - k);
        for (int i = 0; i < 16 && i < rows; i++)
            inverse[i] = 1 / lanes_sum(sum[i]);
    }
}

/* --- the right: columns --- */

INLINE __m512 load_kind(const char *p, const enum kind kind, __mmask16 some)
{
    if (kind == KIND_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, p));
    if (kind == KIND_BF16)
        return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, p)),
                                         16);
    if (kind == KIND_I8)
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(some, p)));
    return _mm512_maskz_loadu_ps(some, p);
}

INLINE int pieces_of(const enum kind kind)
{
    return kind == KIND_F32 ? 3 : kind == KIND_F16 || kind == KIND_TWO ? 2 : 1;
}

/* How far a panel has been split: its next pair of rows, and where that goes. */
struct progress {
    const char *x;
    long row; /* bytes */
    long k, depth;
    uint16_t *to;
    int columns;
    __mmask16 some[2];         /* of each tile's columns */
    const float *to_transpose; /* what is left of [columns, depth]; NULL: it lies as it should */
    long stride;
    float transposed[32 * UNIT_COLUMNS] __attribute__((aligned(64)));
};

static TARGET void begin(struct progress *p, const struct unit_panel *panel)
{
    p->x = panel->x;
    p->row = panel->x_stride * (long)dtype_size(panel->type);
    p->k = 0;
    p->depth = panel->depth;
    p->to = panel->to;
    p->columns = panel->columns;
    p->some[0] = mask(panel->columns);
    p->some[1] = mask(panel->columns - 16);
    p->to_transpose = panel->transposed ? panel->x : NULL;
    p->stride = panel->x_stride;
}

/* The next 32 of the depth. */
static TARGET void transpose_next(struct progress *p)
{
    for (int j = 0; j < p->columns; j += 16)
        for (int k = 0; k < 32; k += 16)
            transpose_square(p->transposed + k * UNIT_COLUMNS + j, UNIT_COLUMNS,
                             p->to_transpose + j * p->stride + k, p->stride, p->columns - j,
                             p->depth - p->k - k);
    p->to_transpose += 32;
    p->x = (const char *)p->transposed;
    p->row = UNIT_COLUMNS * sizeof(float);
}

enum { AHEAD = 16 }; /* rows: what comes is fetched, across pages too */

INLINE void split_next(struct progress *p, const enum kind kind, const int tiles)
{
    const bool wide = kind == KIND_F32 || kind == KIND_TWO || kind == KIND_ONE;
    const long size = wide ? 4 : kind == KIND_I8 ? 1 : 2;

    if (wide && p->to_transpose && p->k % 32 == 0)
        transpose_next(p);
    UNROLL(2)
    for (int j = 0; j < tiles; j++) {
        const char *at = p->x + j * 16 * size;
        __m512 even = _mm512_setzero_ps(), odd = even;

        __builtin_prefetch(at + AHEAD * p->row);
        __builtin_prefetch(at + (AHEAD + 1) * p->row);
        if (p->k + 1 < p->depth) {
            even = load_kind(at, kind, p->some[j]);
            odd = load_kind(at + p->row, kind, p->some[j]);
        } else if (p->k < p->depth) {
            even = load_kind(at, kind, p->some[j]);
        }
        split_pair(p->to + j * TILE, tiles * TILE, pieces_of(kind), even, odd);
    }
    p->x += 2 * p->row;
    p->k += 2;
    p->to += 32;
    if (p->k % 32 == 0) /* to the next tiles */
        p->to += (pieces_of(kind) * tiles - 1) * TILE;
}

INLINE void split_pairs(struct progress *p, long pairs, const enum kind kind)
{
    if (p->columns > 16)
        for (; pairs > 0 && (p->k < p->depth || p->k % 32); pairs--)
            split_next(p, kind, 2);
    else
        for (; pairs > 0 && (p->k < p->depth || p->k % 32); pairs--)
            split_next(p, kind, 1);
}

/* Functions of their own: they are called from dozens of places. */
#define SPLIT(name, kind)                                                                          \
    static TARGET __attribute__((noinline)) void name(struct progress *p, long pairs)              \
    {                                                                                              \
        split_pairs(p, pairs, kind);                                                               \
    }
SPLIT(split_f32, KIND_F32)
SPLIT(split_two, KIND_TWO)
SPLIT(split_one, KIND_ONE)
SPLIT(split_f16, KIND_F16)
SPLIT(split_bf16, KIND_BF16)
SPLIT(split_i8, KIND_I8)

/* Some pairs, as far as there are any left. */
INLINE void split_some(struct progress *p, long pairs, const enum kind kind)
{
    if (kind == KIND_F32)
        split_f32(p, pairs);
    else if (kind == KIND_TWO)
        split_two(p, pairs);
    else if (kind == KIND_ONE)
        split_one(p, pairs);
    else if (kind == KIND_F16)
        split_f16(p, pairs);
    else if (kind == KIND_BF16)
        split_bf16(p, pairs);
    else
        split_i8(p, pairs);
}

static TARGET void right(const struct unit_panel *p)
{
    struct progress all;

    begin(&all, p);
    split_some(&all, p->depth + 32, kind_of(p->type, p->pieces));
}
