/* SPDX-License-Identifier: MIT
 * kernel.c - elementwise kernels: every variant beside plain loops in double, at odd lengths and
 * unaligned addresses, and nothing written past the end
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

enum { MOST = 1031, GUARD = 32 };

static const int lengths[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 768, MOST };
static float in1[MOST + GUARD], in2[MOST + GUARD], in3[MOST + GUARD], got[MOST + GUARD],
    want[MOST + GUARD];
static const char *variant;

/* Fresh numbers; got and want begin alike. */
static void fresh(double size)
{
    struct random r = { 11 };

    for (int i = 0; i < MOST + GUARD; i++) {
        in1[i] = (float)(size * random_normal(&r));
        in2[i] = random_normal(&r);
        in3[i] = random_normal(&r);
        got[i] = want[i] = random_normal(&r);
    }
}

static void same(const char *what, int length, double absolute, double relative)
{
    char name[80];

    snprintf(name, sizeof name, "%s: %s, %d numbers", variant, what, length);
    is_close(got, want, MOST + GUARD, absolute, relative, name);
}

static double phi(double x)
{
    return 0.5 * erfc(-x * sqrt(0.5));
}

static double activation_of(double x, enum activation which)
{
    static const double c = 0.7978845608028654;

    switch (which) {
    case ACTIVATION_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case ACTIVATION_GELU:
        return x * phi(x);
    case ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + tanh(c * (x + 0.044715 * x * x * x)));
    case ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case ACTIVATION_RELU6:
        return x > 0 ? fmin(x, 6) : 0;
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    default:
        return x;
    }
}

/* A sum or product of a few roundings of 2^-24 each: 3e-7 of the size of its parts.  The gates
 * of the activations are below 1, so their errors are absolute: some 1.5e-7 times |x|. */
static void test_activations(int shift, int n)
{
    static const char *const names[] = { "none", "quick GELU", "GELU", "tanh GELU",
                                         "ReLU", "ReLU6",      "SiLU" };

    for (int which = 0; which < COUNT(names); which++) {
        char name[40];

        fresh(3);
        kernels.activate(got + shift, in1, n, (enum activation)which);
        for (int i = 0; i < n; i++)
            want[shift + i] = (float)activation_of(in1[i], (enum activation)which);
        same(names[which], n, 4e-7, 3e-7);
        fresh(3);
        kernels.activate_backward(got + shift, in2, in1, n, (enum activation)which);
        for (int i = 0; i < n; i++) {
            double h = 1e-5, x = in1[i];

            want[shift + i] += (float)(in2[i] *
                                       (activation_of(x + h, (enum activation)which) -
                                        activation_of(x - h, (enum activation)which)) /
                                       (2 * h));
        }
        snprintf(name, sizeof name, "slope of %s", names[which]);
        same(name, n, 2e-6, 1e-6);
    }
}

/* Three places of a filter and a bias; 3e-7 of the size of the parts, some 20. */
static void test_taps(int shift, int n)
{
    const float *x[] = { in1, in2, in3 }, *w[] = { in2, in3, in1 };

    fresh(3);
    kernels.taps(got + shift, x, w, 3, in3, n, ACTIVATION_RELU6);
    for (int i = 0; i < n; i++)
        want[shift + i] = (float)activation_of((double)in1[i] * in2[i] + (double)in2[i] * in3[i] +
                                                   (double)in3[i] * in1[i] + in3[i],
                                               ACTIVATION_RELU6);
    same("taps of a filter", n, 6e-6, 3e-7);
}

static void test_layernorm(int shift, int n)
{
    float mean[1], rstd[1];
    double sum = 0, spread = 0;

    fresh(1);
    for (int i = 0; i < n; i++)
        sum += in1[i] += 3; /* off centre: a sum of squares minus the mean's would lose digits */
    sum /= n;
    for (int i = 0; i < n; i++)
        spread += (in1[i] - sum) * (in1[i] - sum);
    spread = 1 / sqrt(spread / n + 1e-5);
    kernels.layernorm(got + shift, n, mean, rstd, in1, n, in2, in3, 1, n, 1e-5f);
    for (int i = 0; i < n; i++)
        want[shift + i] = (float)((in1[i] - sum) * spread * in2[i] + in3[i]);
    if (n > 2) /* of one number the variance is 0 and all is rounding times 1 / sqrt(eps) */
        same("layernorm", n, 4e-6, 1e-6);
    if (n > 2)
        ok(fabs(mean[0] - sum) < 1e-6 && fabs(rstd[0] / spread - 1) < 2e-6,
           "%s: mean and deviation, %d numbers", variant, n);
}

static void test_softmax(int shift, int n)
{
    double sum = 0;

    fresh(1);
    for (int i = 0; i < n; i++) {
        got[shift + i] = in1[i] * 20 - 300;
        sum += exp((double)got[shift + i] - got[shift]);
    }
    for (int i = 0; i < n; i++)
        want[shift + i] = (float)(exp((double)got[shift + i] - got[shift]) / sum);
    kernels.softmax(got + shift, n);
    /* x - max is rounded: up to 100 x 2^-24 in the exponent for the smallest */
    same("softmax", n, 5e-7, 5e-7);
}

