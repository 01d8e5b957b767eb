/* SPDX-License-Identifier: MIT
 * thumbnail.c - pictures made small: their sides, what is seen in them, where a sheet has them
 *
 * The picture has four quarters of one colour each.  However small it becomes, the middle of each
 * quarter has its colour, but for what JPEG loses.
 */
#include <stdlib.h>
#include <string.h>
#include "image/image.h"
#include "tap.h"
#include "vlm.h"

static const unsigned char colours[4][3] = {
    { 230, 30, 30 }, { 30, 200, 40 }, { 30, 40, 220 }, { 128, 128, 128 }
};

static struct buffer quarters(int width, int height)
{
    struct buffer b = { 0 };

    buffer_printf(&b, "P6 %d %d 255\n", width, height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            buffer_add(&b, colours[2 * (2 * y / height) + 2 * x / width], 3);
    return b;
}

/* Whether the picture of these sides at (left, top) has the colours in its quarters. */
static bool shows(const struct image *image, int left, int top, int width, int height)
{
    for (int q = 0; q < 4; q++) {
        int x = left + width * (1 + 2 * (q % 2)) / 4, y = top + height * (1 + 2 * (q / 2)) / 4;
        const unsigned char *at =
            image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x);

        for (int c = 0; c < 3; c++)
            if (abs(at[c] - colours[q][c]) > 12) {
                note("quarter %d of %d x %d: %d %d %d", q, width, height, at[0], at[1], at[2]);
                return false;
            }
    }
    return true;
}

/* A JPEG that is decoded smaller has its sides rounded twice: one more or less. */
static struct vlm_bytes small(struct vlm_bytes from, int longest, int width, int height,
                              const char *name)
{
    struct image image = { 0 };
    void *jpeg = NULL;
    size_t size = 0;
    int sides[2] = { 0 }, status = vlm_thumbnail(from, 0, longest, &jpeg, &size, sides);

    if (ok(!status && abs(sides[0] - width) <= 1 && abs(sides[1] - height) <= 1, "%s: %d x %d",
           name, width, height))
        ok(!image_decode(jpeg, size, 0, &image) && image.width == sides[0] &&
               image.height == sides[1] && shows(&image, 0, 0, sides[0], sides[1]),
           "and what is seen in it");
    else
        note("status %d, %d x %d", status, sides[0], sides[1]);
    image_free(&image);
    return (struct vlm_bytes){ jpeg, size };
}

static void check(int width, int height, int longest, int small_width, int small_height)
{
    struct buffer b = quarters(width, height);
    struct vlm_bytes whole = { b.data, b.size }, jpeg, again;

    /* from a PPM, whose pixels are averaged; from a JPEG, which is decoded smaller */
    jpeg = small(whole, 4096, width, height, "a picture that is small enough");
    again = small(whole, longest, small_width, small_height, "from all pixels");
    free((void *)again.data);
    again = small(jpeg, longest, small_width, small_height, "from a JPEG");
    free((void *)again.data);
    free((void *)jpeg.data);
    buffer_free(&b);
}

static void check_sheet(void)
{
    enum { SIDE = 64, ACROSS = 2 };
    struct vlm_bytes list[3];
    struct image image = { 0 };
    void *jpeg = NULL;
    size_t size = 0;

    for (int i = 0; i < 3; i++) {
        struct buffer b = quarters(64 - 16 * i, 40);

        list[i] = small((struct vlm_bytes){ b.data, b.size }, SIDE, 64 - 16 * i, 40, "of a sheet");
        buffer_free(&b);
    }
    ok(!vlm_sprites(list, 3, ACROSS, SIDE, &jpeg, &size) && !image_decode(jpeg, size, 0, &image) &&
           image.width == ACROSS * SIDE && image.height == 2 * SIDE,
       "three pictures, two a row");
    for (int i = 0; i < 3; i++)
        ok(image.pixels && shows(&image, i % ACROSS * SIDE, i / ACROSS * SIDE, 64 - 16 * i, 40),
           "picture %d in its square", i);
    image_free(&image);
    free(jpeg);
    for (int i = 0; i < 3; i++)
        free((void *)list[i].data);
}

int main(void)
{
    void *jpeg = NULL;
    size_t size;
    int sides[2];

    check(640, 480, 128, 128, 96);
    check(333, 1000, 100, 33, 100);
    check(2050, 256, 128, 128, 16);
    check(129, 128, 128, 128, 127);
    check(61, 45, 32, 32, 24);
    check_sheet();
    ok(vlm_thumbnail((struct vlm_bytes){ "no picture", 10 }, 0, 16, &jpeg, &size, sides) == -1,
       "what is no picture is refused");
    return done();
}
