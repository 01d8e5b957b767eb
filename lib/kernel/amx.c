/* SPDX-License-Identifier: MIT
 * amx.c - products by the matrix unit of AMX, which multiplies bf16 and adds f32
 *
 * An f32 has the 24 bits of three bf16, its pieces, each rounded to nearest from what those before
 * leave:
 *
 *     x = x1 + x2 + x3              |x2| <= 2^-9 |x|, |x3| <= 2^-18 |x|
 *     x w = x2 w2 + x1 w2 + x1 w3 + x1 w1 + x2 w1 + x3 w1       but for 2^-26 of it
 *
 * so six products of pieces, added in f32 in that order, are as good as f32.  An f16 weight is two
 * pieces, bf16 and i8 one: then five or three products are exact.  Who learns may be content with
 * two pieces of either side and three products, x1 w2 + x1 w1 + x2 w1, or with x1 w1.
 *
 * A tile of the unit is 16 rows of 64 bytes.  In memory, tile after tile (see panel.h):
 *
 *     left    [row / 16][depth / 32][piece][16 rows][32]
 *     right   [depth / 32][piece][column / 16][16 pairs of depth][16 columns][2]
 *
 * What is missing to whole tiles counts as 0.  Numbers below 2^-126, and pieces, count as 0 too;
 * an infinite number gives NaN.
 */
#define _GNU_SOURCE
#include <math.h>
#include "base/number.h"
#include "kernel/panel.h"

#ifdef KERNEL_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TARGET_FEATURES                                                                            \
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,amx-tile,amx-bf16" WIDE
#include "kernel/avx512.h"
#include "kernel/vector_math.h"

enum {
    TILE = 512, /* bf16 */
    LEFT = 3,   /* pieces of a number on the left */
};

#include "kernel/amx_pieces.h"

/* --- products --- */

/* Tiles 0 to 3 are sums, 4 and 5 from the left, 6 and 7 from the right.  Each is used as soon as it
 * is loaded. */
