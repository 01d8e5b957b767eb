/* SPDX-License-Identifier: MIT
 * tape.c - what is made in one pass, and how to walk it backwards
 *
 * Results, their gradients and what forward leaves for backward lie in one arena.  Operations that
 * will be wanted again stand in a list in the order of their making, which is topological.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/tensor.h"

void tape_free(struct tape *t)
{
    arena_free(&t->arena);
    free(t->nodes);
    *t = (struct tape){ 0 };
}

void tape_clear(struct tape *t)
{
    t->count = 0;
    arena_rewind(&t->arena, (struct arena_mark){ 0 });
}

void *tape_alloc(struct tape *t, size_t bytes)
{
    return arena_alloc(&t->arena, bytes);
}

float *tape_floats(struct tape *t, long count)
{
    assert(count >= 0 && (size_t)count <= SIZE_MAX / sizeof(float));
    return arena_alloc(&t->arena, (size_t)count * sizeof(float));
}

static struct node *node_add(struct tape *t)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 64;
        t->nodes = xresize(t->nodes, (size_t)t->capacity, sizeof *t->nodes);
    }
    return &t->nodes[t->count++];
}

struct tensor *remember(struct tape *t, const struct op *op, struct tensor *y, void *saved,
                        int inputs, struct tensor *const *in)
{
    struct node *n;

    assert(inputs <= NODE_INPUTS);
    for (int i = 0; i < inputs; i++)
        y->needs_grad |= wants(in[i]);
    if (!y->needs_grad)
        return y;
    assert(y->stride == width(y) && !y->grad);
    y->grad = tape_floats(t, tensor_count(y));
    memset(y->grad, 0, (size_t)tensor_count(y) * sizeof *y->grad);
    n = node_add(t);
    *n = (struct node){ .tape = t, .op = op, .out = y, .saved = saved, .inputs = inputs };
    for (int i = 0; i < inputs; i++)
        n->in[i] = in[i];
    return y;
}

void tape_backward(struct tape *t, struct tensor *loss)
{
    if (!wants(loss))
        return;
    assert(tensor_count(loss) == 1);
    loss->grad[0] = 1;
    for (int i = t->count - 1; i >= 0; i--) {
        struct arena_mark scratch = arena_mark(&t->arena);

        t->nodes[i].op->backward(&t->nodes[i]);
        arena_rewind(&t->arena, scratch);
    }
}

struct tape_mark tape_mark(const struct tape *t)
{
    return (struct tape_mark){ arena_mark(&t->arena), t->count };
}

void tape_drop(struct tape *t, struct tape_mark mark)
{
    if (t->count == mark.count)
        arena_rewind(&t->arena, mark.arena);
}

/* The numbers may lie where their copy goes, or in a chunk that a larger one replaces. */
struct tensor *tape_keep(struct tape *t, struct tape_mark mark, struct tensor *x)
{
    struct tensor old = *x;
    size_t bytes = (size_t)tensor_count(x) * sizeof *x->data;

    assert(x->type == DTYPE_F32 && x->stride == width(x));
    if (t->count != mark.count)
        return x;
    if (mark.arena.chunk == t->arena.last) {
        arena_rewind(&t->arena, mark.arena);
        x = tensor_new(t, old.rank, old.shape);
        memmove(x->data, old.data, bytes);
    } else {
        void *copy = memcpy(xalloc(bytes, 1), old.data, bytes);

        arena_rewind(&t->arena, mark.arena);
        x = tensor_new(t, old.rank, old.shape);
        memcpy(x->data, copy, bytes);
        free(copy);
    }
    return x;
}
