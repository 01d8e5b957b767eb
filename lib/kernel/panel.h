/* SPDX-License-Identifier: MIT
 * panel.h - tiles of a product, shared by the files of kernel/ alone
 *
 * The right-hand matrix of a product lies in panels of a few vectors' columns, so that the inner
 * loop reads it in the order of addresses:
 *
 *     panel p = [depth][stride]     stride: its columns, rounded up to whole vectors
 *
 * A tile is at most `rows` rows of the left-hand matrix times one panel.  Each sum runs over the
 * depth in order, in a chain of its own: no result depends on the height of its tile.
 */
#ifndef KERNEL_PANEL_H
#define KERNEL_PANEL_H

#include <assert.h>
#include "base/number.h"
#include "kernel/kernel.h"

enum {
    TILE_ROWS = 8,     /* no variant's tile is higher */
    TILE_COLUMNS = 48, /* no variant's panel is wider */
    TILE_DEPTH = 256,  /* longer sums are made of sums of at most this many: fewer roundings */
};

struct tile {
    float *sums; /* [rows, columns] */
    long sums_stride;
    bool add;       /* to the sums; otherwise they are written */
    const float *x; /* [rows, depth] */
    long x_stride;
    int rows, columns;
    const void *panel; /* [depth, panel_stride]: whole vectors are read */
    long panel_stride;
    enum dtype type; /* of the panel: f32, f16, bf16, i8 */
    long depth;
};

/* y = activation(scale sums + bias) + residual */
struct finish {
    float *y; /* [rows, columns] */
    long y_stride;
    const float *sums; /* [rows, columns] */
    long sums_stride;
    const float *scale;    /* [columns], or NULL */
    const float *bias;     /* [columns] */
    const float *residual; /* as y, or NULL */
    int rows, columns;
    enum activation activation;
};

/* A unit that multiplies tiles of short numbers (amx.c).  It takes an f32 as a sum of pieces, in an
 * arrangement that only it knows: rows of the left-hand matrix, a panel of the right-hand one.  The
 * sums of a row depend on the row and the panel alone. */
enum { UNIT_ROWS = 32, UNIT_COLUMNS = 32 };
struct unit_panel {
    const void *x; /* [depth, columns], or transposed: [columns, depth], f32 */
    long x_stride;
    enum dtype type;
    bool transposed;
    int pieces;  /* of an f32 that count, as on the left: 3, 2, 1; 0 is 3 */
    int columns; /* UNIT_COLUMNS at most */
    long depth;
    uint16_t *to; /* room for whole tiles of three pieces */
};
struct unit_product {
    float *sums; /* [rows, columns], written up to multiples of 16 */
    long sums_stride;
    bool add; /* to the sums; otherwise they are written */
    const uint16_t *left, *right;
    enum dtype type; /* that the right was split from, and what comes */
    int pieces;      /* of an f32, as the panel's */
    long rows;       /* any number */
    int columns;
    long depth;
    const struct unit_panel *coming; /* split meanwhile; or NULL */
    const struct unit_panel *panel;  /* in place of `right`, for UNIT_ROWS rows at most; or NULL */
};
struct unit_rows {
    const float *x; /* [rows, depth], or transposed: [depth, rows] */
    long x_stride;
    bool transposed;
    int pieces; /* 3, 2, 1; 0 is 3 */
};
struct unit {
    void (*left)(uint16_t *to, const struct unit_rows *x, long rows, long depth);
    /* The same of e^(scale (x - the row's largest)), x [rows, columns]; and 1 / the rows' sums */
    void (*left_softmax)(uint16_t *to, float *inverse, const float *x, long x_stride, float scale,
                         long rows, long columns);
    void (*right)(const struct unit_panel *p);
    void (*multiply)(const struct unit_product *p);
};

/* Products with i8 weights by integers (vnni.c).  A row is taken as pieces of a byte, [depth] each,
 * that TILE_DEPTH of them share a scale; a panel's vectors lie one after the other, each as
 * [depth / 4][lanes][4], each weight 128 more than it is. */
