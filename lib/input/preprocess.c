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
#include "input/codec.h"

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
        *width = p->width;
        *height = p->height;
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

/* part: RGB, placed at (x, y) */
static void normalise(const struct preprocess *p, const struct image *part, int x, int y,
                      float *pixels)
{
    size_t plane = (size_t)p->width * (size_t)p->height;
    int fill = p->geometry == GEOMETRY_LONGEST ? p->fill & 255 : 0;
    float values[3][256];

    table(p, values);
    if (part->width < p->width || part->height < p->height)
        for (size_t i = 0; i < 3 * plane; i++)
            pixels[i] = values[i / plane][fill];
    for (int row = 0; row < part->height; row++) {
        const unsigned char *in = part->pixels + 3 * (size_t)row * (size_t)part->width;
        float *out = pixels + (size_t)(y + row) * (size_t)p->width + x;

        for (int i = 0; i < part->width; i++, in += 3, out++) {
            out[0] = values[0][in[0]];
            out[plane] = values[1][in[1]];
            out[2 * plane] = values[2][in[2]];
        }
    }
}

int preprocess_image(const struct preprocess *p, struct image *image, float *pixels)
{
    struct image part;
    struct placing x, y;
    long width, height;

    assert(p->width > 0 && p->height > 0 && image->width > 0 && image->height > 0);
    if (p->convert_first)
        image_to_rgb(image);
    resized(p, image, &width, &height);
    if (!p->center_crop && p->geometry == GEOMETRY_SHORTEST &&
        (width != p->width || height != p->height))
        return fail_as("unsupported", "an image of %ld x %ld pixels where %d x %d are taken", width,
                       height, p->width, p->height);
    x = place(width, p->width, p->rounding);
    y = place(height, p->height, p->rounding);
    resize(image, &part, width, height, p->filter, x.from, y.from, x.count, y.count);
    image_to_rgb(&part);
    normalise(p, &part, x.to, y.to, pixels);
    image_free(&part);
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
