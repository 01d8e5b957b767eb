/* SPDX-License-Identifier: MIT
 * resize.c - Pillow's antialiasing resize, equal to the last bit
 *
 * Two passes with 8-bit pixels between them; a pass that changes no size is left out.  The first is
 * the horizontal one unless the height shrinks by more than twice what the width does: that
 * exception came with Pillow 13, and moves a pixel of tall pictures by one level at times.  Pillow
 * 12 and older always go horizontally first.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "image/codec.h"
#include "image/resample.h"

/* A window cut out; what a pass that changes no size does. */
static void cut(const unsigned char *in, size_t stride, unsigned char *out, size_t width, int rows)
{
    for (int y = 0; y < rows; y++)
        memcpy(out + (size_t)y * width, in + (size_t)y * stride, width);
}

struct window {
    long width, height; /* of the whole result */
    long left, top;     /* of the part that is wanted, whose size is the target's */
};

static void resample(const struct image *from, struct image *to, enum resampling filter,
                     const struct window *w)
{
    bool across = w->width != from->width, down = w->height != from->height;
    bool down_first =
        w->height < from->height && from->height - w->height > 2 * (from->width - w->width);
    int left = (int)w->left, right = left + to->width, top = (int)w->top, bottom = top + to->height;
    size_t stride = (size_t)from->width * (size_t)from->channels, row, rows;
    struct axis x, y;
    const unsigned char *in;
    unsigned char *middle;

    if (across) {
        axis_open(&x, from->width, w->width, filter, w->left, to->width);
        axis_span(&x, &left, &right);
    }
    if (down) {
        axis_open(&y, from->height, w->height, filter, w->top, to->height);
        axis_span(&y, &top, &bottom);
    }
    in = from->pixels + (size_t)top * stride + (size_t)left * (size_t)from->channels;
    row = (size_t)(down_first ? right - left : to->width) * (size_t)from->channels;
    rows = (size_t)(down_first ? to->height : bottom - top);
    middle = across && down ? xresize(NULL, rows, row) : to->pixels;
    if (down_first)
        sum_down(&y, in, stride, top, middle, row);
    else if (across)
        sum_across(&x, in, stride, left, right, middle, (int)rows, from->channels);
    else if (!down)
        cut(in, stride, to->pixels, row, to->height);
    if (down_first && across)
        sum_across(&x, middle, row, left, right, to->pixels, to->height, from->channels);
    else if (!down_first && down)
        sum_down(&y, across ? middle : in, across ? row : stride, top, to->pixels,
                 (size_t)to->width * (size_t)from->channels);
    if (middle != to->pixels)
        free(middle);
    if (across)
        axis_close(&x);
    if (down)
        axis_close(&y);
}

/* The input whose middle is nearest; positions are summed up, as Pillow does, not multiplied. */
static int *nearest_inputs(int in, long out, long at, int count)
{
    double step = (double)in / (double)out, position = step * 0.5;
    int *list = xalloc((size_t)count, sizeof *list);

    for (long i = 0; i < at + count; i++, position += step)
        if (i >= at)
            list[i - at] = position < in ? (int)position : in - 1;
    return list;
}

static void nearest(const struct image *from, struct image *to, const struct window *w)
{
    int *x = nearest_inputs(from->width, w->width, w->left, to->width);
    int *y = nearest_inputs(from->height, w->height, w->top, to->height);
    size_t channels = (size_t)from->channels;
    unsigned char *out = to->pixels;

    for (int i = 0; i < to->height; i++) {
        const unsigned char *row = from->pixels + (size_t)y[i] * (size_t)from->width * channels;

        for (int j = 0; j < to->width; j++, out += channels)
            memcpy(out, row + (size_t)x[j] * channels, channels);
    }
    free(x);
    free(y);
}

void resize(struct image *from, struct image *to, long width, long height, enum resampling filter,
            long left, long top, int crop_width, int crop_height)
{
    struct window w = { width, height, left, top };

    assert(crop_width > 0 && crop_height > 0);
    assert(left >= 0 && top >= 0 && left + crop_width <= width && top + crop_height <= height);
    image_new(to, crop_width, crop_height, from->channels, from->mode);
    if (from->mode == MODE_P || from->mode == MODE_1 || filter == FILTER_NEAREST) {
        nearest(from, to, &w);
    } else if ((from->mode == MODE_LA || from->mode == MODE_RGBA) &&
               (width != from->width || height != from->height)) {
        alpha_multiply(from);
        resample(from, to, filter, &w);
        alpha_divide(to);
    } else {
        resample(from, to, filter, &w);
    }
}
