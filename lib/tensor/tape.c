/* SPDX-License-Identifier: MIT
 * tape.c - what is made in one pass, and how to walk it backwards
 *
 * Results and what forward leaves for backward lie in one arena.  Operations that will be wanted
 * again stand in a list in the order of their making, which is topological.
 *
 * A result's gradient is wanted from the last of the operations that use it until the one that made
 * it has been walked.  So it is borrowed for that while: few are out at any time, and their memory
 * is still in the caches.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/number.h"
#include "base/thread.h"
#include "tensor/tensor.h"

struct loan {
    float *data;
    size_t bytes;
    bool out;
};

void tape_free(struct tape *t)
{
    arena_free(&t->arena);
    arena_free(&t->loaned);
    free(t->loans);
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

/* No node makes x, so nothing takes its gradient back. */
void tensor_watch(struct tape *t, struct tensor *x)
{
    assert(!x->needs_grad && x->stride == width(x));
    x->needs_grad = true;
    x->grad = tape_floats(t, tensor_count(x));
    memset(x->grad, 0, (size_t)tensor_count(x) * sizeof *x->grad);
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
    n = node_add(t);
    *n = (struct node){ .tape = t, .op = op, .out = y, .saved = saved, .inputs = inputs };
    for (int i = 0; i < inputs; i++)
        n->in[i] = in[i];
    return y;
}

/* Up to the next of eight steps between powers of two: batches of like sizes use the same. */
static size_t rounded(size_t bytes)
{
    size_t step = 64;

    while (step < bytes / 16)
        step *= 2;
    return (bytes + step - 1) / step * step;
}

static struct loan *loan_new(struct tape *t, size_t bytes)
{
    struct loan *l;

    if (t->loan_count == t->loan_capacity) {
        t->loan_capacity = t->loan_capacity ? 2 * t->loan_capacity : 32;
        t->loans = xresize(t->loans, (size_t)t->loan_capacity, sizeof *t->loans);
    }
    l = &t->loans[t->loan_count++];
    *l = (struct loan){ .data = arena_alloc(&t->loaned, bytes), .bytes = bytes };
    return l;
}

enum { PIECE = 1 << 18 }; /* bytes that a thread clears at a time */

static void clear(void *argument, long index, int worker)
{
    const struct loan *l = argument;
    size_t first = (size_t)index * PIECE, left = l->bytes - first;

    (void)worker;
    memset((char *)l->data + first, 0, left < PIECE ? left : PIECE);
}

static float *borrow(struct tape *t, long count)
{
    size_t bytes = rounded((size_t)count * sizeof(float));
    struct loan *l = NULL;

    for (int i = 0; i < t->loan_count && !l; i++)
        if (!t->loans[i].out && t->loans[i].bytes == bytes)
            l = &t->loans[i];
    if (!l)
        l = loan_new(t, bytes);
    l->out = true;
    pool_run(clear, l, (long)((bytes + PIECE - 1) / PIECE));
    return l->data;
}

static void give_back(struct tape *t, struct tensor *x)
{
    for (int i = 0; i < t->loan_count; i++)
        if (t->loans[i].data == x->grad)
            t->loans[i].out = false;
    x->grad = NULL;
}

static void have_gradient(struct tape *t, struct tensor *x)
{
    struct tensor *base = x->base ? x->base : x;

    if (!base->grad)
        base->grad = borrow(t, tensor_count(base));
    x->grad = base->grad + (x->data - base->data);
}

/* May in[0] have the result's gradient for its own?  Not if it has one, or if what it is a part of
 * or has as parts is written meanwhile. */
static bool can_hand_on(const struct node *n)
{
    const struct tensor *x = n->in[0];

    if (!n->op->hands_on || !wants(x) || x->grad || x->base || n->out->base)
        return false;
    for (int i = 1; i < n->inputs; i++)
        if (n->in[i] && (n->in[i] == x || n->in[i]->base == x))
            return false;
    return tensor_count(x) == tensor_count(n->out);
}

static void walk(struct tape *t, const struct node *n)
{
    struct arena_mark scratch = arena_mark(&t->arena);
    bool handed = can_hand_on(n);

    if (handed)
        n->in[0]->grad = n->out->grad;
    for (int i = 0; i < n->inputs; i++)
        if (wants(n->in[i]))
            have_gradient(t, n->in[i]);
    n->op->backward(n);
    arena_rewind(&t->arena, scratch);
    if (handed)
        n->out->grad = NULL;
    else
        give_back(t, n->out);
}

void tape_backward(struct tape *t, struct tensor *loss)
{
    if (!wants(loss))
        return;
    assert(tensor_count(loss) == 1);
    have_gradient(t, loss);
    loss->grad[0] = 1;
    for (int i = t->count - 1; i >= 0; i--)
        if (t->nodes[i].out->grad)
            walk(t, &t->nodes[i]);
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
