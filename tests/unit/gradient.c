/* SPDX-License-Identifier: MIT
 * gradient.c - every operation's backward against differences of its forward; a new one is a row
 *
 * A row's result y is projected on fixed random weights, L = sum w y, summed in double.  For each
 * input and a random direction v, of length 1, the slope of L along v is taken from four
 * points,
 *
 *     (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12 h        h = 1/64
 *
 * and compared with the sum of gradient times v.  They may differ by 5e-4 of the root of the sum of
 * the squares of the sum's terms: the formula is off by h^4 / 30 = 2e-9 of a fifth derivative, and
 * the gradient itself by some roundings of 2^-24; a wrong term is off by much more.  To that comes
 * what rounding on the way to y makes of L: 16 times 2^-24 of the root of the sum of (w y)^2, over
 * h; a transformer layer needs about half of it.
 *
 * Each row runs again with no input wanting a gradient: nothing may be remembered, and the same y
 * has to come out, through packed products instead of BLAS, within 2e-5 of its largest value.  And
 * again with three threads, where gradients may not differ by a byte.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "op/op.h"
#include "tests/unit/tap.h"

enum { INPUTS = 8, TRIALS = 3 };
static const double step = 1.0 / 64, tolerance = 5e-4, some = 16, same = 2e-5;

struct shape {
    int rank;
    long at[TENSOR_RANK];
    enum { LEARNS, FROZEN, WIDE, POSITIVE } kind; /* WIDE: no number within 1/4 of 0 */
};
/* clang-format off */
#define S0()           { 0, { 0 }, LEARNS }
#define S1(a)          { 1, { a }, LEARNS }
#define S2(a, b)       { 2, { a, b }, LEARNS }
#define S3(a, b, c)    { 3, { a, b, c }, LEARNS }
#define S4(a, b, c, d) { 4, { a, b, c, d }, LEARNS }
#define F1(a)          { 1, { a }, FROZEN }
#define F2(a, b)       { 2, { a, b }, FROZEN }
#define F4(a, b, c, d) { 4, { a, b, c, d }, FROZEN }
#define P1(a)          { 1, { a }, POSITIVE }
#define W2(a, b)       { 2, { a, b }, WIDE }
/* clang-format on */

struct row {
    const char *name;
    struct tensor *(*run)(struct tape *t, struct tensor *const *in);
    struct shape in[INPUTS];
    int inputs;
};

/* ---- the rows' programs ---- */

static struct tensor *run_linear(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1] }, .bias = { in[2] }, .parts = 1 };
    struct tensor *y = linear(t, &l, in[0], ACTIVATION_GELU);

    linear_close(&l);
    return y;
}

static struct tensor *run_linear_bare(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1] }, .parts = 1 };
    struct tensor *y = linear(t, &l, in[0], ACTIVATION_NONE);

    linear_close(&l);
    return y;
}

static struct tensor *run_linear_three(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1], in[2], in[3] },
                        .bias = { in[4], NULL, in[5] },
                        .parts = 3 };
    struct tensor *y = linear(t, &l, in[0], ACTIVATION_QUICK_GELU);

    linear_close(&l);
    return y;
}

static struct tensor *run_linear_onto(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[2] }, .bias = { in[3] }, .parts = 1 };
    struct tensor *x = scale(t, in[0], 1), *y; /* may be written over */

    y = linear_onto(t, &l, x, in[1]);
    linear_close(&l);
    return y;
}

static struct tensor *shortened(struct tape *t, const struct tensor *x, enum dtype type)
{
    struct tensor *y = tensor_like(t, x);

    y->type = type;
    kernels.narrow(y->bytes, x->data, type, tensor_count(x));
    return y;
}

static struct tensor *run_linear_half(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { shortened(t, in[1], DTYPE_F16) },
                        .bias = { shortened(t, in[2], DTYPE_F16) },
                        .parts = 1 };
    struct tensor *y = linear(t, &l, in[0], ACTIVATION_GELU_TANH);

    linear_close(&l);
    return y;
}

static struct tensor *run_layernorm(struct tape *t, struct tensor *const *in)
{
    return layernorm(t, in[0], in[1], in[2], 1e-5f);
}

static struct tensor *run_layernorm_view(struct tape *t, struct tensor *const *in)
{
    return layernorm(t, tensor_columns(t, in[0], 3, 10), in[1], in[2], 1e-5f);
}

static struct tensor *run_layernorm_bfloat(struct tape *t, struct tensor *const *in)
{
    return layernorm(t, in[0], shortened(t, in[1], DTYPE_BF16), shortened(t, in[2], DTYPE_BF16),
                     1e-5f);
}

