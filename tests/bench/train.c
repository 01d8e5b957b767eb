/* SPDX-License-Identifier: MIT
 * train.c - how fast BLIP learns (ITC, ITM, LM, AdamW), on random pairs
 *
 *     train [WORKLOAD...]        "NAME VALUE pairs/s" a line, medians of 5; without names: all
 *     train -                    one name a line from stdin; answers with the seconds of one step
 *
 *     small.N                    the built-in model, N pairs a step
 *     base.N                     ViT-B/16 and BERT-base at 224 pixels
 *
 * PEER_PRECISION: highest, high or medium, of products by AMX.  train_peer.py knows the same names.
 * With one thread (taskset -c 0) processor time counts, so that other processes do little harm;
 * with more, the machine must have nothing else to do.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/registry.h"
#include "learn/learn.h"
#include "train/train.h"

enum { ROUNDS = 5, TOKENS = 16 };

static const struct kind {
    const char *name;
    int image, patch, width, layers, text_width, text_layers, heads, vocabulary;
} kinds[] = {
    { "small", 64, 8, 192, 6, 192, 4, 6, 5002 },
    { "base", 224, 16, 768, 12, 768, 12, 12, 30524 },
};

static const char *const table[] = { "small.64", "base.8" };

static double seconds(void)
{
    struct timespec now;

    clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A model and its batch of pairs. */
static struct bench {
    char name[32];
    struct model *model;
    struct learning *learning;
    struct adamw adamw;
    struct tape tape;
    struct pairs pairs;
    struct random random;
} bench;

static struct model *create(const struct kind *k)
{
    char folder[] = "/tmp/vlm-train-XXXXXX", *path, *config;
    struct model *m = NULL;

    if (!mkdtemp(folder))
        return NULL;
    path = path_join(folder, "config.json");
    config = xprintf(
        "{\"model_type\": \"blip\", \"image_text_hidden_size\": 256, \"architectures\":"
        " [\"BlipForConditionalGeneration\", \"BlipForImageTextRetrieval\"],"
        " \"text_config\": {\"vocab_size\": %d, \"hidden_size\": %d, \"encoder_hidden_size\": %d,"
        "  \"intermediate_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": %d,"
        "  \"max_position_embeddings\": 64, \"bos_token_id\": %d, \"sep_token_id\": 3},"
        " \"vision_config\": {\"hidden_size\": %d, \"intermediate_size\": %d,"
        "  \"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"image_size\": %d,"
        "  \"patch_size\": %d}}",
        k->vocabulary, k->text_width, k->width, 4 * k->text_width, k->text_layers, k->heads,
        k->vocabulary - 2, k->width, 4 * k->width, k->layers, k->heads, k->image, k->patch);
    if (!file_write_atomic(path, config, strlen(config)))
        m = model_create(folder, 1, NULL);
    unlink(path);
    rmdir(folder);
    free(path);
    free(config);
    return m;
}

static double draw(void *self)
{
    return random_uniform(self);
}

static void fill(const struct kind *k, int count)
{
    long pixels = (long)count * 3 * k->image * k->image;
    float *image = xalloc((size_t)pixels, sizeof *image);
    int *ids = xalloc((size_t)count * TOKENS, sizeof *ids);
    int *counts = xalloc((size_t)count, sizeof *counts);

    for (long i = 0; i < pixels; i++)
        image[i] = random_normal(&bench.random);
    for (int i = 0; i < count * TOKENS; i++)
        ids[i] = 4 + (int)random_below(&bench.random, (uint64_t)k->vocabulary - 8);
    for (int i = 0; i < count; i++)
        counts[i] = TOKENS;
    bench.pairs = (struct pairs){ count, image, ids, counts, NULL, NULL };
}

static void end(void)
{
    if (!bench.model)
        return;
    adamw_end(&bench.adamw);
    tape_free(&bench.tape);
    model_free(bench.model);
    learning_free(bench.learning);
    free((void *)(uintptr_t)bench.pairs.pixels);
    free((void *)(uintptr_t)bench.pairs.ids);
    free((void *)(uintptr_t)bench.pairs.counts);
    memset(&bench, 0, sizeof bench);
}

/* "small.32" */
static void begin(const char *name)
{
    const char *dot = strchr(name, '.');
    const struct kind *k = NULL;

    for (int i = 0; dot && i < COUNT(kinds); i++)
        if (!strncmp(name, kinds[i].name, (size_t)(dot - name)) && !kinds[i].name[dot - name])
            k = &kinds[i];
    if (!k || atoi(dot + 1) < 2) {
        fprintf(stderr, "train: no workload %s\n", name);
        exit(2);
    }
    end();
    snprintf(bench.name, sizeof bench.name, "%s", name);
    bench.random.state = 1;
    bench.model = create(k);
    if (!bench.model) {
        fprintf(stderr, "train: %s\n", error_text());
        exit(1);
    }
    model_begin_learning(bench.model, NULL);
    bench.learning = params_learn(&bench.model->params, NULL);
    bench.adamw = (struct adamw){
        .rate = 1e-4f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.05f
    };
    adamw_begin(&bench.adamw, bench.learning);
    fill(k, atoi(dot + 1));
}

/* Seconds of one step. */
static double step(const char *name)
{
    struct loss_options options = { .objectives = OBJECTIVE_ITC | OBJECTIVE_ITM | OBJECTIVE_LM,
                                    .smoothing = 0.1f,
                                    .draw = draw,
                                    .draw_self = &bench.random };
    struct losses losses;
    double start;

    if (strcmp(bench.name, name))
        begin(name);
    start = seconds();
    tape_clear(&bench.tape);
    learning_zero(bench.learning);
    model_clamp(bench.model);
    if (model_learn(&bench.tape, bench.model, &bench.pairs, &options, &losses)) {
        fprintf(stderr, "train: %s\n", error_text());
        exit(1);
    }
    tape_backward(&bench.tape, losses.total);
    adamw_step(&bench.adamw, bench.learning);
    return seconds() - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const char *name)
{
    double times[ROUNDS];

    step(name);
    for (int i = 0; i < ROUNDS; i++)
        times[i] = step(name);
    qsort(times, ROUNDS, sizeof *times, compare);
    printf("%s %.2f pairs/s\n", name, bench.pairs.count / times[ROUNDS / 2]);
    fflush(stdout);
}

static void serve(void)
{
    char name[32];

    while (scanf("%31s", name) == 1) {
        printf("%.9f\n", step(name));
        fflush(stdout);
    }
}

/* PEER_PRECISION, as for the peer. */
static enum precision wanted(void)
{
    const char *name = getenv("PEER_PRECISION");

    return !name || !strcmp(name, "highest") ? PRECISION_HIGHEST
           : !strcmp(name, "high")           ? PRECISION_HIGH
                                             : PRECISION_MEDIUM;
}

int main(int argc, char **argv)
{
    gemm_precision(wanted());
    blas_name(); /* loads it, before there are threads */
    pool_start(0);
    if (argc == 2 && !strcmp(argv[1], "-"))
        serve();
    else if (argc > 1)
        for (int i = 1; i < argc; i++)
            report(argv[i]);
    else
        for (int i = 0; i < COUNT(table); i++)
            report(table[i]);
    end();
    pool_stop();
    return 0;
}
