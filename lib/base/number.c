/* SPDX-License-Identifier: MIT
 * number.c - numbers as text
 *
 * A float32 is c x 2^q.  All decimals strictly between its two halfway points to the neighbours
 * (and these two as well where c is even) read back as it; the shortest of them is wanted, of
 * several the nearest.  With 10^k the power of ten just below the width of that interval, the
 * interval holds one multiple of 10^(k+1) at most and one of 10^k at least, so the three ends,
 * scaled by 10^-k and kept to a quarter of a unit with a sticky bit, decide.
 * Source: Giulietti, "The Schubfach way to render doubles", 2021.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"

enum { LEAST_POWER = -31 };

/* The upper 64 bits of 10^k, rounded up: k from -31 to 45 */
static const uint64_t tens[] = {
    0x81ceb32c4b43fcf5, 0xa2425ff75e14fc32, 0xcad2f7f5359a3b3f, 0xfd87b5f28300ca0e,
    0x9e74d1b791e07e49, 0xc612062576589ddb, 0xf79687aed3eec552, 0x9abe14cd44753b53,
    0xc16d9a0095928a28, 0xf1c90080baf72cb2, 0x971da05074da7bef, 0xbce5086492111aeb,
    0xec1e4a7db69561a6, 0x9392ee8e921d5d08, 0xb877aa3236a4b44a, 0xe69594bec44de15c,
    0x901d7cf73ab0acda, 0xb424dc35095cd810, 0xe12e13424bb40e14, 0x8cbccc096f5088cc,
    0xafebff0bcb24aaff, 0xdbe6fecebdedd5bf, 0x89705f4136b4a598, 0xabcc77118461cefd,
    0xd6bf94d5e57a42bd, 0x8637bd05af6c69b6, 0xa7c5ac471b478424, 0xd1b71758e219652c,
    0x83126e978d4fdf3c, 0xa3d70a3d70a3d70b, 0xcccccccccccccccd, 0x8000000000000000,
    0xa000000000000000, 0xc800000000000000, 0xfa00000000000000, 0x9c40000000000000,
    0xc350000000000000, 0xf424000000000000, 0x9896800000000000, 0xbebc200000000000,
    0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000, 0xe8d4a51000000000,
    0x9184e72a00000000, 0xb5e620f480000000, 0xe35fa931a0000000, 0x8e1bc9bf04000000,
    0xb1a2bc2ec5000000, 0xde0b6b3a76400000, 0x8ac7230489e80000, 0xad78ebc5ac620000,
    0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400, 0xd3c21bcecceda100,
    0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a, 0x813f3978f8940985,
    0xa18f07d736b90be6, 0xc9f2c9cd04674edf, 0xfc6f7c4045812297, 0x9dc5ada82b70b59e,
    0xc5371912364ce306, 0xf684df56c3e01bc7, 0x9a130b963a6c115d, 0xc097ce7bc90715b4,
    0xf0bdc21abb48db21, 0x96769950b50d88f5, 0xbc143fa4e250eb32, 0xeb194f8e1ae525fe,
    0x92efd1b8d0cf37bf, 0xb7abc627050305ae, 0xe596b7b0c643c71a, 0x8f7e32ce7bea5c70,
    0xb35dbf821ae4f38c,
};

/* floor(log2(10^k)), floor(log10(2^q)), floor(log10(3/4 x 2^q)): true for all k and q here */
static int log2_of_ten(int k)
{
    return (k * 1741647) >> 19;
}

static int log10_of_two(int q, bool lopsided)
{
    return (q * 1262611 - (lopsided ? 524031 : 0)) >> 22;
}

/* ten x c / 2^64; the lowest bit is set if anything is lost. */
static uint32_t scaled(uint64_t ten, uint32_t c)
{
    uint64_t low = (ten & 0xffffffff) * c, high = (ten >> 32) * c + (low >> 32);

    return (uint32_t)(high >> 32) | ((uint32_t)high > 1);
}

/* The decimal digits of c x 2^q and the power of ten behind them. */
static uint32_t shortest(uint32_t c, int q, bool lopsided, int *power)
{
    int k = log10_of_two(q, lopsided), shift = q + log2_of_ten(-k) + 1;
    uint64_t ten = tens[-k - LEAST_POWER];
    uint32_t odd = c & 1; /* then the ends do not belong to the interval */
    uint32_t low = scaled(ten, (4 * c - 2 + lopsided) << shift) + odd;
    uint32_t middle = scaled(ten, 4 * c << shift);
    uint32_t high = scaled(ten, (4 * c + 2) << shift) - odd;
    uint32_t s = middle / 4, short_s = s / 10;
    bool below, above;

    if (s >= 10) {
        below = low <= 40 * short_s;
        above = 40 * short_s + 40 <= high;
        if (below != above) {
            *power = k + 1;
            return short_s + above;
        }
    }
    *power = k;
    below = low <= 4 * s;
    above = 4 * s + 4 <= high;
    if (below != above)
        return s + above;
    return s + (middle > 4 * s + 2 || (middle == 4 * s + 2 && (s & 1)));
}

static int put_digits(uint32_t digits, char *text)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    int n = 1, at;

    for (uint32_t bound = 10; n < 10 && digits >= bound; bound *= 10)
        n++;
    for (at = n; at >= 2; digits /= 100)
        memcpy(text + (at -= 2), pairs + 2 * (digits % 100), 2);
    if (at)
        text[0] = (char)('0' + digits);
    return n;
}

