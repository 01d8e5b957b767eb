/* SPDX-License-Identifier: MIT
 * kernel.c - how near the kernels come to what the processor can do
 *
 *     build/tests/bench/kernel [THREADS [VARIANT [TYPE]]]      without: 1, all, and all
 *
 * Figures are medians; "peak" is measured here and now, as multiply-adds that wait for nothing.
 * With one thread its processor time counts, so that other processes do little harm; with more, the
 * machine must have nothing else to do.
 * Products in bf16 and of bytes are beside the peaks of their own instructions, where those are
 * here. Weights rotate through more memory than the caches hold, as those of a tower do.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "kernel/kernel.h"

static const char *wanted; /* part of a type's name; NULL: all */

enum { ROUNDS = 7, WEIGHTS = 160 << 20, MOST_ROWS = 1576 };

/* One thread's own time, or of several what the clock on the wall says. */
static double now(void)
{
    struct timespec t;

    clock_gettime(pool_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Seconds of one call: the median of rounds of some 8 ms. */
static double seconds(void (*run)(void *), void *argument)
{
    double round[ROUNDS], start = now(), once;
    long calls;

    run(argument);
    once = now() - start;
    calls = once < 8e-3 ? (long)(8e-3 / once) + 1 : 1;
    for (int i = 0; i < ROUNDS; i++) {
        start = now();
        for (long c = 0; c < calls; c++)
            run(argument);
        round[i] = (now() - start) / (double)calls;
    }
    qsort(round, ROUNDS, sizeof *round, by_value);
    return round[ROUNDS / 2];
}

#if defined(__x86_64__)
#include <immintrin.h>

enum { CHAINS = 12, STEPS = 200000 };

/* Sums that no other sum waits for. */
__attribute__((target("avx512f"))) static void peak_avx512(void *argument, long index, int worker)
{
    __m512 a[CHAINS], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-4f);

    (void)argument, (void)index, (void)worker;
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        a[i] = x;
    for (long k = 0; k < STEPS; k++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            a[i] = _mm512_fmadd_ps(a[i], x, y);
            __asm__ volatile("" : "+v"(a[i])); /* lest the loop be left out */
        }
    }
}

__attribute__((target("avx2,fma"))) static void peak_avx2(void *argument, long index, int worker)
{
    __m256 a[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-4f);

    (void)argument, (void)index, (void)worker;
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        a[i] = x;
    for (long k = 0; k < STEPS; k++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            a[i] = _mm256_fmadd_ps(a[i], x, y);
            __asm__ volatile("" : "+v"(a[i]));
        }
    }
}

static void run_peak(void *argument)
{
    pool_run(argument ? peak_avx512 : peak_avx2, NULL, 8L * pool_threads());
}

/* The same of products of pairs of bf16 and of fours of bytes. */
#define PEAK(name, features, instruction)                                                          \
    __attribute__((target(features))) static void name(void *argument, long index, int worker)     \
    {                                                                                              \
        __m512i a[CHAINS], x = _mm512_setzero_si512();                                             \
                                                                                                   \
        (void)argument, (void)index, (void)worker;                                                 \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = x;                        \
        for (long k = 0; k < STEPS; k++) {                                                         \
            _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) __asm__ volatile(            \
                instruction " %1, %1, %0" : "+v"(a[i]) : "v"(x));                                  \
        }                                                                                          \
    }
PEAK(peak_pairs, "avx512f", "vdpbf16ps")
PEAK(peak_bytes, "avx512f", "vpdpbusd")

/* Without VNNI: 32 products by maddubs, which may overflow, then two additions. */
__attribute__((target("avx2"))) static void peak_maddubs(void *argument, long index, int worker)
{
    __m256i a[CHAINS], x = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1), some;

    (void)argument, (void)index, (void)worker;
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        a[i] = x;
    for (long k = 0; k < STEPS; k++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            __asm__ volatile("vpmaddubsw %2, %2, %1\n\tvpmaddwd %3, %1, %1\n\tvpaddd %1, %0, %0"
                             : "+x"(a[i]), "=&x"(some)
                             : "x"(x), "x"(ones));
    }
}

static void run_narrow_peak(void *argument)
{
    pool_run(argument ? peak_pairs : peak_bytes, NULL, 8L * pool_threads());
}

static void run_maddubs_peak(void *argument)
{
    (void)argument;
    pool_run(peak_maddubs, NULL, 8L * pool_threads());
}

/* Of bf16, or of bytes; 0 where there is no such instruction. */
static double narrow_peak(bool pairs)
{
    if (!pairs && !kernels_supported("vnni") && kernels_supported("avx2"))
        return 8e-9 * pool_threads() * CHAINS * STEPS * 2 * 32 / seconds(run_maddubs_peak, NULL);
    if (!kernels_supported(pairs ? "bf16" : "vnni"))
        return 0;
    return 8e-9 * pool_threads() * CHAINS * STEPS * 2 * 16 * (pairs ? 2 : 4) /
           seconds(run_narrow_peak, pairs ? &pairs : NULL);
}

