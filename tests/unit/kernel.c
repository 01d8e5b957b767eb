/* SPDX-License-Identifier: MIT
 * kernel.c - elementwise kernels: every variant beside plain loops in double
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

int main(void)
{
    enum { M = 13, K = 100, N = 70 };
    static float x[M * K], w[N * K], y[M * N], want[M * N], b[N];
    struct random r = { 1 };
    pool_start(2);
    for (int i = 0; i < M * K; i++)
        x[i] = random_normal(&r);
    for (int i = 0; i < N * K; i++)
        w[i] = random_normal(&r);
    for (int i = 0; i < N; i++)
        b[i] = random_normal(&r);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double s = b[j];
            for (int k = 0; k < K; k++)
                s += (double)x[i * K + k] * w[j * K + k];
            want[i * N + j] = (float)s;
        }
    struct matrix parts[2] = { { w, DTYPE_F32, 33 }, { w + 33 * K, DTYPE_F32, N - 33 } };
    struct pack *p = pack_weights(parts, 2, K);
    multiply_packed(&(struct product){ .weights = p,
                                       .x = x,
                                       .rows = M,
                                       .x_stride = K,
                                       .bias = { b, b + 33 },
                                       .y = y,
                                       .y_stride = N });
    pack_free(p);
    is_close(y, want, M * N, 1e-4, 0, "packed");
    note("%s", blas_name());
    for (int i = 0; i < M; i++)
        memcpy(y + i * N, b, sizeof b);
    gemm(false, true, M, N, K, 1, x, K, w, K, 1, y, N);
    is_close(y, want, M * N, 1e-4, 0, "gemm");

    return done();
}