/* in[0]: [rows, 3 * width], queries, keys and values side by side */
static struct tensor *attend(struct tape *t, struct tensor *qkv, const struct spans *spans,
                             int heads, bool causal)
{
    long d = width(qkv) / 3;
    struct attention_plan plan = {
        .heads = heads, .scale = 0.5f, .causal = causal, .queries = spans, .keys = spans
    };

    return attention(t, &plan, tensor_columns(t, qkv, 0, d), tensor_columns(t, qkv, d, d),
                     tensor_columns(t, qkv, 2 * d, d));
}

static struct tensor *run_attention(struct tape *t, struct tensor *const *in)
{
    return attend(t, in[0], spans_even(t, 3, 4), 2, false);
}

static struct tensor *run_attention_causal(struct tape *t, struct tensor *const *in)
{
    static const int lengths[] = { 5, 1, 6 };

    return attend(t, in[0], spans_of(t, 3, lengths), 3, true);
}

/* Four texts look at two images: sequences 0 and 2 at image 1 */
static struct tensor *run_attention_shared(struct tape *t, struct tensor *const *in)
{
    static const int texts[] = { 2, 3, 1, 4 }, images[] = { 5, 7 }, image_of[] = { 1, 0, 1, 1 };
    struct attention_plan plan = { .heads = 2,
                                   .scale = 0.7f,
                                   .queries = spans_of(t, 4, texts),
                                   .keys = spans_of(t, 2, images),
                                   .key_of = image_of };

    return attention(t, &plan, in[0], in[1], in[2]);
}

/* in[1]: by distance, from -6 on */
static struct tensor *run_attention_bias(struct tape *t, struct tensor *const *in)
{
    static const int lengths[] = { 5, 1, 6 };
    const struct spans *spans = spans_of(t, 3, lengths);
    struct attention_plan plan = {
        .heads = 2, .scale = 1, .queries = spans, .keys = spans, .bias = in[1], .bias_zero = 6
    };

    return attention(t, &plan, tensor_columns(t, in[0], 0, 8), tensor_columns(t, in[0], 8, 8),
                     tensor_columns(t, in[0], 16, 8));
}

/* One table for the queries of two texts that see more keys than they have rows, causal */
static struct tensor *run_attention_bias_causal(struct tape *t, struct tensor *const *in)
{
    static const int texts[] = { 2, 9 }, keys[] = { 7, 10 };
    static const int bucket[] = { 2, 2, 2, 1, 1, 1, 3, 3, 3, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0 };
    struct attention_plan plan = { .heads = 2,
                                   .scale = 0.5f,
                                   .causal = true,
                                   .queries = spans_of(t, 2, texts),
                                   .keys = spans_of(t, 2, keys),
                                   .bias = embed(t, in[3], bucket, COUNT(bucket)),
                                   .bias_zero = 9 };

    return attention(t, &plan, in[0], in[1], in[2]);
}

static struct tensor *run_rmsnorm(struct tape *t, struct tensor *const *in)
{
    return rmsnorm(t, in[0], in[1], 1e-6f);
}

static struct tensor *run_rmsnorm_view(struct tape *t, struct tensor *const *in)
{
    return rmsnorm(t, tensor_columns(t, in[0], 3, 10), in[1], 1e-6f);
}

static struct tensor *run_gate(struct tape *t, struct tensor *const *in)
{
    return gate(t, in[0], ACTIVATION_GELU);
}

static struct tensor *run_gate_tanh(struct tape *t, struct tensor *const *in)
{
    return gate(t, tensor_columns(t, in[0], 1, 6), ACTIVATION_GELU_TANH);
}

static struct tensor *run_quick_gelu(struct tape *t, struct tensor *const *in)
{
    return activate(t, in[0], ACTIVATION_QUICK_GELU);
}

static struct tensor *run_gelu(struct tape *t, struct tensor *const *in)
{
    return activate(t, in[0], ACTIVATION_GELU);
}

static struct tensor *run_gelu_tanh(struct tape *t, struct tensor *const *in)
{
    return activate(t, in[0], ACTIVATION_GELU_TANH);
}

static struct tensor *run_relu(struct tape *t, struct tensor *const *in)
{
    return activate(t, in[0], ACTIVATION_RELU);
}

static struct tensor *run_tanh(struct tape *t, struct tensor *const *in)
{
    return tensor_tanh(t, in[0]);
}

static struct tensor *run_none(struct tape *t, struct tensor *const *in)
{
    return activate(t, in[0], ACTIVATION_NONE);
}

static struct tensor *run_add(struct tape *t, struct tensor *const *in)
{
    return add(t, in[0], in[1]);
}

static struct tensor *run_add_twice(struct tape *t, struct tensor *const *in)
{
    return add(t, in[0], add(t, in[0], in[0]));
}

static struct tensor *run_scale(struct tape *t, struct tensor *const *in)
{
    return scale(t, in[0], -2.5f);
}

static struct tensor *run_scale_exp(struct tape *t, struct tensor *const *in)
{
    return scale_exp(t, in[0], in[1]);
}