/* GFLOP/s that the variant in use could reach. */
static double peak(void)
{
    bool wide = strcmp(kernels.name, "scalar") && strcmp(kernels.name, "avx2");

    if (!kernels_supported("avx2"))
        return 0;
    return 8e-9 * pool_threads() * CHAINS * STEPS * 2 * (wide ? 16 : 8) /
           seconds(run_peak, wide ? &wide : NULL);
}
#else
static double peak(void)
{
    return 0;
}

static double narrow_peak(bool pairs)
{
    (void)pairs;
    return 0;
}
#endif

static float *numbers(size_t count)
{
    float *x = xalloc(count, sizeof *x);
    uint32_t state = 1;

    for (size_t i = 0; i < count; i++)
        x[i] = (float)((state = state * 1664525 + 1013904223) >> 16) / 32768 - 1;
    return x;
}

enum { SLICE = 1 << 16 };

static void read_slice(void *argument, long index, int worker)
{
    const float *w = (const float *)argument + index * SLICE;
    static _Thread_local volatile float sink;

    (void)worker;
    sink = kernels.dot(w, w, SLICE);
    (void)sink;
}

static void run_read(void *argument)
{
    pool_run(read_slice, argument, WEIGHTS / (long)sizeof(float) / SLICE);
}

struct layer {
    long rows, inputs, outputs;
    enum dtype type;
    int pieces; /* of i8 */
    float *x, *y;
    const float *w;
    struct pack **packs;
    int count, at;
};

static void run_packed(void *argument)
{
    struct layer *l = argument;

    l->at = (l->at + 1) % l->count;
    multiply_packed(&(struct product){ .weights = l->packs[l->at],
                                       .x = l->x,
                                       .rows = l->rows,
                                       .x_stride = l->inputs,
                                       .pieces = l->pieces,
                                       .y = l->y,
                                       .y_stride = l->outputs });
}

static void run_gelu(void *argument)
{
    struct layer *l = argument;

    l->at = (l->at + 1) % l->count;
    multiply_packed(&(struct product){ .weights = l->packs[l->at],
                                       .x = l->x,
                                       .rows = l->rows,
                                       .x_stride = l->inputs,
                                       .pieces = l->pieces,
                                       .bias = { l->x },
                                       .activation = ACTIVATION_GELU,
                                       .y = l->y,
                                       .y_stride = l->outputs });
}

static void run_gemm(void *argument)
{
    struct layer *l = argument;

    l->at = (l->at + 1) % l->count;
    gemm(false, true, l->rows, l->outputs, l->inputs, 1, l->x, l->inputs,
         l->w + (long)l->at * l->outputs * l->inputs, l->inputs, 0, l->y, l->outputs);
}

static struct pack *packed(const struct layer *l)
{
    size_t size = (size_t)(l->inputs * l->outputs);
    float *scale = xalloc((size_t)l->outputs, sizeof *scale);
    void *w = xalloc(size, sizeof(float));
    struct pack *pack;

    for (size_t i = 0; l->pieces && i < size; i++)
        ((int8_t *)w)[i] = (int8_t)(127 * l->w[i]);
    if (!l->pieces)
        kernels.narrow(w, l->w, l->type, (long)size);
    pack = pack_weights(
        &(struct matrix){ w, l->type, l->outputs, l->pieces ? scale : NULL, l->pieces, NULL }, 1,
        l->inputs, false);
    free(w);
    free(scale);
    return pack;
}

static void bench_layer(struct layer l, const char *name, double best)
{
    static const long rows[] = { 1, 8, 50, 77, 197, 400, 1576 };
    size_t size = (size_t)(l.inputs * l.outputs);

    l.count = (int)(WEIGHTS / sizeof(float) / size * (l.type == DTYPE_F32 ? 1 : 2)) + 1;
    l.packs = xalloc((size_t)l.count, sizeof(void *));
    for (int i = 0; i < l.count; i++)
        l.packs[i] = packed(&l);
    for (int i = 0; i < COUNT(rows); i++) {
        double flops = 2e-9 * (double)rows[i] * (double)size, own, gelu, other;

        l.rows = rows[i];
        own = seconds(run_packed, &l);
        gelu = seconds(run_gelu, &l);
        other = l.type == DTYPE_F32 ? seconds(run_gemm, &l) : 0;
        printf("%-12s %5ld x %4ld x %4ld  own %6.1f (%3.0f %%)  with GELU %6.1f (%3.0f %%)", name,
               rows[i], l.inputs, l.outputs, flops / own, 100 * flops / own / best, flops / gelu,
               100 * flops / gelu / best);
        if (other > 0)
            printf("  BLAS %6.1f (%3.0f %%)", flops / other, 100 * flops / other / best);
        if (rows[i] <= 8)
            printf("  %5.1f GB/s of weights",
                   (double)size * (double)dtype_size(l.type) / own * 1e-9);
        putchar('\n');
        fflush(stdout);
    }
    for (int i = 0; i < l.count; i++)
        pack_free(l.packs[i]);
    free(l.packs);
}