static void test_sums(int shift, int n)
{
    double sum = 0, size = 0;
    float d;

    fresh(1);
    kernels.add(got + shift, in1, in2, n);
    for (int i = 0; i < n; i++)
        want[shift + i] = in1[i] + in2[i];
    same("add", n, 0, 0);
    fresh(1);
    kernels.add_scaled(got + shift, in1, -0.7f, n);
    for (int i = 0; i < n; i++)
        want[shift + i] = (float)(want[shift + i] + (double)-0.7f * in1[i]);
    same("add_scaled", n, 5e-7, 0);
    d = kernels.dot(in1 + shift, in2, n);
    for (int i = 0; i < n; i++) {
        sum += (double)in1[shift + i] * in2[i];
        size += fabs((double)in1[shift + i] * in2[i]);
    }
    ok(fabs(d - sum) <= 2e-6 * size, "%s: dot, %d numbers", variant, n);
}

/* What is no number stays so, a half goes to even, what is too large is infinite. */
static void test_bfloat(void)
{
    static const uint32_t odd[] = { 0x7fc00000, 0x7f800001, 0xff812345, 0x7f800000, 0xff800000,
                                    0x7f7fffff, 0x3f808000, 0x3f818000, 0x3f808001, 0x00000001,
                                    0x80008000, 0x00018000, 0xffffffff, 0x7fffffff, 0,
                                    0x80000000, 0x3f80ffff };
    uint16_t got_bits[2 * COUNT(odd)], wanted[2 * COUNT(odd)];

    for (int i = 0; i < 2 * COUNT(odd); i++) {
        memcpy(in1 + i, odd + i % COUNT(odd), sizeof *in1);
        wanted[i] = float_to_bfloat(in1[i]);
    }
    kernels.narrow(got_bits, in1, DTYPE_BF16, 2 * COUNT(odd));
    ok(!memcmp(got_bits, wanted, sizeof wanted), "%s: odd numbers to bf16", variant);
}

static void test_halves(int shift, int n)
{
    static uint16_t bits[MOST + GUARD], wanted[MOST + GUARD];

    for (int type = DTYPE_F16; type <= DTYPE_BF16; type++) {
        fresh(100);
        memset(bits, 1, sizeof bits);
        memset(wanted, 1, sizeof wanted);
        kernels.narrow(bits + shift, in1, (enum dtype)type, n);
        for (int i = 0; i < n; i++)
            wanted[shift + i] = type == DTYPE_F16 ? float_to_half(in1[i]) : float_to_bfloat(in1[i]);
        ok(!memcmp(bits, wanted, sizeof bits), "%s: narrow to %s, %d numbers", variant,
           dtype_name((enum dtype)type), n);
        kernels.widen(got + shift, bits + shift, (enum dtype)type, n);
        for (int i = 0; i < n; i++)
            want[shift + i] = type == DTYPE_F16 ? half_to_float(bits[shift + i])
                                                : bfloat_to_float(bits[shift + i]);
        same("widen", n, 0, 0);
    }
}

/* Infinities, NaN and numbers too large for e^x. */
static void test_extremes(void)
{
    float x[5] = { 0, -INFINITY, 200, -3e38f, -88 }, y[4] = { -1e30f, 1e30f, NAN, -100 };

    kernels.softmax(x, 5);
    ok(x[2] == 1 && x[0] == 0 && x[1] == 0 && x[3] == 0 && x[4] == 0, "%s: softmax far apart",
       variant);
    for (int which = ACTIVATION_QUICK_GELU; which <= ACTIVATION_SILU; which++) {
        float large = which == ACTIVATION_RELU6 ? 6 : 1e30f;

        kernels.activate(x, y, 4, (enum activation)which);
        ok(x[0] == 0 && x[1] == large && fabsf(x[3]) == 0, "%s: activation %d far out", variant,
           which);
        ok(isnan(x[2]), "%s: activation %d of NaN", variant, which);
    }
}

/* What a new process chooses. */
static void test_choice(const char *self, const char *wanted, const char *chosen)
{
    char *command = xprintf("VLM_CPU='%s' '%s' name 2>/dev/null", wanted, self), text[32] = "";
    char *name = xprintf("VLM_CPU=%s", wanted);
    FILE *f = popen(command, "r");

    if (f && fscanf(f, "%31s", text) != 1)
        text[0] = 0;
    if (f)
        pclose(f);
    is_text(text, chosen, name);
    free(command);
    free(name);
}

int main(int argc, char **argv)
{
    static const char *const variants[] = { "scalar", "avx2", "avxvnni", "avx512",
                                            "vnni",   "bf16", "amx" };
    const char *best = "scalar";

    if (argc > 1) {
        puts(kernels.name);
        return 0;
    }
    for (int i = 0; i < COUNT(variants); i++)
        best = kernels_supported(variants[i]) ? variants[i] : best;
    for (int i = 0; i < COUNT(variants); i++)
        test_choice(argv[0], variants[i], kernels_supported(variants[i]) ? variants[i] : best);
    test_choice(argv[0], "abacus", best);
    test_choice(argv[0], "", best);
    ok(kernels_supported("scalar") && !kernels_supported("mmx"), "names of variants");
    for (int i = 0; i < COUNT(variants); i++) {
        if (!kernels_supported(variants[i])) {
            note("%s does not run here", variants[i]);
            continue;
        }
        kernels_use(variant = variants[i]);
        is_text(kernels.name, variant, "the variant asked for");
        for (int j = 0; j < COUNT(lengths); j++) {
            int shift = lengths[j] % 5, n = lengths[j];

            test_activations(shift, n);
            test_taps(shift, n);
            test_layernorm(shift, n);
            test_softmax(shift, n);
            test_sums(shift, n);
            test_halves(shift, n);
        }
        test_bfloat();
        test_extremes();
    }
    return done();
}
