/* SPDX-License-Identifier: MIT
 * kernel.h - inner loops behind one table, chosen once at start
 *
 * scalar.c is plain C and says what is right; avx2.c and avx512.c fill in the entries that they
 * improve; where there is VNNI, products of few rows with bytes are its (vnni.c), and where there
 * is AMX, the other products with packed weights (amx.c); AVX512_BF16 multiplies bf16 where that is
 * asked for (pairs.c). VLM_CPU=scalar|avx2|avxvnni|avx512|vnni|bf16|amx overrides the choice;
 * scalar-bf16 is plain C that rounds as bf16 does.
 *
 * Sums run in an order that depends on the row alone (its width, its count of keys), never on how
 * many rows there are, where a row lies in a block or how many threads work: so the bytes of a
 * result do not depend on the batch.  gemm(), which is BLAS, does not promise that and is for
 * training.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/number.h"

enum activation {
    ACTIVATION_NONE,
    ACTIVATION_QUICK_GELU, /* x sigmoid(1.702 x) */
    ACTIVATION_GELU,       /* x Phi(x), by erf */
    ACTIVATION_GELU_TANH,  /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    ACTIVATION_RELU,
    ACTIVATION_RELU6, /* min(max(x, 0), 6) */
    ACTIVATION_SILU,  /* x sigmoid(x) */
};

struct panel_kernel;

/* Which of some rows and DUPLICATE_COLUMNS vectors may have a dot product of `threshold` or more;
 * see duplicates.c.  By bytes, and by the length of what the bytes leave out. */
enum { DUPLICATE_ROWS = 6, DUPLICATE_COLUMNS = 16, DUPLICATE_STEP = 4, DUPLICATE_DEPTH = 16 };
struct duplicate_tile {
    const uint8_t *x; /* [rows, depth]: whole numbers 31 more than they are, 0 .. 62 */
    long x_stride;
    const float *x_scale, *x_rest, *x_error;   /* [rows] */
    int rows;                                  /* DUPLICATE_ROWS at most */
    const int8_t *panel;                       /* [depth / 4][DUPLICATE_COLUMNS][4]: -63 .. 63 */
    const float *scale, *begin, *rest, *error; /* [DUPLICATE_COLUMNS] */
    long depth;                                /* a multiple of DUPLICATE_DEPTH */
    float threshold;
    uint16_t *hits; /* [rows]: a bit each */
};

/* Sums of products of bytes, see int8.c. */
enum {
    BYTE_ROWS = 8,
    BYTE_MOST_ROWS = 24, /* no variant's tile is higher */
    BYTE_COLUMNS = 16,
    BYTE_PANELS = 3,
    BYTE_STEP = 4
};
struct byte_tile {
    const uint8_t *x;              /* [rows, pieces, depth]: as split_bytes leaves them */
    long row_stride, piece_stride; /* in bytes */
    int rows, pieces;              /* kernels.byte_rows, 3 at most */
    const int8_t *panel;           /* [panels][depth / 4][BYTE_COLUMNS][4] */
    int panels;                    /* BYTE_PANELS at most */
    long depth;                    /* a multiple of BYTE_STEP */
    const int32_t *offset; /* [panels, BYTE_COLUMNS]: what a piece's sums are too large; of bytes */
    const float *scale;    /* [rows] */
    float *sums;           /* [rows, panels, BYTE_COLUMNS], written: scale (256 (..) + sum) */
    long sums_stride;
    const int8_t *coming; /* panels that are fetched meanwhile, and how many */
    int coming_panels;
};

/* Sums of products of pairs of bf16, see pairs.c. */
enum { PAIR_ROWS = 8, PAIR_LANES = 16, PAIR_VECTORS = 3, PAIR_STEP = 2 };
struct pair_tile {
    float *sums; /* [rows, columns], written */
    long sums_stride;
    const uint16_t *x; /* [rows, depth] */
    long x_stride;
    int rows, columns;     /* PAIR_ROWS, PAIR_VECTORS x PAIR_LANES at most */
    const uint16_t *panel; /* [depth / 2][whole vectors of columns][2] */
    long depth;            /* even */
};

/* dispatch.c - the table; kernels_start() runs once, by itself, before main */
struct kernels {
    const char *name; /* "scalar" "avx2" "avxvnni" "avx512" "vnni" "bf16" "amx" "scalar-bf16" */

