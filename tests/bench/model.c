/* SPDX-License-Identifier: MIT
 * model.c - how fast a model's image tower is, as it lies in a folder, and what it says
 *
 *     model FOLDER [PRECISION] < lines
 *
 *     time N                a pass over N pictures of made-up numbers; answers with its seconds
 *     embed FILE N OUT      embeddings of the N pictures in FILE, f32, to OUT; answers "done"
 *
 * Pictures are [N, 3, side, side], prepared.  tower_peer.py asks.  With one thread (taskset -c 0)
 * processor time counts, so that other processes do less harm.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/thread.h"
#include "vlm.h"

static struct vlm *model;

static double seconds(void)
{
    struct timespec now;

    clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "model: %s\n", what);
    exit(1);
}

static float *embed(const float *pixels, int count)
{
    float *out = xalloc((size_t)count * (size_t)vlm_width(model), sizeof *out);

    if (vlm_embed_images(model, pixels, count, true, out))
        die(vlm_error());
    return out;
}

static void measure(int count)
{
    static float *pixels;
    static int have;
    size_t all = (size_t)count * vlm_pixels(model);
    double start;

    if (have < count) {
        pixels = xresize(pixels, all, sizeof *pixels);
        for (size_t i = 0; i < all; i++)
            pixels[i] = (float)(i * 2654435761U % 1021) / 255 - 2;
        have = count;
    }
    start = seconds();
    free(embed(pixels, count));
    printf("%.6f\n", seconds() - start);
}

static void convert(const char *from, int count, const char *to)
{
    size_t each = vlm_pixels(model);
    float *pixels = xalloc((size_t)count * each, sizeof *pixels), *out;
    FILE *in = fopen(from, "rb"), *file = fopen(to, "wb");

    if (!in || fread(pixels, each * sizeof *pixels, (size_t)count, in) != (size_t)count)
        die("pictures are missing");
    for (int i = 0; i < count; i++) {
        out = embed(pixels + (size_t)i * each, 1);
        if (!file || fwrite(out, sizeof *out, (size_t)vlm_width(model), file) == 0)
            die("cannot write");
        free(out);
    }
    fclose(in);
    fclose(file);
    free(pixels);
    printf("done\n");
}

int main(int argc, char **argv)
{
    struct vlm_options options = { .precision = argc > 2 ? argv[2] : NULL };
    char word[16], from[512], to[512];
    int count;

    if (argc < 2)
        die("which model?");
    vlm_threads(0);
    model = vlm_open(argv[1], &options);
    if (!model)
        die(vlm_error());
    while (scanf("%15s", word) == 1) {
        if (!strcmp(word, "time") && scanf("%d", &count) == 1)
            measure(count);
        else if (scanf("%511s %d %511s", from, &count, to) == 3)
            convert(from, count, to);
        fflush(stdout);
    }
    vlm_close(model);
    return 0;
}
