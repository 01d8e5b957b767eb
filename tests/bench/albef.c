/* SPDX-License-Identifier: MIT
 * albef.c - how fast ALBEF at 256 pixels judges pairs, on random weights
 *
 *     albef [WORKLOAD...]        "NAME VALUE UNIT" a line, medians of 5; without names: all
 *     albef -                    one name a line from stdin; answers with the seconds of one pass
 *
 *     pair.N       an image with a text of its own, of N: image tower, itc and itm
 *     itm.N        a text of N for one image, whose tokens are there: what ranking again costs
 *
 * albef_peer.py knows the same names; texts have 12 tokens.  With one thread processor time counts.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "family/registry.h"
#include "learn/learn.h"

enum { TOKENS = 12, MOST = 32, ROUNDS = 5 };

struct workload {
    const char *name;
    int images, texts; /* an image, or one for each text */
};

static const struct workload workloads[] = { { "pair.1", 1, 1 },
                                             { "pair.8", 8, 8 },
                                             { "itm.1", 1, 1 },
                                             { "itm.8", 1, 8 },
                                             { "itm.32", 1, 32 } };

static struct bench {
    struct model *model;
    struct tape tape;
    float *pixels;
    struct tensor *image; /* one image's tokens */
    struct arena memory;
    int ids[MOST * TOKENS], counts[MOST], own[MOST], same[MOST];
} bench;

static double seconds(void)
{
    struct timespec now;

    clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A folder of nothing but a configuration: all of it the pre-trained model's. */
static struct model *random_model(void)
{
    static const char config[] = "{\"model_type\":\"albef\"}";
    char folder[] = "/tmp/vlm-bench-XXXXXX", *path;
    struct model *m;

    if (!mkdtemp(folder))
        exit(1);
    path = path_join(folder, "config.json");
    file_write_atomic(path, config, sizeof config - 1);
    m = model_create(folder, 1, NULL);
    unlink(path);
    rmdir(folder);
    free(path);
    return m;
}

static void begin(void)
{
    struct model *m = bench.model = random_model();
    long size = 3L * m->image.size * m->image.size;

    bench.pixels = xalloc((size_t)(8 * size), sizeof *bench.pixels);
    for (long i = 0; i < 8 * size; i++)
        bench.pixels[i] = (float)(i % 255) / 127 - 1;
    for (int i = 0; i < MOST * TOKENS; i++)
        bench.ids[i] = i % TOKENS ? 1000 + i : 101;
    for (int i = 0; i < MOST; i++) {
        bench.counts[i] = TOKENS;
        bench.own[i] = i;
    }
}

static struct tensor *look(int images)
{
    struct model *m = bench.model;
    struct tensor *pixels = tensor_from(&bench.tape, bench.pixels, 4,
                                        (long[]){ images, 3, m->image.size, m->image.size });

    return m->family->features(&bench.tape, m, pixels);
}

static double pass(const struct workload *w)
{
    struct model *m = bench.model;
    struct tensor *x;
    double start;

    tape_clear(&bench.tape);
    x = *w->name == 'i' ? look(1) : NULL;
    start = seconds();
    if (!x) {
        x = look(w->images);
        m->family->image_of(&bench.tape, m, x);
        m->family->text(&bench.tape, m, bench.ids, bench.counts, w->texts);
    }
    m->family->match(&bench.tape, m, x,
                     &(struct image_texts){ bench.ids, bench.counts,
                                            w->images == 1 ? bench.same : bench.own, w->texts });
    return (seconds() - start) / w->texts;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const struct workload *w)
{
    double times[ROUNDS];

    pass(w);
    for (int i = 0; i < ROUNDS; i++)
        times[i] = pass(w);
    qsort(times, ROUNDS, sizeof *times, compare);
    printf("%s %.2f pairs/s\n", w->name, 1 / times[ROUNDS / 2]);
    fflush(stdout);
}

static const struct workload *find(const char *name)
{
    for (int i = 0; i < COUNT(workloads); i++)
        if (!strcmp(workloads[i].name, name))
            return &workloads[i];
    fprintf(stderr, "albef: no workload %s\n", name);
    exit(2);
}

static void serve(void)
{
    char name[64];

    while (scanf("%63s", name) == 1) {
        printf("%.9f\n", pass(find(name)));
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    pool_start(0);
    begin();
    if (argc == 2 && !strcmp(argv[1], "-"))
        serve();
    for (int i = 1; i < argc && strcmp(argv[1], "-"); i++)
        report(find(argv[i]));
    for (int i = 0; argc == 1 && i < COUNT(workloads); i++)
        report(&workloads[i]);
    free(bench.pixels);
    tape_free(&bench.tape);
    model_free(bench.model);
    return 0;
}
