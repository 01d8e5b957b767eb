/* SPDX-License-Identifier: MIT
 * efficientnet.c - how fast one thread takes a picture through EfficientNet-Lite, on random weights
 *
 *     build/tests/bench/efficientnet [SIDE]         without: 224
 *
 * Milliseconds of processor time a picture, medians, of the members 0 and 2.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "nn/efficientnet.h"

enum { ROUNDS = 9 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Gains and variances 1, shifts and means 0, the rest small. */
static void draw(struct params *p, struct arena *memory)
{
    struct random r = { 3 };

    for (int i = 0; i < p->count; i++) {
        const struct param *one = &p->list[i];
        struct tensor *x = *one->slot = arena_alloc(memory, sizeof *x);
        long count = 1, inputs;

        *x = (struct tensor){ .rank = one->rank };
        for (int k = 0; k < one->rank; k++)
            count *= x->shape[k] = one->shape[k];
        inputs = count / x->shape[0];
        x->stride = width(x);
        x->data = arena_alloc(memory, (size_t)count * sizeof *x->data);
        for (long k = 0; k < count; k++)
            x->data[k] = one->rank > 1 ? random_normal(&r) / (float)inputs : i % 5 % 2 ? 1 : 0;
    }
}

static double measure(float width, float depth, int side)
{
    const struct efficientnet_config config = { side, width, depth, 32, 1280, 1e-3f, 0 };
    struct efficientnet e;
    struct params p = { 0 };
    struct arena memory = { 0 };
    struct tape t = { 0 };
    float *pixels = xalloc(3 * (size_t)side * (size_t)side, sizeof *pixels);
    double times[ROUNDS];

    efficientnet_init(&e, &config);
    efficientnet_params(&e, &p);
    draw(&p, &memory);
    for (int i = -1; i < ROUNDS; i++) { /* the first packs */
        double start = now();

        tape_clear(&t);
        efficientnet_forward(&t, &e, tensor_from(&t, pixels, 4, (long[]){ 1, 3, side, side }),
                             false);
        if (i >= 0)
            times[i] = now() - start;
    }
    qsort(times, ROUNDS, sizeof *times, by_value);
    tape_free(&t);
    efficientnet_close(&e);
    params_free(&p);
    arena_free(&memory);
    free(pixels);
    return times[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    int side = argc > 1 ? atoi(argv[1]) : 224;

    pool_start(1);
    printf("efficientnet-lite0.%d %.2f ms\n", side, measure(1, 1, side));
    printf("efficientnet-lite2.%d %.2f ms\n", side, measure(1.1f, 1.2f, side));
    return 0;
}
