/* SPDX-License-Identifier: MIT
 * heatmap.c - a map over an image: the picture goes pale and dark where the map is low, and glows
 * where it is high, with a thin line around what is above one half
 *
 *     v     the map from 0 to 1, smoothed and enlarged by the cubic B-spline
 *     pale  the picture with little of its colour, darkened
 *     glow  from violet over red to yellow
 *
 * The B-spline's own width, 0.58 squares, is about the blur that ALBEF's demo applies.
 */
#include <math.h>
#include <stdlib.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "image/codec.h"
#include "draw/draw.h"

static const float glow[][4] = { /* v, red, green, blue */
                                 { 0.00f, 20, 12, 60 },
                                 { 0.25f, 90, 20, 120 },
                                 { 0.50f, 205, 50, 80 },
                                 { 0.75f, 250, 130, 30 },
                                 { 1.00f, 255, 232, 90 }
};
static const float most_glow = 0.66f;  /* of the colour, where v is 1 */
static const float pale_light = 0.60f; /* of the picture's light where v is 0 */
static const float pale_color = 0.30f; /* of its colour */
static const float outline = 0.5f, outline_light = 235;

static float clamp(float x, float least, float most)
{
    return x < least ? least : x > most ? most : x;
}

static float *normalized(const float *map, int side)
{
    long count = (long)side * side;
    float *to = xalloc((size_t)count, sizeof *to), least = map[0], most = map[0];

    for (long i = 1; i < count; i++) {
        least = fminf(least, map[i]);
        most = fmaxf(most, map[i]);
    }
    for (long i = 0; i < count && most > least; i++)
        to[i] = (map[i] - least) / (most - least);
    return to;
}

/* Where pixel i of n lies among the squares: the first of four, held at the border, and weights. */
struct spline {
    int at[4];
    float weight[4];
};

static struct spline spline_at(int i, int n, int side)
{
    float x = ((float)i + 0.5f) * (float)side / (float)n - 0.5f, t = x - floorf(x);
    struct spline s;

    for (int k = 0; k < 4; k++)
        s.at[k] = (int)clamp(floorf(x) - 1 + (float)k, 0, (float)(side - 1));
    s.weight[0] = (1 - t) * (1 - t) * (1 - t) / 6;
    s.weight[1] = (3 * t * t * t - 6 * t * t + 4) / 6;
    s.weight[2] = (-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6;
    s.weight[3] = t * t * t / 6;
    return s;
}

static float *enlarged(const float *map, int side, int width, int height)
{
    float *to = xalloc((size_t)width * (size_t)height, sizeof *to), most = 0;
    struct spline *across = xalloc((size_t)width, sizeof *across);

    for (int x = 0; x < width; x++)
        across[x] = spline_at(x, width, side);
    for (int y = 0; y < height; y++) {
        struct spline down = spline_at(y, height, side);

        for (int x = 0; x < width; x++) {
            float v = 0;

            for (int i = 0; i < 4; i++)
                for (int k = 0; k < 4; k++)
                    v += down.weight[i] * across[x].weight[k] *
                         map[down.at[i] * side + across[x].at[k]];
            to[(long)y * width + x] = v;
            most = fmaxf(most, v);
        }
    }
    for (long i = 0; i < (long)width * height && most > 0; i++)
        to[i] /= most;
    free(across);
    return to;
}

static void glow_at(float v, float rgb[3])
{
    int i = 0;

    while (i + 2 < COUNT(glow) && v > glow[i + 1][0])
        i++;
    v = (v - glow[i][0]) / (glow[i + 1][0] - glow[i][0]);
    for (int c = 0; c < 3; c++)
        rgb[c] = glow[i][c + 1] + clamp(v, 0, 1) * (glow[i + 1][c + 1] - glow[i][c + 1]);
}

static void draw_pixel(unsigned char *p, float v)
{
    float grey = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2], hot[3];
    float share = most_glow * powf(v, 1.2f);
    float light = pale_light + (1 - pale_light) * v, color = pale_color + (1 - pale_color) * v;

    glow_at(v, hot);
    for (int c = 0; c < 3; c++) {
        float pale = light * (grey + color * ((float)p[c] - grey));

        p[c] = (unsigned char)lrintf(clamp((1 - share) * pale + share * hot[c], 0, 255));
    }
}

/* How much of a pixel the line covers: one pixel wide for small pictures, three for large ones. */
static float line_at(const float *v, int width, int height, int x, int y)
{
    float here = v[(long)y * width + x] - outline;
    float dx = v[(long)y * width + (x + 1 < width ? x + 1 : x)] - outline - here;
    float dy = v[(long)(y + 1 < height ? y + 1 : y) * width + x] - outline - here;
    float slope = sqrtf(dx * dx + dy * dy), half = 0.5f + (float)(width + height) / 2400;

    return slope > 0 ? clamp(half + 0.5f - fabsf(here) / slope, 0, 1) : 0;
}

static void shrink(struct image *image, int longest)
{
    int most = image->width > image->height ? image->width : image->height;
    long width, height;
    struct image to;

    if (!longest || most <= longest)
        return;
    width = ((long)image->width * longest + most / 2) / most;
    height = ((long)image->height * longest + most / 2) / most;
    width = width ? width : 1;
    height = height ? height : 1;
    resize(image, &to, FILTER_BICUBIC,
           &(struct window){ width, height, 0, 0, (int)width, (int)height });
    image_free(image);
    *image = to;
}

static void draw(struct image *image, const float *map, int side)
{
    float *small = normalized(map, side), *v;

    v = enlarged(small, side, image->width, image->height);
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            long at = (long)y * image->width + x;
            float line = 0.8f * line_at(v, image->width, image->height, x, y);
            unsigned char *p = image->pixels + 3 * at;

            draw_pixel(p, v[at]);
            for (int c = 0; c < 3; c++)
                p[c] = (unsigned char)lrintf((1 - line) * (float)p[c] + line * outline_light);
        }
    free(small);
    free(v);
}

void heatmap_draw(struct buffer *out, struct image *image, const struct heatmap *h)
{
    image_to_rgb(image);
    shrink(image, h->longest);
    draw(image, h->map, h->side);
    png_write(out, image);
}
