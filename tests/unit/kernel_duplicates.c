/* SPDX-License-Identifier: MIT
 * kernel_duplicates.c - dot products of all pairs, and near duplicates, in every variant beside
 * loops
 *
 * Nothing here has a tolerance: the sum of dot_in_order() is one number, and what is near is
 * decided by it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

static const char *const variants[] = {
    "scalar", "avx2", "avxvnni", "avx512", "vnni", "bf16", "amx"
};

/* In stretches of 256, each by fused multiply-adds in order. */
static float fused(const float *a, const float *b, long width)
{
    float all = 0, sum = 0;

    for (long i = 0; i < width; i++) {
        if (i % 256 == 0 && i) {
            all = i == 256 ? sum : all + sum;
            sum = 0;
        }
        sum = fmaf(a[i], b[i], sum);
    }
    return width > 256 ? all + sum : sum;
}

static void test_dots(const char *variant, long rows, long columns, long width)
{
    struct random r = { 3 };
    float *a = xalloc((size_t)(rows * width), sizeof *a);
    float *b = xalloc((size_t)(columns * width), sizeof *b);
    float *out = xalloc((size_t)(rows * columns) + 1, sizeof *out);
    long wrong = 0;

    for (long i = 0; i < rows * width; i++)
        a[i] = random_normal(&r);
    for (long i = 0; i < columns * width; i++)
        b[i] = random_normal(&r);
    out[rows * columns] = 7;
    dots(a, rows, b, columns, width, out);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            wrong += out[i * columns + j] != fused(a + i * width, b + j * width, width);
    ok(!wrong && out[rows * columns] == 7, "%s: %ld x %ld of width %ld", variant, rows, columns,
       width);
    free(a);
    free(b);
    free(out);
}

/* Unit vectors: around centres, or anywhere; every tenth is nearly an earlier one. */
static float *cloud(long count, long width, int centres, float spread, long spikes)
{
    struct random r = { 11 };
    float *x = xalloc((size_t)(count * width), sizeof *x);
    float *centre = xalloc((size_t)((centres + 1) * width), sizeof *centre);

    for (long i = 0; i < centres * width; i++)
        centre[i] = random_normal(&r);
    for (long i = 0; i < count; i++) {
        float *v = x + i * width;
        long c = centres ? (long)random_below(&r, (uint64_t)centres) : 0;
        const float *from = i % 10 == 9 ? x + (long)random_below(&r, (uint64_t)i) * width
                            : centres   ? centre + c * width
                                        : NULL;
        float by = i % 10 == 9 ? 0.3f / sqrtf((float)width) : spread;
        double sum = 0;

        for (long k = 0; k < width; k++)
            v[k] = (from ? from[k] : 0) + by * random_normal(&r);
        for (long k = 0; k < spikes && i % 10 != 9; k++)
            v[k] *= 30; /* a few numbers far larger than the rest */
        for (long k = 0; k < width; k++)
            sum += (double)v[k] * (double)v[k];
        for (long k = 0; k < width; k++)
            v[k] = (float)(v[k] / sqrt(sum));
    }
    free(centre);
    return x;
}

/* The first kept before, by all products. */
static long *by_hand(const float *x, long count, long width, float threshold, float *sim)
{
    long *of = xalloc((size_t)count, sizeof *of), *kept = xalloc((size_t)count, sizeof *kept);
    long n = 0;

    for (long i = 0; i < count; i++) {
        of[i] = -1;
        for (long j = 0; j < n && of[i] < 0; j++) {
            float dot = fused(x + i * width, x + kept[j] * width, width);

            sim[i] = fminf(fmaxf(dot, -1), 1);
            of[i] = sim[i] >= threshold ? j : -1;
        }
        if (of[i] < 0)
            kept[n++] = i;
    }
    free(kept);
    return of;
}

struct set {
    const char *name;
    long count, width;
    int centres;
    float spread;
    long spikes;
    float threshold;
};

static void test_duplicates(const struct set *s)
{
    float *x = cloud(s->count, s->width, s->centres, s->spread, s->spikes);
    float *want_sim = xalloc((size_t)s->count, sizeof *want_sim);
    long *want = by_hand(x, s->count, s->width, s->threshold, want_sim);
    long *of = xalloc((size_t)s->count, sizeof *of), found = 0;
    float *sim = xalloc((size_t)s->count, sizeof *sim);

    for (int v = 0; v < COUNT(variants); v++) {
        struct duplicate_set *set = duplicate_set_new(s->width, s->threshold);
        long wrong = 0, at_once = (long)(int[]){ 1, 500, 90, 7, 64, 200, 33 }[v];

        if (!kernels_supported(variants[v])) {
            duplicate_set_free(set);
            continue;
        }
        kernels_use(variants[v]);
        for (long i = 0; i < s->count; i += at_once)
            duplicate_set_take(set, x + i * s->width,
                               s->count - i < at_once ? s->count - i : at_once, of + i, sim + i);
        found = 0;
        for (long i = 0; i < s->count; i++) {
            wrong += of[i] != want[i] || (of[i] >= 0 && sim[i] != want_sim[i]);
            found += of[i] >= 0;
        }
        ok(!wrong, "%s: near duplicates, %s, %ld at once", variants[v], s->name, at_once);
        duplicate_set_free(set);
    }
    ok(found > s->count / 20, "%s: %ld of %ld are near", s->name, found, s->count);
    kernels_use(NULL);
    free(x);
    free(want);
    free(want_sim);
    free(of);
    free(sim);
}

int main(void)
{
    static const struct set sets[] = {
        { "anywhere", 2600, 64, 0, 1, 0, 0.9f },
        { "around centres", 1500, 100, 20, 0.5f, 0, 0.85f },
        { "around centres, mostly near", 1500, 48, 4, 0.6f, 0, 0.6f },
        { "in groups around points", 5200, 48, 20, 0.5f, 0, 0.95f },
        { "with spikes", 1200, 130, 0, 1, 2, 0.95f },
        { "of three numbers", 600, 3, 0, 1, 0, 0.999f },
        { "of one", 40, 1, 0, 1, 0, 1 },
        { "all of them", 60, 20, 0, 1, 0, -1 },
    };

    pool_start(3);
    for (int v = 0; v < COUNT(variants); v++) {
        if (!kernels_supported(variants[v]))
            continue;
        kernels_use(variants[v]);
        test_dots(variants[v], 1, 1, 1);
        test_dots(variants[v], 1, 70, 100);
        test_dots(variants[v], 70, 1, 300);
        test_dots(variants[v], 53, 17, 256);
        test_dots(variants[v], 9, 130, 517);
        test_dots(variants[v], 130, 150, 700);
    }
    kernels_use(NULL);
    for (int i = 0; i < COUNT(sets); i++)
        test_duplicates(&sets[i]);
    pool_stop();
    return done();
}
