/* SPDX-License-Identifier: MIT
 * augment.c - images as a tower sees them in training, never twice the same
 *
 *     background, crop, flip, operations, then normalised as at inference
 *
 * Source: salesforce/BLIP data/__init__.py (create_dataset) and pytorch/vision
 * torchvision/transforms/transforms.py (RandomResizedCrop, RandomHorizontalFlip).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "image/augment.h"
#include "image/codec.h"

/* --- background --- */

struct ground { /* colour at (x, y): from + share (to - from), share = x right + y down + start */
    int from[3], to[3];
    double right, down, start;
};

/* Half of the grounds are of one colour; the others go over into a second one, in any direction,
 * from one corner of the picture to another. */
static struct ground draw_ground(const struct image *image, struct random *r)
{
    struct ground g = { 0 };
    bool blends = random_uniform(r) < 0.5;
    double angle = random_uniform(r) * 6.283185307179586, x = cos(angle), y = sin(angle), length;

    for (int c = 0; c < 3; c++) {
        g.from[c] = (int)random_below(r, 256);
        g.to[c] = (int)random_below(r, 256);
    }
    length = fabs(x) * image->width + fabs(y) * image->height;
    if (blends) {
        g.right = x / length;
        g.down = y / length;
        g.start = 0.5 - (g.right * (image->width - 1) + g.down * (image->height - 1)) / 2;
    }
    return g;
}

/* (colour alpha + ground (255 - alpha)) / 255, rounded */
static unsigned char over(unsigned colour, unsigned alpha, double ground)
{
    unsigned t = colour * alpha + (unsigned)(ground + 0.5) * (255 - alpha) + 128;

    return (unsigned char)((t + (t >> 8)) >> 8);
}

void augment_background(struct image *image, struct random *r)
{
    int channels = image->channels;
    const unsigned char *in = image->pixels;
    struct ground g;
    struct image rgb;
    unsigned char *out;

    if (!image_has_alpha(image))
        return;
    g = draw_ground(image, r);
    image_new(&rgb, image->width, image->height, 3, MODE_RGB);
    out = rgb.pixels;
    for (int y = 0; y < rgb.height; y++) {
        for (int x = 0; x < rgb.width; x++, in += channels, out += 3) {
            double share = x * g.right + y * g.down + g.start;

            for (int c = 0; c < 3; c++)
                out[c] = over(in[channels == 4 ? c : 0], in[channels - 1],
                              g.from[c] + share * (g.to[c] - g.from[c]));
        }
    }
    image_free(image);
    *image = rgb;
}

/* --- crop --- */

static double between(struct random *r, double least, double most)
{
    return least + random_uniform(r) * (most - least);
}

/* Where no window was found: the largest one in the middle whose aspect is within the bounds. */
static struct crop middle(int width, int height)
{
    struct crop c = { 0, 0, width, height };

    if (4L * width < 3L * height)
        c.height = (int)nearbyint(width / (3. / 4.));
    else if (3L * width > 4L * height)
        c.width = (int)nearbyint(height * (4. / 3.));
    c.left = (width - c.width) / 2;
    c.top = (height - c.height) / 2;
    return c;
}

struct crop augment_crop(const struct augment *a, int width, int height, struct random *r)
{
    enum { TRIES = 10 };
    const double bound = log(4. / 3.);

    for (int i = 0; i < TRIES; i++) {
        double area = (double)width * height * between(r, a->crop_least, a->crop_most);
        double aspect = exp(between(r, -bound, bound));
        double w = nearbyint(sqrt(area * aspect)), h = nearbyint(sqrt(area / aspect));

        if (w >= 1 && w <= width && h >= 1 && h <= height) {
            struct crop c = { .width = (int)w, .height = (int)h };

            c.top = (int)random_below(r, (uint64_t)(height - c.height) + 1);
            c.left = (int)random_below(r, (uint64_t)(width - c.width) + 1);
            return c;
        }
    }
    return middle(width, height);
}

/* The window alone: resizing it looks at nothing beyond it. */
static void cut(struct image *image, struct crop c)
{
    size_t channels = (size_t)image->channels, row = channels * (size_t)c.width;
    size_t stride = channels * (size_t)image->width;
    unsigned char *from = image->pixels + (size_t)c.top * stride + channels * (size_t)c.left;

    for (int y = 0; y < c.height; y++)
        memmove(image->pixels + (size_t)y * row, from + (size_t)y * stride, row);
    image->width = c.width;
    image->height = c.height;
}

static int fit(const struct augment *a, const struct preprocess *p, struct image *image,
               struct random *r, struct image *fitted)
{
    if (a->crop_most <= 0)
        return preprocess_fit(p, image, fitted);
    if (p->convert_first)
        image_to_rgb(image);
    cut(image, augment_crop(a, image->width, image->height, r));
    if (p->geometry == GEOMETRY_PATCHES)
        return preprocess_fit(p, image, fitted);
    resize(image, fitted, p->filter,
           &(struct window){ p->width, p->height, 0, 0, p->width, p->height });
    image_to_rgb(fitted);
    return 0;
}

/* --- flip, operations --- */

static void mirror(struct image *image)
{
    for (int y = 0; y < image->height; y++) {
        unsigned char *left = image->pixels + 3 * (size_t)y * (size_t)image->width;
        unsigned char *right = left + 3 * (image->width - 1), swap[3];

        for (; left < right; left += 3, right -= 3) {
            memcpy(swap, left, 3);
            memcpy(left, right, 3);
            memcpy(right, swap, 3);
        }
    }
}

static void operate(const struct augment *a, struct image *image, struct random *r)
{
    for (int i = 0; i < a->operations; i++) {
        enum operation o = (enum operation)random_below(r, OPERATION_COUNT);
        double argument = operation_argument(o, a->magnitude);
        bool applied = random_uniform(r) < 0.5, turned = random_uniform(r) < 0.5;

        if (applied)
            operation_apply(o, turned && o >= OPERATION_SHEAR_X ? -argument : argument, image);
    }
}

int augment_image(const struct augment *a, const struct preprocess *p, struct image *image,
                  struct random *r, float *pixels)
{
    struct image fitted;

    if (p->orient)
        image_orient(image);
    if (a->background)
        augment_background(image, r);
    preprocess_begin(p, image); /* where no random ground is drawn */
    if (fit(a, p, image, r, &fitted))
        return -1;
    if (a->flip && random_uniform(r) < 0.5)
        mirror(&fitted);
    operate(a, &fitted, r);
    preprocess_normalise(p, &fitted, pixels);
    image_free(&fitted);
    return 0;
}
