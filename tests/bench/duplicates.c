/* SPDX-License-Identifier: MIT
 * duplicates.c - near duplicates among vectors: how fast, and whether each is right
 *
 *     duplicates                           20,000 x 512, and a sample beside all products
 *     duplicates COUNT WIDTH CENTRES       the same of these; CENTRES 0: vectors anywhere
 *     duplicates COUNT WIDTH CENTRES FILE  writes the vectors, f32 row after row, for the peer
 *     duplicates -                         a line "COUNT WIDTH CENTRES THRESHOLD" from stdin:
 *                                          answers with "SECONDS PROCESSOR_SECONDS DUPLICATES"
 *
 * The vectors: a centre of standard normals, one of CENTRES, plus half of a normal; every tenth on
 * average is one before plus a normal of length 0.2.  All have length 1.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernel/kernel.h"

enum { AT_ONCE = 128, SAMPLES = 100 };

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void to_unit(float *v, long width)
{
    double sum = 0;

    for (long k = 0; k < width; k++)
        sum += (double)v[k] * (double)v[k];
    for (long k = 0; k < width; k++)
        v[k] = (float)(v[k] / sqrt(sum));
}

static float *vectors(long count, long width, long centres)
{
    struct random r = { 42 };
    float *x = xalloc((size_t)count, (size_t)width * sizeof *x);
    float *centre = xalloc((size_t)centres + 1, (size_t)width * sizeof *centre);

    for (long i = 0; i < centres * width; i++)
        centre[i] = random_normal(&r);
    for (long i = 0; i < count; i++) {
        bool planted = i > 10 && random_uniform(&r) < 0.1;
        long from = (long)random_below(&r, (uint64_t)(planted ? i : centres ? centres : 1));
        const float *base = planted ? x + from * width : centre + from * width;
        float by = planted ? 0.2f / sqrtf((float)width) : centres ? 0.5f : 1;

        for (long k = 0; k < width; k++)
            x[i * width + k] = base[k] + by * random_normal(&r);
        to_unit(x + i * width, width);
    }
    free(centre);
    return x;
}

struct result {
    double wall, processor;
    long *of, duplicates;
};

static struct result find(const float *x, long count, long width, float threshold)
{
    struct result r = { .of = xalloc((size_t)count, sizeof *r.of) };
    float *sim = xalloc((size_t)count, sizeof *sim);
    double wall = seconds(CLOCK_MONOTONIC), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct duplicate_set *s = duplicate_set_new(width, threshold);

    for (long i = 0; i < count; i += AT_ONCE)
        duplicate_set_take(s, x + i * width, count - i < AT_ONCE ? count - i : AT_ONCE, r.of + i,
                           sim + i);
    duplicate_set_free(s);
    r.wall = seconds(CLOCK_MONOTONIC) - wall;
    r.processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
    for (long i = 0; i < count; i++)
        r.duplicates += r.of[i] >= 0;
    free(sim);
    return r;
}

/* Some of the vectors beside all that were kept before. */
static long wrong_of_sample(const float *x, long count, long width, float threshold, const long *of)
{
    long *kept = xalloc((size_t)count, sizeof *kept), n = 0, wrong = 0;
    long step = count / SAMPLES + 1;

    for (long i = 0; i < count; i++) {
        long first = -1;

        for (long j = 0; i % step == step - 1 && first < 0 && j < n; j++)
            if (fminf(kernels.dot_in_order(x + i * width, x + kept[j] * width, width), 1) >=
                threshold)
                first = j;
        wrong += i % step == step - 1 && first != of[i];
        if (of[i] < 0)
            kept[n++] = i;
    }
    free(kept);
    return wrong;
}

static void show(long count, long width, long centres)
{
    static const float thresholds[] = { 0.95f, 0.9f };
    float *x = vectors(count, width, centres);

    for (int i = 0; i < COUNT(thresholds); i++) {
        struct result r = find(x, count, width, thresholds[i]);

        printf(
            "%ld x %ld, %ld centres, threshold %.2f: %.2f s, %.2f of processors, %ld duplicates, "
            "%ld wrong in a sample\n",
            count, width, centres, (double)thresholds[i], r.wall, r.processor, r.duplicates,
            wrong_of_sample(x, count, width, thresholds[i], r.of));
        fflush(stdout);
        free(r.of);
    }
    free(x);
}

static void answer(void)
{
    long count, width, centres, had = 0;
    float threshold, *x = NULL;

    while (scanf("%ld %ld %ld %f", &count, &width, &centres, &threshold) == 4) {
        struct result r;

        if (had != count)
            free(x), x = vectors(count, width, centres);
        had = count;
        r = find(x, count, width, threshold);
        printf("%.4f %.4f %ld\n", r.wall, r.processor, r.duplicates);
        fflush(stdout);
        free(r.of);
    }
    free(x);
}

int main(int argc, char **argv)
{
    long count = argc > 3 ? atol(argv[1]) : 20000, width = argc > 3 ? atol(argv[2]) : 512;
    long centres = argc > 3 ? atol(argv[3]) : 1000;
    FILE *file;

    pool_start(0);
    if (argc == 2) {
        answer();
    } else if (argc == 5) {
        float *x = vectors(count, width, centres);

        file = fopen(argv[4], "w");
        if (!file || fwrite(x, (size_t)width * sizeof *x, (size_t)count, file) != (size_t)count ||
            fclose(file))
            return 1;
        free(x);
    } else {
        show(count, width, centres);
    }
    pool_stop();
    return 0;
}
