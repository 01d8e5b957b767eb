/* SPDX-License-Identifier: MIT
 * augment.h - images as a tower sees them in training, never twice the same
 *
 * All random choices come from the generator that is passed, in a fixed order, so its state decides
 * the result.
 */
#ifndef IMAGE_AUGMENT_H
#define IMAGE_AUGMENT_H

#include "base/random.h"
#include "image/image.h"

struct augment {                 /* all zero: nothing, the image is as at inference */
    float crop_least, crop_most; /* share of the area that is kept; 0: no crop, as at inference */
    bool flip;                   /* left becomes right, every other time */
    int operations;              /* of RandAugment that are drawn; each is applied half the time */
    int magnitude;               /* of 10 */
    bool background;             /* what has alpha gets a ground, a colour or two that blend */
};

/* augment.c */
/* Decoded image to pixels, [3, height, width]; `image` may be changed.  -1 after fail(). */
int augment_image(const struct augment *a, const struct preprocess *p, struct image *image,
                  struct random *r, float *pixels);
/* torchvision's RandomResizedCrop, aspect 3/4 to 4/3: the window that is kept. */
struct crop {
    int left, top, width, height;
};
struct crop augment_crop(const struct augment *a, int width, int height, struct random *r);
void augment_background(struct image *image, struct random *r); /* alpha is gone after it */

/* operation.c - the operations of RandomAugment, as BLIP and ALBEF train with them
 * Source: salesforce/BLIP transform/randaugment.py; the list is data/__init__.py's */
enum operation {
    OPERATION_IDENTITY,
    OPERATION_AUTOCONTRAST,
    OPERATION_BRIGHTNESS,
    OPERATION_SHARPNESS,
    OPERATION_EQUALIZE,
    OPERATION_SHEAR_X,
    OPERATION_SHEAR_Y,
    OPERATION_TRANSLATE_X,
    OPERATION_TRANSLATE_Y,
    OPERATION_ROTATE,
    OPERATION_COUNT
};
/* What a magnitude, 0 to 10, means to an operation: a factor, a slope, pixels, degrees. */
double operation_argument(enum operation o, int magnitude);
/* Those that have a direction take it from the argument's sign.  image: RGB. */
void operation_apply(enum operation o, double argument, struct image *image);

/* warp.c - OpenCV's warpAffine with INTER_LINEAR, as its versions up to 4.10 round
 * matrix: [2, 3], source to destination; what lies outside is `ground` in all channels. */
void warp(const struct image *from, struct image *to, const double matrix[6], int ground);

#endif
