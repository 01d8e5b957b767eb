/* SPDX-License-Identifier: MIT
 * blip.c - how fast BLIP-base at 384 pixels writes and matches, on random weights
 *
 *     blip [WORKLOAD...]         "NAME VALUE UNIT" a line, medians of 5; without names: all
 *     blip -                     one name a line from stdin; answers with the seconds of one pass
 *     blip int8 ..               the same in int8: numbers are taken for a byte each, those of the
 *                                decoder, which waits for memory, as they are
 *
 *     vit.N        an image, of a batch of N
 *     image.keys   the decoder's keys and values of one image
 *     step.B       one step of beam search with B beams, the choice of tokens included
 *     caption      an image to 20 tokens with 3 beams, the image tower included
 *     itm.TxN      a pair, N texts of T tokens for one image, whose keys and values are included
 *
 * blip_peer.py knows the same names.  With one thread (taskset -c 0) processor time counts, so that
 * other processes do little harm; with more, the machine must have nothing else to do.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/blip/blip.h"
#include "decode/writer.h"

enum { SIDE = 384, WIDTH = 768, TOKENS = 577, ROUNDS = 5, STEPS = 20 };

static struct bench {
    struct blip model;
    struct params params;
    struct arena memory;
    struct tape tape;
    struct tensor *image; /* [TOKENS, WIDTH]: what an image tower could have given */
} bench;

struct workload {
    const char *name;
    double (*pass)(int count, int tokens); /* seconds of one thing */
    int count, tokens;
    const char *unit; /* "ms", or things a second */
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- a model of random numbers --- */

static bool in_int8;

static void fill_int8(struct tensor *x, float size, struct random *random)
{
    float *scale = arena_alloc(&bench.memory, (size_t)x->shape[0] * sizeof *scale);
    int8_t *to = arena_alloc(&bench.memory, (size_t)tensor_count(x));

    x->type = DTYPE_I8;
    x->bytes = to;
    x->scale = scale;
    for (long i = 0; i < x->shape[0]; i++)
        scale[i] = size / 254;
    for (long i = 0; i < tensor_count(x); i++)
        to[i] = (int8_t)((int)random_below(random, 255) - 127);
}

static void fill(struct param *p, struct random *random)
{
    struct tensor *x = arena_alloc(&bench.memory, sizeof *x);
    float size = p->rank > 1 ? 1.7f / sqrtf((float)p->shape[p->rank - 1]) : 0.2f;
    long count;

    *x = (struct tensor){ .type = DTYPE_F32, .rank = p->rank };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->stride = width(x);
    *p->slot = x;
    if (in_int8 && p->multiplies && p->rank == 2) {
        x->pieces = p->memory_bound ? 0 : 1;
        fill_int8(x, size, random);
        return;
    }
    count = tensor_count(x);
    x->data = arena_alloc(&bench.memory, (size_t)count * sizeof(float));
    for (long i = 0; i < count; i++)
        x->data[i] = size * (float)(random_uniform(random) - 0.5);
}

static void begin(void)
{
    struct random random = { 1 };
    struct blip_config c = {
        .vision = { .vit = { .image = SIDE,
                             .patch = 16,
                             .width = WIDTH,
                             .mlp = 4 * WIDTH,
                             .layers = 12,
                             .heads = 12,
                             .eps = 1e-5f,
                             .activation = ACTIVATION_GELU,
                             .patch_bias = true,
                             .norm_after = true } },
        .text = { .vocabulary = 30524,
                  .positions = 512,
                  .width = WIDTH,
                  .mlp = 4 * WIDTH,
                  .layers = 12,
                  .heads = 12,
                  .eps = 1e-12f,
                  .cross_width = WIDTH,
                  .cross_every = 1 },
        .embedding = 256,
        .encoder = true,
        .decoder = true,
        .match = true,
        .begin = 30522,
        .encode = 30523,
        .end = 102,
    };

    blip_init(&bench.model, &c);
    blip_params(&bench.model, &bench.params);
    for (int i = 0; i < bench.params.count; i++)
        fill(&bench.params.list[i], &random);
    bench.image = arena_alloc(&bench.memory, sizeof *bench.image);
    *bench.image = (struct tensor){
        .type = DTYPE_F32, .rank = 2, .shape = { TOKENS, WIDTH }, .stride = WIDTH
    };
    bench.image->data = arena_alloc(&bench.memory, sizeof(float) * TOKENS * WIDTH);
    for (long i = 0; i < TOKENS * WIDTH; i++)
        bench.image->data[i] = random_normal(&random);
}

/* --- passes --- */

static struct tensor *look(int images)
{
    struct tensor *pixels = tensor_make(&bench.tape, images, 3, SIDE, SIDE);

