/* SPDX-License-Identifier: MIT
 * preprocess.c - an image as a tower wants it: resized, cropped or padded, normalised
 *
 *     pixel = ((float)(byte * scale) - mean) / std         float32; byte * scale in double
 *
 * With scale 1/255 this is bit for bit torchvision's byte / 255 in float32, and Hugging Face's
 * rescaling in float64; a table of 256 entries a channel holds all that can come out.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "image/codec.h"

struct placing { /* along one axis */
    long size;   /* of the whole resized picture */
    long from;   /* first pixel of it that is wanted */
    int to;      /* where that goes in the result */
    int count;
};

/* Python's round(x / ratio) of open_clip's ResizeKeepRatio; at least one pixel. */
static long rounded(double x, double ratio)
{
    double size = nearbyint(x / ratio);

    return size < 1 ? 1 : (long)size;
}

/* A side at a scale, in whole squares, one at least. */
static long whole_squares(double scale, long side, int patch)
{
    long squares = (long)ceil((double)side * scale / patch);

    return patch * (squares < 1 ? 1 : squares);
}

/* The largest scale at which both sides have `most` squares together, found by halving.
 * Source: huggingface/transformers models/siglip2/image_processing_siglip2.py,
 * get_image_size_for_max_num_patches. */
static void keep_shape(const struct preprocess *p, const struct image *image, long *width,
                       long *height)
{
    const double eps = 1e-5;
    double low = eps / 10, high = 100;

    while (high - low >= eps) {
        double scale = (low + high) / 2;
        double down = (double)whole_squares(scale, image->height, p->patch) / p->patch;
        double across = (double)whole_squares(scale, image->width, p->patch) / p->patch;

        if (down * across <= p->most)
            low = scale;
        else
            high = scale;
    }
    *width = whole_squares(low, image->width, p->patch);
    *height = whole_squares(low, image->height, p->patch);
}

static void resized(const struct preprocess *p, const struct image *image, long *width,
                    long *height)
{
    long w = image->width, h = image->height;
    double ratio_w = (double)w / p->width, ratio_h = (double)h / p->height;
    double most = ratio_w > ratio_h ? ratio_w : ratio_h, least = ratio_w + ratio_h - most;

    *width = w;
    *height = h;
    if (p->resize <= 0)
        return;
    if (p->geometry == GEOMETRY_SQUASH) {
        /* a square may be cropped from a larger one; what is not square is the size itself */
        *width = p->width == p->height ? p->resize : p->width;
        *height = p->width == p->height ? p->resize : p->height;
    } else if (p->geometry == GEOMETRY_LONGEST ||
               (p->width != p->height && p->rounding == CROP_HALF_EVEN)) { /* open_clip's */
        double ratio = p->geometry == GEOMETRY_LONGEST ? most : least;

        *width = rounded((double)w, ratio);
        *height = rounded((double)h, ratio);
    } else { /* the long side is rounded down, as int(size * long / short) */
        *width = w <= h ? p->resize : (long)p->resize * w / h;
        *height = w <= h ? (long)p->resize * h / w : p->resize;
    }
}

/* The middle of `size` pixels, of which `wanted` are looked at. */
static struct placing place(long size, int wanted, enum crop_rounding rounding)
{
    struct placing p = { .size = size, .count = size < wanted ? (int)size : wanted };
    long spare = size - wanted;

    if (spare < 0) /* padded: torchvision puts the odd pixel behind, Hugging Face before */
        p.to = (int)(rounding == CROP_HALF_EVEN ? -spare / 2 : (1 - spare) / 2);
    else if (rounding == CROP_HALF_EVEN)
        p.from = (long)nearbyint((double)spare / 2);
    else
        p.from = spare / 2;
    return p;
}

