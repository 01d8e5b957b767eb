/* SPDX-License-Identifier: MIT
 * gemm.c - BLAS, loaded at its first use: only training needs it, where there is neither AMX nor
 * AVX-512
 *
 * OpenBLAS is loaded by hand for two reasons.  Its start makes threads and takes milliseconds,
 * which a filter should not pay.  And a release older than the processor falls back to kernels from
 * 2004 (SSE3, a fifth of the speed), unless OPENBLAS_CORETYPE is set before it is loaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum { TILE_M = 384, TILE_N = 768 };

/* cblas_sgemm, whose header need not be installed */
typedef void sgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k,
                            float alpha, const float *a, int lda, const float *b, int ldb,
                            float beta, float *c, int ldc);
enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

static struct {
    sgemm_function *sgemm; /* NULL: no BLAS here; plain loops */
    char name[96];
} blas;
static enum precision precision, of_packed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Kernels of OpenBLAS that suit the processor, best first; `core` is one that it may report. */
static const struct core {
    const char *core, *variant;
} cores[] = {
    { "SapphireRapids", "avx512" }, { "Cooperlake", "avx512" },
    { "SkylakeX", "avx512" },       { "Zen", "avx2" },
    { "Haswell", "avx2" },          { "Excavator", "avx2" },
};

/* Is this kernel of OpenBLAS worse than what the processor could run? */
static bool is_poor(const char *core)
{
    const char *best = kernels_supported("avx512") ? "avx512" : "avx2";

    if (!kernels_supported("avx2"))
        return false;
    for (int i = 0; i < COUNT(cores); i++)
        if (!strcmp(core, cores[i].core))
            return strcmp(cores[i].variant, best) != 0;
    return true;
}

static void *open_library(void)
{
    static const char *const names[] = { "libopenblas.so.0", "libopenblas.so", "libcblas.so.3",
                                         "libblas.so.3" };
    const char *wanted = getenv("VLM_BLAS");
    void *library;

    for (int i = 0; i < (wanted ? 1 : COUNT(names)); i++) {
        library = dlopen(wanted ? wanted : names[i], RTLD_NOW | RTLD_LOCAL);
        if (library && dlsym(library, "cblas_sgemm"))
            return library;
        if (library)
            dlclose(library);
    }
    if (wanted && strcmp(wanted, "none"))
        warn("VLM_BLAS=%s has no cblas_sgemm; products are made without BLAS", wanted);
    return NULL;
}

/* Chooses again, unless the user has chosen. */
static bool choose_core(void *library, const char *(*core_name)(void))
{
    void (*quit)(void) = (void (*)(void))dlsym(library, "gotoblas_dynamic_quit");
    void (*init)(void) = (void (*)(void))dlsym(library, "gotoblas_dynamic_init");

    if (!quit || !init || getenv("OPENBLAS_CORETYPE") || !is_poor(core_name()))
        return false;
    setenv("OPENBLAS_CORETYPE", kernels_supported("avx512") ? "SkylakeX" : "Haswell", 1);
    quit();
    init();
    unsetenv("OPENBLAS_CORETYPE");
    return true;
}

static void load(void)
{
    bool quiet = !getenv("OPENBLAS_NUM_THREADS"), chosen;
    const char *(*text)(void), *(*config)(void);
    char name[32], version[32] = "";
    void (*set_threads)(int);
    void *library;

    if (quiet) /* no threads of its own: the pool splits the work */
        setenv("OPENBLAS_NUM_THREADS", "1", 1);
    library = open_library();
    if (quiet)
        unsetenv("OPENBLAS_NUM_THREADS");
    if (!library) {
        snprintf(blas.name, sizeof blas.name, "none (plain loops)");
        return;
    }
    blas.sgemm = (sgemm_function *)dlsym(library, "cblas_sgemm");
    set_threads = (void (*)(int))dlsym(library, "openblas_set_num_threads");
    if (set_threads)
        set_threads(1);
    text = (const char *(*)(void))dlsym(library, "openblas_get_corename");
    if (!text) {
        snprintf(blas.name, sizeof blas.name, "BLAS");
        return;
    }
    chosen = choose_core(library, text);
    config = (const char *(*)(void))dlsym(library, "openblas_get_config");
    if (!config || sscanf(config(), "%31s %31s", name, version) != 2)
        strcpy(name, "OpenBLAS");
    snprintf(blas.name, sizeof blas.name, "%s %s %s%s", name, version, text(),
             chosen ? " (chosen)" : "");
}

/* A unit that multiplies matrices needs no BLAS, unless the user wants one. */
bool gemm_by_unit(void)
{
    return kernels.packed_engine->unit && !getenv("VLM_BLAS");
}

