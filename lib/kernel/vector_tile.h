/* SPDX-License-Identifier: MIT
 * vector_tile.h - tiles of a product, written once for vectors of any width; see vector.h
 *
 * ROWS x VECTORS sums stay in registers.  Each step of the depth loads VECTORS vectors of the panel
 * and multiplies them with one number of each row:
 *
 *     sum[i][j] += x[i][k] panel[k][j]
 *
 * Heights and widths are known when this is compiled: CASE lists them.
 */
#include "base/number.h"

INLINE vec load_as(const char *at, enum dtype type)
{
    const void *p = at;

    return type == DTYPE_F32   ? load(p)
           : type == DTYPE_F16 ? load_half(p)
           : type == DTYPE_I8  ? load_byte(p)
                               : load_bfloat(p);
}

INLINE void store_sums(const struct tile *t, const int rows, const int vectors, vec (*sum)[VECTORS])
{
    UNROLL(8)
    for (int i = 0; i < rows; i++)
        UNROLL(3)
    for (int j = 0; j < vectors; j++) {
        float *to = t->sums + i * t->sums_stride + j * LANES;
        int n = t->columns - j * LANES;
        vec v = sum[i][j];

        if (j < vectors - 1 || n == LANES) {
            if (t->add)
                v += load(to);
            store(to, v);
        } else {
            if (t->add)
                v += load_some(to, n);
            store_some(to, v, n);
        }
    }
}

/* Few rows wait for memory: what comes is fetched across the pages at which the processor stops. */
enum { LINE = 64, FEW = 5, AHEAD = 24 }; /* rows of f32; of shorter types more */

INLINE void tile_of(const struct tile *t, const int rows, const int vectors, const enum dtype type)
{
    const long size = type == DTYPE_F32  ? 4
                      : type == DTYPE_I8 ? 1
                                         : 2,
               step = t->panel_stride * size;
    const char *panel = t->panel;
    const float *x[ROWS];
    vec sum[ROWS][VECTORS], b[VECTORS];

    UNROLL(8)
    for (int i = 0; i < rows; i++) {
        x[i] = t->x + i * t->x_stride;
        UNROLL(3)
        for (int j = 0; j < vectors; j++)
            sum[i][j] = set(0);
    }
    for (long k = 0; k < t->depth; k++, panel += step) {
        UNROLL(3)
        for (int j = 0; j < vectors; j++)
            b[j] = load_as(panel + j * LANES * size, type);
        if (rows <= FEW) {
            for (int j = 0; j < vectors * LANES * size; j += LINE)
                __builtin_prefetch(panel + AHEAD * 4 / size * step + j, 0, 2);
        }
        UNROLL(8)
        for (int i = 0; i < rows; i++) {
            vec a = set(x[i][k]);

            UNROLL(3)
            for (int j = 0; j < vectors; j++)
                sum[i][j] = muladd(a, b[j], sum[i][j]);
        }
    }
    store_sums(t, rows, vectors, sum);
}

#define CASE(rows, vectors)                                                                        \
    case (rows)*4 + (vectors):                                                                     \
        tile_of(t, rows, vectors, type);                                                           \
        break;

INLINE void tile_choose(const struct tile *t, const enum dtype type)
{
    switch (t->rows * 4 + (t->columns + LANES - 1) / LANES) {
        CASES
    }
}

static TARGET void tile_f32(const struct tile *t)
{
    tile_choose(t, DTYPE_F32);
}

static TARGET void tile_f16(const struct tile *t)
{
    tile_choose(t, DTYPE_F16);
}

static TARGET void tile_bf16(const struct tile *t)
{
    tile_choose(t, DTYPE_BF16);
}

static TARGET void tile_i8(const struct tile *t)
{
    tile_choose(t, DTYPE_I8);
}

static TARGET void tile(const struct tile *t)
{
    if (t->type == DTYPE_F32)
        tile_f32(t);
    else if (t->type == DTYPE_F16)
        tile_f16(t);
    else if (t->type == DTYPE_I8)
        tile_i8(t);
    else
        tile_bf16(t);
}

INLINE void finish_all(const struct finish *f, const enum activation which)
{
    for (int i = 0; i < f->rows; i++) {
        const float *sums = f->sums + i * f->sums_stride;
        const float *residual = f->residual ? f->residual + i * f->y_stride : NULL;
        float *y = f->y + i * f->y_stride;
        int j = 0, n;

        for (; j + LANES <= f->columns; j += LANES) {
            vec v = load(sums + j);

            if (f->scale)
                v *= load(f->scale + j);
            v = active(v + load(f->bias + j), which);
            if (residual)
                v += load(residual + j);
            store(y + j, v);
        }
        if ((n = f->columns - j) > 0) {
            vec v = load_some(sums + j, n);

            if (f->scale)
                v *= load_some(f->scale + j, n);
            v = active(v + load_some(f->bias + j, n), which);
            if (residual)
                v += load_some(residual + j, n);
            store_some(y + j, v, n);
        }
    }
}

