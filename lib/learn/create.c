/* SPDX-License-Identifier: MIT
 * create.c - parameters from a checkpoint, or drawn as the originals begin
 *
 * Each parameter has a stream of its own, from the seed and its name: neither threads nor the other
 * parameters matter.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "learn/learn.h"

static void draw_numbers(float *to, long count, struct initial how, uint64_t seed)
{
    struct random r = { seed };

    for (long i = 0; i < count; i++)
        if (how.kind == INITIAL_NORMAL)
            to[i] = how.size * random_normal(&r);
        else if (how.kind == INITIAL_UNIFORM)
            to[i] = how.size * (float)(2 * random_uniform(&r) - 1);
        else
            to[i] = how.size;
}

struct drawing {
    struct model *model;
    const struct param **list;
};

static void draw(void *argument, long index, int worker)
{
    const struct drawing *d = argument;
    const struct param *p = d->list[index];
    struct tensor *x = *p->slot;

    (void)worker;
    draw_numbers(x->data, tensor_count(x), p->initial,
                 hash_bytes(p->name, strlen(p->name), d->model->seed));
}

static void make_header(struct param *p, struct arena *memory)
{
    struct tensor *x = arena_alloc(memory, sizeof *x);

    *x = (struct tensor){ .type = DTYPE_F32, .rank = p->rank };
    memcpy(x->shape, p->shape, sizeof x->shape);
    x->stride = width(x);
    *p->slot = x;
}

static void draw_all(struct model *m)
{
    struct params *p = &m->params;
    struct drawing d = { m, xalloc((size_t)p->count + 1, sizeof *d.list) };
    long count = 0;

    for (int i = 0; i < p->count; i++)
        make_header(&p->list[i], &m->memory);
    if (m->family->learn->share)
        m->family->learn->share(m);
    for (int i = 0; i < p->count; i++) {
        struct tensor *x = *p->list[i].slot;

        if (x->data) /* a second name */
            continue;
        x->data = arena_alloc(&m->memory, (size_t)tensor_count(x) * sizeof *x->data);
        d.list[count++] = &p->list[i];
    }
    pool_run(draw, &d, count);
    free(d.list);
}

int model_bind(struct model *m, const char *const *ignored)
{
    struct source sources[1 + ALSO] = { { m->weights, m->layout } };

    for (int i = 0; i < m->also_count; i++)
        sources[1 + i] = m->also[i];
    if (m->weights)
        return params_bind_all(&m->params, sources, 1 + m->also_count, ignored, &m->memory);
    if (!m->family->learn)
        return fail_as("unsupported", "%s: a new model of this kind cannot be made", m->path);
    draw_all(m);
    return 0;
}

struct tensor *model_scalar(struct model *m, float value)
{
    struct tensor *x = arena_alloc(&m->memory, sizeof *x);

    *x = (struct tensor){ .type = DTYPE_F32, .stride = 1 };
    x->data = arena_alloc(&m->memory, sizeof *x->data);
    x->data[0] = value;
    return x;
}
