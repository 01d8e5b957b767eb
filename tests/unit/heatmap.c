/* SPDX-License-Identifier: MIT
 * heatmap.c - maps over images: PNG files that can be read back, and what the drawing promises
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "image/codec.h"
#include "draw/draw.h"
#include "tests/unit/tap.h"

enum { WIDE = 37, HIGH = 23 };

static struct image picture(int channels, bool noise)
{
    struct image image = { WIDE, HIGH, channels, channels == 1 ? MODE_L : MODE_RGB, NULL, 0 };
    size_t size = (size_t)WIDE * HIGH * (size_t)channels;
    struct random random = { 5 };

    image.pixels = xalloc(size, 1);
    for (size_t i = 0; i < size; i++)
        image.pixels[i] = (unsigned char)(noise ? random_uniform(&random) * 256 : i / 9 % 256);
    return image;
}

static void test_png(int channels, bool noise)
{
    struct image image = picture(channels, noise), back;
    struct buffer png = { 0 };
    size_t size = (size_t)WIDE * HIGH * (size_t)channels;

    png_write(&png, &image);
    if (ok(!image_decode(png.data, png.size, 0, &back), "a PNG of %d channels opens", channels))
        ok(back.width == WIDE && back.height == HIGH && back.channels == channels &&
               !memcmp(back.pixels, image.pixels, size),
           "with the pixels that were written");
    ok(noise || png.size < size / 2, "smooth pictures are packed: %zu of %zu", png.size, size);
    image_free(&image);
    image_free(&back);
    buffer_free(&png);
}

/* The mean light of a quarter of the drawing. */
static double light(const struct image *image, int right, int below)
{
    double sum = 0;
    int w = image->width / 2, h = image->height / 2;

    for (int y = below * h; y < below * h + h; y++)
        for (int x = right * w; x < right * w + w; x++)
            for (int c = 0; c < 3; c++)
                sum += image->pixels[3 * (y * image->width + x) + c];
    return sum / (3.0 * w * h);
}

static bool draw(const float *map, int side, int longest, struct image *drawn)
{
    struct image image = picture(3, false);
    struct buffer out = { 0 };
    bool good;

    memset(image.pixels, 100, 3 * WIDE * HIGH);
    heatmap_draw(&out, &image, &(struct heatmap){ map, side, longest });
    good = !image_decode(out.data, out.size, 0, drawn);
    image_free(&image);
    buffer_free(&out);
    return good;
}

static void test_drawing(void)
{
    float map[16] = { 0 };
    struct image drawn;

    map[2] = 3; /* of 4 x 4: above, right of the middle */
    if (ok(draw(map, 4, 0, &drawn), "a map is drawn"))
        ok(light(&drawn, 1, 0) > 1.2 * light(&drawn, 0, 1) &&
               light(&drawn, 1, 0) > light(&drawn, 1, 1),
           "it glows where the map is high");
    image_free(&drawn);
    for (int i = 0; i < 16; i++)
        map[i] = 2;
    if (ok(draw(map, 4, 0, &drawn), "an even map is drawn"))
        ok(light(&drawn, 0, 0) < 100 && light(&drawn, 0, 0) == light(&drawn, 1, 1), "evenly pale");
    image_free(&drawn);
    if (ok(draw(map, 4, 20, &drawn), "a large picture is drawn"))
        ok(drawn.width == 20 && drawn.height == 12, "smaller: %d x %d", drawn.width, drawn.height);
    image_free(&drawn);
}

int main(void)
{
    test_png(3, false);
    test_png(3, true);
    test_png(1, false);
    test_drawing();
    return done();
}