    /* y = (x - mean) * rstd * gain + shift; x, y: [rows, width] with row strides; mean and rstd:
     * [rows], or NULL where nobody needs them */
    void (*layernorm)(float *y, long y_stride, float *mean, float *rstd, const float *x,
                      long x_stride, const float *gain, const float *shift, long rows, long width,
                      float eps);
    void (*softmax)(float *x, long count); /* one row, in place */
    void (*activate)(float *y, const float *x, long count, enum activation which);
    /* dx += dy * act'(x) */
    void (*activate_backward)(float *dx, const float *dy, const float *x, long count,
                              enum activation which);
    void (*add)(float *y, const float *a, const float *b, long count);     /* y = a + b */
    void (*add_scaled)(float *y, const float *x, float scale, long count); /* y += scale x */
    /* y = act(bias + x[0] w[0] + x[1] w[1] + ..), number by number: a pixel of a depthwise
     * convolution, whose filter has `taps` places over the image */
    void (*taps)(float *y, const float *const *x, const float *const *w, int taps,
                 const float *bias, long count, enum activation which);
    float (*dot)(const float *a, const float *b, long count);
    /* The same number from every variant: fused multiply-adds in order, in stretches of 256 whose
     * sums are added in order. */
    float (*dot_in_order)(const float *a, const float *b, long count);
    void (*duplicates)(const struct duplicate_tile *t);
    void (*byte_tile)(const struct byte_tile *t);
    int byte_rows;                                /* of a tile, at most */
    void (*pair_tile)(const struct pair_tile *t); /* NULL: f32 are multiplied as f32 */
    /* One row of numbers as `pieces` rows of bytes, `stride` apart, and the row's scale; see
     * int8.c. A row of numbers below 2^-103 is 0; one that is not finite has the scale NaN.
     * With `words` they are words, in the order 0 2 1 3 of each four, and not 128 more. */
    bool words;
    void (*split_bytes)(uint8_t *to, long stride, int pieces, float *scale, const float *x,
                        long count);
    void (*widen)(float *y, const void *x, enum dtype type, long count);  /* f32 f16 bf16 i8 */
    void (*narrow)(void *y, const float *x, enum dtype type, long count); /* f32 f16 bf16 */

    const struct panel_kernel *panel; /* tiles of products, for kernel/ alone: see panel.h */
    const struct panel_kernel *packed_engine; /* multiplies packed weights; panel where no better */
};
extern struct kernels kernels;
void kernels_use(const char *name); /* for tests: "scalar" ...; NULL: the best one here */
bool kernels_supported(const char *name);

/* order.c - orders in which the numbers of a matrix [rows, inputs] may lie, for products to read
 *
 * NULL is the order of rows.  The others are panels, see panel.h, padded with zeros; a file may
 * hold a matrix so, and all processes that map it share it.
 */
struct order;
const struct order *order_at(int index); /* from 0 on; NULL behind the last */
const struct order *order_named(const char *name);
const char *order_name(const struct order *o); /* "bytes16" "panels8x16" .. */
/* The one that products here read; `pieces` as in struct matrix. */
const struct order *order_here(enum dtype type, int pieces, bool memory_bound);
bool order_holds(const struct order *o, enum dtype type, int pieces); /* such numbers */
/* Bytes of a matrix, a multiple of ORDER_ALIGN. */
enum { ORDER_ALIGN = 64 };
size_t order_size(const struct order *o, enum dtype type, long rows, long inputs);
/* Rows into the order, on the pool, and `count` numbers of a row back, from `first` on. */
void order_fill(const struct order *o, enum dtype type, void *to, const void *from, long rows,
                long inputs);
struct ordered {
    const struct order *order;
    enum dtype type;
    const void *data;
    long rows, inputs;
};
void order_read(const struct ordered *m, long row, long first, long count, void *to);

/* pack.c - weights of a linear layer in the order in which the product reads them
 *
 * A layer's weight may come in up to PACK_PARTS matrices [outputs_i, inputs] stacked along the
 * outputs (query, key and value).  f16, bf16 and i8 stay as they are and are widened in registers;
 * the scales of i8 rows multiply the finished sums.
 *
 * `memory_bound`: products are mostly of some rows, and wait for memory.  Vectors then make all of
 * them, as a matrix unit would have to split every weight first, and those of i8 by integers where
 * there are such vectors; the bytes of a row depend on it.
 */
enum { PACK_PARTS = 3 };
struct matrix {
    const void *data; /* [rows, inputs], by rows or in `order` */
    enum dtype type;  /* f32, f16, bf16 or i8; the same in all parts */
    long rows;
    const float *scale; /* [rows], of i8, copied; else NULL */
    int pieces;         /* of i8: bytes that a row's number is taken for, 1 to 3; 0: an f32 */
    /* NULL: by rows.  Where it is the one of here the pack reads `data` in place: they stay. */
    const struct order *order;
};
struct pack;
struct pack *pack_weights(const struct matrix *parts, int count, long inputs,
                          bool memory_bound); /* on the pool */
void pack_free(struct pack *p);
long pack_outputs(const struct pack *p);
long pack_inputs(const struct pack *p);
size_t pack_bytes(const struct pack *p); /* that are its own, not read in place */
bool pack_in_place(const struct pack *p, int part);

/* multiply.c - products with packed weights */
struct product {
    const struct pack *weights; /* [outputs, inputs] */
    const float *x;             /* [rows, inputs], row stride x_stride */
    long rows, x_stride;
    const float *bias[PACK_PARTS]; /* one a part, each may be NULL */
    enum activation activation;
    int pieces;            /* 1 to 3 where the pack was made with some; else 0 */
    const float *residual; /* [rows, outputs], row stride y_stride, may be y; or NULL */
    float *y;              /* [rows, outputs], row stride y_stride */
    long y_stride;
};
/* y = activation(x W^T + bias) + residual, on the pool. */
void multiply_packed(const struct product *p);

