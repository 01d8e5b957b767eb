/* SPDX-License-Identifier: MIT
 * number.c - floats as text: the shortest that reads back, and reading exactly as strtof does
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/random.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

static float of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void spelling(void)
{
    static const struct {
        float value;
        const char *text;
    } table[] = {
        { 0, "0" },
        { -0.0f, "-0" },
        { 1, "1" },
        { -1.5f, "-1.5" },
        { 0.1f, "0.1" },
        { 0.3f, "0.3" },
        { 1.0f / 3, "0.33333334" },
        { 1e-5f, "0.00001" },
        { 1.5e-5f, "0.000015" },
        { 9.9e-6f, "9.9e-6" },
        { 100, "100" },
        { 123456.7f, "123456.7" },
        { 16777216, "16777216" },
        { (float)999999999, "1e9" },
        { 100000000, "100000000" },
        { 1e9f, "1e9" },
        { 1.25e10f, "1.25e10" },
        { 3.4028235e38f, "3.4028235e38" },
        { -1.17549435e-38f, "-1.1754944e-38" },
        { 1e-45f, "1e-45" },
        { 33554432, "33554432" },
        { 8.5e9f, "8.5e9" },
        { INFINITY, "null" },
        { NAN, "null" },
    };

    for (int i = 0; i < COUNT(table); i++) {
        char text[24];
        int length = float_format(table[i].value, text);

        is_text(text, table[i].text, table[i].text);
        if (length != (int)strlen(text))
            ok(false, "its length is %d", length);
    }
}

/* The significant digits of a number's text, without zeros around them. */
static int digits_of(const char *text, char digits[static 32])
{
    int n = 0;

    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n || *text != '0'))
            digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = 0;
    return n;
}

/* printf's digits, as few as read back. */
static void shortest_of_printf(float value, char text[static 32])
{
    for (int d = 0; d < 9; d++) {
        snprintf(text, 32, "%.*e", d, (double)value);
        if (strtof(text, NULL) == value)
            return;
    }
}

static bool good_format(float value)
{
    char text[24], other[32], a[32], b[32];
    struct span span = { "", 0 };
    double x;
    int n = float_format(value, text), k;
    const char *at = text;
    float back;

    span = (struct span){ text, (size_t)n };
    if (!json_double(span, &x) || (float)x != value)
        return false;
    if (!float_parse(&at, text + n, &back) || at != text + n || memcmp(&back, &value, sizeof back))
        return false;
    shortest_of_printf(value, other);
    n = digits_of(text, a);
    k = digits_of(other, b);
    /* as short; and of two that are as short the nearer */
    return value == 0 || n < k ||
           (n == k && (!strcmp(a, b) || fabs(strtod(text, NULL) - (double)value) <=
                                            fabs(strtod(other, NULL) - (double)value)));
}

static void formats(void)
{
    struct random r = { 1 };
    int bad = 0;

    for (int i = 0; i < 100000; i++) {
        float value = of_bits((uint32_t)random_next(&r));

        if (isfinite(value) && !good_format(value) && !bad++)
            note("%a", (double)value);
    }
    is_long(bad, 0, "any bits: shortest, nearest, valid, reads back");
    for (uint32_t e = 0; e < 255; e++)
        for (uint32_t m = 0; m < 5; m++)
            if (!good_format(of_bits((e << 23) + m - 2 * (e > 0))) && !bad++)
                note("exponent %u, %u", e, m);
    is_long(bad, 0, "powers of two and their neighbours, and the least of all");
    for (int i = 0; i < 50000; i++)
        if (!good_format(0.05f * random_normal(&r)) && !bad++)
            note("at %d", i);
    is_long(bad, 0, "as they are in embeddings");
}

static bool good_parse(const char *text)
{
    float wanted = strtof(text, NULL), got = 0;
    const char *at = text;

    if (float_parse(&at, text + strlen(text), &got) && at == text + strlen(text) &&
        !memcmp(&got, &wanted, sizeof got))
        return true;
    note("%s: %a, expected %a", text, (double)got, (double)wanted);
    return false;
}

static void parses(void)
{
    struct random r = { 2 };
    char text[400];
    int bad = 0;

    for (int i = 0; i < 100000; i++) {
        double x = (double)of_bits((uint32_t)random_next(&r) & 0xbfffffff);

        snprintf(text, sizeof text, "%.*g", 1 + (int)random_below(&r, 20), x);
        bad += strchr(text, 'n') == NULL && strstr(text, "e+") == NULL && !good_parse(text);
    }
    is_long(bad, 0, "random numbers of 1 to 20 digits");
    for (int i = 0; i < 20000; i++) { /* halfway between two floats, and just beside it */
        float low = of_bits((uint32_t)random_below(&r, 0x7f000000));
        double half = ((double)low + (double)nextafterf(low, INFINITY)) / 2;

        snprintf(text, sizeof text, "%.*g", i & 1 ? 17 : 200, half);
        bad += !good_parse(text);
        snprintf(text, sizeof text, "%.*g", i & 1 ? 17 : 19, nextafter(half, i & 2 ? 0 : INFINITY));
        bad += !good_parse(text);
    }
    is_long(bad, 0, "halfway cases");
}

static void edges(void)
{
    static const char *const good[] = {
        "0",
        "-0",
        "0.0",
        "-0.000e7",
        "0e99999999999",
        "1E+2",
        "1e-2",
        "123e0",
        "1e400",
        "-1e400",
        "1e-400",
        "3.4028236e38",
        "3.40282356779733661637539395458142568447e38",
        "3.40282356779733661637539395458142568448e38",
        "1.4e-45",
        "7.0064923216240854e-46",
        "7.0064923216240853e-46",
        ("0."
         "000000000000000000000000000000000000000000000000000000000000000000000000000000000000001e8"
         "5"),
        ("10000000000000000000000000000000000000000000000000000000000000000000000000000000000000e-"
         "80"),
        "18446744073709551616",
        "184467440737095516160000000000",
        "9007199254740993",
        "1.17549429e-38",
        "16777217",
        "16777217.0000000000000000001",
        "1e999999999999999999999",
    };
    static const struct {
        const char *text;
        int used; /* -1: no number */
    } ends[] = {
        { "1,2", 1 },   { "01", 1 },   { "-", -1 },   { "+1", -1 },   { ".5", -1 },  { "1.", -1 },
        { "1.e5", -1 }, { "1e", -1 },  { "1e+", -1 }, { "", -1 },     { "x", -1 },   { "1x", 1 },
        { "inf", -1 },  { "nan", -1 }, { "0x10", 1 }, { "1e5.5", 3 }, { "--1", -1 },
    };

    for (int i = 0; i < COUNT(good); i++)
        ok(good_parse(good[i]), "parses %s", good[i]);
    for (int i = 0; i < COUNT(ends); i++) {
        const char *at = ends[i].text;
        float value;
        bool number = float_parse(&at, at + strlen(at), &value);

        is_long(number ? at - ends[i].text : -1, ends[i].used, ends[i].text);
    }
}

int main(void)
{
    spelling();
    formats();
    parses();
    edges();
    return done();
}
