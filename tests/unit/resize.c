/* SPDX-License-Identifier: MIT
 * resize.c - resized random pictures against Pillow, to the last bit
 */
#include "tests/unit/pictures.h"

static int cases, wrong, windows;

static void check(char **field, int fields)
{
    int n[11];
    bool window = fields == 12;
    struct image from, to;
    struct window w;
    unsigned long sum;

    for (int i = 0; i < fields - 1; i++)
        n[i] = atoi(field[i]);
    from = noise((uint32_t)n[1], n[2], n[3], n[0]);
    w = (struct window){ n[4], n[5], 0, 0, n[4], n[5] };
    if (window)
        w = (struct window){ n[4], n[5], n[7], n[8], n[9], n[10] };
    resize(&from, &to, (enum resampling)n[6], &w);
    sum = sum_of(to.pixels, image_bytes(&to));
    if (sum != strtoul(field[fields - 1], NULL, 16)) {
        wrong++;
        note("%d channels, %d x %d to %d x %d, filter %d%s: sum %08lx, Pillow's is %s", n[0], n[2],
             n[3], n[4], n[5], n[6], window ? ", window" : "", sum, field[fields - 1]);
    }
    cases++;
    windows += window;
    image_free(&from);
    image_free(&to);
}

/* Four pixels to two, bicubic: small enough to follow by hand. */
static void check_by_hand(void)
{
    unsigned char pixels[] = { 10, 20, 200, 90 };
    struct image from = { 4, 1, 1, MODE_L, pixels, 0 }, to;

    resize(&from, &to, FILTER_BICUBIC, &(struct window){ 2, 1, 0, 0, 2, 1 });
    if (!ok(to.pixels[0] == 34 && to.pixels[1] == 135, "four pixels to two"))
        note("got %d %d, expected 34 135", to.pixels[0], to.pixels[1]);
    image_free(&to);
}

/* A palette picture keeps its colours, whatever the filter. */
static void check_palette(void)
{
    const struct window all = { 7, 9, 0, 0, 7, 9 };
    struct image from = noise(3, 20, 20, 3), a, b;

    resize(&from, &a, FILTER_NEAREST, &all);
    from.mode = MODE_P;
    resize(&from, &b, FILTER_BICUBIC, &all);
    ok(!memcmp(a.pixels, b.pixels, image_bytes(&a)), "a palette picture takes the nearest pixels");
    image_free(&from);
    image_free(&a);
    image_free(&b);
}

/* Extreme sizes: only the window is computed, so nothing large is allocated. */
static void check_window_only(void)
{
    struct image from = noise(5, 1, 5000, 3), to;

    resize(&from, &to, FILTER_BICUBIC, &(struct window){ 224, 224L * 5000, 0, 500000, 224, 224 });
    ok(to.width == 224 && to.height == 224, "a window of a million rows");
    image_free(&from);
    image_free(&to);
}

int main(void)
{
    each_expectation("resize", check);
    ok(cases == 200 && wrong == 0, "%d of %d pictures equal Pillow's", cases - wrong, cases);
    cases = wrong = 0;
    each_expectation("window", check);
    ok(windows >= 50 && wrong == 0, "%d of %d windows equal Pillow's", cases - wrong, cases);
    check_by_hand();
    check_palette();
    check_window_only();
    return done();
}