static struct tensor *run_scaled_by(struct tape *t, struct tensor *const *in)
{
    return scaled_by(t, in[0], in[1]);
}

static struct tensor *run_divided_by(struct tape *t, struct tensor *const *in)
{
    return divided_by(t, in[0], in[1]);
}

/* The same numbers are left out at every run. */
static struct tensor *run_dropout(struct tape *t, struct tensor *const *in)
{
    t->random.state = 3;
    return dropout(t, in[0], 0.3f);
}

static struct tensor *run_drop_sequences(struct tape *t, struct tensor *const *in)
{
    static const int lengths[] = { 1, 4, 2, 3 };

    t->random.state = 3;
    return drop_sequences(t, in[0], spans_of(t, 4, lengths), 0.5f);
}

static struct tensor *run_embed(struct tape *t, struct tensor *const *in)
{
    static const int ids[] = { 3, 0, 3, 6, 1, 3 };

    return embed(t, in[0], ids, COUNT(ids));
}

static struct tensor *run_take_rows(struct tape *t, struct tensor *const *in)
{
    static const int last[] = { 2, 5, 5 };

    return take_rows(t, tensor_columns(t, in[0], 1, 4), last, COUNT(last));
}

static struct tensor *run_prepend(struct tape *t, struct tensor *const *in)
{
    return prepend(t, in[0], in[1]);
}

static struct tensor *run_prepend_mean(struct tape *t, struct tensor *const *in)
{
    return prepend_mean(t, in[0]);
}

static struct tensor *run_mean_rows(struct tape *t, struct tensor *const *in)
{
    static const int lengths[] = { 1, 4, 2 };

    return mean_rows(t, in[0], spans_of(t, 3, lengths));
}

static struct tensor *run_max_rows(struct tape *t, struct tensor *const *in)
{
    return max_rows(t, in[0], 4, false);
}

static struct tensor *run_max_rows_transposed(struct tape *t, struct tensor *const *in)
{
    return max_rows(t, in[0], 3, true);
}

static struct tensor *run_concat(struct tape *t, struct tensor *const *in)
{
    return concat_rows(t, in[0], tensor_columns(t, in[1], 2, 5));
}

/* Rows 1 .. 4 of six, twice as many of half the width, and some columns of those */
static struct tensor *run_views(struct tape *t, struct tensor *const *in)
{
    struct tensor *x = tensor_rows(t, activate(t, in[0], ACTIVATION_GELU), 1, 4);
    struct tensor *y = tensor_reshape(t, x, 3, (long[]){ 4, 2, 5 });

    return scale(t, tensor_columns(t, y, 1, 3), 2);
}

static struct tensor *run_patches(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1] }, .bias = { in[2] }, .parts = 1 };
    struct tensor *y = patches(t, &l, in[0], 3);

    linear_close(&l);
    return y;
}

static struct tensor *run_normalize(struct tape *t, struct tensor *const *in)
{
    return normalize(t, in[0], 1e-12f);
}

static struct tensor *run_normalize_short(struct tape *t, struct tensor *const *in)
{
    return normalize(t, in[0], 100);
}

static struct tensor *run_matmul(struct tape *t, struct tensor *const *in)
{
    return matmul_transposed(t, in[0], in[1]);
}

static struct tensor *run_cross_entropy(struct tape *t, struct tensor *const *in)
{
    static const int target[] = { 2, -100, 0, 6, -1, 3 };

    return cross_entropy(t, in[0], target, 0);
}

static struct tensor *run_cross_entropy_smooth(struct tape *t, struct tensor *const *in)
{
    static const int target[] = { 2, -100, 0, 6, -1, 3 };

    return cross_entropy(t, in[0], target, 0.1f);
}

static struct tensor *run_soft_cross_entropy(struct tape *t, struct tensor *const *in)
{
    struct tensor fixed = *in[1];

    fixed.data = softmax_rows(t, in[1]);
    for (long j = 0; j < width(in[1]); j++)
        fixed.data[j] *= 0.5f; /* need not sum to 1 */
    return soft_cross_entropy(t, in[0], fixed.data);
}

static struct tensor *run_contrastive(struct tape *t, struct tensor *const *in)
{
    return contrastive(t, normalize(t, in[0], 1e-12f), normalize(t, in[1], 1e-12f), in[2]);
}

static struct tensor *run_channels_last(struct tape *t, struct tensor *const *in)
{
    return to_channels_last(t, in[0]);
}

static struct tensor *convolve_with(struct tape *t, struct tensor *const *in, int stride)
{
    struct linear l = { .weight = { in[1] }, .bias = { in[2] }, .parts = 1 };
    struct tensor *y = convolve(t, &l, in[0], stride);

    linear_close(&l);
    return y;
}

static struct tensor *run_convolve(struct tape *t, struct tensor *const *in)
{
    return convolve_with(t, in, 1);
}