enum { INT8_PIECES = 3, INT8_STEP = 4, INT8_OFFSET = 128 };
struct int8_row {
    int8_t *pieces; /* [INT8_PIECES, stride] */
    long stride;
    float *scale;   /* [stretches] */
    int32_t *begin; /* [stretches, INT8_PIECES]: at what a sum of the pieces' products begins */
};
struct int8_tile {
    float *sums; /* [rows, columns], written */
    long sums_stride;
    const struct int8_row *left; /* [rows], of one stride */
    int rows, columns;           /* TILE_ROWS, TILE_COLUMNS at most */
    const void *panel;
    long depth; /* a multiple of INT8_STEP; past the row's end its pieces are 0 */
};
struct int8_kernel {
    void (*split)(const struct int8_row *to, const float *x, long count);
    void (*tile)(const struct int8_tile *t);
};

struct panel_kernel {
    int rows, columns; /* the largest tile */
    int lanes;         /* of a vector */
    bool fused;        /* tiles sum as dot_in_order() */
    void (*tile)(const struct tile *t);
    void (*finish)(const struct finish *f);
    /* panel[i, j] = scale x[j, i] for j < columns, i < depth */
    void (*transpose)(float *panel, int columns, const float *x, long x_stride, long depth,
                      float scale);
    /* The same for 16 bits, without scale; columns past the last are left.  May be NULL. */
    void (*transpose_half)(uint16_t *panel, int columns, const uint16_t *x, long x_stride,
                           long depth);
    const struct unit *unit; /* multiplies panels of packed weights in place of `tile`; or NULL */
    const struct int8_kernel *int8_rows; /* multiplies those of i8 in place of `tile`; or NULL */
};

static inline long round_up(long n, long to)
{
    return (n + to - 1) / to * to;
}

/* rows(t, t->rows), of at most six, each number of them compiled by itself: its loops unroll. */
#define ROWS_OF_SIX(rows_, t)                                                                      \
    do {                                                                                           \
        static_assert(DUPLICATE_ROWS == 6, "one case a number of rows");                           \
        switch ((t)->rows) {                                                                       \
        case 1:                                                                                    \
            rows_(t, 1);                                                                           \
            break;                                                                                 \
        case 2:                                                                                    \
            rows_(t, 2);                                                                           \
            break;                                                                                 \
        case 3:                                                                                    \
            rows_(t, 3);                                                                           \
            break;                                                                                 \
        case 4:                                                                                    \
            rows_(t, 4);                                                                           \
            break;                                                                                 \
        case 5:                                                                                    \
            rows_(t, 5);                                                                           \
            break;                                                                                 \
        default:                                                                                   \
            rows_(t, 6);                                                                           \
        }                                                                                          \
    } while (0)

/* The sum that decides where two vectors are compared, the same on every processor: fused, in
 * order, in sums of at most TILE_DEPTH. */
static inline __attribute__((always_inline)) float sum_in_order(const float *a, const float *b,
                                                                long count)
{
    float all = 0;

    for (long k = 0; k < count; k += TILE_DEPTH) {
        long end = k + TILE_DEPTH < count ? k + TILE_DEPTH : count;
        float sum = 0;

        for (long i = k; i < end; i++)
            sum = __builtin_fmaf(a[i], b[i], sum);
        all = k ? all + sum : sum;
    }
    return all;
}

/* The columns of a tile whose bound reaches the threshold, see duplicates.c: exact products of the
 * whole numbers, the Cauchy-Schwarz inequality for the rest, and what rounding to whole numbers
 * lost. */
static inline __attribute__((always_inline)) uint16_t duplicate_hits(const struct duplicate_tile *t,
                                                                     int row, const int32_t *sums)
{
    float scale = t->x_scale[row], rest = t->x_rest[row], error = t->x_error[row], some = 0;
    float bound[DUPLICATE_COLUMNS];
    unsigned hits = 0;

    for (int j = 0; j < DUPLICATE_COLUMNS; j++) {
        bound[j] = scale * (t->scale[j] * (float)sums[j] - t->begin[j]) + rest * t->rest[j] +
                   t->error[j] * (1 + error) + error;
        some = bound[j] >= t->threshold ? 1 : some;
    }
    for (int j = 0; some > 0 && j < DUPLICATE_COLUMNS; j++)
        hits |= (unsigned)(bound[j] >= t->threshold) << j;
    return (uint16_t)hits;
}

/* By what a row is multiplied whose largest size is `most`, see split_bytes in kernel.h: 0 where it
 * counts as 0, or `odd` is NaN. */
