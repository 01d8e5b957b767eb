/* SPDX-License-Identifier: MIT
 * opt.c - how fast OPT-2.7B writes, on random weights in f16, also by --precision=medium, and in
 * int8
 *
 *     opt [TYPE...]         f16, f16.medium, int8; medians of 7: the 36 rows of a picture and its
 * prompt, one text, five beams; each step beside a reading of plain memory, taking turns opt - TYPE
 * one name a line from stdin, "picture", "one", "five" or "read"; answers with the seconds of a
 * pass, of a step or of reading 1 GiB opt --learn [TYPE]    two passes forward and back to the rows
 * of four pictures with texts
 *
 * The share is of the bytes of weights that a step reads, over its time, to the bandwidth of plain
 * reading measured in turn.  opt_peer.py knows the same names.  With one thread (taskset -c 0)
 * processor time counts, so that other processes do less harm.  It wants 7 GB of memory; where they
 * are not free it says so and does nothing.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "decode/language.h"
#include "tests/bench/reading.h"

enum { PICTURE = 32, PROMPT = 4, ROUNDS = 7, STEPS = 4, BEAMS = 5, WORDS = 50304 };
static const struct opt_config config = {
    .vocabulary = WORDS, .positions = 2048, .width = 2560, .mlp = 10240, .layers = 32, .heads = 32
};
static const double wanted = 7e9; /* bytes of memory */

static struct bench {
    struct opt model;
    struct params params;
    struct arena memory;
    struct tape tape;
    double bytes; /* of weights that a step reads */
    struct opt_writer writer;
    char *plain;
} bench;