static struct tensor *run_convolve_stride(struct tape *t, struct tensor *const *in)
{
    return convolve_with(t, in, 2);
}

static struct tensor *same_zeros(struct tape *t, struct tensor *const *in, int stride)
{
    struct linear l = { .weight = { in[1] }, .bias = { in[2] }, .parts = 1, .same = true };
    struct tensor *y = convolve(t, &l, in[0], stride);

    linear_close(&l);
    return y;
}

static struct tensor *run_convolve_same(struct tape *t, struct tensor *const *in)
{
    return same_zeros(t, in, 2);
}

static struct tensor *depthwise_with(struct tape *t, struct tensor *const *in, int stride,
                                     bool even)
{
    struct linear l = { .weight = { in[1] }, .bias = { in[2] }, .parts = 1, .same = !even };

    return depthwise(t, &l, in[0], stride);
}

static struct tensor *run_depthwise(struct tape *t, struct tensor *const *in)
{
    return depthwise_with(t, in, 1, true);
}

static struct tensor *run_depthwise_same(struct tape *t, struct tensor *const *in)
{
    return depthwise_with(t, in, 2, false);
}

/* Learning, the batch's statistics; frozen, everything in one. */
static struct tensor *run_depthwise_norm(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1] }, .parts = 1, .same = true };
    struct batchnorm b = { in[2], in[3], in[4], in[5], 1e-5f };
    struct tensor *y = depthwise_norm(t, &l, &b, in[0], 2, ACTIVATION_GELU);

    linear_close(&l);
    return y;
}

/* in: x, gain, shift, mean, variance */
static struct tensor *run_batchnorm(struct tape *t, struct tensor *const *in)
{
    struct batchnorm b = { in[1], in[2], in[3], in[4], 1e-5f };

    return batchnorm(t, &b, in[0], ACTIVATION_GELU);
}

/* in: x, weight, gain, shift, mean, variance */
static struct tensor *run_convolve_norm(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1] }, .parts = 1 };
    struct batchnorm b = { in[2], in[3], in[4], in[5], 1e-5f };
    struct tensor *y = convolve_norm(t, &l, &b, in[0], 2, ACTIVATION_GELU);

    linear_close(&l);
    return y;
}

/* in: h, weight, gain, shift, mean, variance, x.  Relu may bend the slope; so x is far above 0 in
 * half of the columns and far below it in the others. */
static struct tensor *run_convolve_norm_onto(struct tape *t, struct tensor *const *in)
{
    struct linear l = { .weight = { in[1] }, .parts = 1 };
    struct batchnorm b = { in[2], in[3], in[4], in[5], 1e-5f };
    struct tensor *far = tensor_like(t, in[2]), *y;

    for (long i = 0; i < width(far); i++)
        far->data[i] = i % 2 ? 20 : -20;
    y = convolve_norm_onto(t, &l, &b, add(t, in[6], far), in[0]);
    linear_close(&l);
    return y;
}

static struct tensor *run_average_pool(struct tape *t, struct tensor *const *in)
{
    return average_pool(t, in[0], 2);
}

/* in: x, weight, gain, mean, variance.  The shift keeps relu's input away from 0: normalised
 * numbers stay below 5, times a gain around 1/8. */
static struct tensor *run_stem(struct tape *t, struct tensor *const *in)
{
    struct tensor *shift = tensor_like(t, in[3]), *y;
    struct batchnorm b = { scale(t, in[2], 0.125f), shift, in[3], in[4], 1e-5f };

    for (long i = 0; i < width(shift); i++)
        shift->data[i] = i % 2 ? 2 : -2;
    y = convolve_with(t, (struct tensor *const[]){ in[0], in[1], NULL }, 2);
    return average_pool(t, batchnorm(t, &b, y, ACTIVATION_RELU), 2);
}

/* A pre-norm layer; in: x, gain, shift, qkv weight, out weight, out bias, fc1, fc2 */
static struct tensor *run_block(struct tape *t, struct tensor *const *in)
{
    struct linear qkv = { .weight = { in[3] }, .parts = 1 };
    struct linear out = { .weight = { in[4] }, .bias = { in[5] }, .parts = 1 };
    struct linear fc1 = { .weight = { in[6] }, .parts = 1 },
                  fc2 = { .weight = { in[7] }, .parts = 1 };
    struct tensor *x = scale(t, in[0], 1), *h = layernorm(t, x, in[1], in[2], 1e-5f);

    h = attend(t, linear(t, &qkv, h, ACTIVATION_NONE), spans_even(t, 2, (int)rows(x) / 2), 4, true);
    x = linear_onto(t, &out, x, h);
    h = linear(t, &fc1, layernorm(t, x, in[1], in[2], 1e-5f), ACTIVATION_QUICK_GELU);
    x = linear_onto(t, &fc2, x, h);
    linear_close(&qkv);
    linear_close(&out);
    linear_close(&fc1);
    linear_close(&fc2);
    return x;
}