    for (long i = 0; i < tensor_count(pixels); i++)
        pixels->data[i] = (float)(i % 255) / 127 - 1;
    return tower_forward(&bench.tape, &bench.model.vision, pixels, false);
}

static double pass_vit(int images, int tokens)
{
    double start = seconds();

    (void)tokens;
    tape_clear(&bench.tape);
    look(images);
    return (seconds() - start) / images;
}

static const struct spans *one_image(void)
{
    return spans_even(&bench.tape, 1, TOKENS);
}

static double pass_keys(int images, int tokens)
{
    struct decoding d = { .beams = 3, .sequences = 1, .max_length = STEPS };
    struct writer w;
    double start = seconds();

    (void)images, (void)tokens;
    tape_clear(&bench.tape);
    writer_open(&w, &bench.model.decoder, bench.image, one_image(), &d);
    start = seconds() - start;
    writer_close(&w);
    return start;
}

static double write_tokens(struct tensor *image, int beams, int length)
{
    struct decoding d = { .beams = beams,
                          .sequences = 1,
                          .repetition_penalty = 1,
                          .length_penalty = 1,
                          .min_length = length,
                          .max_length = length,
                          .end = bench.model.config.end,
                          .version = BEAM_4_50 };
    const struct prompt prompt = { .ids = &bench.model.config.begin, .count = 1 };
    struct writer w;
    struct hypothesis out;
    double start;

    writer_open(&w, &bench.model.decoder, image, one_image(), &d);
    start = seconds();
    if (decode(&w.language, &d, &prompt, 1, &out))
        exit(1);
    start = seconds() - start;
    free(out.ids);
    writer_close(&w);
    return start;
}

static double pass_step(int beams, int tokens)
{
    (void)tokens;
    tape_clear(&bench.tape);
    return (write_tokens(bench.image, beams, STEPS + 4) - write_tokens(bench.image, beams, 4)) /
           STEPS;
}

static double pass_caption(int beams, int tokens)
{
    double start = seconds();

    tape_clear(&bench.tape);
    write_tokens(look(1), beams, tokens);
    return seconds() - start;
}

static double pass_match(int texts, int tokens)
{
    int *ids = xalloc((size_t)(texts * tokens), sizeof *ids);
    int *image_of = xalloc((size_t)texts, sizeof *image_of);
    double start = seconds();

    for (int i = 0; i < texts * tokens; i++)
        ids[i] = i % tokens ? 1000 + i : bench.model.config.encode;
    tape_clear(&bench.tape);
    blip_match(&bench.tape, &bench.model,
               &(struct bert_input){ .ids = ids,
                                     .texts = spans_even(&bench.tape, texts, tokens),
                                     .image = bench.image,
                                     .images = one_image(),
                                     .image_of = image_of });
    free(ids);
    free(image_of);
    return (seconds() - start) / texts;
}

static const struct workload workloads[] = {
    { "vit.1", pass_vit, 1, 0, "images/s" },      { "vit.8", pass_vit, 8, 0, "images/s" },
    { "image.keys", pass_keys, 1, 0, "ms" },      { "step.1", pass_step, 1, 0, "ms" },
    { "step.3", pass_step, 3, 0, "ms" },          { "step.5", pass_step, 5, 0, "ms" },
    { "caption", pass_caption, 3, 20, "/s" },     { "itm.16x1", pass_match, 1, 16, "pairs/s" },
    { "itm.16x8", pass_match, 8, 16, "pairs/s" }, { "itm.35x1", pass_match, 1, 35, "pairs/s" },
    { "itm.35x8", pass_match, 8, 35, "pairs/s" },
};

/* --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const struct workload *w)
{
    double times[ROUNDS], median;

    w->pass(w->count, w->tokens);
    for (int i = 0; i < ROUNDS; i++)
        times[i] = w->pass(w->count, w->tokens);
    qsort(times, ROUNDS, sizeof *times, compare);
    median = times[ROUNDS / 2];
    if (!strcmp(w->unit, "ms"))
        printf("%s %.2f ms\n", w->name, 1e3 * median);
    else
        printf("%s %.2f %s\n", w->name, 1 / median, w->unit);
    fflush(stdout);
}

static const struct workload *find(const char *name)
{
    for (int i = 0; i < COUNT(workloads); i++)
        if (!strcmp(workloads[i].name, name))
            return &workloads[i];
    fprintf(stderr, "blip: no workload %s\n", name);
    exit(2);
}

static void serve(void)
{
    char name[64];

    while (scanf("%63s", name) == 1) {
        const struct workload *w = find(name);

        printf("%.9f\n", w->pass(w->count, w->tokens));
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    pool_start(0);
    in_int8 = argc > 1 && !strcmp(argv[1], "int8");
    argc -= in_int8;
    argv += in_int8;
    begin();
    if (argc == 2 && !strcmp(argv[1], "-"))
        serve();
    else if (argc > 1)
        for (int i = 1; i < argc; i++)
            report(find(argv[i]));
    else
        for (int i = 0; i < COUNT(workloads); i++)
            report(&workloads[i]);
    blip_close(&bench.model);
    params_free(&bench.params);
    tape_free(&bench.tape);
    arena_free(&bench.memory);
    return 0;
}