/* Without an exponent from 0.00001 to 999999999. */
static int put_number(uint32_t digits, int power, char *text)
{
    int n, first; /* digits; the power of ten of the first of them */
    char s[16];

    for (; digits % 10 == 0; power++)
        digits /= 10;
    n = put_digits(digits, s);
    first = n - 1 + power;
    if (first >= -5 && first < 0) {
        memcpy(text, "0.00000", 8);
        memcpy(text + 1 - first, s, 12);
        return 1 - first + n;
    }
    if (first >= 0 && first < 9 && power >= 0) {
        memcpy(text, s, 12);
        memset(text + n, '0', (size_t)power);
        return n + power;
    }
    if (first >= 0 && first < 9) {
        memcpy(text, s, 12);
        memcpy(text + first + 2, s + first + 1, (size_t)(n - first - 1));
        text[first + 1] = '.';
        return n + 1;
    }
    text[0] = s[0];
    text[1] = '.';
    memcpy(text + 2, s + 1, (size_t)(n - 1));
    n += n > 1;
    text[n++] = 'e';
    if (first < 0)
        text[n++] = '-';
    return n + put_digits((uint32_t)abs(first), text + n);
}

int float_format(float value, char text[static 24])
{
    uint32_t bits, c;
    int q, power, n = 0;

    memcpy(&bits, &value, sizeof bits);
    c = bits & 0x7fffff;
    q = (int)(bits >> 23 & 255);
    if (q == 255) { /* JSON has no word for these */
        memcpy(text, "null", 5);
        return 4;
    }
    if (bits >> 31)
        text[n++] = '-';
    if (q || c) {
        bool lopsided = c == 0 && q > 1; /* a power of two: the neighbour below is nearer */

        c |= q ? 0x800000 : 0;
        c = shortest(c, (q ? q : 1) - 150, lopsided, &power);
        n += put_number(c, power, text + n);
    } else {
        text[n++] = '0';
    }
    text[n] = 0;
    return n;
}

static const double powers[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
    1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47,
    1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60,
};

/* A number as JSON writes it: [-] 0 or digits [. digits] [e [+-] digits] */
struct decimal {
    bool negative;
    uint64_t digits; /* the first 19 */
    int count;       /* digits from the first that is not 0 */
    long power;      /* of the last of them */
};

static inline bool is_digit(const char *s, const char *end)
{
    return s < end && (unsigned char)(*s - '0') < 10;
}

/* Digits from s on, of which all or none are counted in `count`; wraps beyond 19, which the caller
 * sees by the count. */
static const char *take_digits(const char *s, const char *end, struct decimal *d)
{
    const char *from;

    if (!d->digits)
        while (s < end && *s == '0')
            s++;
    for (from = s; is_digit(s, end); s++)
        d->digits = d->digits * 10 + (uint64_t)(*s - '0');
    d->count += (int)(s - from);
    return s;
}

static const char *take_exponent(const char *s, const char *end, long *power)
{
    bool negative = s < end && *s == '-';
    long exponent = 0;

    s += s < end && (*s == '-' || *s == '+');
    if (!is_digit(s, end))
        return NULL;
    for (; is_digit(s, end); s++)
        if (exponent < 100000)
            exponent = exponent * 10 + (*s - '0');
    *power += negative ? -exponent : exponent;
    return s;
}

/* The end of the number, NULL if there is none. */
static const char *take_number(const char *s, const char *end, struct decimal *d)
{
    const char *from;

    *d = (struct decimal){ .negative = s < end && *s == '-' };
    s += d->negative;
    if (!is_digit(s, end))
        return NULL;
    if (*s == '0')
        s++;
    else
        s = take_digits(s, end, d);
    if (s < end && *s == '.') {
        if (!is_digit(from = ++s, end))
            return NULL;
        s = take_digits(s, end, d);
        d->power = from - s;
    }
    if (s < end && (*s == 'e' || *s == 'E'))
        s = take_exponent(s + 1, end, &d->power);
    return s;
}

/* Digits, power of ten and their quotient are each off by half a unit of a double at most, so the
 * double is off by less than 4.  Rounding it to a float errs only where a halfway point between two
 * floats (the lower 29 bits are 1 and zeros) is as near as that: those few are left to strtof. */
static bool round_once(const struct decimal *d, float *value)
{
    double x = (double)d->digits;
    uint64_t bits;

    if (d->count > 19 || d->power < 1 - COUNT(powers) || d->power >= COUNT(powers))
        return false;
    x = d->power < 0 ? x / powers[-d->power] : x * powers[d->power];
    if (x < 0x1p-126 || x > 0x1.fffffep127)
        return false;
    memcpy(&bits, &x, sizeof bits);
    if ((bits + 4 - 0x10000000) % 0x20000000 <= 8)
        return false;
    *value = (float)(d->negative ? -x : x);
    return true;
}

bool float_parse(const char **text, const char *end, float *value)
{
    struct decimal d;
    const char *stop = take_number(*text, end, &d);
    char small[64], *copy;
    size_t size;

    if (!stop)
        return false;
    if (d.count == 0) {
        *value = d.negative ? -0.0f : 0.0f;
    } else if (!round_once(&d, value)) {
        size = (size_t)(stop - *text);
        copy = size < sizeof small ? memcpy(small, *text, size) : xmemdup(*text, size);
        copy[size] = 0;
        *value = strtof(copy, NULL);
        if (copy != small)
            free(copy);
    }
    *text = stop;
    return true;
}
