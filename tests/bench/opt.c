/* SPDX-License-Identifier: MIT
 * opt.c - how fast OPT-2.7B writes, on random weights in f16: a file of 5.3 GB
 *
 *     opt --make FILE   writes the file, as a safetensors checkpoint
 *     opt FILE          medians of 7, each step beside a reading of as much memory, taking turns:
 *                       one text, five beams, the 36 rows of a picture and its prompt, peak memory
 *     opt FILE --learn  two passes forward and back to the rows of four pictures with short texts
 *
 * With one thread (taskset -c 0) processor time counts, so that other processes do less harm.
 * Without arguments it says so and does nothing.  The share is of the bytes of weights that a step
 * reads, over its time, to the bandwidth of plain reading measured in turn.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "model/language.h"
#include "model/layout.h"
#include "tests/bench/safetensors.h"

enum { PICTURE = 32, PROMPT = 4, ROUNDS = 7, STEPS = 4, MOST_BEAMS = 5 };
static const struct opt_config config = {
    .vocabulary = 50304, .positions = 2048, .width = 2560, .mlp = 10240, .layers = 32, .heads = 32
};
static const size_t reading = (size_t)2 << 30; /* bytes of plain memory */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void read_slice(void *argument, long index, int worker)
{
    enum { SLICE = 1 << 16 };
    const float *x = (const float *)argument + index * SLICE;
    static _Thread_local volatile float sink;

    (void)worker;
    sink = kernels.dot(x, x, SLICE);
    (void)sink;
}

/* Bytes a second. */
static double bandwidth(float *memory)
{
    double start = seconds();

    pool_run(read_slice, memory, (long)(reading >> 18));
    return (double)reading / (seconds() - start);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *list, int count)
{
    qsort(list, (size_t)count, sizeof *list, compare);
    return list[count / 2];
}