static void table(const struct preprocess *p, float values[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            values[c][i] = ((float)(i * p->scale) - p->mean[c]) / p->std[c];
}

/* A picture smaller than what is wanted, on a ground. */
static void pad(const struct preprocess *p, struct image *part, int x, int y)
{
    int fill = p->geometry == GEOMETRY_LONGEST ? p->fill & 255 : 0;
    size_t row = 3 * (size_t)part->width, stride = 3 * (size_t)p->width;
    struct image whole;

    if (part->width == p->width && part->height == p->height)
        return;
    image_new(&whole, p->width, p->height, 3, MODE_RGB);
    memset(whole.pixels, fill, stride * (size_t)p->height);
    for (int i = 0; i < part->height; i++)
        memcpy(whole.pixels + (size_t)(y + i) * stride + 3 * (size_t)x,
               part->pixels + (size_t)i * row, row);
    image_free(part);
    *part = whole;
}

void preprocess_begin(const struct preprocess *p, struct image *image)
{
    if (p->orient)
        image_orient(image);
    if (p->lay_on)
        image_lay_on(image, p->ground);
}

static void fit_shape(const struct preprocess *p, struct image *image, struct image *fitted)
{
    long width, height;

    image_to_rgb(image);
    keep_shape(p, image, &width, &height);
    resize(image, fitted, p->filter,
           &(struct window){ width, height, 0, 0, (int)width, (int)height });
}

int preprocess_fit(const struct preprocess *p, struct image *image, struct image *fitted)
{
    struct placing x, y;
    long width, height;

    if (p->geometry == GEOMETRY_PATCHES) {
        preprocess_begin(p, image);
        fit_shape(p, image, fitted);
        return 0;
    }
    assert(p->width > 0 && p->height > 0 && image->width > 0 && image->height > 0);
    preprocess_begin(p, image);
    if (p->convert_first)
        image_to_rgb(image);
    resized(p, image, &width, &height);
    if (!p->center_crop && p->geometry == GEOMETRY_SHORTEST &&
        (width != p->width || height != p->height))
        return fail_as("unsupported", "an image of %ld x %ld pixels where %d x %d are taken", width,
                       height, p->width, p->height);
    x = place(width, p->width, p->rounding);
    y = place(height, p->height, p->rounding);
    resize(image, fitted, p->filter,
           &(struct window){ width, height, x.from, y.from, x.count, y.count });
    image_to_rgb(fitted);
    pad(p, fitted, x.to, y.to);
    return 0;
}

size_t preprocess_numbers(const struct preprocess *p)
{
    if (p->geometry == GEOMETRY_PATCHES)
        return 3 * (size_t)p->patch * (size_t)p->patch * (size_t)p->most + 2;
    return 3 * (size_t)p->width * (size_t)p->height;
}

/* A square's pixels one after the other, the three colours of each side by side. */
static void cut_squares(const struct preprocess *p, const struct image *fitted, float *pixels)
{
    size_t patch = (size_t)p->patch, line = 3 * patch, row = 3 * (size_t)fitted->width;
    size_t down = (size_t)fitted->height / patch, across = (size_t)fitted->width / patch;
    float *last = pixels + preprocess_numbers(p) - 2, values[3][256];

    assert(fitted->channels == 3 && down * across <= (size_t)p->most);
    table(p, values);
    for (size_t i = 0; i < down * across; i++)
        for (size_t y = 0; y < patch; y++) {
            const unsigned char *in = fitted->pixels + (i / across * patch + y) * row;

            for (size_t x = 0; x < line; x++)
                *pixels++ = values[x % 3][in[i % across * line + x]];
        }
    memset(pixels, 0, (size_t)(last - pixels) * sizeof *pixels);
    last[0] = (float)down;
    last[1] = (float)across;
}

void preprocess_normalise(const struct preprocess *p, const struct image *fitted, float *pixels)
{
    size_t plane = (size_t)p->width * (size_t)p->height;
    const unsigned char *in = fitted->pixels;
    float values[3][256];

    if (p->geometry == GEOMETRY_PATCHES) {
        cut_squares(p, fitted, pixels);
        return;
    }
    assert(fitted->channels == 3 && fitted->width == p->width && fitted->height == p->height);
    table(p, values);
    for (size_t i = 0; i < plane; i++, in += 3, pixels++) {
        pixels[0] = values[0][in[0]];
        pixels[plane] = values[1][in[1]];
        pixels[2 * plane] = values[2][in[2]];
    }
}

int preprocess_image(const struct preprocess *p, struct image *image, float *pixels)
{
    struct image fitted;

    if (preprocess_fit(p, image, &fitted))
        return -1;
    preprocess_normalise(p, &fitted, pixels);
    image_free(&fitted);
    return 0;
}

int preprocess_bytes(const struct preprocess *p, const void *bytes, size_t size, long max_pixels,
                     float *pixels)
{
    struct image image;
    int result;

    if (image_decode(bytes, size, max_pixels, &image) < 0)
        return -1;
    result = preprocess_image(p, &image, pixels);
    image_free(&image);
    return result;
}
