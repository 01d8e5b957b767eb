/* SPDX-License-Identifier: MIT
 * vector.h - the entries of the table, written once for vectors of any width
 *
 * avx2.c and avx512.c define `vec`, LANES, INLINE and the primitive operations below, then include
 * this file.  Vectors also take + - * / as numbers do.
 *
 *     load store set          load_some store_some: the first n lanes; the rest 0, untouched
 *     muladd(a, b, c) a b + c    smaller larger (the second where one is NaN)   nearest: to
 * integers power(p, n) p 2^n       where_below(x, limit, a, b): x < limit ? a : b lanes_sum
 * lanes_largest    load_half load_bfloat store_half: LANES of them
 */
#include <math.h>
#include <string.h>
#include "kernel/panel.h"

/* e^x within 1.5 units in the last place; 0 where the result would be denormal.
 * x = n ln 2 + r; e^r by a polynomial with relative error 3e-9 for |r| <= ln(2) / 2. */
INLINE vec exponential(vec x)
{
    vec y = larger(set(-88), smaller(set(89), x));
    vec n = nearest(y * set(1.44269504f));
    vec r = muladd(n, set(-1.42860677e-6f), muladd(n, set(-0.693145752f), y));
    vec p = muladd(set(1.381453517e-3f), r, set(8.368745581e-3f));

    p = muladd(p, r, set(4.166839089e-2f));
    p = muladd(p, r, set(0.1666652039f));
    p = muladd(p, r, set(0.4999999343f));
    p = muladd(p * r, r, r) + set(1);
    return where_below(x, set(-87.33f), set(0), power(p, n));
}

/* erf(z) = z P(z^2) / Q(z^2), relative error 2e-8 before rounding; beyond 3.92 it is 1 in f32. */
INLINE vec error_function(vec z)
{
    vec y = larger(set(-3.92f), smaller(set(3.92f), z)), u = y * y;
    vec p = muladd(set(2.050047582e-6f), u, set(2.84843573e-4f));
    vec q = muladd(set(3.808925862e-5f), u, set(1.162254589e-3f));

    p = muladd(p, u, set(3.764578988e-3f));
    q = muladd(q, u, set(1.496714563e-2f));
    p = muladd(p, u, set(5.27454555e-2f));
    q = muladd(q, u, set(0.114099708f));
    p = muladd(p, u, set(0.1903845096f));
    q = muladd(q, u, set(0.5020566254f));
    p = muladd(p, u, set(1.128379146f));
    q = muladd(q, u, set(1));
    return y * p / q;
}

/* Twice the argument of GELU_TANH's tanh: (1 + tanh(u)) / 2 = sigmoid(2 u). */
INLINE vec tanh_argument(vec x)
{
    return x * muladd(x * x, set(2 * 0.79788456f * 0.044715f), set(2 * 0.79788456f));
}

INLINE vec active(vec x, enum activation which)
{
    switch (which) {
    case ACTIVATION_NONE:
        break;
    case ACTIVATION_QUICK_GELU:
        return x / (set(1) + exponential(x * set(-1.702f)));
    case ACTIVATION_GELU: /* a rounding of erf must not be multiplied with a large number */
        x *= set(0.5f);
        return where_below(x, set(-2.77f), set(0),
                           muladd(x, error_function(x * set(1.41421356f)), x));
    case ACTIVATION_GELU_TANH:
        return x / (set(1) + exponential(set(0) - tanh_argument(x)));
    case ACTIVATION_RELU:
        return larger(set(0), x);
    }
    return x;
}

/* 1 / (1 + e) is the sigmoid s, and e s is 1 - s without its rounding. */
INLINE vec slope(vec x, enum activation which)
{
    vec e, s;

    switch (which) {
    case ACTIVATION_NONE:
        break;
    case ACTIVATION_QUICK_GELU:
        e = exponential(smaller(set(80), x * set(-1.702f)));
        s = set(1) / (set(1) + e);
        return muladd(x * set(1.702f) * s, e * s, s);
    case ACTIVATION_GELU:
        s = muladd(set(0.5f), error_function(x * set(0.70710678f)), set(0.5f));
        return muladd(x * set(0.39894228f), exponential(x * x * set(-0.5f)), s);
    case ACTIVATION_GELU_TANH:
        e = exponential(smaller(set(80), set(0) - tanh_argument(x)));
        s = set(1) / (set(1) + e);
        return muladd(x * s * (e * s),
                      muladd(x * x, set(6 * 0.79788456f * 0.044715f), set(2 * 0.79788456f)), s);
    case ACTIVATION_RELU:
        return where_below(set(0), x, set(1), set(0));
    }
    return set(1);
}

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
    }

static void activate(float *y, const float *x, long count, enum activation which)
{
#define ACTIVATE(act) activate_all(y, x, count, act)
    FOR_EACH_ACTIVATION(which, ACTIVATE)
}

static void activate_backward(float *dx, const float *dy, const float *x, long count,
                              enum activation which)
{
#define SLOPE(act) activate_backward_all(dx, dy, x, count, act)
    FOR_EACH_ACTIVATION(which, SLOPE)
}

/* Sums over a row run in four chains, so that an addition need not wait for the one before. */
static float dot(const float *a, const float *b, long count)
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

static float row_sum(const float *x, long count)
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
static float row_spread(const float *x, float mean, long count)
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

static void layernorm(float *y, long y_stride, float *mean, float *rstd, const float *x,
                      long x_stride, const float *gain, const float *shift, long rows, long width,
                      float eps)
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

static void softmax(float *x, long count)
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

static void add(float *y, const float *a, const float *b, long count)
{
    long i = 0;

    for (; i + LANES <= count; i += LANES)
        store(y + i, load(a + i) + load(b + i));
    for (; i < count; i++)
        y[i] = a[i] + b[i];
}

static void add_scaled(float *y, const float *x, float scale, long count)
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

static void widen(float *y, const void *x, enum dtype type, long count)
{
    const uint16_t *half = x;
    long i = 0;

    if (type == DTYPE_F32) {
        memmove(y, x, (size_t)count * sizeof *y);
        return;
    }
    for (; i + LANES <= count; i += LANES)
        store(y + i, type == DTYPE_F16 ? load_half(half + i) : load_bfloat(half + i));
    for (; i < count; i++)
        y[i] = type == DTYPE_F16 ? half_to_float(half[i]) : bfloat_to_float(half[i]);
}

static void narrow(void *y, const float *x, enum dtype type, long count)
{
    uint16_t *half = y;
    long i = 0;

    if (type == DTYPE_F32) {
        memmove(y, x, (size_t)count * sizeof *x);
        return;
    }
    for (; type == DTYPE_F16 && i + LANES <= count; i += LANES)
        store_half(half + i, load(x + i));
    for (; i < count; i++)
        half[i] = type == DTYPE_F16 ? float_to_half(x[i]) : float_to_bfloat(x[i]);
}
