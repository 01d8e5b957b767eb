/* SPDX-License-Identifier: MIT
 * number.c - numbers as text
 *
 * The shortest decimal that reads back to the same float32 has at most 9 digits.  A double holds
 * 15, so every candidate is made and checked in double arithmetic: scale the value to an integer
 * of d digits, round, and see whether digits x 10^exponent rounds to the value again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base.h"

static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

/* Between 1e-5 and 1e9 the products below are exact or off by one rounding of a double, far under
 * half a float32 ulp, so the check cannot be fooled except at ties, which strtof then decides. */
static int plain_digits(double value, int exponent, uint64_t *digits)
{
    for (int d = 1; d <= 9; d++) {
        int shift = d - 1 - exponent; /* value x 10^shift has d digits before the point */
        double scaled = shift >= 0 ? value * powers[shift] : value / powers[-shift];
        double whole = rint(scaled);
        double back = shift >= 0 ? whole / powers[shift] : whole * powers[-shift];

        if ((float)back == (float)value) {
            *digits = (uint64_t)whole;
            return d;
        }
    }
    return 0;
}

static int by_printf(float value, char text[static 24])
{
    for (int d = 1; d <= 9; d++) {
        int length = snprintf(text, 24, "%.*g", d, (double)value);

        if (strtof(text, NULL) == value)
            return length;
    }
    return (int)strlen(text);
}

int float_format(float value, char text[static 24])
{
    double size = fabs((double)value);
    int exponent = 0, d, n = 0;
    uint64_t digits;
    char s[24];

    if (!isfinite(value)) /* JSON has no word for these */
        return snprintf(text, 24, "null");
    if (value == 0)
        return snprintf(text, 24, signbit(value) ? "-0.0" : "0.0");
    if (size < 1e-5 || size >= 1e9)
        return by_printf(value, text);
    while (size >= powers[exponent + 1])
        exponent++;
    for (double least = 1; size < least; least = 1 / powers[-exponent])
        exponent--;
    d = plain_digits(size, exponent, &digits);
    if (!d)
        return by_printf(value, text);
    for (; d > 1 && digits % 10 == 0; d--)
        digits /= 10;
    if (digits >= (uint64_t)powers[d]) { /* 9.99.. was rounded up to 10 */
        digits /= 10;
        exponent++;
    }
    snprintf(s, sizeof s, "%llu", (unsigned long long)digits);
    d = (int)strlen(s);
    if (value < 0)
        text[n++] = '-';
    if (exponent < 0) {
        n += snprintf(text + n, 24 - (size_t)n, "0.");
        for (int i = -1; i > exponent; i--)
            text[n++] = '0';
        memcpy(text + n, s, (size_t)d);
        n += d;
    } else {
        for (int i = 0; i < d || i <= exponent; i++) {
            text[n++] = i < d ? s[i] : '0';
            if (i == exponent && i + 1 < d)
                text[n++] = '.';
        }
    }
    text[n] = 0;
    return n;
}

/* Digits up to 19 and small exponents are computed exactly enough to be rounded once; the rest is
 * left to strtof. */
static bool quick(const char *s, const char *end, const char **after, float *value)
{
    bool negative = s < end && *s == '-';
    uint64_t digits = 0;
    int count = 0, shift = 0;
    const char *start = s += negative;

    for (; s < end && *s >= '0' && *s <= '9'; s++, count++)
        digits = digits * 10 + (uint64_t)(*s - '0');
    if (s == start || count > 15)
        return false;
    if (s < end && *s == '.') {
        const char *point = ++s;

        for (; s < end && *s >= '0' && *s <= '9'; s++, count++, shift++)
            digits = digits * 10 + (uint64_t)(*s - '0');
        if (s == point)
            return false;
    }
    /* digits < 2^53 and 10^shift are exact in a double; its quotient is off by half an ulp at most.
     * Rounding that again to float can only go wrong next to a tie: 29 bits 0111.. or 1000.. */
    if (count > 15 || shift > 22 || (s < end && (*s == 'e' || *s == 'E')))
        return false;
    double result = (double)digits / powers[shift];
    uint64_t bits;

    memcpy(&bits, &result, sizeof bits);
    bits = (bits & 0x1fffffff) - 0x0ffffffe;
    if (bits <= 4 || (result != 0 && result < 1e-30))
        return false;
    *value = (float)(negative ? -result : result);
    *after = s;
    return true;
}

bool float_parse(const char **text, const char *end, float *value)
{
    char copy[64], *stop;
    size_t n = 0;
    const char *s = *text;

    if (quick(s, end, text, value))
        return true;
    while (s + n < end && n < sizeof copy - 1 && strchr("+-.0123456789eE", s[n]) && s[n])
        n++;
    if (!n || n == sizeof copy - 1 || s[0] == '+' || s[0] == '.')
        return false;
    memcpy(copy, s, n);
    copy[n] = 0;
    *value = strtof(copy, &stop);
    if (stop == copy)
        return false;
    *text = s + (stop - copy);
    return true;
}