static TARGET void finish(const struct finish *f){
#define FINISH(act) finish_all(f, act)
    FOR_EACH_ACTIVATION(f->activation, FINISH)
}

/* 8 x 8 numbers: row i of x becomes column i of the panel.  Rows from `rows` on count as 0. */
INLINE void transpose_square(float *panel, long stride, const float *x, long x_stride, int rows,
                             float scale)
{
    __m256 r[8], s[8], by = _mm256_set1_ps(scale);

    UNROLL(8)
    for (int i = 0; i < 8; i++)
        r[i] =
            i < rows ? _mm256_mul_ps(by, _mm256_loadu_ps(x + i * x_stride)) : _mm256_setzero_ps();
    UNROLL(4)
    for (int i = 0; i < 8; i += 2) { /* pairs: 0 1 of rows 0 1, .. */
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL(2)
    for (int i = 0; i < 8; i += 4) { /* fours */
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    UNROLL(4)
    for (int i = 0; i < 4; i++) { /* halves */
        _mm256_storeu_ps(panel + i * stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(panel + (i + 4) * stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

static TARGET void transpose(float *panel, int columns, const float *x, long x_stride, long depth,
                             float scale)
{
    long stride = round_up(columns, LANES), k;

    for (k = 0; k + 8 <= depth; k += 8)
        for (int j = 0; j < stride; j += 8) {
            int rows = columns - j;

            if (rows >= 8)
                transpose_square(panel + k * stride + j, stride, x + j * x_stride + k, x_stride, 8,
                                 scale);
            else
                transpose_square(panel + k * stride + j, stride,
                                 x + (rows > 0 ? j * x_stride : 0) + k, x_stride, rows, scale);
        }
    for (; k < depth; k++)
        for (int j = 0; j < stride; j++)
            panel[k * stride + j] = j < columns ? scale * x[j * x_stride + k] : 0;
}

/* The same for 16 bits. */
INLINE void transpose_half_square(uint16_t *panel, long stride, const uint16_t *x, long x_stride)
{
    __m128i r[8], s[8];

    UNROLL(8)
    for (int i = 0; i < 8; i++)
        r[i] = _mm_loadu_si128((const void *)(x + i * x_stride));
    UNROLL(4)
    for (int i = 0; i < 4; i++) { /* columns of rows 0 4, 1 5, .. */
        s[2 * i] = _mm_unpacklo_epi16(r[i], r[i + 4]);
        s[2 * i + 1] = _mm_unpackhi_epi16(r[i], r[i + 4]);
    }
    UNROLL(4)
    for (int i = 0; i < 4; i++) { /* of rows 0 2 4 6, 1 3 5 7 */
        r[2 * i] = _mm_unpacklo_epi16(s[i], s[i + 4]);
        r[2 * i + 1] = _mm_unpackhi_epi16(s[i], s[i + 4]);
    }
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((void *)(panel + 2 * i * stride), _mm_unpacklo_epi16(r[i], r[i + 4]));
        _mm_storeu_si128((void *)(panel + (2 * i + 1) * stride),
                         _mm_unpackhi_epi16(r[i], r[i + 4]));
    }
}

static TARGET void transpose_half(uint16_t *panel, int columns, const uint16_t *x, long x_stride,
                                  long depth)
{
    long stride = round_up(columns, LANES), k;

    for (k = 0; k + 8 <= depth; k += 8)
        for (int j = 0; j + 8 <= columns; j += 8)
            transpose_half_square(panel + k * stride + j, stride, x + j * x_stride + k, x_stride);
    for (long i = 0; i < depth; i++) /* what is left: to the right, and below */
        for (int j = i < k ? columns / 8 * 8 : 0; j < columns; j++)
            panel[i * stride + j] = x[j * x_stride + i];
}

static const struct panel_kernel panel = {
    .rows = ROWS,
    .columns = VECTORS * LANES,
    .lanes = LANES,
    .fused = true,
    .tile = tile,
    .finish = finish,
    .transpose = transpose,
    .transpose_half = transpose_half,
};

#define VECTOR_TABLE(text, plain_panel, engine, duplicate_tile_of, byte_tile_of, pair_tile_of)     \
    {                                                                                              \
        .name = text, .layernorm = layernorm, .softmax = softmax, .activate = activate,            \
        .activate_backward = activate_backward, .add = add, .add_scaled = add_scaled,              \
        .taps = taps, .dot = dot, .dot_in_order = dot_in_order, .duplicates = duplicate_tile_of,   \
        byte_tile_of, .widen = widen, .narrow = narrow, .panel = plain_panel,                      \
        .packed_engine = engine, .pair_tile = pair_tile_of                                         \
    }
/* int8.c's tile and what makes its rows. */
#define BYTES(tile_, rows_) .byte_tile = (tile_), .byte_rows = (rows_), .split_bytes = split_bytes
#define WORDS(tile_)                                                                               \
    .byte_tile = (tile_), .byte_rows = BYTE_MOST_ROWS, .split_bytes = split_words, .words = true
