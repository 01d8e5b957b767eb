/* SPDX-License-Identifier: MIT
 * tower.c - how fast whole towers are, on random weights
 *
 *     tower                      a table: every workload, median of 5
 *     tower -                    one workload a line from stdin: "ViT-B/32 8"; answers with
 *                                "SECONDS GFLOP" of one pass; "peak": "GFLOP/s" of the processors
 *
 * GFLOP count what the tower is defined to do, 2 a multiply-add: rows that are skipped because
 * nobody sees them (the last layer's, those behind a text's end) count in time, not in GFLOP, so
 * the share of the peak is that of work really done.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/clip/clip.h"

static const struct workload {
    const char *name;
    struct vit_config vit;
    struct resnet_config resnet;
    struct text_config text;
    int tokens;   /* of a text */
    double gflop; /* of an image, where it is not counted here */
} workloads[] = {
    { .name = "ViT-B/32",
      .vit = { .image = 224, .patch = 32, .width = 768, .mlp = 3072, .layers = 12, .heads = 12 } },
    { .name = "ViT-B/16",
      .vit = { .image = 224, .patch = 16, .width = 768, .mlp = 3072, .layers = 12, .heads = 12 } },
    { .name = "ViT-B/16-384",
      .vit = { .image = 384, .patch = 16, .width = 768, .mlp = 3072, .layers = 12, .heads = 12 } },
    { .name = "ViT-L/14",
      .vit = { .image = 224, .patch = 14, .width = 1024, .mlp = 4096, .layers = 24, .heads = 16 } },
    { .name = "RN50",
      .resnet = { .image = 224, .width = 64, .layers = { 3, 4, 6, 3 }, .out = 1024 },
      .gflop = 2 * 5.9 },
    { .name = "text-512",
      .text = { .vocabulary = 49408,
                .width = 512,
                .mlp = 2048,
                .context = 77,
                .layers = 12,
                .heads = 8 },
      .tokens = 14 },
    { .name = "text-512-full",
      .text = { .vocabulary = 49408,
                .width = 512,
                .mlp = 2048,
                .context = 77,
                .layers = 12,
                .heads = 8 },
      .tokens = 77 },
};

