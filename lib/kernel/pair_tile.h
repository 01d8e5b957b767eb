/* SPDX-License-Identifier: MIT
 * pair_tile.h - tiles of products of pairs of bf16, for pairs_plain.c and pairs_avx512.c
 *
 * The includer defines what a vector is and what is done with it:
 *
 *     vec                          PAIR_LANES f32: sums
 *     pairs                        as many pairs of bf16
 *     vec zero(void)
 *     pairs load_pairs(p)          PAIR_LANES pairs, one after the other
 *     pairs repeat_pair(p)         one pair, for all lanes
 *     vec add_pairs(sum, x, w)     sum += x[odd] w[odd], then sum += x[even] w[even], lane by lane
 *     void put(to, add, v, n)      the first n lanes, added to what is there or not
 *
 * So plain C runs the same loops and indices, and gives the same bytes.
 */
INLINE void pair_rows(const struct pair_tile *t, const int rows, const int vectors)
{
    const long stride = (long)vectors * PAIR_LANES * PAIR_STEP;
    const uint16_t *panel = t->panel;

    for (long k = 0; k < t->depth; k += TILE_DEPTH) {
        long end = t->depth - k < TILE_DEPTH ? t->depth : k + TILE_DEPTH;
        vec sum[PAIR_ROWS][PAIR_VECTORS];

        UNROLL(8)
        for (int i = 0; i < rows; i++)
            UNROLL(3)
        for (int j = 0; j < vectors; j++)
            sum[i][j] = zero();
        for (long d = k; d < end; d += PAIR_STEP, panel += stride) {
            pairs w[PAIR_VECTORS];

            UNROLL(3)
            for (int j = 0; j < vectors; j++)
                w[j] = load_pairs(panel + j * PAIR_LANES * PAIR_STEP);
            UNROLL(8)
            for (int i = 0; i < rows; i++) {
                pairs x = repeat_pair(t->x + i * t->x_stride + d);

                UNROLL(3)
                for (int j = 0; j < vectors; j++)
                    sum[i][j] = add_pairs(sum[i][j], x, w[j]);
            }
        }
        UNROLL(8)
        for (int i = 0; i < rows; i++)
            UNROLL(3)
        for (int j = 0; j < vectors; j++)
            put(t->sums + i * t->sums_stride + j * PAIR_LANES, k > 0, sum[i][j],
                t->columns - j * PAIR_LANES);
    }
}

#define PAIR_CASE(rows)                                                                            \
    case rows:                                                                                     \
        if (t->columns > 2 * PAIR_LANES)                                                           \
            pair_rows(t, rows, 3);                                                                 \
        else if (t->columns > PAIR_LANES)                                                          \
            pair_rows(t, rows, 2);                                                                 \
        else                                                                                       \
            pair_rows(t, rows, 1);                                                                 \
        break;

TARGET void PAIR_TILE(const struct pair_tile *t)
{
    switch (t->rows) {
        PAIR_CASE(1)
        PAIR_CASE(2)
        PAIR_CASE(3)
        PAIR_CASE(4)
        PAIR_CASE(5)
        PAIR_CASE(6)
        PAIR_CASE(7)
        PAIR_CASE(8)
    }
}
