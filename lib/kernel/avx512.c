/* SPDX-License-Identifier: MIT
 * avx512.c - the table for AVX-512 (F, BW, DQ, VL): tiles of 8 rows x 48 columns, 24 of 32
 * registers
 */
#include "kernel/panel.h"

#ifdef KERNEL_X86

#define TARGET_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c" WIDE
#include "kernel/avx512.h"

enum { ROWS = 8, VECTORS = 3 };

/* clang-format off */
#define CASES                                                                                      \
    CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(2, 1) CASE(2, 2) CASE(2, 3)                              \
    CASE(3, 1) CASE(3, 2) CASE(3, 3) CASE(4, 1) CASE(4, 2) CASE(4, 3)                              \
    CASE(5, 1) CASE(5, 2) CASE(5, 3) CASE(6, 1) CASE(6, 2) CASE(6, 3)                              \
    CASE(7, 1) CASE(7, 2) CASE(7, 3) CASE(8, 1) CASE(8, 2) CASE(8, 3)
/* clang-format on */

#include "kernel/vector.h"
#include "kernel/vector_tile.h"

const struct kernels kernels_avx512 =
    VECTOR_TABLE("avx512", &panel, &panel, duplicates_avx2, WORDS(word_tile_avx2), NULL);

/* Where there is VNNI, integers multiply memory-bound i8; where there is AMX, it multiplies the
 * other packed weights. */
#define PANEL(width, ...)                                                                          \
    {                                                                                              \
        .rows = ROWS, .columns = width, .lanes = LANES, .fused = true, .tile = tile,               \
        .finish = finish, .transpose = transpose, .transpose_half = transpose_half, __VA_ARGS__    \
    }
static const struct panel_kernel int8_panel = PANEL(VECTORS * LANES, .int8_rows = &int8_vnni);
static const struct panel_kernel unit_panel = PANEL(UNIT_COLUMNS, .unit = &unit_amx);
const struct kernels kernels_vnni = VECTOR_TABLE("vnni", &int8_panel, &panel, duplicates_vnni,
                                                 BYTES(byte_tile_vnni, BYTE_ROWS), NULL);
const struct kernels kernels_bf16 =
    VECTOR_TABLE("bf16", &int8_panel, &panel, duplicates_vnni, BYTES(byte_tile_vnni, BYTE_ROWS),
                 pair_tile_avx512);
const struct kernels kernels_amx = VECTOR_TABLE("amx", &int8_panel, &unit_panel, duplicates_vnni,
                                                BYTES(byte_tile_vnni, BYTE_ROWS), NULL);
#endif