static const struct row table[] = {
    { "linear", run_linear, { S2(5, 7), S2(6, 7), S1(6) }, 3 },
    { "linear, large", run_linear, { S2(300, 70), S2(130, 70), S1(130) }, 3 },
    { "linear, no bias", run_linear_bare, { S3(2, 3, 7), S2(6, 7) }, 2 },
    { "linear, frozen", run_linear, { S2(5, 7), F2(6, 7), F1(6) }, 3 },
    { "linear, only the bias", run_linear, { F2(5, 7), F2(6, 7), S1(6) }, 3 },
    { "linear, only the weight", run_linear, { F2(5, 7), S2(6, 7), F1(6) }, 3 },
    { "linear, frozen halves, large",
      run_linear_half,
      { S2(3, 2100), F2(2050, 2100), F1(2050) },
      3 },
    { "linear, frozen halves", run_linear_half, { S2(5, 7), F2(6, 7), F1(6) }, 3 },
    { "linear, three parts",
      run_linear_three,
      { S2(5, 7), S2(6, 7), S2(3, 7), S2(4, 7), S1(6), S1(4) },
      6 },
    { "linear, three frozen parts",
      run_linear_three,
      { S2(5, 7), F2(6, 7), F2(3, 7), F2(4, 7), F1(6), F1(4) },
      6 },
    { "linear, one part of three frozen",
      run_linear_three,
      { S2(5, 7), S2(6, 7), F2(3, 7), S2(4, 7), F1(6), S1(4) },
      6 },
    { "linear_onto", run_linear_onto, { S2(5, 6), S2(5, 7), S2(6, 7), S1(6) }, 4 },
    { "linear_onto, only x", run_linear_onto, { S2(5, 6), F2(5, 7), F2(6, 7), F1(6) }, 4 },
    { "layernorm", run_layernorm, { S3(2, 3, 19), S1(19), S1(19) }, 3 },
    { "layernorm, large", run_layernorm, { S2(300, 200), S1(200), S1(200) }, 3 },
    { "layernorm, frozen", run_layernorm, { S2(5, 19), F1(19), F1(19) }, 3 },
    { "layernorm, bfloats", run_layernorm_bfloat, { S2(5, 19), F1(19), F1(19) }, 3 },
    { "layernorm of columns", run_layernorm_view, { S2(4, 16), S1(10), S1(10) }, 3 },
    { "attention", run_attention, { S2(12, 24) }, 1 },
    { "attention, causal, unequal", run_attention_causal, { S2(12, 27) }, 1 },
    { "attention, shared keys", run_attention_shared, { S2(10, 8), S2(12, 8), S2(12, 8) }, 3 },
    { "attention, only values", run_attention_shared, { F2(10, 8), F2(12, 8), S2(12, 8) }, 3 },
    { "attention, bias", run_attention_bias, { S2(12, 24), S2(13, 2) }, 2 },
    { "attention, frozen bias", run_attention_bias, { S2(12, 24), F2(13, 2) }, 2 },
    { "attention, bias by bucket, causal",
      run_attention_bias_causal,
      { S2(11, 8), S2(17, 8), S2(17, 8), S2(4, 2) },
      4 },
    { "rmsnorm", run_rmsnorm, { S3(2, 3, 19), S1(19) }, 2 },
    { "rmsnorm, frozen", run_rmsnorm, { S2(5, 19), F1(19) }, 2 },
    { "rmsnorm of columns", run_rmsnorm_view, { S2(4, 16), S1(10) }, 2 },
    { "gate", run_gate, { S3(2, 3, 14) }, 1 },
    { "gate of columns", run_gate_tanh, { S2(4, 9) }, 1 },
    { "quick_gelu", run_quick_gelu, { S2(5, 23) }, 1 },
    { "gelu", run_gelu, { S2(5, 23) }, 1 },
    { "gelu_tanh", run_gelu_tanh, { S2(5, 23) }, 1 },
    { "relu", run_relu, { W2(5, 23) }, 1 },
    { "tanh", run_tanh, { W2(5, 23) }, 1 },
    { "no activation", run_none, { S2(5, 23) }, 1 },
    { "add", run_add, { S2(6, 7), S2(6, 7) }, 2 },
    { "add, over the batch", run_add, { S3(3, 4, 7), S2(4, 7) }, 2 },
    { "add, over the rows", run_add, { S3(3, 4, 7), S1(7) }, 2 },
    { "add, large", run_add, { S2(400, 200), S1(200) }, 2 },
    { "add, one input thrice", run_add_twice, { S2(6, 7) }, 1 },
    { "scale", run_scale, { S2(5, 4) }, 1 },
    { "scale_exp", run_scale_exp, { S2(5, 4), S0() }, 2 },
    { "scaled_by", run_scaled_by, { S2(5, 4), S0() }, 2 },
    { "divided_by", run_divided_by, { S2(5, 4), P1(1) }, 2 },
    { "embed", run_embed, { S2(7, 5) }, 1 },
    { "take_rows of columns", run_take_rows, { S2(6, 6) }, 1 },
    { "prepend", run_prepend, { S3(3, 2, 5), S1(5) }, 2 },
    { "prepend_mean", run_prepend_mean, { S3(3, 4, 5) }, 1 },
    { "mean_rows", run_mean_rows, { S2(7, 5) }, 1 },
    { "max_rows", run_max_rows, { S2(8, 3) }, 1 },
    { "max_rows, transposed", run_max_rows_transposed, { S2(9, 5) }, 1 },
    { "concat_rows", run_concat, { S2(3, 5), S2(4, 8) }, 2 },
    { "views of views", run_views, { S2(6, 10) }, 1 },
    { "patches", run_patches, { S4(2, 3, 6, 10), S4(5, 3, 3, 3), S1(5) }, 3 },
    { "patches, frozen", run_patches, { S4(2, 3, 6, 9), F4(5, 3, 3, 3), F1(5) }, 3 },
    { "normalize", run_normalize, { S2(5, 9) }, 1 },
    { "normalize, below the floor", run_normalize_short, { S2(5, 9) }, 1 },
    { "matmul_transposed", run_matmul, { S2(5, 9), S2(4, 9) }, 2 },
    { "cross_entropy", run_cross_entropy, { S2(6, 7) }, 1 },
    { "cross_entropy, smoothed", run_cross_entropy_smooth, { S2(6, 7) }, 1 },
    { "soft_cross_entropy", run_soft_cross_entropy, { S2(6, 7), F2(6, 7) }, 2 },
    { "contrastive", run_contrastive, { S2(6, 9), S2(6, 9), S0() }, 3 },
    { "to_channels_last", run_channels_last, { S4(2, 3, 4, 5) }, 1 },
    { "convolve", run_convolve, { S4(2, 5, 4, 3), S4(6, 3, 3, 3), S1(6) }, 3 },
    { "convolve, stride 2", run_convolve_stride, { S4(2, 6, 5, 3), S4(6, 3, 3, 3), S1(6) }, 3 },
    { "convolve, frozen", run_convolve, { S4(2, 5, 4, 3), F4(6, 3, 3, 3), F1(6) }, 3 },
    { "convolve, 1 x 1", run_convolve, { S4(2, 5, 4, 3), S4(6, 3, 1, 1), S1(6) }, 3 },
    { "convolve, 1 x 1, stride 2",
      run_convolve_stride,
      { S4(2, 5, 4, 3), S4(6, 3, 1, 1), S1(6) },
      3 },
    { "convolve, SAME", run_convolve_same, { S4(2, 6, 5, 3), S4(6, 3, 3, 3), S1(6) }, 3 },
    { "depthwise", run_depthwise, { S4(2, 5, 4, 19), S4(19, 1, 3, 3), S1(19) }, 3 },
    { "depthwise, SAME, stride 2",
      run_depthwise_same,
      { S4(3, 8, 7, 40), S4(40, 1, 5, 5), S1(40) },
      3 },
    { "depthwise, frozen", run_depthwise, { S4(2, 5, 4, 6), F4(6, 1, 3, 3), F1(6) }, 3 },
    { "depthwise_norm",
      run_depthwise_norm,
      { S4(2, 6, 5, 21), S4(21, 1, 3, 3), S1(21), S1(21), F1(21), P1(21) },
      6 },
    { "depthwise_norm, frozen",
      run_depthwise_norm,
      { S4(2, 6, 5, 21), F4(21, 1, 3, 3), F1(21), F1(21), F1(21), P1(21) },
      6 },
    { "batchnorm", run_batchnorm, { S4(3, 2, 4, 21), S1(21), S1(21), F1(21), P1(21) }, 5 },
    { "batchnorm, large", run_batchnorm, { S2(400, 150), S1(150), S1(150), F1(150), P1(150) }, 5 },
    { "batchnorm, frozen", run_batchnorm, { S4(3, 2, 4, 5), F1(5), F1(5), F1(5), P1(5) }, 5 },
    { "convolve_norm",
      run_convolve_norm,
      { S4(2, 5, 4, 3), S4(6, 3, 3, 3), S1(6), S1(6), F1(6), P1(6) },
      6 },
    { "convolve_norm, frozen",
      run_convolve_norm,
      { S4(2, 5, 4, 3), F4(6, 3, 3, 3), F1(6), F1(6), F1(6), P1(6) },
      6 },
    { "convolve_norm_onto",
      run_convolve_norm_onto,
      { S4(2, 5, 4, 3), S4(6, 3, 1, 1), S1(6), S1(6), F1(6), P1(6), S4(2, 5, 4, 6) },
      7 },
    { "convolve_norm_onto, frozen",
      run_convolve_norm_onto,
      { S4(2, 5, 4, 3), F4(6, 3, 3, 3), F1(6), F1(6), F1(6), P1(6), S4(2, 5, 4, 6) },
      7 },
    { "average_pool", run_average_pool, { S4(2, 5, 4, 6) }, 1 },
    { "convolve, batchnorm, relu, pool",
      run_stem,
      { S4(3, 8, 8, 3), S4(6, 3, 3, 3), S1(6), F1(6), P1(6) },
      5 },
    { "transformer layer",
      run_block,
      { S2(10, 16), S1(16), S1(16), S2(48, 16), S2(16, 16), S1(16), S2(32, 16), S2(16, 32) },
      8 },
    { "transformer layer, large",
      run_block,
      { S2(140, 64), S1(64), S1(64), S2(192, 64), S2(64, 64), S1(64), S2(256, 64), S2(64, 256) },
      8 },
    { "dropout", run_dropout, { S2(5, 7) }, 1 },
    { "dropout, large", run_dropout, { S2(300, 200) }, 1 },
    { "drop_sequences", run_drop_sequences, { S2(10, 7) }, 1 },
};

