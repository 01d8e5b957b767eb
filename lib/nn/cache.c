/* SPDX-License-Identifier: MIT
 * cache.c - keys and values of texts being written
 *
 * keys, values: [layers, rows, room, width]; row r of a layer holds the places of one text in
 * order.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "nn/cache.h"

/* Rows and room are known before a text is begun, so nothing moves while it is written. */
struct key_cache *key_cache_new(int layers, int rows, int room, long width)
{
    struct key_cache *c = xalloc(1, sizeof *c);
    size_t floats = (size_t)layers * (size_t)rows * (size_t)room * (size_t)width;

    *c = (struct key_cache){ .layers = layers, .rows = rows, .room = room, .width = width };
    c->length = xalloc((size_t)rows, sizeof *c->length);
    c->keys = xresize(NULL, floats, sizeof *c->keys);
    c->values = xresize(NULL, floats, sizeof *c->values);
    return c;
}

/* The new rows are copied behind those that are there; *k and *v become all of the layer, of which
 * key_cache_spans() says what counts. */
void key_cache_append(struct tape *t, const struct cached_texts *c, int layer, struct tensor **k,
                      struct tensor **v)
{
    const struct key_cache *own = c->cache;
    long rows = (long)own->rows * own->room, w = own->width;
    float *keys = own->keys + layer * rows * w, *values = own->values + layer * rows * w;

    assert(width(*k) == w && width(*v) == w && !wants(*k) && !wants(*v));
    for (int i = 0; i < c->texts->count; i++) {
        long to = (long)c->row[i] * own->room + own->length[c->row[i]];

        for (int row = c->texts->start[i]; row < c->texts->start[i + 1]; row++, to++) {
            memcpy(keys + to * w, (*k)->data + row * (*k)->stride, (size_t)w * sizeof *keys);
            memcpy(values + to * w, (*v)->data + row * (*v)->stride, (size_t)w * sizeof *values);
        }
    }
    *k = tensor_from(t, keys, 2, (long[]){ rows, w });
    *v = tensor_from(t, values, 2, (long[]){ rows, w });
}

/* Of a text in this pass. */
static int new_rows(const struct cached_texts *c, int text)
{
    return c->texts->start[text + 1] - c->texts->start[text];
}

const struct spans *key_cache_spans(struct tape *t, const struct cached_texts *c)
{
    int n = c->texts->count, *start = tape_alloc(t, (size_t)(n + 1) * sizeof *start);
    int *length = tape_alloc(t, (size_t)(n + 1) * sizeof *length);
    struct spans *s = tape_alloc(t, sizeof *s);

    for (int i = 0; i < n; i++) {
        start[i] = c->row[i] * c->cache->room;
        length[i] = c->cache->length[c->row[i]] + new_rows(c, i);
        assert(length[i] <= c->cache->room);
    }
    *s = (struct spans){ .count = n, .start = start, .length = length };
    return s;
}

/* Once after all layers: each of them appended at the same length. */
void key_cache_advance(const struct cached_texts *c)
{
    for (int i = 0; i < c->texts->count; i++)
        c->cache->length[c->row[i]] += new_rows(c, i);
}

/* As many places as the text has: a beam that goes on in two ways. */
void key_cache_copy(struct key_cache *c, int from, int to)
{
    size_t width = (size_t)c->width, row = (size_t)c->room * width;
    size_t bytes = (size_t)c->length[from] * width * sizeof *c->keys;

    for (int i = 0; i < c->layers; i++) {
        float *keys = c->keys + (size_t)i * (size_t)c->rows * row;
        float *values = c->values + (size_t)i * (size_t)c->rows * row;

        memcpy(keys + (size_t)to * row, keys + (size_t)from * row, bytes);
        memcpy(values + (size_t)to * row, values + (size_t)from * row, bytes);
    }
    c->length[to] = c->length[from];
}

void key_cache_free(struct key_cache *c)
{
    if (!c)
        return;
    free(c->length);
    free(c->keys);
    free(c->values);
    free(c);
}
