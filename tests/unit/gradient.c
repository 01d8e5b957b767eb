/* SPDX-License-Identifier: MIT
 * gradient.c - every operation's backward, but those of gradient_convolution.c; a new one is a row
 */
#include "tests/unit/gradient.h"

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

static struct tensor *run_multiply(struct tape *t, struct tensor *const *in)
{
    return multiply(t, in[0], in[1]);
}

static struct tensor *run_multiply_columns(struct tape *t, struct tensor *const *in)
{
    return multiply(t, tensor_columns(t, in[0], 2, 5), tensor_columns(t, in[0], 0, 5));
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
    { "linear", run_linear, { S2(5, 7), S2(6, 7), S1(6) }, 3, false },
    { "linear, large", run_linear, { S2(300, 70), S2(130, 70), S1(130) }, 3, false },
    { "linear, no bias", run_linear_bare, { S3(2, 3, 7), S2(6, 7) }, 2, false },
    { "linear, frozen", run_linear, { S2(5, 7), F2(6, 7), F1(6) }, 3, false },
    { "linear, only the bias", run_linear, { F2(5, 7), F2(6, 7), S1(6) }, 3, false },
    { "linear, only the weight", run_linear, { F2(5, 7), S2(6, 7), F1(6) }, 3, false },
    { "linear, frozen halves, large",
      run_linear_half,
      { S2(3, 2100), F2(2050, 2100), F1(2050) },
      3,
      false },
    { "linear, frozen halves", run_linear_half, { S2(5, 7), F2(6, 7), F1(6) }, 3, false },
    { "linear, three parts",
      run_linear_three,
      { S2(5, 7), S2(6, 7), S2(3, 7), S2(4, 7), S1(6), S1(4) },
      6,
      false },
    { "linear, three frozen parts",
      run_linear_three,
      { S2(5, 7), F2(6, 7), F2(3, 7), F2(4, 7), F1(6), F1(4) },
      6,
      false },
    { "linear, one part of three frozen",
      run_linear_three,
      { S2(5, 7), S2(6, 7), F2(3, 7), S2(4, 7), F1(6), S1(4) },
      6,
      false },
    { "linear_onto", run_linear_onto, { S2(5, 6), S2(5, 7), S2(6, 7), S1(6) }, 4, false },
    { "linear_onto, only x", run_linear_onto, { S2(5, 6), F2(5, 7), F2(6, 7), F1(6) }, 4, false },
    { "layernorm", run_layernorm, { S3(2, 3, 19), S1(19), S1(19) }, 3, false },
    { "layernorm, large", run_layernorm, { S2(300, 200), S1(200), S1(200) }, 3, false },
    { "layernorm, frozen", run_layernorm, { S2(5, 19), F1(19), F1(19) }, 3, false },
    { "layernorm, bfloats", run_layernorm_bfloat, { S2(5, 19), F1(19), F1(19) }, 3, false },
    { "layernorm of columns", run_layernorm_view, { S2(4, 16), S1(10), S1(10) }, 3, false },
    { "attention", run_attention, { S2(12, 24) }, 1, false },
    { "attention, causal, unequal", run_attention_causal, { S2(12, 27) }, 1, false },
    { "attention, shared keys",
      run_attention_shared,
      { S2(10, 8), S2(12, 8), S2(12, 8) },
      3,
      false },
    { "attention, only values",
      run_attention_shared,
      { F2(10, 8), F2(12, 8), S2(12, 8) },
      3,
      false },
    { "attention, bias", run_attention_bias, { S2(12, 24), S2(13, 2) }, 2, false },
    { "attention, frozen bias", run_attention_bias, { S2(12, 24), F2(13, 2) }, 2, false },
    { "attention, bias by bucket, causal",
      run_attention_bias_causal,
      { S2(11, 8), S2(17, 8), S2(17, 8), S2(4, 2) },
      4,
      false },
    { "rmsnorm", run_rmsnorm, { S3(2, 3, 19), S1(19) }, 2, false },
    { "rmsnorm, frozen", run_rmsnorm, { S2(5, 19), F1(19) }, 2, false },
    { "rmsnorm of columns", run_rmsnorm_view, { S2(4, 16), S1(10) }, 2, false },
    { "gate", run_gate, { S3(2, 3, 14) }, 1, false },
    { "gate of columns", run_gate_tanh, { S2(4, 9) }, 1, false },
    { "quick_gelu", run_quick_gelu, { S2(5, 23) }, 1, false },
    { "gelu", run_gelu, { S2(5, 23) }, 1, false },
    { "gelu_tanh", run_gelu_tanh, { S2(5, 23) }, 1, false },
    { "relu", run_relu, { W2(5, 23) }, 1, false },
    { "tanh", run_tanh, { W2(5, 23) }, 1, false },
    { "no activation", run_none, { S2(5, 23) }, 1, false },
    { "add", run_add, { S2(6, 7), S2(6, 7) }, 2, false },
    { "add, over the batch", run_add, { S3(3, 4, 7), S2(4, 7) }, 2, false },
    { "add, over the rows", run_add, { S3(3, 4, 7), S1(7) }, 2, false },
    { "add, large", run_add, { S2(400, 200), S1(200) }, 2, false },
    { "add, one input thrice", run_add_twice, { S2(6, 7) }, 1, false },
    { "scale", run_scale, { S2(5, 4) }, 1, false },
    { "scale_exp", run_scale_exp, { S2(5, 4), S0() }, 2, false },
    { "scaled_by", run_scaled_by, { S2(5, 4), S0() }, 2, false },
    { "divided_by", run_divided_by, { S2(5, 4), P1(1) }, 2, false },
    { "embed", run_embed, { S2(7, 5) }, 1, false },
    { "take_rows of columns", run_take_rows, { S2(6, 6) }, 1, false },
    { "prepend", run_prepend, { S3(3, 2, 5), S1(5) }, 2, false },
    { "prepend_mean", run_prepend_mean, { S3(3, 4, 5) }, 1, false },
    { "mean_rows", run_mean_rows, { S2(7, 5) }, 1, false },
    { "max_rows", run_max_rows, { S2(8, 3) }, 1, false },
    { "max_rows, transposed", run_max_rows_transposed, { S2(9, 5) }, 1, false },
    { "concat_rows", run_concat, { S2(3, 5), S2(4, 8) }, 2, false },
    { "views of views", run_views, { S2(6, 10) }, 1, false },
    { "patches", run_patches, { S4(2, 3, 6, 10), S4(5, 3, 3, 3), S1(5) }, 3, false },
    { "patches, frozen", run_patches, { S4(2, 3, 6, 9), F4(5, 3, 3, 3), F1(5) }, 3, false },
    { "normalize", run_normalize, { S2(5, 9) }, 1, false },
    { "normalize, below the floor", run_normalize_short, { S2(5, 9) }, 1, false },
    { "matmul_transposed", run_matmul, { S2(5, 9), S2(4, 9) }, 2, false },
    { "cross_entropy", run_cross_entropy, { S2(6, 7) }, 1, false },
    { "cross_entropy, smoothed", run_cross_entropy_smooth, { S2(6, 7) }, 1, false },
    { "soft_cross_entropy", run_soft_cross_entropy, { S2(6, 7), F2(6, 7) }, 2, false },
    { "contrastive", run_contrastive, { S2(6, 9), S2(6, 9), S0() }, 3, false },
    { "transformer layer",
      run_block,
      { S2(10, 16), S1(16), S1(16), S2(48, 16), S2(16, 16), S1(16), S2(32, 16), S2(16, 32) },
      8,
      false },
    { "transformer layer, large",
      run_block,
      { S2(140, 64), S1(64), S1(64), S2(192, 64), S2(64, 64), S1(64), S2(256, 64), S2(64, 256) },
      8,
      false },
    { "dropout", run_dropout, { S2(5, 7) }, 1, true },
    { "dropout, large", run_dropout, { S2(300, 200) }, 1, true },
    { "drop_sequences", run_drop_sequences, { S2(10, 7) }, 1, true },
    { "multiply", run_multiply, { S2(4, 9), S2(4, 9) }, 2, false },
    { "multiply by what does not learn", run_multiply, { S2(4, 9), F2(4, 9) }, 2, false },
    { "multiply columns by columns", run_multiply_columns, { S2(4, 9) }, 1, false },
};

int main(void)
{
    return try_rows(table, COUNT(table));
}
