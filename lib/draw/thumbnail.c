/* SPDX-License-Identifier: MIT
 * thumbnail.c - pictures made small for people to look at, as JPEG files
 *
 * No model sees these pictures, so stb_image_resize serves, whose filters and rounding are others
 * than Pillow's.  A picture is turned upright as EXIF says; what is transparent lies on white.
 */
#include <stdlib.h>
#include <string.h>
#include "draw/draw.h"
#include "image/image.h"

#define STB_IMAGE_RESIZE_STATIC
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

static const unsigned char white[3] = { 255, 255, 255 };
enum { QUALITY = 80 /* of 100: artefacts are hardly seen at this size */ };

static void append(void *out, void *data, int size)
{
    buffer_add(out, data, (size_t)size);
}

static int write_jpeg(struct buffer *out, const unsigned char *pixels, int width, int height)
{
    return stbi_write_jpg_to_func(append, out, width, height, 3, pixels, QUALITY)
               ? 0
               : fail_as("io", "a small picture could not be encoded");
}

/* The sides of a picture of which none is longer than `longest`; never enlarged. */
static void fit(const struct image *image, int longest, int *width, int *height)
{
    int most = image->width > image->height ? image->width : image->height;
    double by = most > longest ? (double)longest / most : 1;

    *width = (int)(image->width * by + 0.5);
    *height = (int)(image->height * by + 0.5);
    *width = *width < 1 ? 1 : *width;
    *height = *height < 1 ? 1 : *height;
}

/* Squares of `by` x `by` RGB pixels become one, their mean, in place: what stb_image_resize, which
 * computes in floats, then has to look at is small.  Columns and rows that fill no square fall off:
 * less than one pixel of the small picture, for it stays at least twice as large. */
static void average(struct image *image, int by)
{
    int width = image->width / by, height = image->height / by;
    size_t stride = 3 * (size_t)image->width;
    unsigned char *out = image->pixels;
    unsigned area = (unsigned)(by * by);

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, out += 3) {
            const unsigned char *in =
                image->pixels + (size_t)(y * by) * stride + 3 * (size_t)(x * by);
            unsigned sum[3] = { area / 2, area / 2, area / 2 };

            for (int v = 0; v < by; v++, in += stride)
                for (int u = 0; u < 3 * by; u += 3)
                    for (int c = 0; c < 3; c++)
                        sum[c] += in[u + c];
            for (int c = 0; c < 3; c++)
                out[c] = (unsigned char)(sum[c] / area);
        }
    image->width = width;
    image->height = height;
}

int thumbnail_write(struct buffer *out, const void *bytes, size_t size, long max_pixels,
                    struct thumbnail *t)
{
    struct image image;
    unsigned char *small;
    int status, by;

    if (image_decode_small(bytes, size, max_pixels, t->longest, &image)) {
        image_free(&image);
        return -1;
    }
    image_orient(&image);
    image_lay_on(&image, white);
    image_to_rgb(&image);
    fit(&image, t->longest, &t->width, &t->height);
    by = (image.width < image.height ? image.width / t->width : image.height / t->height) / 2;
    if (by > 1)
        average(&image, by);
    if (image.width == t->width && image.height == t->height) {
        status = write_jpeg(out, image.pixels, t->width, t->height);
    } else {
        small = xalloc((size_t)t->width * (size_t)t->height, 3);
        status = stbir_resize_uint8(image.pixels, image.width, image.height, 0, small, t->width,
                                    t->height, 0, 3)
                     ? write_jpeg(out, small, t->width, t->height)
                     : fail_as("too_large", "a picture of %d x %d could not be made small",
                               image.width, image.height);
        free(small);
    }
    image_free(&image);
    return status;
}

int sprites_write(struct buffer *out, const struct vlm_bytes *jpegs, int count, int across,
                  int side)
{
    size_t row = 3 * (size_t)across * (size_t)side;
    int down = (count + across - 1) / across, status = 0;
    unsigned char *sheet = xalloc((size_t)down * (size_t)side, row);

    memset(sheet, 255, (size_t)down * (size_t)side * row);
    for (int i = 0; i < count && !status; i++) {
        unsigned char *corner =
            sheet + (size_t)(i / across * side) * row + 3 * (size_t)(i % across * side);
        struct image image;

        status = image_decode(jpegs[i].data, jpegs[i].size, (long)side * side, &image);
        for (int y = 0; !status && y < image.height && y < side; y++) {
            int width = image.width < side ? image.width : side;

            memcpy(corner + (size_t)y * row, image.pixels + (size_t)y * 3 * (size_t)image.width,
                   3 * (size_t)width);
        }
        image_free(&image);
    }
    if (!status)
        status = write_jpeg(out, sheet, across * side, down * side);
    free(sheet);
    return status;
}
