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

static void resample(const struct image *from, struct image *to, enum resampling filter,
                     const struct window *w)
{
    bool across = w->width != from->width, down = w->height != from->height;
    bool down_first =
        w->height < from->height && from->height - w->height > 2 * (from->width - w->width);
    struct inputs columns = { .from = (int)w->left, .to = (int)w->left + to->width };
    struct inputs rows = { .from = (int)w->top, .to = (int)w->top + to->height };
    size_t stride = (size_t)from->width * (size_t)from->channels, row, count;
    struct axis x, y;
    unsigned char *middle;

    if (across) {
        axis_open(&x, from->width, w->width, filter, w->left, to->width);
        axis_span(&x, &columns.from, &columns.to);
    }
    if (down) {
        axis_open(&y, from->height, w->height, filter, w->top, to->height);
        axis_span(&y, &rows.from, &rows.to);
    }
    columns.stride = rows.stride = stride;
    columns.at = rows.at =
        from->pixels + (size_t)rows.from * stride + (size_t)columns.from * (size_t)from->channels;
    row = (size_t)(down_first ? columns.to - columns.from : to->width) * (size_t)from->channels;
    count = (size_t)(down_first ? to->height : rows.to - rows.from);
    middle = across && down ? xresize(NULL, count, row) : to->pixels;
    if (down_first)
        sum_down(&y, &rows, middle, row);
    else if (across)
        sum_across(&x, &columns, middle, (int)count, from->channels);
    else if (!down)
        cut(rows.at, stride, to->pixels, row, to->height);
    if (across) { /* what the first pass left, if it was one of two */
        rows.at = columns.at = middle;
        rows.stride = columns.stride = row;
    }
    if (down_first && across)
        sum_across(&x, &columns, to->pixels, to->height, from->channels);
    else if (!down_first && down)
        sum_down(&y, &rows, to->pixels, (size_t)to->width * (size_t)from->channels);
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

void resize(struct image *from, struct image *to, enum resampling filter, const struct window *w)
{
    assert(w->columns > 0 && w->rows > 0 && w->left >= 0 && w->top >= 0);
    assert(w->left + w->columns <= w->width && w->top + w->rows <= w->height);
    image_new(to, w->columns, w->rows, from->channels, from->mode);
    if (from->mode == MODE_P || from->mode == MODE_1 || filter == FILTER_NEAREST) {
        nearest(from, to, w);
    } else if ((from->mode == MODE_LA || from->mode == MODE_RGBA) &&
               (w->width != from->width || w->height != from->height)) {
        alpha_multiply(from);
        resample(from, to, filter, w);
        alpha_divide(to);
    } else {
        resample(from, to, filter, w);
    }
}