/* ---- how a row is tried ---- */

struct trial {
    const struct row *row;
    struct tensor in[INPUTS], *inputs[INPUTS];
    struct tape tape;
};

static float *floats(long count)
{
    return xalloc((size_t)(count ? count : 1), sizeof(float));
}

static float number(struct random *r, const struct tensor *x, int kind)
{
    float value = random_normal(r);

    if (kind == POSITIVE)
        return 1.0f + 0.5f * (float)random_uniform(r);
    if (kind == WIDE)
        return value < 0 ? value - 0.25f : value + 0.25f;
    if (x->rank == 1) /* gains around 1 */
        return 1.0f + 0.25f * value;
    return x->rank == 0 ? 0.5f : x->rank == 2 && width(x) > 40 ? 0.2f * value : 0.6f * value;
}

static void trial_begin(struct trial *a, const struct row *row, uint64_t seed)
{
    struct random r = { seed };

    *a = (struct trial){ .row = row };
    for (int i = 0; i < row->inputs; i++) {
        struct tensor *x = &a->in[i];
        const struct shape *s = &row->in[i];

        x->rank = s->rank;
        memcpy(x->shape, s->at, sizeof x->shape);
        x->stride = width(x);
        x->data = floats(tensor_count(x));
        x->needs_grad =
            s->kind == LEARNS || s->kind == WIDE || (s->kind == POSITIVE && tensor_count(x) == 1);
        x->grad = x->needs_grad ? floats(tensor_count(x)) : NULL;
        for (long j = 0; j < tensor_count(x); j++)
            x->data[j] = number(&r, x, s->kind);
        a->inputs[i] = x;
    }
}