static const struct {
    const char *name;
    int batch;
} table[] = {
    { "ViT-B/32", 1 }, { "ViT-B/32", 8 },     { "ViT-L/14", 1 },
    { "ViT-L/14", 8 }, { "ViT-B/16-384", 1 }, { "RN50", 8 },
    { "text-512", 1 }, { "text-512", 64 },    { "text-512-full", 1 },
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

/* What the threads really ran: hardly more on a busy machine than on a quiet one. */
static double processor_seconds(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

/* --- a model of random numbers --- */

struct bench {
    const struct workload *work;
    struct clip clip;
    struct params params;
    struct arena memory;
    struct tape tape;
};

static void fill(struct param *p, struct arena *memory, struct random *random)
{
    struct tensor *x = arena_alloc(memory, sizeof *x);
    float size = p->rank > 1 ? 1.7f / sqrtf((float)p->shape[p->rank - 1]) : 0.2f;
    long count;

    *x = (struct tensor){ .type = DTYPE_F32, .rank = p->rank };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->stride = width(x);
    count = tensor_count(x);
    x->data = arena_alloc(memory, (size_t)count * sizeof(float));
    for (long i = 0; i < count; i++)
        x->data[i] = size * (float)(random_uniform(random) - 0.5);
    for (long i = 0; p->buffer && i < count; i++)
        x->data[i] = 1; /* mean and variance */
    *p->slot = x;
}

static struct bench *begin(const struct workload *work)
{
    struct bench *b = xalloc(1, sizeof *b);
    struct random random = { 1 };
    struct clip_config c = { .embedding = 512,
                             .has_vision = !work->tokens,
                             .is_resnet = work->resnet.image > 0,
                             .has_text = work->tokens > 0,
                             .vit = work->vit,
                             .resnet = work->resnet,
                             .text = work->text };

    c.vit.eps = c.text.eps = 1e-5f;
    c.vit.activation = c.text.activation = ACTIVATION_QUICK_GELU;
    c.vit.norm_before = c.vit.norm_after = c.text.causal = true;
    b->work = work;
    clip_init(&b->clip, &c);
    clip_params(&b->clip, &b->params);
    for (int i = 0; i < b->params.count; i++)
        fill(&b->params.list[i], &b->memory, &random);
    return b;
}

static void end(struct bench *b)
{
    clip_close(&b->clip);
    params_free(&b->params);
    tape_free(&b->tape);
    arena_free(&b->memory);
    free(b);
}

/* --- its passes --- */

static void pass_images(struct bench *b, int count)
{
    long side = clip_image_size(&b->clip.config);
    struct tensor *pixels;

    tape_clear(&b->tape);
    pixels = tensor_make(&b->tape, count, 3, side, side);
    for (long i = 0; i < tensor_count(pixels); i++)
        pixels->data[i] = (float)(i % 255) / 127 - 1;
    clip_image(&b->tape, &b->clip, pixels);
}

static void pass_texts(struct bench *b, int count)
{
    int tokens = b->work->tokens, *ids = xalloc((size_t)(count * tokens), sizeof *ids);
    int *counts = xalloc((size_t)count, sizeof *counts);

    for (int i = 0; i < count * tokens; i++)
        ids[i] = i % tokens == tokens - 1 ? 49407 : (i * 7919) % 49000;
    for (int i = 0; i < count; i++)
        counts[i] = tokens;
    tape_clear(&b->tape);
    clip_text(&b->tape, &b->clip, ids, counts, count);
    free(ids);
    free(counts);
}

static void pass(struct bench *b, int count)
{
    if (b->work->tokens)
        pass_texts(b, count);
    else
        pass_images(b, count);
}

/* Rows of a layer: all for keys and values; those wanted for the rest. */
static double layer_flop(double width, double mlp, double rows, double wanted)
{
    return 2 * (rows * 2 * width * width + wanted * 2 * width * width + wanted * 2 * width * mlp +
                2 * wanted * rows * width);
}

static double flop(const struct workload *w, int batch)
{
    double width = (double)(w->tokens ? w->text.width : w->vit.width);
    double mlp = (double)(w->tokens ? w->text.mlp : w->vit.mlp), rows, total;
    int layers = w->tokens ? w->text.layers : w->vit.layers;

    if (w->gflop > 0)
        return batch * w->gflop * 1e9;
    rows = w->tokens ? w->tokens : vit_tokens(&w->vit);
    total = (layers - 1) * layer_flop(width, mlp, rows, rows) + layer_flop(width, mlp, rows, 1) +
            2 * width * 512;
    if (!w->tokens)
        total += 2 * (rows - 1) * width * 3 * w->vit.patch * w->vit.patch;
    return batch * total;
}

struct spent {
    double wall, processor; /* seconds of one pass */
};

/* From a stretch of at least 50 ms. */
static struct spent stretch(struct bench *b, int batch)
{
    double start = seconds(), processor = processor_seconds(), spent;
    int passes = 0;

    do {
        pass(b, batch);
        passes++;
        spent = seconds() - start;
    } while (spent < 0.05);
    return (struct spent){ spent / passes, (processor_seconds() - processor) / passes };
}

static int compare(const void *a, const void *b)
{
    const struct spent *x = a, *y = b;

    return (x->wall > y->wall) - (x->wall < y->wall);
}

static struct spent median_of_five(struct bench *b, int batch)
{
    struct spent spent[5];

    pass(b, batch);
    for (int i = 0; i < COUNT(spent); i++)
        spent[i] = stretch(b, batch);
    qsort(spent, COUNT(spent), sizeof *spent, compare);
    return spent[COUNT(spent) / 2];
}

/* --- what the processors could do --- */

#if defined(__x86_64__)
#include <immintrin.h>

enum { CHAINS = 12, ROUNDS = 4000000 };

static __attribute__((target("avx512f"))) void spin512(float *out)
{
    __m512 sum[CHAINS], by = _mm512_set1_ps(out[0]), to = _mm512_set1_ps(out[1]);

    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm512_set1_ps((float)k);
    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < CHAINS; k++)
            sum[k] = _mm512_fmadd_ps(sum[k], by, to);
    for (int k = 0; k < CHAINS; k++)
        out[0] += _mm512_cvtss_f32(sum[k]);
}

static void spin_task(void *argument, long index, int worker)
{
    float *out = (float *)argument + 16 * index;

    (void)worker;
    spin512(out);
}

static double peak(void)
{
    float out[16 * 64] = { 0 };
    double best = 0;
    int threads = pool_threads() < 64 ? pool_threads() : 64;

    if (!__builtin_cpu_supports("avx512f"))
        return 0;
    for (int i = 0; i < 5; i++) {
        double start = processor_seconds(), rate;

        pool_run(spin_task, out, threads);
        rate = 2.0 * 16 * CHAINS * ROUNDS * threads * threads / (processor_seconds() - start) / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}
#else
static double peak(void)
{
    return 0;
}
#endif

/* --- */

static const struct workload *find(const char *name)
{
    for (int i = 0; i < COUNT(workloads); i++)
        if (!strcmp(workloads[i].name, name))
            return &workloads[i];
    return NULL;
}

static void serve(void)
{
    struct bench *b = NULL;
    char name[64];
    int batch;

    while (scanf("%63s", name) == 1) {
        const struct workload *w = find(name);

        if (!strcmp(name, "peak")) {
            printf("%.1f\n", peak());
        } else if (w && scanf("%d", &batch) == 1 && batch > 0) {
            if (b && b->work != w) {
                end(b);
                b = NULL;
            }
            b = b ? b : begin(w);
            pass(b, batch);
            printf("%.6f %.3f\n", stretch(b, batch).wall, flop(w, batch) / 1e9);
        } else {
            printf("unknown\n");
        }
        fflush(stdout);
    }
    if (b)
        end(b);
}

int main(int argc, char **argv)
{
    double most;

    pool_start(0);
    if (argc > 1 && !strcmp(argv[1], "-")) {
        serve();
        return 0;
    }
    most = peak();
    printf("# %s, %d threads, peak %.0f GFLOP/s\n", kernels.name, pool_threads(), most);
    for (int i = 0; i < COUNT(table); i++) {
        struct bench *b = begin(find(table[i].name));
        struct spent spent = median_of_five(b, table[i].batch);
        double work = flop(b->work, table[i].batch) / 1e9;

        printf("%-14s x%-3d %8.2f ms %8.1f /s %7.1f GFLOP/s", table[i].name, table[i].batch,
               1e3 * spent.wall, table[i].batch / spent.wall, work / spent.wall);
        if (most > 0)
            printf(" %3.0f %% (of the time on processors: %.0f %%)", 100 * work / spent.wall / most,
                   100 * work / spent.processor * pool_threads() / most);
        printf("\n");
        fflush(stdout);
        end(b);
    }
    return 0;
}
