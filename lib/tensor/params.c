/* SPDX-License-Identifier: MIT
 * params.c - the one list of a model's parameters
 *
 * A model's description visits its parameters once, in order; loading, saving, initialising,
 * counting, stepping and averaging walk the list that this leaves.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "tensor/tensor.h"

void params_add(struct params *p, struct tensor **slot, struct initial initial, const char *name,
                int rank, const long *shape)
{
    struct param *one;

    assert(rank >= 0 && rank <= TENSOR_RANK);
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 64;
        p->list = xresize(p->list, (size_t)p->capacity, sizeof *p->list);
    }
    one = &p->list[p->count++];
    *one = (struct param){ .slot = slot, .initial = initial, .rank = rank };
    one->name = xprintf("%s%s", p->prefix, name);
    for (int i = 0; i < rank; i++)
        one->shape[i] = shape[i];
}

void params_buffer(struct params *p)
{
    assert(p->count > 0);
    p->list[p->count - 1].buffer = true;
}

void params_optional(struct params *p)
{
    assert(p->count > 0);
    p->list[p->count - 1].optional = true;
}

void params_multiplies(struct params *p, bool memory_bound)
{
    assert(p->count > 0);
    p->list[p->count - 1].multiplies = true;
    p->list[p->count - 1].memory_bound = memory_bound;
}

/* A prefix that does not fit is a mistake in a family's code. */
void params_in(struct params *p, const char *format, ...)
{
    size_t length = strlen(p->prefix), room = sizeof p->prefix - length;
    va_list list;
    int added;

    assert(p->depth < PARAMS_DEPTH);
    p->ends[p->depth++] = (int)length;
    va_start(list, format);
    added = vsnprintf(p->prefix + length, room, format, list);
    va_end(list);
    assert(added >= 0 && (size_t)added + 1 < room);
    memcpy(p->prefix + length + added, ".", 2);
}

void params_out(struct params *p)
{
    assert(p->depth > 0);
    p->prefix[p->ends[--p->depth]] = 0;
}

void params_free(struct params *p)
{
    for (int i = 0; i < p->count; i++)
        free(p->list[i].name);
    free(p->list);
    *p = (struct params){ 0 };
}

int params_first(const struct params *p, int index)
{
    int first = 0;

    while (*p->list[first].slot != *p->list[index].slot)
        first++;
    return first;
}

long params_total(const struct params *p)
{
    long total = 0;

    for (int i = 0; i < p->count; i++) {
        const struct tensor *x = *p->list[i].slot;

        total += x ? tensor_count(x) : 0;
    }
    return total;
}

static bool begins_with(const char *name, const char *prefix)
{
    return !prefix || !strncmp(name, prefix, strlen(prefix));
}

void params_freeze(struct params *p, const char *prefix)
{
    for (int i = 0; i < p->count; i++)
        if (begins_with(p->list[i].name, prefix))
            p->list[i].frozen = true;
}

/* A parameter's room in the blocks: whole cache lines, so that each starts on one. */
static long room(const struct tensor *x)
{
    return (tensor_count(x) + 15) / 16 * 16;
}

/* The numbers become f32 in the block that the optimiser walks over. */
static void move_in(struct tensor *x, float *data, float *grad)
{
    assert(x->stride == width(x));
    tensor_read(x, 0, tensor_count(x), data);
    x->type = DTYPE_F32;
    x->scale = NULL;
    x->order = NULL;
    x->mapped = false;
    x->data = data;
    x->grad = grad;
}

static float *zeroed(struct arena *memory, long count)
{
    return memset(arena_alloc(memory, (size_t)count * sizeof(float)), 0,
                  (size_t)count * sizeof(float));
}

/* One block of numbers and one of gradients: the optimiser, the norm and clipping are plain loops,
 * and a thread's piece is any stretch of them. */
struct learning *params_learn(struct params *p, const char *prefix)
{
    struct learning *l = xalloc(1, sizeof *l);
    long at = 0;

    l->list = xalloc((size_t)p->count + 1, sizeof *l->list);
    for (int i = 0; i < p->count; i++) {
        struct param *one = &p->list[i];
        struct tensor *x = *one->slot;

        if (!x || x->needs_grad || one->buffer || one->frozen || !begins_with(one->name, prefix))
            continue;
        x->needs_grad = true; /* now, so that a second name of x passes it by */
        l->list[l->params++] = one;
        l->count += room(x);
    }
    l->data = zeroed(&l->memory, l->count);
    l->grad = zeroed(&l->memory, l->count);
    for (int i = 0; i < l->params; i++) {
        struct tensor *x = *l->list[i]->slot;

        move_in(x, l->data + at, l->grad + at);
        at += room(x);
    }
    return l;
}

void learning_zero(struct learning *l)
{
    memset(l->grad, 0, (size_t)l->count * sizeof *l->grad);
}

void learning_free(struct learning *l)
{
    if (!l)
        return;
    arena_free(&l->memory);
    free(l->list);
    free(l);
}
