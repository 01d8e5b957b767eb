/* SPDX-License-Identifier: MIT
 * clip.h - a tiny CLIP model and what the original program makes of it; see make_clip.py
 */
#ifndef GOLDEN_CLIP_H
#define GOLDEN_CLIP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "family/registry.h"
#include "family/clip/clip.h"
#include "checkpoint/model.h"
#include "tests/unit/tap.h"

#define FOLDER "tests/golden/clip/"

struct golden {
    const char *name;
    struct model *model;
    struct clip *clip;
    struct weights *expect;
    float *pixels;
    int *ids, *counts, count;
};

static inline const struct stored *find(const struct golden *g, const char *format, ...)
    PRINTF_LIKE(2, 3);
static inline const struct stored *find(const struct golden *g, const char *format, ...)
{
    char name[200];
    va_list list;

    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    return weights_find(g->expect, name);
}

static inline long count_of(const struct stored *s)
{
    long count = 1;

    for (int i = 0; i < s->rank; i++)
        count *= s->shape[i];
    return count;
}

/* Ids of all texts in a row; padding is what follows the end, unless the tower sees it. */
static inline void read_ids(struct golden *g)
{
    const struct stored *s = weights_find(g->expect, "ids");
    const struct text_config *c = &g->clip->config.text;
    const int *from = s->data;
    int context = (int)s->shape[1], total = 0;

    g->count = (int)s->shape[0];
    g->ids = xalloc((size_t)count_of(s), sizeof *g->ids);
    g->counts = xalloc((size_t)g->count, sizeof *g->counts);
    for (int i = 0; i < g->count; i++, from += context) {
        int end = 0;

        while (!c->pad && from[end] != c->vocabulary - 1)
            end++;
        g->counts[i] = c->pad ? context : end + 1;
        memcpy(g->ids + total, from, (size_t)g->counts[i] * sizeof *from);
        total += g->counts[i];
    }
}

static inline bool open_golden(struct golden *g, const char *name, const char *path)
{
    char *expect = xprintf(FOLDER "%s.expect.safetensors", name);
    const struct stored *pixels;

    *g = (struct golden){ .name = name };
    g->model = model_load(path, NULL);
    g->expect = weights_open(expect);
    free(expect);
    if (!ok(g->model && g->expect, "%s opens", name)) {
        note("%s", error_text());
        return false;
    }
    note("%s", g->model->about);
    g->clip = model_clip(g->model);
    pixels = weights_find(g->expect, "pixels");
    g->pixels = xalloc((size_t)count_of(pixels), sizeof *g->pixels);
    for (long i = 0; i < count_of(pixels); i++)
        g->pixels[i] = (float)((const signed char *)pixels->data)[i] / 32;
    read_ids(g);
    return true;
}

static inline void close_golden(struct golden *g)
{
    weights_close(g->expect);
    model_free(g->model);
    free(g->pixels);
    free(g->ids);
    free(g->counts);
}

static inline struct tensor *pixels_of(struct golden *g, struct tape *t)
{
    long size = g->model->image.size;

    return tensor_from(t, g->pixels, 4, (long[]){ g->count, 3, size, size });
}

#endif
