/* SPDX-License-Identifier: MIT
 * bert_cache.c - keys and values of texts being written, and of their images
 *
 * keys, values: [layers, rows, room, width]; row r of a layer holds the ids of one text in order.
 */
#include <stdlib.h>
#include <string.h>
#include "nn/bert.h"

struct bert_cache *bert_cache_new(struct bert *b, int rows, int room)
{
    struct bert_cache *c = xalloc(1, sizeof *c);
    size_t layers = (size_t)b->config.layers;
    size_t floats = layers * (size_t)rows * (size_t)room * (size_t)b->config.width;

    c->rows = rows;
    c->room = room;
    c->length = xalloc((size_t)rows, sizeof *c->length);
    c->keys = xresize(NULL, floats, sizeof *c->keys);
    c->values = xresize(NULL, floats, sizeof *c->values);
    return c;
}

void bert_cache_images(struct tape *t, struct bert *b, struct bert_cache *c, struct tensor *image,
                       const struct spans *spans)
{
    long w = b->config.width;
    struct attention_plan plan = bert_plan(b, NULL, spans);

    c->layers = b->config.layers;
    c->image = xalloc((size_t)c->layers, sizeof *c->image);
    c->image_spans = spans;
    for (int i = 0; i < c->layers; i++) {
        struct linear *l = &b->layers[i].cross_key_value;
        struct tape_mark start = tape_mark(t);
        struct tensor *kv;

        if (!l->parts)
            continue;
        kv = linear(t, l, image, ACTIVATION_NONE);
        c->image[i] =
            attention_keys(t, &plan, tensor_columns(t, kv, 0, w), tensor_columns(t, kv, w, w));
        tape_drop(t, start);
    }
}

void bert_cache_copy(const struct bert *b, struct bert_cache *c, int from, int to)
{
    size_t width = (size_t)b->config.width, row = (size_t)c->room * width;

    for (int i = 0; i < b->config.layers; i++) {
        size_t layer = (size_t)i * (size_t)c->rows * row;
        size_t bytes = (size_t)c->length[from] * width * sizeof *c->keys;

        memcpy(c->keys + layer + (size_t)to * row, c->keys + layer + (size_t)from * row, bytes);
        memcpy(c->values + layer + (size_t)to * row, c->values + layer + (size_t)from * row, bytes);
    }
    c->length[to] = c->length[from];
}

void bert_cache_free(struct bert_cache *c)
{
    if (!c)
        return;
    for (int i = 0; c->image && i < c->layers; i++)
        packed_keys_free(c->image[i]);
    free(c->image);
    free(c->length);
    free(c->keys);
    free(c->values);
    free(c);
}