INLINE void with_both(const uint16_t *a, long block, const uint16_t *b, const bool tall,
                      const bool wide)
{
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (wide) {
        _tile_loadd(7, b + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
    }
    if (tall) {
        _tile_loadd(5, a + block, 64);
        _tile_dpbf16ps(2, 5, 6);
    }
    if (tall && wide)
        _tile_dpbf16ps(3, 5, 7);
}

INLINE void with_left(const uint16_t *a, long block, const bool tall, const bool wide)
{
    _tile_loadd(4, a, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (wide)
        _tile_dpbf16ps(1, 4, 7);
    if (tall) {
        _tile_loadd(5, a + block, 64);
        _tile_dpbf16ps(2, 5, 6);
    }
    if (tall && wide)
        _tile_dpbf16ps(3, 5, 7);
}

INLINE void with_right(const uint16_t *b, const bool tall, const bool wide)
{
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (tall)
        _tile_dpbf16ps(2, 5, 6);
    if (wide) {
        _tile_loadd(7, b + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
    }
    if (tall && wide)
        _tile_dpbf16ps(3, 5, 7);
}

/* The panel that comes next is split between the products: the unit is busy for hundreds of cycles
 * with what some twenty instructions order. */
struct coming {
    struct progress progress;
    long pairs; /* after each of parts_of() products of a step; 0: nothing comes */
};

/* A step of 32 of the depth. */
INLINE void add_step(const uint16_t *a, long block, const uint16_t *b, struct coming *coming,
                     const enum kind kind, const bool tall, const bool wide)
{
    const long right = (wide ? 2 : 1) * TILE;
    const int pieces = pieces_of(kind);

    if (pieces == 1) {
        with_both(a, block, b, tall, wide);
    } else if (kind == KIND_TWO) {
        with_both(a, block, b + right, tall, wide);
        split_some(&coming->progress, coming->pairs, kind);
        with_right(b, tall, wide);
    } else {
        with_both(a + TILE, block, b + right, tall, wide);
        split_some(&coming->progress, coming->pairs, kind);
        with_left(a, block, tall, wide);
        split_some(&coming->progress, coming->pairs, kind);
        if (pieces == 3) {
            with_right(b + 2 * right, tall, wide);
            split_some(&coming->progress, coming->pairs, kind);
        }
        with_right(b, tall, wide);
    }
    split_some(&coming->progress, coming->pairs, kind);
    if (kind == KIND_ONE)
        return;
    with_left(a + TILE, block, tall, wide);
    split_some(&coming->progress, coming->pairs, kind);
    if (kind == KIND_TWO)
        return;
    with_left(a + 2 * TILE, block, tall, wide);
    split_some(&coming->progress, coming->pairs, kind);
}

INLINE int parts_of(const enum kind kind)
{
    return kind == KIND_F32 ? 6 : kind == KIND_F16 ? 5 : kind == KIND_ONE ? 1 : 3;
}

INLINE void store_sums(float *sums, long stride, const bool tall, const bool wide)
{
    _tile_stored(0, sums, stride * 4);
    if (wide)
        _tile_stored(1, sums + 16, stride * 4);
    if (tall)
        _tile_stored(2, sums + 16 * stride, stride * 4);
    if (tall && wide)
        _tile_stored(3, sums + 16 * stride + 16, stride * 4);
}

INLINE void add_sums(float *sums, long stride, const float *more, const bool tall, const bool wide)
{
    for (int i = 0; i < (tall ? 32 : 16); i++)
        for (int j = 0; j < (wide ? 32 : 16); j += 16) {
            float *to = sums + i * stride + j;

            _mm512_storeu_ps(to, _mm512_loadu_ps(to) + _mm512_load_ps(more + i * UNIT_COLUMNS + j));
        }
}

INLINE void zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* Sums of one product begin at 0: the shorter they are, the smaller are their roundings. */
INLINE void put_sums(const struct unit_product *p, long row, const bool tall, const bool wide)
{
    float *sums = p->sums + row * p->sums_stride;
    float rest[UNIT_ROWS * UNIT_COLUMNS] __attribute__((aligned(64)));

    if (p->add) {
        store_sums(rest, UNIT_COLUMNS, tall, wide);
        add_sums(sums, p->sums_stride, rest, tall, wide);
    } else {
        store_sums(sums, p->sums_stride, tall, wide);
    }
}

INLINE void block_product(const struct unit_product *p, long row, struct coming *coming,
                          const enum kind kind, const bool tall, const bool wide)
{
    const int pieces = pieces_of(kind);
    long steps = (p->depth + 31) / 32, block = steps * LEFT * TILE;
    const uint16_t *a = p->left + row / 16 * block, *b = p->right;

    zero_sums();
    for (long k = 0; k < steps; k++) {
        add_step(a, block, b, coming, kind, tall, wide);
        a += LEFT * TILE;
        b += pieces * (wide ? 2 : 1) * TILE;
    }
    put_sums(p, row, tall, wide);
}

/* Rows of one block: pieces of the panel are used once, so they go no further than the first
 * cache. */
INLINE void few_product(const struct unit_product *p, const enum kind kind, const bool tall,
                        const bool wide)
{
    enum { STEP = 3 * 2 * TILE };
    long steps = (p->depth + 31) / 32, block = steps * LEFT * TILE;
    uint16_t room[2 * STEP] __attribute__((aligned(64)));
    struct coming coming;

    begin(&coming.progress, p->panel);
    coming.pairs = (16 + parts_of(kind) - 1) / parts_of(kind);
    coming.progress.to = room;
    split_some(&coming.progress, 16, kind);
    zero_sums();
    for (long k = 0; k < steps; k++) {
        long all = coming.progress.depth;

        coming.progress.to = room + (k + 1) % 2 * STEP;
        coming.progress.depth = all < 32 * (k + 2) ? all : 32 * (k + 2); /* one step ahead */
        add_step(p->left + k * LEFT * TILE, block, room + k % 2 * STEP, &coming, kind, tall, wide);
        coming.progress.depth = all;
    }
    put_sums(p, 0, tall, wide);
}

INLINE void product(const struct unit_product *p, const enum kind kind, const bool wide)
{
    long steps = (p->rows + 31) / 32 * ((p->depth + 31) / 32), row = 0;
    static const struct unit_panel nothing = { .type = DTYPE_F32 };
    struct coming coming;

    begin(&coming.progress, p->coming ? p->coming : &nothing);
    coming.pairs = 0;
    if (p->panel && p->rows > 16) {
        few_product(p, kind, true, wide);
        return;
    }
    if (p->panel) {
        few_product(p, kind, false, wide);
        return;
    }
    if (p->coming)
        coming.pairs = ((p->coming->depth + 31) / 32 * 16 - 1) / (steps * parts_of(kind)) + 1;
    for (; row + 16 < p->rows; row += 32)
        block_product(p, row, &coming, kind, true, wide);
    if (row < p->rows)
        block_product(p, row, &coming, kind, false, wide);
}

#define PRODUCT(kind)                                                                              \
    do {                                                                                           \
        if (p->columns > 16)                                                                       \
            product(p, kind, true);                                                                \
        else                                                                                       \
            product(p, kind, false);                                                               \
    } while (0)

static TARGET void multiply(const struct unit_product *p)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {
        1, 0, { 0 }, { 64, 64, 64, 64, 64, 64, 64, 64 }, { 16, 16, 16, 16, 16, 16, 16, 16 }
    };

    _tile_loadconfig(&shape);
    switch (kind_of(p->type, p->pieces)) {
    case KIND_F32:
        PRODUCT(KIND_F32);
        break;
    case KIND_TWO:
        PRODUCT(KIND_TWO);
        break;
    case KIND_ONE:
        PRODUCT(KIND_ONE);
        break;
    case KIND_F16:
        PRODUCT(KIND_F16);
        break;
    case KIND_BF16:
        PRODUCT(KIND_BF16);
        break;
    case KIND_I8:
        PRODUCT(KIND_I8);
        break;
    }
    _tile_release(); /* what the system would save when it changes threads */
}

const struct unit unit_amx = { left, left_softmax, right, multiply };

/* --- is it here? --- */

enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
enum { AMX_TILE = 1 << 24, AMX_BF16 = 1 << 22, AVX512_BF16 = 1 << 5 }; /* of leaf 7 */

/* Linux lends the unit to those who ask. */
bool have_amx(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_TILE) || !(d & AMX_BF16))
        return false;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & AVX512_BF16))
        return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif
