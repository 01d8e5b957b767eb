/* SPDX-License-Identifier: MIT
 * ground.c - where in an image a text is
 *
 * One text at a time: while gradients flow, products are BLAS's, whose last bits may depend on how
 * many rows there are.
 */
#include <math.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "draw/draw.h"
#include "api/api.h"

int vlm_map_side(const struct vlm *v)
{
    return (int)lround(sqrt((double)v->model->image.tokens - 1));
}

static void average(const struct model *m, const float *rows, int count, float *map)
{
    long tokens = m->image.tokens, squares = tokens - 1;
    int first = m->matching.map_frame ? 0 : 1, last = m->matching.map_frame ? count : count - 1;

    if (first >= last) {
        first = 0;
        last = count;
    }
    memset(map, 0, (size_t)squares * sizeof *map);
    for (int i = first; i < last; i++)
        for (long j = 0; j < squares; j++)
            map[j] += rows[i * tokens + 1 + j] / (float)(last - first);
}

int vlm_ground(struct vlm *v, const float *features, const int *ids, int count, float *map,
               float *words)
{
    struct model *m = v->model;
    long tokens = m->image.tokens, squares = tokens - 1;
    struct tensor *x;
    float *rows;

    if (vlm_require(v, VLM_GROUND) || model_check_ids(m, ids, &count, 1, 0))
        return -1;
    tape_clear(&v->tape);
    x = tensor_from(&v->tape, (float *)(uintptr_t)features, 3,
                    (long[]){ 1, tokens, m->image.width });
    rows = m->family->ground(&v->tape, m, x, ids, count);
    average(m, rows, count, map);
    for (int i = 0; words && i < count; i++)
        memcpy(words + i * squares, rows + i * tokens + 1, (size_t)squares * sizeof *words);
    return 0;
}

int vlm_draw_map(const struct vlm *v, const struct vlm_drawing *how, void **png, size_t *png_size)
{
    const struct heatmap map = { how->map, how->side, how->longest };
    struct buffer b = { 0 };
    struct image image;

    if (image_decode(how->bytes, how->size, how->max_pixels, &image))
        return -1;
    preprocess_begin(&v->model->image.preprocess, &image);
    heatmap_draw(&b, &image, &map);
    image_free(&image);
    *png = b.data;
    *png_size = b.size;
    return 0;
}
