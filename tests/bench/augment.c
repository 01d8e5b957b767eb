/* SPDX-License-Identifier: MIT
 * augment.c - how fast one thread makes pixels for training out of a picture
 *
 *     build/tests/bench/augment [SIDE [FILE...]]      without: 96, and a made-up sticker of 128 x
 * 128
 *
 * Milliseconds of processor time, medians.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "image/augment.h"

enum { ROUNDS = 15, EACH = 20, STICKER = 128 };

static struct preprocess tower;

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

static double measure(const struct augment *a, const struct buffer *bytes)
{
    size_t plane = (size_t)tower.width * (size_t)tower.height;
    float *pixels = xalloc(3 * plane, sizeof *pixels);
    double round[ROUNDS];
    struct random random = { 1 };

    for (int i = 0; i < ROUNDS; i++) {
        double start = now();

        for (int k = 0; k < EACH; k++) {
            struct image image;

            if (image_decode(bytes->data, bytes->size, 0, &image) ||
                (a && augment_image(a, &tower, &image, &random, pixels))) {
                warn("%s", error_text());
                exit(1);
            }
            image_free(&image);
        }
        round[i] = (now() - start) / EACH;
    }
    free(pixels);
    qsort(round, ROUNDS, sizeof *round, by_value);
    return round[ROUNDS / 2];
}

static void add_chunk(struct buffer *b, const char *type, const void *data, size_t size)
{
    struct buffer body = { 0 };
    unsigned long sum;

    buffer_add(&body, type, 4);
    buffer_add(&body, data, size);
    sum = crc32(0, (unsigned char *)body.data, (uInt)body.size);
    for (int i = 24; i >= 0; i -= 8)
        buffer_byte(b, (int)(size >> i & 255));
    buffer_add(b, body.data, body.size);
    for (int i = 24; i >= 0; i -= 8)
        buffer_byte(b, (int)(sum >> i & 255));
    buffer_free(&body);
}

/* A shaded disc on nothing; every row is stored as differences to its left (filter 1). */
static void make_sticker(struct buffer *bytes)
{
    static const unsigned char header[13] = { 0, 0, 0, STICKER, 0, 0, 0, STICKER, 8, 6, 0, 0, 0 };
    static unsigned char rows[STICKER][1 + 4 * STICKER], packed[sizeof rows + 1024];
    uLongf size = sizeof packed;

    for (int y = 0; y < STICKER; y++) {
        unsigned char before[4] = { 0 };

        rows[y][0] = 1;
        for (int x = 0; x < STICKER; x++) {
            double away = hypot(x - 63.5, y - 63.5), alpha = fmin(fmax(60 - away, 0), 1);
            const unsigned char p[4] = { (unsigned char)(alpha > 0 ? 250 - away / 3 : 0),
                                         (unsigned char)(alpha > 0 ? 200 - x / 2 : 0),
                                         (unsigned char)(alpha > 0 ? 40 + (x ^ y) % 40 : 0),
                                         (unsigned char)(255 * alpha) };

            for (int c = 0; c < 4; c++)
                rows[y][1 + 4 * x + c] = (unsigned char)(p[c] - before[c]);
            memcpy(before, p, 4);
        }
    }
    compress2(packed, &size, rows[0], sizeof rows, 9);
    buffer_add(bytes, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(bytes, "IHDR", header, sizeof header);
    add_chunk(bytes, "IDAT", packed, size);
    add_chunk(bytes, "IEND", "", 0);
}

static void run(const char *name, const struct buffer *bytes)
{
    static const struct {
        const char *name;
        struct augment a;
    } rows[] = {
        { "as at inference", { .flip = false } },
        { "crop, flip", { .crop_least = 0.5f, .crop_most = 1, .flip = true } },
        { "and operations", { 0.5f, 1, true, 2, 5, false } },
        { "and a ground", { 0.5f, 1, true, 2, 5, true } },
    };

    printf("%s, %zu bytes, to %d x %d\n", name, bytes->size, tower.width, tower.height);
    printf("  %-16s %7.3f ms\n", "decode", measure(NULL, bytes));
    for (int i = 0; i < COUNT(rows); i++)
        printf("  %-16s %7.3f ms\n", rows[i].name, measure(&rows[i].a, bytes));
}

int main(int argc, char **argv)
{
    int side = argc > 1 ? atoi(argv[1]) : 96;
    struct buffer bytes = { 0 };

    tower = (struct preprocess){ .resize = side,
                                 .width = side,
                                 .height = side,
                                 .geometry = GEOMETRY_SQUASH,
                                 .filter = FILTER_BICUBIC,
                                 .convert_first = true,
                                 .scale = 1.0 / 255,
                                 .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
                                 .std = { 0.26862954f, 0.26130258f, 0.27577711f } };
    if (argc < 3) {
        make_sticker(&bytes);
        run("sticker", &bytes);
    }
    for (int i = 2; i < argc; i++) {
        buffer_clear(&bytes);
        if (file_read(&bytes, argv[i])) {
            warn("%s", error_text());
            return 1;
        }
        run(argv[i], &bytes);
    }
    buffer_free(&bytes);
    return 0;
}
