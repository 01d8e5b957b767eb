/* SPDX-License-Identifier: MIT
 * kernel_gemm.c - products by AMX, by BLAS, and by the plain loops that stand in for it, beside
 * loops in double
 *
 * Tolerance: roundings of 2^-24 of sums that grow as sqrt(k), added as their root mean square, five
 * deviations: 5 k 2^-24 / 2; and a few units of what was in c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

static float *normal(struct random *r, long count)
{
    float *x = xalloc((size_t)count + 1, sizeof *x);

    for (long i = 0; i < count; i++)
        x[i] = random_normal(r);
    return x;
}

struct gemm_case {
    long m, n, k;
    int transposed; /* 1: a, 2: b */
    float alpha, beta;
};

static void test_gemm(struct gemm_case p)
{
    const long m = p.m, n = p.n, k = p.k;
    const bool ta = p.transposed & 1, tb = p.transposed & 2;
    const float alpha = p.alpha, beta = p.beta;
    struct random r = { 9 };
    long lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 1, ldc = n + 3;
    float *a = normal(&r, (ta ? k : m) * lda), *b = normal(&r, (tb ? n : k) * ldb);
    float *c = normal(&r, m * ldc);
    float *want = (float *)(void *)xmemdup(c, (size_t)(m * ldc) * sizeof *c);
    char name[80];

    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) {
            double sum = 0;

            for (long l = 0; l < k; l++)
                sum +=
                    (double)a[ta ? l * lda + i : i * lda + l] * b[tb ? j * ldb + l : l * ldb + j];
            want[i * ldc + j] = (float)(alpha * sum + (double)beta * want[i * ldc + j]);
        }
    gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    snprintf(name, sizeof name, "gemm %ld x %ld x %ld%s%s", m, n, k, ta ? ", a transposed" : "",
             tb ? ", b transposed" : "");
    is_close(c, want, m * ldc, 2e-6 + 1.5e-7 * (double)k, 3e-7, name);
    free(a);
    free(b);
    free(c);
    free(want);
}

/* The largest difference from PRECISION_HIGHEST, in deviations of a sum. */
static double difference(enum precision p)
{
    enum { M = 40, N = 70, K = 400 };
    struct random r = { 5 };
    float *a = normal(&r, M * K), *b = normal(&r, N * K), c[2][M * N];
    double most = 0;

    for (int i = 0; i < 2; i++) {
        gemm_precision(i ? p : PRECISION_HIGHEST);
        gemm(false, true, M, N, K, 1, a, K, b, K, 0, c[i], N);
    }
    gemm_precision(PRECISION_HIGHEST);
    for (int i = 0; i < M * N; i++)
        most = fmax(most, fabs((double)c[0][i] - (double)c[1][i]));
    free(a);
    free(b);
    return most / sqrt(K);
}

/* A number's error is spread evenly over a unit in its last place, of 2^-8 or 2^-16 to twice that:
 * a deviation of some 0.4 of it, of two factors 0.6; at most five of those.  BLAS knows no other,
 * and AVX512_BF16 none between. */
static void test_precision(void)
{
    double high = difference(PRECISION_HIGH), medium = difference(PRECISION_MEDIUM);
    bool unit = !strcmp(kernels.name, "amx") && !getenv("VLM_BLAS");
    bool rounds = unit || (kernels.pair_tile && !getenv("VLM_BLAS"));

    note("high %.1e, medium %.1e", high, medium);
    ok(high <= 3 * 0x1p-16 && (high > 0) == unit, "%s: high has 16 bits", kernels.name);
    ok(medium <= 3 * 0x1p-8 && (medium > 20 * high) == rounds, "%s: medium has 8", kernels.name);
}