/* A line of /proc/self/status, in MiB. */
static double memory_of(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[200];
    double kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            kib = strtod(line + strlen(name) + 1, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

static struct bench {
    struct opt model;
    struct params params;
    struct weights *weights;
    struct arena memory;
    struct tape tape;
    double bytes; /* of weights that a step reads */
    float *plain;
} bench;

static bool open_model(const char *path)
{
    static const struct layout same = { .name = "ours" };
    static const char *const none[] = { NULL };

    opt_init(&bench.model, &config);
    opt_params(&bench.model, &bench.params);
    bench.weights = weights_open(path);
    if (!bench.weights ||
        params_bind(&bench.params, bench.weights, &same, none, &bench.memory) < 0) {
        warn("%s", error_text());
        return false;
    }
    for (int i = 0; i < bench.params.count; i++) {
        const struct tensor *x = *bench.params.list[i].slot;

        if (x != bench.model.position)
            bench.bytes += (double)tensor_count(x) * (double)dtype_size(x->type);
    }
    return true;
}

/* Seconds a step of `beams` rows, and the bandwidth beside it. */
static double step(struct opt_writer *w, int beams, double *beside)
{
    static float logits[MOST_BEAMS * 50304];
    static const int row[] = { 0, 1, 2, 3, 4 }, counts[] = { 1, 1, 1, 1, 1 };
    static const int ids[] = { 5, 77, 1234, 40000, 9 };
    double start = seconds();

    for (int i = 0; i < STEPS; i++)
        w->language.feed(w->language.self, beams, row, counts, ids, logits);
    start = (seconds() - start) / STEPS;
    *beside = bandwidth(bench.plain);
    return start;
}

static double measure(struct opt_writer *w, int beams)
{
    double list[ROUNDS], share[ROUNDS], beside, s;
    int *length = w->cache->length, before[MOST_BEAMS];

    memcpy(before, length, sizeof before);
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(length, before, sizeof before);
        list[i] = step(w, beams, &beside);
        share[i] = bench.bytes / list[i] / beside;
    }
    memcpy(length, before, sizeof before);
    s = median(list, ROUNDS);
    printf("%d rows: %.0f ms a step, %.1f tokens/s, %.1f GB/s of weights, %.2f of plain reading\n",
           beams, 1e3 * s, beams / s, 1e-9 * bench.bytes / s, median(share, ROUNDS));
    return s;
}

static void run(void)
{
    struct decoding d = { .beams = MOST_BEAMS, .sequences = 1, .max_length = 40 };
    struct tensor *pictures = tensor_make(&bench.tape, PICTURE, config.width);
    static float logits[50304];
    static const int row[] = { 0 }, counts[] = { PROMPT }, ids[] = { 2, 102, 1345, 9 };
    struct opt_writer w;
    double one, start;

    memset(pictures->data, 0, (size_t)tensor_count(pictures) * sizeof(float));
    opt_writer_open(&w, &bench.model, pictures, PICTURE, 1, &d);
    for (int i = 0; i < 2; i++) {
        w.cache->length[0] = 0;
        start = seconds();
        w.language.feed(w.language.self, 1, row, counts, ids, logits);
        printf("%d rows%s: %.2f s\n", PICTURE + PROMPT, i ? "" : ", weights arranged first",
               seconds() - start);
        fflush(stdout);
    }
    for (int i = 1; i < MOST_BEAMS; i++)
        key_cache_copy(w.cache, 0, i);
    one = measure(&w, 1);
    printf("%d rows take %.2f of one\n", MOST_BEAMS, measure(&w, MOST_BEAMS) / one);
    opt_writer_close(&w);
}

/* Through the frozen model: what learns is in front of it. */
static void learn(void)
{
    enum { TEXTS = 4, EACH = 12 };
    struct tensor *pictures = tensor_make(&bench.tape, TEXTS * PICTURE, config.width);
    int ids[TEXTS * EACH], counts[TEXTS];
    const struct language_texts texts = { ids, counts, TEXTS };
    struct tape_mark begun;

    memset(pictures->data, 0, (size_t)tensor_count(pictures) * sizeof(float));
    pictures->grad = tape_floats(&bench.tape, tensor_count(pictures));
    memset(pictures->grad, 0, (size_t)tensor_count(pictures) * sizeof(float));
    pictures->needs_grad = true;
    for (int i = 0; i < TEXTS * EACH; i++)
        ids[i] = i % EACH ? 100 * i : 2;
    for (int i = 0; i < TEXTS; i++)
        counts[i] = EACH;
    begun = tape_mark(&bench.tape);
    for (int i = 0; i < 2; i++) {
        double start = seconds(), forward;
        struct tensor *loss = opt_loss(&bench.tape, &bench.model, pictures, PICTURE, &texts, 0);

        forward = seconds() - start;
        tape_backward(&bench.tape, loss);
        printf("%d rows%s: forward %.1f s, backward %.1f s, %.2f GB remembered\n",
               TEXTS * (PICTURE + EACH), i ? "" : ", weights arranged first", forward,
               seconds() - start - forward, 1e-9 * (double)bench.tape.arena.peak);
        fflush(stdout);
        bench.tape.count = begun.count;
        tape_drop(&bench.tape, begun);
    }
}

int main(int argc, char **argv)
{
    struct params params = { 0 };
    double peak;

    if (argc == 3 && !strcmp(argv[1], "--make")) {
        opt_init(&bench.model, &config);
        opt_params(&bench.model, &params);
        return write_random(&params, DTYPE_F16, argv[2]) < 0;
    }
    if (argc < 2) {
        printf("# skipped: opt --make FILE writes 5.3 GB, opt FILE measures\n");
        return 0;
    }
    pool_start(0);
    bench.plain = xresize(NULL, reading, 1);
    memset(bench.plain, 0, reading);
    if (!open_model(argv[1]))
        return 1;
    printf("%s, %d threads, %.2f GB of weights\n", kernels.name, pool_threads(),
           1e-9 * bench.bytes);
    if (argc == 3 && !strcmp(argv[2], "--learn"))
        learn();
    else
        run();
    peak = memory_of("VmHWM:") - (double)(reading >> 20);
    printf("peak memory %.0f MiB, %.2f of the weights\n", peak, peak / (bench.bytes / (1 << 20)));
    return 0;
}
