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
 * a deviation of some 0.4 of it, of two factors 0.6; at most five of those.  BLAS knows no other.
 */
static void test_precision(void)
{
    double high = difference(PRECISION_HIGH), medium = difference(PRECISION_MEDIUM);
    bool unit = !strcmp(kernels.name, "amx") && !getenv("VLM_BLAS");

    note("high %.1e, medium %.1e", high, medium);
    ok(high <= 3 * 0x1p-16 && (high > 0) == unit, "%s: high has 16 bits", kernels.name);
    ok(medium <= 3 * 0x1p-8 && (medium > 20 * high) == unit, "%s: medium has 8", kernels.name);
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

/* One thread or three give the same bytes. */
static void test_threads(void)
{
    enum { M = 100, N = 130, K = 1500 };
    struct random r = { 3 };
    float *a = normal(&r, M * K), *b = normal(&r, N * K), *c[4];
    bool same = true;

    for (int i = 1; i < 4; i++) {
        c[i] = xalloc(M * N, sizeof(float));
        pool_start(i);
        gemm(true, false, M, N, K, 1, a, M, b, N, 0, c[i], N);
        pool_stop();
        same = same && !memcmp(c[1], c[i], M * N * sizeof(float));
    }
    ok(same, "%s: the same bytes with 1, 2, 3 threads", kernels.name);
    for (int i = 1; i < 4; i++)
        free(c[i]);
    free(a);
    free(b);
}

static int test_all(void)
{
    test_threads();
    pool_start(2);
    test_kernels(NULL);
    if (kernels_supported("amx"))
        test_kernels("avx512");
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
