/* SPDX-License-Identifier: MIT
 * momentum.c - a copy of a model that does not learn but follows it
 *
 *     copy = momentum copy + (1 - momentum) model
 *
 * ALBEF and BLIP call it the momentum model; it is the teacher of momentum distillation.  Source:
 * arXiv 2107.07651, section 3; salesforce/ALBEF models/model_pretrain.py, _momentum_update.
 *
 * Tensors that the model has under two names the copy has so too.  Its numbers lie in one block of
 * its memory; they move, so no product packs them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "learn/learn.h"

/* Whole cache lines. */
static long padded(const struct tensor *x)
{
    return (tensor_count(x) + 15) / 16 * 16;
}

/* As f32, whatever the model has. */
static void copy_numbers(struct model *copy, const struct model *m)
{
    const struct params *from = &m->params;
    struct params *to = &copy->params;
    long total = 0;
    float *block;

    assert(from->count == to->count);
    for (int i = 0; i < from->count; i++)
        if (*from->list[i].slot && params_first(from, i) == i)
            total += padded(*from->list[i].slot);
    block = arena_alloc(&copy->memory, (size_t)total * sizeof *block);
    for (int i = 0; i < from->count; i++) {
        const struct tensor *x = *from->list[i].slot;
        int first = params_first(from, i);
        struct tensor *y;

        if (!x)
            continue;
        if (first < i) {
            *to->list[i].slot = *to->list[first].slot;
            continue;
        }
        y = *to->list[i].slot = arena_alloc(&copy->memory, sizeof *y);
        *y = *x;
        y->type = DTYPE_F32;
        y->stride = width(y);
        y->data = block;
        y->scale = NULL;
        y->grad = NULL;
        y->needs_grad = y->mapped = false;
        y->moves = true;
        tensor_read(x, 0, tensor_count(x), block);
        block += padded(x);
    }
}

/* What is not set here the copy has not: files, the tokenizer's folder and other towers' files
 * belong to the model alone. */
struct model *momentum_model_new(const struct model *m)
{
    struct model *copy = xalloc(1, sizeof *copy);

    assert(m->family->learn && m->family->learn->build);
    *copy = (struct model){ .family = m->family,
                            .path = xstrdup(m->path),
                            .folder = xstrdup(m->folder),
                            .embedding = m->embedding,
                            .image = m->image };
    m->family->learn->build(copy, m);
    copy_numbers(copy, m);
    return copy;
}

enum { PIECE = 1 << 16 }; /* numbers that a thread takes at a time */

struct follow {
    float *to;
    const float *from;
    long count;
    float momentum;
};

static void follow(void *argument, long index, int worker)
{
    const struct follow *f = argument;
    long first = index * PIECE, last = first + PIECE < f->count ? first + PIECE : f->count;
    float *restrict to = f->to, rest = 1 - f->momentum;
    const float *restrict from = f->from;

    (void)worker;
    for (long i = first; i < last; i++)
        to[i] = to[i] * f->momentum + from[i] * rest;
}

/* Running statistics are taken over as they are: they are means already. */
void momentum_model_update(struct model *copy, const struct model *m, float momentum)
{
    for (int i = 0; i < m->params.count; i++) {
        const struct tensor *x = *m->params.list[i].slot;
        struct follow f = { .momentum = m->params.list[i].buffer ? 0 : momentum };

        /* a short float does not learn, so it has not moved */
        if (!x || x->type != DTYPE_F32 || params_first(&m->params, i) < i)
            continue;
        f.to = (*copy->params.list[i].slot)->data;
        f.from = x->data;
        f.count = tensor_count(x);
        pool_run(follow, &f, (f.count + PIECE - 1) / PIECE);
    }
}