static void trial_end(struct trial *a)
{
    for (int i = 0; i < a->row->inputs; i++) {
        free(a->in[i].data);
        free(a->in[i].grad);
    }
    tape_free(&a->tape);
}

static float weight_of(long i)
{
    struct random r = { (uint64_t)i * 7919 + 17 };

    return random_normal(&r);
}

static double projection(const struct tensor *y)
{
    double sum = 0;

    for (long i = 0; i < rows(y); i++)
        for (long j = 0; j < width(y); j++)
            sum += (double)weight_of(i * width(y) + j) * y->data[i * y->stride + j];
    return sum;
}

static void backward_projection(const struct node *n)
{
    struct tensor *y = n->in[0];

    for (long i = 0; i < rows(y); i++)
        for (long j = 0; j < width(y); j++)
            y->grad[i * y->stride + j] += weight_of(i * width(y) + j) * n->out->grad[0];
}

static const struct op op_projection = { .name = "projection", .backward = backward_projection };

/* What float32 roundings of y may change in a slope of the projection */
static double rounding_noise(const struct tensor *y)
{
    double squares = 0;

    for (long i = 0; i < rows(y); i++)
        for (long j = 0; j < width(y); j++)
            squares += pow((double)weight_of(i * width(y) + j) * y->data[i * y->stride + j], 2);
    return some * ldexp(sqrt(squares), -24) / step;
}

static double forward(struct trial *a)
{
    tape_clear(&a->tape);
    return projection(a->row->run(&a->tape, a->inputs));
}

/* Returns the noise to be expected in slopes. */
static double backward(struct trial *a)
{
    struct tensor *y, *loss;

    tape_clear(&a->tape);
    y = a->row->run(&a->tape, a->inputs);
    loss = tensor_new(&a->tape, 0, NULL);
    loss->data[0] = (float)projection(y);
    tape_backward(&a->tape, REMEMBER(&a->tape, &op_projection, loss, NULL, y));
    return rounding_noise(y);
}