/* gemm.c, unit.c, gemm_tile.c - products of matrices by AMX, in f32's accuracy; by tiles of
 * AVX-512; elsewhere by BLAS, which is loaded at the first use
 *
 * VLM_BLAS names a library that is taken in any case, or is "none": plain loops, as where there is
 * no BLAS.
 *
 * c = alpha op(a) op(b) + beta c; op(a) [m, k], op(b) [k, n], c [m, n]; row-major with row
 * strides lda, ldb, ldc; split over the pool in tiles that do not depend on the thread count. */
void gemm(bool transpose_a, bool transpose_b, long m, long n, long k, float alpha, const float *a,
          long lda, const float *b, long ldb, float beta, float *c, long ldc);
/* How exact gemm() is by AMX, and at PRECISION_MEDIUM by AVX512_BF16, from now on; PyTorch has the
 * same words.  BLAS stays f32. */
enum precision {
    PRECISION_HIGHEST, /* f32 */
    PRECISION_HIGH,    /* the first 16 bits of a number: two bf16 pieces */
    PRECISION_MEDIUM,  /* 8 bits: bf16 */
};
void gemm_precision(enum precision p);
/* The same of multiply_packed() with f32 weights, and, of what is packed from now on, by
 * AVX512_BF16 with f32, f16 and bf16 ones, at PRECISION_MEDIUM alone: two pieces would be slower
 * than f32. */
void packed_precision(enum precision p);
/* As multiply_packed, with the f32 weights of `parts`, which change too often to
 * be packed; as exact as gemm(), and p->weights is not used.  False, and nothing done, where BLAS
 * multiplies. */
bool multiply_unpacked(const struct product *p, const struct matrix *parts, int count, long inputs);
/* Library and kernel: "OpenBLAS 0.3.21 SkylakeX (chosen)".  Loads it: setting its environment for a
 * moment, so a program that trains calls this before pool_start. */
const char *blas_name(void);

/* dots.c - out[i, j] = a[i] . b[j], each as dot_in_order(); a: [rows, width]  b: [columns, width]
 */
void dots(const float *a, long rows, const float *b, long columns, long width, float *out);

/* duplicates.c - near duplicates among unit vectors of one width, in the order in which they come
 *
 * of[i] becomes the number, from 0, of the first kept vector whose dot product with vector i, as
 * dot_in_order(), is `threshold` or more, and sim[i] that product, within [-1, 1]; or -1, and the
 * vector is kept under the next number.  How many come at a time has no influence. */
struct duplicate_set *duplicate_set_new(long width, float threshold);
void duplicate_set_take(struct duplicate_set *s, const float *vectors, long count, long *of,
                        float *sim);
void duplicate_set_free(struct duplicate_set *s); /* NULL is nothing */

/* attention.c, attention_backward.c - softmax(scale q k^T + mask) v for many short sequences, on
 * the pool
 *
 * Rows of all sequences lie one after the other.  Sequence i has the query rows
 * query_start[i] .. query_start[i + 1] and attends to the key rows key_start[j] .. key_end(j) with
 * j = key_of ? key_of[i] : i, so many texts can share one image.  With `causal`, the last query row
 * of a sequence sees all its keys, the one before it all but one, and so on.
 */
struct attention {
    const float *q, *k, *v; /* [rows, heads * head_width] with row strides */
    long q_stride, k_stride, v_stride;
    float *out; /* [query rows, heads * head_width] */
    long out_stride;
    int heads, head_width, sequences;
    const int *query_start;           /* [sequences + 1] */
    const int *key_start, *key_count; /* [key sequences] */
    const int *key_of;                /* [sequences] or NULL */
    float scale;
    bool causal;
    const struct packed_keys *packed; /* read in place of k and v; or NULL */
    /* Added to the scores of head h: bias[(d + bias_zero) * heads + h] at a distance d, of a key's
     * place from the query's.  Queries are their keys' last.  Or NULL. */
    const float *bias;
    int bias_zero;
    /* Sequences have many query rows: the matrix unit works where there is one.  The roundings are
     * others, so say the same wherever a row should have the same bytes.  Not with a bias, causal
     * or packed. */
    bool wide;
};
void attention_forward(const struct attention *a);
/* The k and v of all key sequences of `a`, arranged once for many calls that
 * then do the same sums; not for attention_backward */
struct packed_keys *attention_pack(const struct attention *a, int key_sequences);
void packed_keys_free(struct packed_keys *p); /* NULL is nothing */
/* Adds to dq, dk, dv (any may be NULL), which have the strides of q, k, v; dout that of out; and to
 * dbias, as bias, or NULL. */
void attention_backward(const struct attention *a, const float *dout, float *dq, float *dk,
                        float *dv, float *dbias);

#endif