static void run_attention(void *argument)
{
    attention_forward(argument);
}

static void bench_attention(int tokens, int sequences, float *qkv, float *out, double best)
{
    enum { HEADS = 12, HEAD = 64, WIDTH = HEADS * HEAD };
    int start[9], count[8];
    struct attention a = { qkv,        qkv + WIDTH, qkv + 2L * WIDTH,
                           3L * WIDTH, 3L * WIDTH,  3L * WIDTH,
                           out,        WIDTH,       HEADS,
                           HEAD,       sequences,   start,
                           start,      count,       NULL,
                           0.125f,     false,       NULL,
                           NULL,       0,           true };
    double flops = 4e-9 * tokens * tokens * WIDTH * sequences, time;

    for (int i = 0; i <= sequences; i++)
        start[i] = i * tokens;
    for (int i = 0; i < sequences; i++)
        count[i] = tokens;
    time = seconds(run_attention, &a);
    printf("attention %3d tokens x %d  %6.1f (%3.0f %%)  %.3f ms\n", tokens, sequences,
           flops / time, 100 * flops / time / best, 1e3 * time);
}

static void idle(void *argument, long index, int worker)
{
    (void)argument, (void)index, (void)worker;
}

static void run_idle(void *argument)
{
    pool_run(idle, argument, 2L * pool_threads());
}

static void bench_type(const struct layer *kind, const char *name, double best)
{
    static const long shapes[][2] = { { 768, 2304 }, { 768, 768 }, { 768, 3072 }, { 3072, 768 } };

    for (int i = 0; i < COUNT(shapes) && (!wanted || strstr(name, wanted)); i++) {
        struct layer l = *kind;

        l.inputs = shapes[i][0];
        l.outputs = shapes[i][1];
        bench_layer(l, name, best);
    }
}

static void bench(int threads, float *x, float *y, const float *w)
{
    static const int tokens[] = { 50, 77, 197, 257, 577 };
    double best;

    pool_start(threads);
    best = peak();
    printf(
        "%s, %d threads: peak %.1f GFLOP/s, reads %.1f GB/s, an empty pool_run %.2f us, BLAS %s\n",
        kernels.name, threads, best, 1e-9 * WEIGHTS / seconds(run_read, (void *)(uintptr_t)w),
        1e6 * seconds(run_idle, NULL), blas_name());
    bench_type(&(struct layer){ .type = DTYPE_F32, .x = x, .y = y, .w = w }, "f32", best);
    bench_type(&(struct layer){ .type = DTYPE_F16, .x = x, .y = y, .w = w }, "f16", best);
    if (kernels.pair_tile && narrow_peak(true) > 0) {
        packed_precision(PRECISION_MEDIUM);
        bench_type(&(struct layer){ .type = DTYPE_BF16, .x = x, .y = y, .w = w }, "bf16 medium",
                   narrow_peak(true));
        packed_precision(PRECISION_HIGHEST);
    }
    for (int pieces = 1; narrow_peak(false) > 0 && pieces <= 2; pieces++)
        bench_type(&(struct layer){ .type = DTYPE_I8, .pieces = pieces, .x = x, .y = y, .w = w },
                   pieces == 1 ? "i8, 1 piece" : "i8, 2 pieces", narrow_peak(false) / pieces);
    for (int i = 0; i < COUNT(tokens) && !wanted; i++) {
        bench_attention(tokens[i], 1, x, y, best);
        bench_attention(tokens[i], 8, x, y, best);
    }
    pool_stop();
}

int main(int argc, char **argv)
{
    float *x = numbers(8L * 577 * 2304), *y = numbers(MOST_ROWS * 3072L + 8L * 577 * 768);
    float *w = numbers(WEIGHTS / sizeof *w + 2L * 768 * 3072);

    if (argc > 2 && *argv[2])
        kernels_use(argv[2]);
    wanted = argc > 3 ? argv[3] : NULL;
    if (argc > 1) {
        bench(atoi(argv[1]), x, y, w);
    } else {
        bench(1, x, y, w);
        bench(processors(), x, y, w);
    }
    free(x);
    free(y);
    free(w);
    return 0;
}