static inline __attribute__((always_inline)) float split_scale(int pieces, float most, float odd,
                                                               float *scale)
{
    /* 127 of each piece; of three a little less, as the product is rounded there. */
    static const float levels[] = { 127, 127 * 257, 127 * 65793 - 8 };

    *scale = (most > 0x1p-103f ? most / levels[pieces - 1] : 0) + odd;
    return most > 0x1p-103f && odd == 0 ? levels[pieces - 1] / most : 0;
}

/* The fewest chunks of at most `most` rows, nearly even, of whole tiles. */
static inline long even_chunk(long rows, long most, long tile)
{
    long chunks = (rows + most - 1) / most;

    return chunks > 1 ? round_up((rows + chunks - 1) / chunks, tile) : rows;
}

/* panel.c - cutting columns into panels of nearly one width, and products with them */
struct panels {
    long columns, vectors, count;
    int lanes; /* of a vector */
};
struct panels panels_of(const struct panel_kernel *kernel, long columns);
struct panels panels_cut(int lanes, int widest, long columns);
long panels_size(const struct panel_kernel *kernel, const struct panels *p, long depth);
/* Panel i: its first column, and how many it has; in memory it begins at first x depth. */
long panel_first(const struct panels *p, long i);
int panel_columns(const struct panels *p, long i);
/* Panels of a matrix x [depth, columns], and of the transpose of x [columns, depth]. */
void panels_fill(const struct panel_kernel *kernel, float *panels, const float *x, long x_stride,
                 long depth, long columns);
void panels_fill_transposed(const struct panel_kernel *kernel, float *panels, const float *x,
                            long x_stride, long columns, long depth, float scale);
/* y (+)= x b for x [rows, depth] and b [depth, columns] in panels; one thread. */
struct panel_product {
    const float *x;
    long x_stride, rows, depth;
    const float *panels;
    long panel_depth; /* that the panels were filled with, depth or more */
    long in_place;    /* not 0: `panels` is the matrix itself, of whole vectors, with this stride */
    long columns;
    float *y;
    long y_stride;
    bool add;
};
void panel_multiply(const struct panel_kernel *kernel, const struct panel_product *p);
/* One tile of any depth, in steps of TILE_DEPTH. */
void tile_multiply(const struct panel_kernel *kernel, struct tile t);

/* unit.c - a product x w of [rows, depth] and [depth, columns], on the pool */
struct unit_work {
    const struct unit *unit;
    struct unit_rows left;
    long rows, depth, panels;
    /* Panel `index` from row k of the depth on; `depth` and `to` are the caller's. */
    struct unit_panel (*panel)(const struct unit_work *w, long index, long k);
    /* Takes the sums [rows, UNIT_COLUMNS] of rows [row, row + rows) and of a panel. */
    void (*finish)(const struct unit_work *w, const float *sums, long index, long row, long rows);
    const void *self;
};
void unit_run(const struct unit_work *w);
long pieces_room(long rows, long depth); /* bf16 that rows, or a panel's columns, take */
void multiply_unit(const struct product *p);

/* gemm.c, and gemm() by a unit in unit.c */
struct gemm {
    bool transpose_a, transpose_b;
    long m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const float *a, *b;
    float *c;
    long rows, columns; /* of the grid of pieces */
};
void gemm_unit(const struct gemm *g);
/* c = alpha sums + beta c, or + c where `more` says that sums of the depth before are there. */
struct gemm_part {
    const float *sums;
    long sums_stride, row, column;
    int rows, columns;
    bool more;
};
void gemm_put(const struct gemm *g, const struct gemm_part *p);
void gemm_tiles(const struct gemm *g, bool pairs); /* gemm_tile.c */
bool gemm_by_unit(void);                           /* or by BLAS */
int packed_pieces(void);                           /* the same for packed weights of f32 */
int gemm_pieces(void);                             /* that count of an f32, by the precision */

/* multiply.c - biases of the columns from `first` on; 0 where there are none */
void gather_bias(float *bias, const struct product *p, long first, int columns);
/* y = activation(scale x sums + bias) + residual of one tile of y, on the weights' kernel */
struct tile_place {
    long row, first; /* of y: its first row and column */
    int rows, columns;
    long sums_stride;
};
void finish_tile(const struct product *p, const struct tile_place *at, const float *sums,
                 const float *bias);

