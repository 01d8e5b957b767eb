/* SPDX-License-Identifier: MIT
 * vector_math.h - e^x, erf, the activations and their slopes, for vectors of any width; see
 * vector.h
 *
 * Polynomials were fitted for the least largest relative error (Lawson's iteration).
 */

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
    case ACTIVATION_RELU6:
        return smaller(set(6), larger(set(0), x));
    case ACTIVATION_SILU:
        return x / (set(1) + exponential(set(0) - x));
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
    case ACTIVATION_RELU6:
        return where_below(set(0), x, where_below(x, set(6), set(1), set(0)), set(0));
    case ACTIVATION_SILU:
        e = exponential(smaller(set(80), set(0) - x));
        s = set(1) / (set(1) + e);
        return muladd(x * s, e * s, s);
    }
    return set(1);
}