static void test_kernels(const char *name)
{
    kernels_use(name);
    note("%s, BLAS: %s", kernels.name, blas_name());
    for (int t = 0; t < 4; t++) {
        test_gemm((struct gemm_case){ 37, 41, 29, t, 1, 0 });
        test_gemm((struct gemm_case){ 400, 800, 10, t, 0.5f, 1 });
        test_gemm((struct gemm_case){ 1, 3, 100, t, -1, 0.25f });
        test_gemm((struct gemm_case){ 33, 65, 1100, t, 1, 1 });
        test_gemm((struct gemm_case){ 5, 20, 0, t, 1, 0.5f });
    }
    test_precision();
}

/* The same products in bf16, by the processor and by plain C: the same bytes. */
static void test_pairs(struct gemm_case p)
{
    long lda = p.transposed & 1 ? p.m : p.k, ldb = p.transposed & 2 ? p.k : p.n;
    size_t bytes = (size_t)(p.m * p.n) * sizeof(float);
    struct random r = { 4 };
    float *a = normal(&r, p.m * p.k), *b = normal(&r, p.n * p.k), *c[2];

    gemm_precision(PRECISION_MEDIUM);
    for (int i = 0; i < 2; i++) {
        kernels_use(i ? "bf16" : "scalar-bf16");
        c[i] = xalloc(bytes, 1);
        for (long j = 0; j < p.m * p.n; j++)
            c[i][j] = (float)(j % 7);
        gemm(p.transposed & 1, p.transposed & 2, p.m, p.n, p.k, p.alpha, a, lda, b, ldb, p.beta,
             c[i], p.n);
    }
    ok(!memcmp(c[0], c[1], bytes), "bf16 as plain C: %ld x %ld x %ld, transposed %d", p.m, p.n, p.k,
       p.transposed);
    gemm_precision(PRECISION_HIGHEST);
    kernels_use(NULL);
    free(a);
    free(b);
    free(c[0]);
    free(c[1]);
}

/* One thread or three give the same bytes. */
static void test_threads(enum precision precision)
{
    enum { M = 100, N = 130, K = 1500 };
    struct random r = { 3 };
    float *a = normal(&r, M * K), *b = normal(&r, N * K), *c[4];
    bool same = true;

    gemm_precision(precision);
    for (int i = 1; i < 4; i++) {
        c[i] = xalloc(M * N, sizeof(float));
        pool_start(i);
        gemm(true, false, M, N, K, 1, a, M, b, N, 0, c[i], N);
        pool_stop();
        same = same && !memcmp(c[1], c[i], M * N * sizeof(float));
    }
    gemm_precision(PRECISION_HIGHEST);
    ok(same, "%s: the same bytes with 1, 2, 3 threads", kernels.name);
    for (int i = 1; i < 4; i++)
        free(c[i]);
    free(a);
    free(b);
}

static int test_all(void)
{
    static const char *const variants[] = { "scalar", "scalar-bf16", "avx2", "avx512",
                                            "vnni",   "bf16",        "amx" };

    test_threads(PRECISION_HIGHEST);
    test_threads(PRECISION_MEDIUM);
    pool_start(2);
    for (int i = 0; i < COUNT(variants); i++)
        if (kernels_supported(variants[i]))
            test_kernels(variants[i]);
    for (int t = 0; t < 4 && kernels_supported("bf16") && !getenv("VLM_BLAS"); t++) {
        test_pairs((struct gemm_case){ 37, 41, 29, t, 1, 0 });
        test_pairs((struct gemm_case){ 50, 97, 1101, t, 0.5f, 1 });
        test_pairs((struct gemm_case){ 1, 3, 100, t, -1, 0.25f });
    }
    pool_stop();
    return done();
}

/* The same once more, without BLAS; its report goes nowhere. */
static void test_without(const char *self)
{
    pid_t child = fork();
    int status = -1;

    if (!child) {
        setenv("VLM_BLAS", "none", 1);
        if (freopen("/dev/null", "w", stdout))
            execl(self, self, "plain", (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    if (!ok(status == 0, "plain loops in the place of BLAS"))
        note("see VLM_BLAS=none %s plain", self);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        test_without(argv[0]);
    return test_all();
}