static double forward_at(struct trial *a, struct tensor *x, const float *from, const float *along,
                         double h)
{
    double loss;

    for (long j = 0; j < tensor_count(x); j++)
        x->data[j] = from[j] + (float)h * along[j];
    loss = forward(a);
    memcpy(x->data, from, (size_t)tensor_count(x) * sizeof *from);
    return loss;
}

/* A random direction of length 1 */
static float *direction(long count, struct random *r)
{
    float *along = floats(count), length = 0;

    for (long j = 0; j < count; j++) {
        along[j] = random_normal(r);
        length += along[j] * along[j];
    }
    for (long j = 0; j < count; j++)
        along[j] *= 1 / sqrtf(length);
    return along;
}

/* The difference of the two slopes along one direction of input i, in units of what it may be */
static double slope_error(struct trial *a, int i, double noise, struct random *r)
{
    struct tensor *x = a->inputs[i];
    long count = tensor_count(x);
    void *from = xmemdup(x->data, (size_t)count * sizeof *x->data);
    float *along = direction(count, r);
    double found = 0, squares = 0, wanted;

    for (long j = 0; j < count; j++) {
        double term = (double)along[j] * x->grad[j];

        found += term;
        squares += term * term;
    }
    wanted =
        (8 * (forward_at(a, x, from, along, step) - forward_at(a, x, from, along, -step)) -
         (forward_at(a, x, from, along, 2 * step) - forward_at(a, x, from, along, -2 * step))) /
        (12 * step);
    free(from);
    free(along);
    return fabs(found - wanted) / (tolerance * sqrt(squares) + noise);
}

static void try_slopes(const struct row *row, uint64_t seed)
{
    struct random r = { seed + 1 };
    double worst = 0, noise;
    int where = 0;
    struct trial a;

    trial_begin(&a, row, seed);
    noise = backward(&a);
    for (int i = 0; i < row->inputs; i++) {
        for (int j = 0; wants(a.inputs[i]) && j < TRIALS; j++) {
            double error = slope_error(&a, i, noise, &r);

            if (!(error <= worst)) {
                worst = error;
                where = i;
            }
        }
    }
    if (!ok(worst <= 1, "%s: slopes agree", row->name))
        note("%.3g times what may be, at input %d", worst, where);
    trial_end(&a);
}

static void copy_out(float *to, const struct tensor *y)
{
    for (long i = 0; i < rows(y); i++)
        memcpy(to + i * width(y), y->data + i * y->stride, (size_t)width(y) * sizeof *to);
}

/* Batch statistics or running ones: frozen batchnorm means another thing; so does nothing left out
 */
static bool means_another(const struct row *row)
{
    bool gain = row->run == run_batchnorm ? row->in[1].kind == LEARNS : row->in[2].kind == LEARNS;

    if (row->run == run_dropout || row->run == run_drop_sequences)
        return true;
    return gain &&
           (row->run == run_batchnorm || row->run == run_stem || row->run == run_convolve_norm ||
            row->run == run_convolve_norm_onto || row->run == run_depthwise_norm);
}

static void try_frozen(const struct row *row, uint64_t seed)
{
    struct trial a;
    struct tensor *y;
    float *learning, *frozen;
    double worst;

    trial_begin(&a, row, seed);
    y = row->run(&a.tape, a.inputs);
    learning = floats(tensor_count(y));
    frozen = floats(tensor_count(y));
    copy_out(learning, y);
    tape_clear(&a.tape);
    for (int i = 0; i < row->inputs; i++)
        a.in[i].needs_grad = false;
    y = row->run(&a.tape, a.inputs);
    copy_out(frozen, y);
    is_long(a.tape.count, 0, "frozen, nothing is remembered");
    worst = worst_difference(frozen, learning, tensor_count(y));
    if (!means_another(row) && !ok(worst <= same, "%s: frozen and learning agree", row->name))
        note("relative difference %.3g, at most %.3g", worst, same);
    free(learning);
    free(frozen);
    trial_end(&a);
}

static void try_threads(const struct row *row, uint64_t seed)
{
    struct trial a, b;
    bool equal = true;

    trial_begin(&a, row, seed);
    backward(&a);
    pool_start(3);
    trial_begin(&b, row, seed);
    backward(&b);
    pool_stop();
    for (int i = 0; i < row->inputs; i++)
        equal &= !wants(a.inputs[i]) || !memcmp(a.in[i].grad, b.in[i].grad,
                                                (size_t)tensor_count(&a.in[i]) * sizeof(float));
    ok(equal, "%s: one thread and three give the same gradients", row->name);
    trial_end(&a);
    trial_end(&b);
}

int main(void)
{
    for (int i = 0; i < COUNT(table); i++) {
        try_slopes(&table[i], 100 + (uint64_t)i);
        try_frozen(&table[i], 100 + (uint64_t)i);
        try_threads(&table[i], 100 + (uint64_t)i);
    }
    return done();
}