static double seconds(void)
{
    struct timespec now;

    clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- a model of random numbers within 1/16 of 0 --- */

enum { NUMBERS = 1 << 28 }; /* that matrices are taken from, one after the other, and again */

static struct source {
    enum dtype type;
    char *numbers;
    float *scales;
    long at;
} source;

static void make_source(enum dtype type)
{
    enum { BLOCK = 1 << 20 };
    size_t size = dtype_size(type);
    uint32_t state = 1;

    source.type = type;
    source.numbers = xalloc(NUMBERS, size);
    for (long i = 0; i < BLOCK; i++) {
        state = state * 1664525 + 1013904223;
        if (type == DTYPE_I8)
            source.numbers[i] = (char)((int32_t)state >> 24);
        else
            ((uint16_t *)(void *)source.numbers)[i] =
                float_to_half((float)(int32_t)state * 0x1p-35f);
    }
    for (long i = BLOCK; i < NUMBERS; i += BLOCK)
        memcpy(source.numbers + (size_t)i * size, source.numbers, BLOCK * size);
    source.scales = xalloc(WORDS, sizeof *source.scales);
    for (int i = 0; i < WORDS; i++)
        source.scales[i] = 0x1p-11f;
}

static void fill(struct param *p)
{
    struct tensor *x = arena_alloc(&bench.memory, sizeof *x);
    long count;

    *x = (struct tensor){ .type = source.type, .rank = p->rank };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->stride = width(x);
    count = tensor_count(x);
    *p->slot = x;
    if (p->rank < 2 || p->slot == &bench.model.position) {
        x->type = DTYPE_F32;
        x->data = arena_alloc(&bench.memory, (size_t)count * sizeof(float));
        for (long i = 0; i < count; i++)
            x->data[i] = (float)(i % 64 - 32) / 512;
        return;
    }
    source.at = source.at + count <= NUMBERS ? source.at : 0;
    x->bytes = source.numbers + (size_t)source.at * dtype_size(x->type);
    x->scale = x->type == DTYPE_I8 ? source.scales : NULL;
    source.at += count;
    bench.bytes += (double)count * (double)dtype_size(x->type);
}

static void begin(enum dtype type)
{
    make_source(type);
    opt_init(&bench.model, &config);
    opt_params(&bench.model, &bench.params);
    for (int i = 0; i < bench.params.count; i++)
        fill(&bench.params.list[i]);
}

static void end(void)
{
    opt_close(&bench.model);
    params_free(&bench.params);
    tape_free(&bench.tape);
    arena_free(&bench.memory);
    free(source.numbers);
    free(source.scales);
    bench = (struct bench){ .plain = bench.plain };
    source = (struct source){ 0 };
}

/* --- passes, in seconds --- */

static double picture(void)
{
    static float logits[WORDS];
    static const int row[] = { 0 }, counts[] = { PROMPT }, ids[] = { 2, 102, 1345, 9 };
    double start = seconds();

    bench.writer.cache->length[0] = 0;
    bench.writer.language.feed(bench.writer.language.self, 1, row, counts, ids, logits);
    return seconds() - start;
}

/* A step of some texts, as long behind the picture each time. */
static double step(int texts)
{
    static float logits[BEAMS * WORDS];
    static const int row[] = { 0, 1, 2, 3, 4 }, counts[] = { 1, 1, 1, 1, 1 };
    static const int ids[] = { 5, 77, 1234, 40000, 9 };
    double start;

    for (int i = 0; i < texts; i++)
        bench.writer.cache->length[i] = PICTURE + PROMPT;
    start = seconds();
    for (int i = 0; i < STEPS; i++)
        bench.writer.language.feed(bench.writer.language.self, texts, row, counts, ids, logits);
    return (seconds() - start) / STEPS;
}

static double one(void)
{
    return step(1);
}

static double five(void)
{
    return step(BEAMS);
}

static double reading(void)
{
    double start = seconds();

    reading_pass(bench.plain);
    return seconds() - start;
}

/* The first pass arranges the weights. */
static void open_writer(void)
{
    const struct decoding d = { .beams = BEAMS, .sequences = 1, .max_length = 40 };
    struct tensor *rows_in = tensor_make(&bench.tape, PICTURE, config.width);

    memset(rows_in->data, 0, (size_t)tensor_count(rows_in) * sizeof(float));
    opt_writer_open(&bench.writer, &bench.model, rows_in, PICTURE, 1, &d);
    picture();
    for (int i = 1; i < BEAMS; i++)
        key_cache_copy(bench.writer.cache, 0, i);
}

/* --- reports --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *list)
{
    qsort(list, ROUNDS, sizeof *list, compare);
    return list[ROUNDS / 2];
}

static double measure(const char *name, double (*pass)(void), int texts)
{
    double list[ROUNDS], beside[ROUNDS], share[ROUNDS], s, r;

    for (int i = 0; i < ROUNDS; i++) {
        list[i] = pass();
        beside[i] = reading();
        share[i] = bench.bytes / list[i] / (READING_BYTES / beside[i]);
    }
    s = median(list);
    r = median(beside);
    printf(
        "%s: %.0f ms a step, %.1f tokens/s, %.1f GB/s of weights, %.2f of plain reading (%.1f)\n",
        name, 1e3 * s, texts / s, 1e-9 * bench.bytes / s, median(share), 1e-9 * READING_BYTES / r);
    fflush(stdout);
    return s;
}

static void run(void)
{
    double list[ROUNDS], alone;

    open_writer();
    for (int i = 0; i < ROUNDS; i++)
        list[i] = picture();
    printf("picture and prompt: %.0f ms\n", 1e3 * median(list));
    alone = measure("one text", one, 1);
    printf("five beams take %.2f of one\n", measure("five beams", five, BEAMS) / alone);
    fflush(stdout);
    opt_writer_close(&bench.writer);
}

static void serve(void)
{
    static const struct {
        const char *name;
        double (*pass)(void);
    } passes[] = { { "picture", picture }, { "one", one }, { "five", five }, { "read", reading } };
    char name[64];

    open_writer();
    while (scanf("%63s", name) == 1)
        for (int i = 0; i < COUNT(passes); i++)
            if (!strcmp(passes[i].name, name)) {
                printf("%.9f\n", passes[i].pass());
                fflush(stdout);
            }
    opt_writer_close(&bench.writer);
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

/* Also what products of them are, from now on. */
static enum dtype type_named(const char *name)
{
    packed_precision(strcmp(name, "f16.medium") ? PRECISION_HIGHEST : PRECISION_MEDIUM);
    if (!strcmp(name, "f16") || !strcmp(name, "f16.medium"))
        return DTYPE_F16;
    if (!strcmp(name, "int8"))
        return DTYPE_I8;
    fprintf(stderr, "opt: weights are f16, f16.medium or int8, not %s\n", name);
    exit(2);
}

static void go(const char *type, void (*job)(void))
{
    begin(type_named(type));
    if (job != serve)
        printf("%s, %s, %d threads, %.2f GB of weights\n", type, kernels.name, pool_threads(),
               1e-9 * bench.bytes);
    fflush(stdout);
    job();
    end();
}

/* Bytes; what the page cache would give back is among them. */
static double available_memory(void)
{
    static const char name[] = "MemAvailable:";
    FILE *f = fopen("/proc/meminfo", "r");
    char line[200];
    double kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            kib = strtod(line + strlen(name), NULL);
    if (f)
        fclose(f);
    return 1024 * kib;
}

int main(int argc, char **argv)
{
    static const char *const types[] = { "f16", "f16.medium", "int8" };
    double available = available_memory();

    pool_start(0);
    bench.plain = reading_memory();
    if (argc == 3 && !strcmp(argv[1], "-"))
        go(argv[2], serve);
    else if (argc > 1 && !strcmp(argv[1], "--learn"))
        go(argc > 2 ? argv[2] : "f16", learn);
    else if (argc > 1)
        for (int i = 1; i < argc; i++)
            go(argv[i], run);
    else if (available < wanted)
        printf("# skipped: %.1f GB of memory are free, %.1f wanted\n", 1e-9 * available,
               1e-9 * wanted);
    else
        for (int i = 0; i < COUNT(types); i++)
            go(types[i], run);
    return 0;
}
