/* SPDX-License-Identifier: MIT
 * image.h - encoded pictures to the pixels that an image tower takes
 *
 * All functions here may run on several threads at once.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/core.h"

/* image.c - encoded bytes to 8-bit pixels
 *
 * Codes of failures: "empty" "unknown_format" "unsupported" "truncated" "corrupt" "too_large"
 * "zero_sized".  Size limits are checked in the header, before anything is decoded.  What unusual
 * pictures give is listed in image.c.
 */
enum image_mode { /* as Pillow names them; resizing before conversion to RGB depends on it */
                  MODE_L,
                  MODE_LA,
                  MODE_RGB,
                  MODE_RGBA,
                  MODE_P,
                  MODE_1,
                  MODE_CMYK,
                  MODE_I16
};
struct image_info {
    const char *format; /* "jpeg" "png" ..., a name of base/picture.h */
    long width, height; /* as stored, before the picture is turned upright */
    enum image_mode mode;
    bool animated, alpha;
    int channels;    /* of the decoded pixels */
    int orientation; /* of EXIF, 1 .. 8; 0: not given */
    size_t scratch;  /* most bytes that decoding takes besides the pixels */
    int shrink;      /* asked of decode: pixels a side that may become one, 1 2 4 8; 0: 1 */
};
struct image {
    int width, height, channels; /* 1 L, 3 RGB or P, 4 CMYK; and one more where there is alpha */
    enum image_mode mode;        /* of the file */
    unsigned char *pixels;       /* [height, width, channels] */
    int orientation;             /* that image_orient will undo; 0 or 1: upright */
};
/* The format that the first bytes (a few dozen are enough) belong to; NULL: none that is read. */
const char *image_format(const void *head, size_t size);
int image_probe(const void *bytes, size_t size, struct image_info *info); /* the header alone */
/* Most bytes that image_decode and preprocess_image take at once, by the header; 0: not a picture,
 * or one that is refused.  Whoever decodes on many threads keeps the sum within what he has. */
size_t image_memory(const void *bytes, size_t size, long max_pixels);
/* max_pixels 0: no limit.  *image is to be freed, also after a failure, which leaves it empty. */
int image_decode(const void *bytes, size_t size, long max_pixels, struct image *image);
/* For people to look at: the longest side is at least `longest` (or as it is), and may be shrunk
 * where the format makes that cheap. */
int image_decode_small(const void *bytes, size_t size, long max_pixels, int longest,
                       struct image *image);
void image_free(struct image *image);
void image_to_rgb(struct image *image); /* alpha is dropped, grey repeated, as Pillow's convert */

/* orient.c - turns a picture upright, as ImageOps.exif_transpose */
void image_orient(struct image *image);

/* alpha.c */
bool image_has_alpha(const struct image *image);
/* A picture with alpha becomes RGB, laid on a colour; others stay as they are. */
void image_lay_on(struct image *image, const unsigned char colour[3]);

/* resize.c - Pillow's antialiasing resize, equal to the last bit
 * Source: python-pillow/Pillow src/libImaging/Resample.c */
enum resampling { FILTER_NEAREST, FILTER_BILINEAR, FILTER_BICUBIC, FILTER_LANCZOS };
struct window {         /* a part of a resized picture, inside it */
    long width, height; /* of the whole */
    long left, top;     /* of the part */
    int columns, rows;
};
/* Resizes the whole and sets *to, which is to be freed, to the window; only what the window needs
 * is computed.  As in Pillow, MODE_P and MODE_1 are resized by FILTER_NEAREST whatever is asked
 * for. The colours of a picture with alpha are multiplied by it in place: a copy would double what
 * a large picture takes.  `from` is then good for nothing but to be freed. */
void resize(struct image *from, struct image *to, enum resampling filter, const struct window *w);

/* preprocess.c - an image as a tower wants it */
enum geometry {
    GEOMETRY_SHORTEST, /* short side to size, centre crop */
    GEOMETRY_SQUASH,   /* width and height to size */
    GEOMETRY_LONGEST,  /* long side to size, centred on fill */
    GEOMETRY_PATCHES,  /* its own shape, as large as `most` squares of `patch` pixels allow */
};
enum crop_rounding {
    CROP_HALF_EVEN, /* torchvision: round((n - size) / 2) */
    CROP_FLOOR,     /* Hugging Face, numpy: (n - size) / 2 */
};
struct preprocess {
    int resize;        /* the side that resizing aims at; 0: no resize */
    int width, height; /* of the result */
    enum geometry geometry;
    enum crop_rounding rounding;
    enum resampling filter;
    bool orient; /* turned upright first (transformers' load_image), or taken as stored */
    bool lay_on; /* what has alpha is laid on `ground` (transformers 5), or alpha is dropped */
    unsigned char ground[3];
    bool convert_first; /* RGB before resizing (Hugging Face, BLIP), or after (OpenAI) */
    bool center_crop;
    double scale; /* 1.0 / 255 */
    float mean[3], std[3];
    int fill;        /* GEOMETRY_LONGEST; a crop larger than the image is padded with 0 */
    int patch, most; /* GEOMETRY_PATCHES */
};
/* Floats that a picture becomes: [3, height, width]; of GEOMETRY_PATCHES its squares, [most, patch,
 * patch, 3], in reading order, 0 behind the last, and then how many there are down and across. */
size_t preprocess_numbers(const struct preprocess *p);
/* The picture as it is looked at: turned upright and laid on the ground, as far as p says. */
void preprocess_begin(const struct preprocess *p, struct image *image);
/* Resized, cropped or padded: RGB bytes, to be freed.  `image` may be converted to RGB.  -1 after
 * fail(), then *fitted is as it was. */
int preprocess_fit(const struct preprocess *p, struct image *image, struct image *fitted);
void preprocess_normalise(const struct preprocess *p, const struct image *fitted, float *pixels);
/* Both.  pixels: preprocess_numbers() */
int preprocess_image(const struct preprocess *p, struct image *image, float *pixels);
int preprocess_bytes(const struct preprocess *p, const void *bytes, size_t size, long max_pixels,
                     float *pixels);

#endif