/* Nor do vectors of 16: their tiles are faster than what BLAS there may be. */
static bool gemm_by_tiles(void)
{
    return kernels.panel->columns == TILE_COLUMNS && !getenv("VLM_BLAS");
}

const char *blas_name(void)
{
    if (gemm_by_tiles() && !gemm_by_unit())
        return "none: vectors multiply matrices";
    if (gemm_by_unit())
        return "none: the processor multiplies matrices";
    pthread_once(&once, load);
    return blas.name;
}

void gemm_precision(enum precision p)
{
    precision = p;
}

void packed_precision(enum precision p)
{
    of_packed = p;
}

int packed_pieces(void)
{
    return 3 - (int)of_packed;
}

int gemm_pieces(void)
{
    return 3 - (int)precision;
}

/* The part of `g` that makes rows [row, row + m) of c and columns [column, column + n). */
static struct gemm part(const struct gemm *g, long row, long m, long column, long n)
{
    struct gemm p = *g;

    p.m = m;
    p.n = n;
    p.a += g->transpose_a ? row : row * g->lda;
    p.b += g->transpose_b ? column * g->ldb : column;
    p.c += row * g->ldc + column;
    return p;
}

void gemm_put(const struct gemm *g, const struct gemm_part *p)
{
    static const float none[TILE_COLUMNS];
    float *c = g->c + p->row * g->ldc + p->column, scale[TILE_COLUMNS];
    float beta = p->more ? 1 : g->beta;

    for (int j = 0; j < p->columns; j++)
        scale[j] = g->alpha;
    for (long i = 0; beta != 0 && beta != 1 && i < p->rows; i++)
        for (int j = 0; j < p->columns; j++)
            c[i * g->ldc + j] *= beta;
    kernels.packed_engine->finish(&(struct finish){
        .y = c,
        .y_stride = g->ldc,
        .sums = p->sums,
        .sums_stride = p->sums_stride,
        .scale = g->alpha == 1 ? NULL : scale,
        .bias = none,
        .residual = beta == 0 ? NULL : c,
        .rows = p->rows,
        .columns = p->columns,
    });
}

/* Row i of c, where there is no BLAS. */
static void plain_row(const struct gemm *g, long i)
{
    const float *a = g->a + (g->transpose_a ? i : i * g->lda);
    long step = g->transpose_a ? g->lda : 1;
    float *c = g->c + i * g->ldc;

    for (long j = 0; j < g->n; j++)
        c[j] = g->beta == 0 ? 0 : g->beta * c[j];
    if (!g->transpose_b)
        for (long l = 0; l < g->k; l++)
            kernels.add_scaled(c, g->b + l * g->ldb, g->alpha * a[l * step], g->n);
    for (long j = 0; g->transpose_b && j < g->n; j++) {
        float sum = 0;

        if (step == 1)
            sum = kernels.dot(a, g->b + j * g->ldb, g->k);
        for (long l = 0; step != 1 && l < g->k; l++)
            sum += a[l * step] * g->b[j * g->ldb + l];
        c[j] += g->alpha * sum;
    }
}

static void gemm_piece(void *argument, long index, int worker)
{
    const struct gemm *g = argument;
    long i = index / g->columns, j = index % g->columns;
    long row = g->m * i / g->rows, column = g->n * j / g->columns;
    struct gemm p =
        part(g, row, g->m * (i + 1) / g->rows - row, column, g->n * (j + 1) / g->columns - column);

    (void)worker;
    if (blas.sgemm)
        blas.sgemm(ROW_MAJOR, p.transpose_a ? TRANSPOSED : PLAIN,
                   p.transpose_b ? TRANSPOSED : PLAIN, (int)p.m, (int)p.n, (int)p.k, p.alpha, p.a,
                   (int)p.lda, p.b, (int)p.ldb, p.beta, p.c, (int)p.ldc);
    else
        for (long r = 0; r < p.m; r++)
            plain_row(&p, r);
}

void gemm(bool transpose_a, bool transpose_b, long m, long n, long k, float alpha, const float *a,
          long lda, const float *b, long ldb, float beta, float *c, long ldc)
{
    struct gemm g = {
        transpose_a, transpose_b, m, n, k, lda, ldb, ldc, alpha, beta, a, b, c, 0, 0
    };
    bool pairs = kernels.pair_tile && gemm_pieces() == 1 && !getenv("VLM_BLAS");

    if (gemm_by_unit() && k > 0) {
        gemm_unit(&g);
        return;
    }
    if ((pairs || gemm_by_tiles()) && k > 0) {
        gemm_tiles(&g, pairs);
        return;
    }
    pthread_once(&once, load);
    g.rows = (m + TILE_M - 1) / TILE_M;
    g.columns = (n + TILE_N - 1) / TILE_N;
    pool_run(gemm_piece, &g, g.rows * g.columns);
}
