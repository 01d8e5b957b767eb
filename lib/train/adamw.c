/* SPDX-License-Identifier: MIT
 * adamw.c - AdamW: every parameter read and written once a step
 *
 *     p *= 1 - rate decay        m += (1 - b1) (g - m)        v = b2 v + (1 - b2) g^2
 *     p -= rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "train/train.h"

enum { PIECE = 1 << 16 }; /* numbers that a thread takes at a time */

struct pass {
    float *p, *m, *v;
    const float *g;
    long count;
    float keep, beta1, beta2, eps, step_size, root_correction;
};

/* arXiv 1711.05101, algorithm 2, with PyTorch's order of operations: the decay comes first, and
 * epsilon is added to the corrected root. */
static void update(void *argument, long index, int worker)
{
    const struct pass *a = argument;
    long first = index * PIECE, last = first + PIECE < a->count ? first + PIECE : a->count;
    float *restrict p = a->p, *restrict m = a->m, *restrict v = a->v;
    const float *restrict g = a->g;
    float left1 = 1 - a->beta1, left2 = 1 - a->beta2;

    (void)worker;
    for (long i = first; i < last; i++) {
        m[i] += left1 * (g[i] - m[i]);
        v[i] = a->beta2 * v[i] + left2 * g[i] * g[i];
        p[i] = p[i] * a->keep - a->step_size * m[i] / (sqrtf(v[i]) / a->root_correction + a->eps);
    }
}

void adamw_begin(struct adamw *a, const struct learning *l)
{
    size_t bytes = (size_t)l->count * sizeof(float);

    a->step = 0;
    a->memory = (struct arena){ 0 };
    a->mean = memset(arena_alloc(&a->memory, bytes), 0, bytes);
    a->square = memset(arena_alloc(&a->memory, bytes), 0, bytes);
    a->reached = memset(arena_alloc(&a->memory, (size_t)l->params + 1), 0, (size_t)l->params + 1);
}

static bool any(const float *x, long count)
{
    for (long i = 0; i < count; i++)
        if (x[i] != 0) /* a NaN too */
            return true;
    return false;
}

void adamw_resume(struct adamw *a, const struct learning *l, long step)
{
    a->step = step;
    for (int i = 0; i < l->params; i++) {
        const struct tensor *x = *l->list[i]->slot;

        a->reached[i] = any(a->mean + (x->data - l->data), tensor_count(x));
    }
}

/* A parameter that no gradient has reached yet stays as it is, without decay: PyTorch passes by one
 * whose grad is None. */
void adamw_step(struct adamw *a, struct learning *l)
{
    double t = (double)++a->step;
    struct pass pass = { .beta1 = a->beta1, .beta2 = a->beta2, .eps = a->eps };

    pass.step_size = (float)(a->rate / (1 - pow(a->beta1, t)));
    pass.root_correction = (float)sqrt(1 - pow(a->beta2, t));
    for (int i = 0; i < l->params; i++) {
        const struct tensor *x = *l->list[i]->slot;
        bool decays = !a->decays || a->decays(l->list[i]);
        long at = x->data - l->data;

        a->reached[i] = a->reached[i] || any(x->grad, tensor_count(x));
        if (!a->reached[i])
            continue;
        pass.p = x->data;
        pass.g = x->grad;
        pass.m = a->mean + at;
        pass.v = a->square + at;
        pass.count = tensor_count(x);
        pass.keep = decays ? (float)(1 - (double)a->rate * a->weight_decay) : 1;
        pool_run(update, &pass, (pass.count + PIECE - 1) / PIECE);
    }
}

void adamw_end(struct adamw *a)
{
    arena_free(&a->memory);
    a->mean = a->square = NULL;
}

void clamp_parameter(struct tensor *x, float least, float most)
{
    for (long i = 0; i < tensor_count(x); i++)
        x->data[i] = fminf(fmaxf(x->data[i], least), most);
}

struct block {
    float *numbers;
    double *sums; /* of the pieces' squares */
    long count;
    float by;
};

static void square_piece(void *argument, long index, int worker)
{
    const struct block *b = argument;
    long first = index * PIECE, last = first + PIECE < b->count ? first + PIECE : b->count;
    double sums[8] = { 0 }; /* lanes, so that the loop fills vectors without being reordered */

    (void)worker;
    for (long i = first; i < last; i++)
        sums[i % 8] += (double)b->numbers[i] * (double)b->numbers[i];
    for (int k = 1; k < 8; k++)
        sums[0] += sums[k];
    b->sums[index] = sums[0];
}

/* The root of the sum of all squares, in double; pieces are summed in order, so the number of
 * threads does not show. */
double learning_norm(const struct learning *l)
{
    long pieces = (l->count + PIECE - 1) / PIECE;
    struct block b = { l->grad, xalloc((size_t)pieces + 1, sizeof *b.sums), l->count, 1 };
    double sum = 0;

    pool_run(square_piece, &b, pieces);
    for (long i = 0; i < pieces; i++)
        sum += b.sums[i];
    free(b.sums);
    return sqrt(sum);
}

static void scale_piece(void *argument, long index, int worker)
{
    const struct block *b = argument;
    long first = index * PIECE, last = first + PIECE < b->count ? first + PIECE : b->count;

    (void)worker;
    for (long i = first; i < last; i++)
        b->numbers[i] *= b->by;
}

void learning_scale(struct learning *l, float by)
{
    struct block b = { l->grad, NULL, l->count, by };

    pool_run(scale_piece, &b, (l->count + PIECE - 1) / PIECE);
}
