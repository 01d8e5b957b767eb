/* SPDX-License-Identifier: MIT
 * bert_cache.c - keys and values of texts being written, and of their images
 */
#include <stdlib.h>
#include "nn/bert.h"

struct bert_cache *bert_cache_new(struct bert *b, int rows, int room)
{
    struct bert_cache *c = xalloc(1, sizeof *c);

    c->own = key_cache_new(b->config.layers, rows, room, b->config.width);
    return c;
}

void bert_cache_images(struct tape *t, struct bert *b, struct bert_cache *c, struct tensor *image,
                       const struct spans *spans)
{
    long w = b->config.width;
    struct attention_plan plan = bert_plan(b, NULL, spans);

    c->image = xalloc((size_t)b->config.layers, sizeof *c->image);
    c->image_spans = spans;
    for (int i = 0; i < b->config.layers; i++) {
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

void bert_cache_copy(struct bert_cache *c, int from, int to)
{
    key_cache_copy(c->own, from, to);
}

void bert_cache_free(struct bert_cache *c)
{
    if (!c)
        return;
    for (int i = 0; c->image && i < c->own->layers; i++)
        packed_keys_free(c->image[i]);
    free(c->image);
    key_cache_free(c->own);
    free(c);
}
