/* SPDX-License-Identifier: MIT
 * jpeg.c - how fast one thread makes pixels for a tower out of a JPEG
 *
 *     build/tests/bench/jpeg [FILE...]        without: a made-up photograph of 640 x 480
 *     build/tests/bench/jpeg -w FILE          writes that one, for jpeg.py beside this file
 *
 * Milliseconds of processor time, medians.  "prepare" is CLIP's: short side to 224, bicubic, centre
 * crop, normalised float32.  jpeg.py measures Pillow and NumPy at the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <math.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "image/image.h"
#include "text/text.h"
#ifdef HAVE_LIBJPEG
#include <jpeglib.h>
#endif

enum { ROUNDS = 15, WIDTH = 640, HEIGHT = 480, SIDE = 224 };

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

/* Milliseconds of one call: the median of rounds of ten. */
static double milliseconds(void (*run)(const struct buffer *), const struct buffer *bytes)
{
    double round[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        double start = now();

        for (int k = 0; k < 10; k++)
            run(bytes);
        round[i] = (now() - start) / 10;
    }
    qsort(round, ROUNDS, sizeof *round, by_value);
    return round[ROUNDS / 2];
}

static void decode(const struct buffer *bytes)
{
    struct image image;

    if (image_decode(bytes->data, bytes->size, 0, &image) < 0) {
        warn("%s", error_text());
        exit(1);
    }
    image_free(&image);
}

static void prepare(const struct buffer *bytes)
{
    static float pixels[3 * SIDE * SIDE];
    static const struct preprocess p = { .resize = SIDE,
                                         .width = SIDE,
                                         .height = SIDE,
                                         .filter = FILTER_BICUBIC,
                                         .center_crop = true,
                                         .scale = 1.0 / 255,
                                         .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
                                         .std = { 0.26862954f, 0.26130258f, 0.27577711f } };

    if (preprocess_bytes(&p, bytes->data, bytes->size, 0, pixels) < 0) {
        warn("%s", error_text());
        exit(1);
    }
}

#ifdef HAVE_LIBJPEG
/* Smooth light, edges, and the grain of a sensor: quality 90 makes some 60 kB of it. */
static void paint(unsigned char *pixels)
{
    struct random dice = { 1 };

    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++) {
                double light = 110 + 70 * sin(x / (40.0 + 9 * c)) * cos(y / 57.0);
                double edge = (x / 37 + y / 53) % 3 * 22;
                double v = light + edge + 4 * (double)random_normal(&dice);

                *pixels++ = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
}

static void make_photograph(struct buffer *bytes)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr error;
    unsigned char *pixels = xalloc(3 * WIDTH * HEIGHT, 1), *out = NULL;
    unsigned long size = 0;

    paint(pixels);
    jpeg.err = jpeg_std_error(&error);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &size);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 90, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < HEIGHT; y++)
        jpeg_write_scanlines(&jpeg, (JSAMPROW[]){ pixels + 3 * WIDTH * y }, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    buffer_add(bytes, out, size);
    free(out);
    free(pixels);
}
#else
static void make_photograph(struct buffer *bytes)
{
    (void)bytes;
    warn("name a JPEG: this build has no libjpeg to make one");
    exit(2);
}
#endif

static void measure(const char *name, const struct buffer *bytes)
{
    struct image_info info = { 0 };
    double decoded, all;

    image_probe(bytes->data, bytes->size, &info);
    decoded = milliseconds(decode, bytes);
    all = milliseconds(prepare, bytes);
    printf(
        "%s: %ld x %ld, %zu bytes: decode %.2f ms, prepare %.2f ms, all %.2f ms, %.0f images/s\n",
        name, info.width, info.height, bytes->size, decoded, all - decoded, all, 1e3 / all);
}

int main(int argc, char **argv)
{
    struct buffer bytes = { 0 };

    if (argc == 3 && !strcmp(argv[1], "-w")) {
        make_photograph(&bytes);
        return file_write_atomic(argv[2], bytes.data, bytes.size) < 0;
    }
    for (int i = 1; i < argc; i++) {
        buffer_clear(&bytes);
        if (file_read(&bytes, argv[i]) < 0) {
            warn("%s", error_text());
            return 1;
        }
        measure(argv[i], &bytes);
    }
    if (argc == 1) {
        make_photograph(&bytes);
        measure("made up", &bytes);
    }
    buffer_free(&bytes);
    return 0;
}
