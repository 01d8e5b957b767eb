/* SPDX-License-Identifier: MIT
 * hash.c - what a vision tower's features depend on, as one number
 *
 * The tensors are walked in our order under our names, so the container does not matter; their
 * types do, since f16 weights give other features.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "checkpoint/model.h"

/* How a picture is looked at came later than the other fields: a model that neither turns nor lays
 * on has the hash that it had. */
static uint64_t hash_preprocess(const struct preprocess *p, uint64_t seed)
{
    struct buffer b = { 0 };
    uint64_t hash;

    buffer_printf(&b, "%d %d %d %d %d %d %d %d %d", p->resize, p->width, p->height,
                  (int)p->geometry, (int)p->rounding, (int)p->filter, p->convert_first,
                  p->center_crop, p->fill);
    if (p->geometry == GEOMETRY_PATCHES)
        buffer_printf(&b, " %d %d", p->patch, p->most);
    buffer_add(&b, &p->scale, sizeof p->scale);
    buffer_add(&b, p->mean, sizeof p->mean);
    buffer_add(&b, p->std, sizeof p->std);
    if (p->orient || p->lay_on)
        buffer_printf(&b, " %d %d", p->orient, p->lay_on);
    if (p->lay_on)
        buffer_add(&b, p->ground, sizeof p->ground);
    hash = hash_bytes(b.data, b.size, seed);
    buffer_free(&b);
    return hash;
}

/* The bytes by rows, which are to free where they lie in another order. */
static const char *bytes_by_rows(const struct tensor *x, void **to_free)
{
    long count = tensor_count(x);

    *to_free = NULL;
    if (!x->order)
        return x->bytes;
    *to_free = xalloc((size_t)count, dtype_size(x->type));
    tensor_stored(x, 0, count, *to_free);
    return *to_free;
}

/* All numbers of the tower: a feature of another model must not be taken for one of this. */
uint64_t model_tower_hash(const struct model *m)
{
    uint64_t hash = hash_preprocess(&m->image.preprocess, 0);

    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.list[i];
        const struct tensor *x = *p->slot;
        void *copy;

        if (!x || strncmp(p->name, "vision.", 7))
            continue;
        hash = hash_bytes(p->name, strlen(p->name), hash + (uint64_t)x->type);
        hash = hash_bytes(bytes_by_rows(x, &copy), (size_t)tensor_count(x) * dtype_size(x->type),
                          hash);
        free(copy);
        if (x->scale)
            hash = hash_bytes(x->scale, (size_t)x->shape[0] * sizeof *x->scale,
                              hash + (uint64_t)x->pieces);
    }
    return hash;
}

enum { SAMPLES = 16, SAMPLE = 256 }; /* of a tensor, and the bytes of one */

/* Both ends and places in between: training changes every matrix everywhere. */
static uint64_t hash_sample(const struct tensor *x, uint64_t hash)
{
    size_t size = (size_t)tensor_count(x) * dtype_size(x->type), step = size / SAMPLES;
    long one = (long)dtype_size(x->type);
    char sample[SAMPLES * SAMPLE];

    hash = hash_bytes(x->shape, sizeof x->shape, hash + (uint64_t)x->type);
    if (size <= SAMPLES * SAMPLE) {
        tensor_stored(x, 0, tensor_count(x), sample);
        return hash_bytes(sample, size, hash);
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        tensor_stored(x, (long)(i * step) / one, SAMPLE / one, sample);
        hash = hash_bytes(sample, SAMPLE, hash);
    }
    return hash;
}

/* For --resume and --reuse, which ask at every start: reading all of a large model would take
 * longer than the work. */
uint64_t model_hash_sampled(const struct model *m)
{
    uint64_t hash = hash_preprocess(&m->image.preprocess, 0);

    hash = hash_bytes(m->about, strlen(m->about), hash);
    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.list[i];

        if (*p->slot)
            hash = hash_sample(*p->slot, hash_bytes(p->name, strlen(p->name), hash));
    }
    return hash;
}
