/* SPDX-License-Identifier: MIT
 * gradient_convolution.c - the backward of what moves over a picture, gates and turns; a new
 * operation is a row
 */
#include "tests/unit/gradient.h"

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

static struct tensor *run_gate_silu(struct tape *t, struct tensor *const *in)
{
    return gate(t, in[0], ACTIVATION_SILU);
}

static struct tensor *run_sigmoid(struct tape *t, struct tensor *const *in)
{
    return tensor_sigmoid(t, in[0]);
}

static struct tensor *run_factors(struct tape *t, struct tensor *const *in)
{
    return factors(t, in[0], in[1]);
}

static struct tensor *run_rotate(struct tape *t, struct tensor *const *in)
{
    static const float sine[] = { 0.6f, -0.8f, 0, 1, 0.28f, 0.96f };
    static const float cosine[] = { 0.8f, 0.6f, 1, 0, -0.96f, -0.28f };
    static const struct rotary r = { 3, 1, 6, sine, cosine };

    return rotate(t, &r, tensor_columns(t, in[0], 1, 12));
}

static struct tensor *run_blend(struct tape *t, struct tensor *const *in)
{
    static const int start[] = { 0, 2, 5 }, index[] = { 6, 0, 6, 3, 3 };
    static const float weight[] = { 0.25f, -1.5f, 2, 0.5f, 0.125f };

    return blend(t, in[0], &(struct blend){ start, index, weight }, 2);
}

static const struct row table[] = {
    { "blend", run_blend, { S2(7, 5) }, 1, false },
    { "to_channels_last", run_channels_last, { S4(2, 3, 4, 5) }, 1, false },
    { "convolve", run_convolve, { S4(2, 5, 4, 3), S4(6, 3, 3, 3), S1(6) }, 3, false },
    { "convolve, stride 2",
      run_convolve_stride,
      { S4(2, 6, 5, 3), S4(6, 3, 3, 3), S1(6) },
      3,
      false },
    { "convolve, frozen", run_convolve, { S4(2, 5, 4, 3), F4(6, 3, 3, 3), F1(6) }, 3, false },
    { "convolve, 1 x 1", run_convolve, { S4(2, 5, 4, 3), S4(6, 3, 1, 1), S1(6) }, 3, false },
    { "convolve, 1 x 1, stride 2",
      run_convolve_stride,
      { S4(2, 5, 4, 3), S4(6, 3, 1, 1), S1(6) },
      3,
      false },
    { "convolve, SAME", run_convolve_same, { S4(2, 6, 5, 3), S4(6, 3, 3, 3), S1(6) }, 3, false },
    { "depthwise", run_depthwise, { S4(2, 5, 4, 19), S4(19, 1, 3, 3), S1(19) }, 3, false },
    { "depthwise, SAME, stride 2",
      run_depthwise_same,
      { S4(3, 8, 7, 40), S4(40, 1, 5, 5), S1(40) },
      3,
      false },
    { "depthwise, three filters a channel",
      run_depthwise,
      { S4(2, 5, 4, 7), S4(21, 1, 3, 3), S1(21) },
      3,
      false },
    { "depthwise, frozen", run_depthwise, { S4(2, 5, 4, 6), F4(6, 1, 3, 3), F1(6) }, 3, false },
    { "depthwise_norm",
      run_depthwise_norm,
      { S4(2, 6, 5, 21), S4(21, 1, 3, 3), S1(21), S1(21), F1(21), P1(21) },
      6,
      true },
    { "depthwise_norm, frozen",
      run_depthwise_norm,
      { S4(2, 6, 5, 21), F4(21, 1, 3, 3), F1(21), F1(21), F1(21), P1(21) },
      6,
      false },
    { "batchnorm", run_batchnorm, { S4(3, 2, 4, 21), S1(21), S1(21), F1(21), P1(21) }, 5, true },
    { "batchnorm, large",
      run_batchnorm,
      { S2(400, 150), S1(150), S1(150), F1(150), P1(150) },
      5,
      true },
    { "batchnorm, frozen",
      run_batchnorm,
      { S4(3, 2, 4, 5), F1(5), F1(5), F1(5), P1(5) },
      5,
      false },
    { "convolve_norm",
      run_convolve_norm,
      { S4(2, 5, 4, 3), S4(6, 3, 3, 3), S1(6), S1(6), F1(6), P1(6) },
      6,
      true },
    { "convolve_norm, frozen",
      run_convolve_norm,
      { S4(2, 5, 4, 3), F4(6, 3, 3, 3), F1(6), F1(6), F1(6), P1(6) },
      6,
      false },
    { "convolve_norm_onto",
      run_convolve_norm_onto,
      { S4(2, 5, 4, 3), S4(6, 3, 1, 1), S1(6), S1(6), F1(6), P1(6), S4(2, 5, 4, 6) },
      7,
      true },
    { "convolve_norm_onto, frozen",
      run_convolve_norm_onto,
      { S4(2, 5, 4, 3), F4(6, 3, 3, 3), F1(6), F1(6), F1(6), P1(6), S4(2, 5, 4, 6) },
      7,
      false },
    { "average_pool", run_average_pool, { S4(2, 5, 4, 6) }, 1, false },
    { "convolve, batchnorm, relu, pool",
      run_stem,
      { S4(3, 8, 8, 3), S4(6, 3, 3, 3), S1(6), F1(6), P1(6) },
      5,
      true },
    { "gate of SiLU", run_gate_silu, { S3(2, 3, 14) }, 1, false },
    { "sigmoid", run_sigmoid, { S2(5, 23) }, 1, false },
    { "factors of columns", run_factors, { S2(6, 7), S1(7) }, 2, false },
    { "factors of columns, with ones behind", run_factors, { S2(6, 7), S3(7, 1, 1) }, 2, false },
    { "factors of blocks", run_factors, { S3(2, 3, 7), S2(2, 7) }, 2, false },
    { "rotate", run_rotate, { S2(6, 13) }, 1, false },
};

int main(void)
{
    return try_rows(table, COUNT(table));
}