/* order.c */
struct order {
    const char *name;
    enum order_kind { ORDER_PANELS, ORDER_FOURS, ORDER_BYTES, ORDER_PAIRS } kind;
    int lanes, columns; /* of a vector, of the widest panel */
};
long order_depth(const struct order *o, long inputs);         /* of a panel */
size_t order_element(const struct order *o, enum dtype type); /* bytes of a number */

/* pack.c - each part lies by itself, in panels of its own */
struct pack {
    const struct panel_kernel *kernel;
    enum dtype type;
    int parts;
    long first[PACK_PARTS + 1]; /* output at which a part begins */
    long inputs, outputs;
    const struct order *order;
    long depth; /* of a panel */
    struct pack_part {
        const char *data;
        void *own; /* of pages_alloc(), where the data are no one else's; or NULL */
        struct panels cut;
    } part[PACK_PARTS];
    long panels;         /* in all parts */
    size_t size;         /* of what is its own */
    float *scale;        /* [outputs], of i8; else NULL */
    int32_t *column_sum; /* [outputs], of ORDER_BYTES where rows come as bytes; else NULL */
};
struct pack_panel {
    const char *data;
    long first; /* column among all outputs */
    int columns;
};
struct pack_panel pack_panel(const struct pack *p, long index);

/* int8.c - products with panels of bytes */
void multiply_bytes(const struct product *p);

/* pairs.c - products with panels of pairs of bf16; pairs_plain.c, pairs_avx512.c: the tiles */
void multiply_pairs(const struct product *p);
void pair_tile_plain(const struct pair_tile *t);
float pair_add_one(float sum, uint16_t x, uint16_t w); /* one product, added as vdpbf16ps does */

/* attention.c - one (sequence, head): pointers at the head's columns of the first row */
struct span {
    const float *q, *k, *v;
    long query, key; /* first rows */
    int queries, keys;
};
struct span span_of(const struct attention *a, int sequence, int head);
/* p [rows, stride]: softmax of query rows [row, row + rows) over the keys that each sees, zero
 * for the others.  `keys`: panels of scale k^T.  `bias`: of bias_gather(), or NULL. */
void probabilities(const struct attention *a, const struct span *s, const float *keys,
                   const float *bias, float *p, long stride, long row, int rows);
/* One head's bias of a sequence, by distance from -(keys - 1) on, into bias_room() floats; returns
 * `to`, or NULL where there is none. */
const float *bias_gather(const struct attention *a, const struct span *s, int head, float *to);
long bias_room(const struct attention *a, long queries, long keys);

/* attention_unit.c - attention_forward by a unit */
void attention_unit(const struct attention *a, const struct unit *unit);

/* Of one (sequence, head): panels of scale k^T, then panels of v */
long keys_room(int keys, int head_width); /* floats */
void keys_arrange(const struct attention *a, const struct span *s, float *to);
const float *packed_keys_at(const struct packed_keys *p, int sequence, int head);

/* scratch.c - memory of the workers; it grows and stays, as a tower asks for the same at every
 * layer.  It belongs to the one thread that may call pool_run at a time. */
void scratch_reserve(size_t floats);        /* for each worker; what was in it is lost */
float *scratch_of(int worker);              /* 64-byte aligned */
long panels_room(long columns, long depth); /* floats for panels, rounded up to lines */
long row_room(long columns); /* floats from row to row, lest rows share a set of the cache */

/* variants; a name that this build lacks is missing from the table in dispatch.c */
extern const struct kernels kernels_scalar, kernels_scalar_bf16;
#if defined(__x86_64__)
#define KERNEL_X86 1
extern const struct kernels kernels_avx2, kernels_avxvnni, kernels_avx512, kernels_vnni,
    kernels_bf16, kernels_amx;
extern const struct unit unit_amx;
extern const struct int8_kernel int8_vnni;
void duplicates_avx2(const struct duplicate_tile *t);
void duplicates_vnni(const struct duplicate_tile *t);
void word_tile_avx2(const struct byte_tile *t);
void byte_tile_avxvnni(const struct byte_tile *t);
void duplicates_avxvnni(const struct duplicate_tile *t);
void byte_tile_vnni(const struct byte_tile *t);
void pair_tile_avx512(const struct pair_tile *t);
bool have_amx(void);
#endif

#endif
