/* SPDX-License-Identifier: MIT
 * vector.h - the entries of the table, written once for vectors of any width
 *
 * avx2.c and avx512.c define `vec`, LANES, TARGET, INLINE (target.h) and the operations below, then
 * include this file.  Vectors also take + - * / as numbers do.
 *
 *     load store set                  load_some store_some   the first n lanes; the rest 0 or left
 *     muladd(a, b, c)   a b + c       smaller larger         the second where one is NaN
 *     nearest           to integers   power(p, n)            p 2^n
 *     lanes_sum lanes_largest         where_below(x, limit, a, b)   x < limit ? a : b
 *     load_half load_bfloat load_byte store_half store_bfloat store_byte      LANES of them
 */
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "kernel/panel.h"
#include "kernel/vector_math.h"

/* The branch on `which` is outside of the loop; INLINE makes one loop for each. */
INLINE void activate_all(float *y, const float *x, long count, enum activation which)
{
    long i = 0;

    for (; i + LANES <= count; i += LANES)
        store(y + i, active(load(x + i), which));
    if (i < count)
        store_some(y + i, active(load_some(x + i, (int)(count - i)), which), (int)(count - i));
}

INLINE void activate_backward_all(float *dx, const float *dy, const float *x, long count,
                                  enum activation which)
{
    long i = 0;

    for (; i + LANES <= count; i += LANES)
        store(dx + i, muladd(load(dy + i), slope(load(x + i), which), load(dx + i)));
    if (i < count) {
        int n = (int)(count - i);

        store_some(
            dx + i,
            muladd(load_some(dy + i, n), slope(load_some(x + i, n), which), load_some(dx + i, n)),
            n);
    }
}

#define FOR_EACH_ACTIVATION(which, call)                                                           \
    switch (which) {                                                                               \
    case ACTIVATION_NONE:                                                                          \
        call(ACTIVATION_NONE);                                                                     \
        break;                                                                                     \
    case ACTIVATION_QUICK_GELU:                                                                    \
        call(ACTIVATION_QUICK_GELU);                                                               \
        break;                                                                                     \
    case ACTIVATION_GELU:                                                                          \
        call(ACTIVATION_GELU);                                                                     \
        break;                                                                                     \
    case ACTIVATION_GELU_TANH:                                                                     \
        call(ACTIVATION_GELU_TANH);                                                                \
        break;                                                                                     \
    case ACTIVATION_RELU:                                                                          \
        call(ACTIVATION_RELU);                                                                     \
        break;                                                                                     \
    case ACTIVATION_RELU6:                                                                         \
        call(ACTIVATION_RELU6);                                                                    \
        break;                                                                                     \
    case ACTIVATION_SILU:                                                                          \
        call(ACTIVATION_SILU);                                                                     \
        break;                                                                                     \
    }

static TARGET void activate(float *y, const float *x, long count, enum activation which)
{
#define ACTIVATE(act) activate_all(y, x, count, act)
    FOR_EACH_ACTIVATION(which, ACTIVATE)
}

static TARGET void activate_backward(float *dx, const float *dy, const float *x, long count,
                                     enum activation which){
#define SLOPE(act) activate_backward_all(dx, dy, x, count, act)
    FOR_EACH_ACTIVATION(which, SLOPE)
}

INLINE void taps_all(float *y, const float *const *x, const float *const *w, int count,
                     const float *bias, long channels, enum activation which)
{
    long i = 0;

    for (; i + 2 * LANES <= channels; i += 2 * LANES) {
        vec a = load(bias + i), b = load(bias + i + LANES);

        for (int k = 0; k < count; k++) {
            a = muladd(load(x[k] + i), load(w[k] + i), a);
            b = muladd(load(x[k] + i + LANES), load(w[k] + i + LANES), b);
        }
        store(y + i, active(a, which));
        store(y + i + LANES, active(b, which));
    }
    for (; i < channels; i += LANES) {
        int n = channels - i < LANES ? (int)(channels - i) : LANES;
        vec a = load_some(bias + i, n);

        for (int k = 0; k < count; k++)
            a = muladd(load_some(x[k] + i, n), load_some(w[k] + i, n), a);
        store_some(y + i, active(a, which), n);
    }
}

static TARGET void taps(float *y, const float *const *x, const float *const *w, int count,
                        const float *bias, long channels, enum activation which)
{
#define TAPS(act) taps_all(y, x, w, count, bias, channels, act)
    FOR_EACH_ACTIVATION(which, TAPS)
}

/* Sums over a row run in four chains, so that an addition need not wait for the one before. */
static TARGET float dot(const float *a, const float *b, long count)
{
    vec sum[4] = { set(0), set(0), set(0), set(0) };
    long i = 0;

    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (int j = 0; j < 4; j++)
            sum[j] = muladd(load(a + i + j * LANES), load(b + i + j * LANES), sum[j]);
    for (; i + LANES <= count; i += LANES)
        sum[0] = muladd(load(a + i), load(b + i), sum[0]);
    if (i < count)
        sum[1] =
            muladd(load_some(a + i, (int)(count - i)), load_some(b + i, (int)(count - i)), sum[1]);
    return lanes_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static TARGET float dot_in_order(const float *a, const float *b, long count)
{
    return sum_in_order(a, b, count);
}

/* The largest size in a row; *odd is NaN where a number is not finite, else 0. */
INLINE float row_largest(const float *x, long count, float *odd)
{
    vec most[2] = { set(0), set(0) }, zero[2] = { set(0), set(0) };

    for (long i = 0; i < count; i += LANES) {
        vec v = count - i < LANES ? load_some(x + i, (int)(count - i)) : load(x + i);
        int chain = i / LANES % 2;

        most[chain] = larger(larger(v, set(0) - v), most[chain]);
        zero[chain] += v * set(0);
    }
    *odd = lanes_sum(zero[0] + zero[1]);
    return lanes_largest(larger(most[0], most[1]));
}

INLINE void store_piece(uint8_t *to, const bool words, vec t)
{
    if (words)
        store_words((int16_t *)(void *)to, t);
    else
        store_byte(to, t + set(128));
}

/* In f32: a whole number t below 2^23, and (t + 128) / 256 rounded down, which is (t + 0.5) / 256
 * rounded to nearest. */
INLINE void split_some(uint8_t *to, long stride, const int pieces, const bool words, vec x)
{
    vec t = nearest(x);

    for (int p = pieces - 1; p > 0; p--) {
        vec rest = nearest((t + set(0.5f)) * set(0x1p-8f));

        store_piece(to + p * stride, words, t - rest * set(256));
        t = rest;
    }
    store_piece(to, words, t);
}

INLINE void split_row(uint8_t *to, long stride, const int pieces, const bool words, float *scale,
                      const float *x, long count)
{
    const long size = words ? sizeof(int16_t) : 1;
    float odd, most = row_largest(x, count, &odd);
    float by = split_scale(pieces, most, odd, scale);
    uint8_t last[3 * LANES * sizeof(int16_t)] __attribute__((aligned(64)));
    long i = 0;

    if (!(by > 0)) {
        for (int p = 0; p < pieces; p++)
            memset(to + p * stride, words ? 0 : 128, (size_t)(round_up(count, BYTE_STEP) * size));
        return;
    }
    for (; i + LANES <= count; i += LANES)
        split_some(to + i * size, stride, pieces, words, load(x + i) * set(by));
    if (i < count)
        split_some(last, LANES * size, pieces, words, load_some(x + i, (int)(count - i)) * set(by));
    for (int p = 0; p < pieces && i < count; p++)
        memcpy(to + p * stride + i * size, last + p * LANES * size,
               (size_t)(round_up(count - i, BYTE_STEP) * size));
}

INLINE void split_into(uint8_t *to, long stride, int pieces, const bool words, float *scale,
                       const float *x, long count)
{
    if (pieces == 1)
        split_row(to, stride, 1, words, scale, x, count);
    else if (pieces == 2)
        split_row(to, stride, 2, words, scale, x, count);
    else
        split_row(to, stride, 3, words, scale, x, count);
}

static TARGET void split_bytes(uint8_t *to, long stride, int pieces, float *scale, const float *x,
                               long count)
{
    split_into(to, stride, pieces, false, scale, x, count);
}

static TARGET void split_words(uint8_t *to, long stride, int pieces, float *scale, const float *x,
                               long count)
{
    split_into(to, stride, pieces, true, scale, x, count);
}

static TARGET float row_sum(const float *x, long count)
{
    vec sum[4] = { set(0), set(0), set(0), set(0) };
    long i = 0;

    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (int j = 0; j < 4; j++)
            sum[j] += load(x + i + j * LANES);
    for (; i + LANES <= count; i += LANES)
        sum[0] += load(x + i);
    if (i < count)
        sum[1] += load_some(x + i, (int)(count - i));
    return lanes_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* Sum of (x - mean)^2. */
static TARGET float row_spread(const float *x, float mean, long count)
{
    vec sum[4] = { set(0), set(0), set(0), set(0) }, m = set(mean), d;
    long i = 0;

    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (int j = 0; j < 4; j++) {
            d = load(x + i + j * LANES) - m;
            sum[j] = muladd(d, d, sum[j]);
        }
    for (; i + LANES <= count; i += LANES) {
        d = load(x + i) - m;
        sum[0] = muladd(d, d, sum[0]);
    }
    if (i < count) { /* lanes past the end give nothing */
        int n = (int)(count - i);
        float rest[LANES] = { 0 };

        store_some(rest, load_some(x + i, n) - m, n);
        sum[1] = muladd(load(rest), load(rest), sum[1]);
    }
    return lanes_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static TARGET void layernorm(float *y, long y_stride, float *mean, float *rstd, const float *x,
                             long x_stride, const float *gain, const float *shift, long rows,
                             long width, float eps)
{
    for (long r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        float m = row_sum(x, width) / (float)width;
        float s = 1 / sqrtf(row_spread(x, m, width) / (float)width + eps);
        long i = 0;

        for (; i + LANES <= width; i += LANES)
            store(y + i, muladd((load(x + i) - set(m)) * set(s), load(gain + i), load(shift + i)));
        if (i < width) {
            int n = (int)(width - i);

            store_some(y + i,
                       muladd((load_some(x + i, n) - set(m)) * set(s), load_some(gain + i, n),
                              load_some(shift + i, n)),
                       n);
        }
        if (mean)
            mean[r] = m;
        if (rstd)
            rstd[r] = s;
    }
}

static TARGET void softmax(float *x, long count)
{
    long whole = count / LANES * LANES, i;
    int rest = (int)(count - whole);
    vec largest = set(-INFINITY), sum = set(0), e, factor;
    float most;

    for (i = 0; i < whole; i += LANES)
        largest = larger(largest, load(x + i));
    most = lanes_largest(largest);
    for (; i < count; i++)
        most = x[i] > most ? x[i] : most;
    largest = set(most);
    for (i = 0; i < whole; i += LANES) {
        e = exponential(load(x + i) - largest);
        sum += e;
        store(x + i, e);
    }
    if (rest) { /* lanes past the end must not count */
        store_some(x + whole, exponential(load_some(x + whole, rest) - largest), rest);
        sum += load_some(x + whole, rest);
    }
    factor = set(1 / lanes_sum(sum));
    for (i = 0; i < whole; i += LANES)
        store(x + i, load(x + i) * factor);
    if (rest)
        store_some(x + whole, load_some(x + whole, rest) * factor, rest);
}

static TARGET void add(float *y, const float *a, const float *b, long count)
{
    long i = 0;

    for (; i + LANES <= count; i += LANES)
        store(y + i, load(a + i) + load(b + i));
    for (; i < count; i++)
        y[i] = a[i] + b[i];
}

static TARGET void add_scaled(float *y, const float *x, float scale, long count)
{
    vec by = set(scale);
    long i = 0;

    for (; i + LANES <= count; i += LANES)
        store(y + i, muladd(load(x + i), by, load(y + i)));
    if (i < count) {
        int n = (int)(count - i);

        store_some(y + i, muladd(load_some(x + i, n), by, load_some(y + i, n)), n);
    }
}

static TARGET void widen(float *y, const void *x, enum dtype type, long count)
{
    const uint16_t *half = x;
    const int8_t *byte = x;
    long i = 0;

    if (type == DTYPE_F32) {
        memmove(y, x, (size_t)count * sizeof *y);
        return;
    }
    for (; type == DTYPE_I8 && i + LANES <= count; i += LANES)
        store(y + i, load_byte(byte + i));
    for (; type == DTYPE_I8 && i < count; i++)
        y[i] = byte[i];
    for (; i + LANES <= count; i += LANES)
        store(y + i, type == DTYPE_F16 ? load_half(half + i) : load_bfloat(half + i));
    for (; i < count; i++)
        y[i] = type == DTYPE_F16 ? half_to_float(half[i]) : bfloat_to_float(half[i]);
}

static TARGET void narrow(void *y, const float *x, enum dtype type, long count)
{
    uint16_t *half = y;
    long i = 0;

    if (type == DTYPE_F32) {
        memmove(y, x, (size_t)count * sizeof *x);
        return;
    }
    for (; type == DTYPE_F16 && i + LANES <= count; i += LANES)
        store_half(half + i, load(x + i));
    for (; type == DTYPE_BF16 && i + LANES <= count; i += LANES)
        store_bfloat(half + i, load(x + i));
    for (; i < count; i++)
        half[i] = type == DTYPE_F16 ? float_to_half(x[i]) : float_to_bfloat(x[i]);
}
