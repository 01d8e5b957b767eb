/* SPDX-License-Identifier: MIT
 * attention_backward.c - gradients of softmax(scale q k^T + mask) v
 *
 *     dp = dout v^T
 *     ds = p (dp - sum_keys(p dp)) scale     p is made again: cheaper than keeping it
 *     dq += ds k     dk += ds^T q     dv += p^T dout     dbias += ds / scale, by distance
 *
 * One (sequence of keys, head) is one piece of work: the query sequences that share the keys come
 * one after the other, so that sums over them always run in the same order.  With dbias a head is.
 */
#include <assert.h>
#include "base/thread.h"
#include "kernel/panel.h"

struct backward {
    const struct attention *a;
    const float *dout;
    float *dq, *dk, *dv, *dbias;
    long queries, keys; /* most of any sequence */
    long key_sequences;
};

/* The parts of a worker's scratch memory. */
struct room {
    float *keys_turned, *values_turned, *keys; /* panels */
    float *queries, *dout;                     /* panels */
    float *p, *ds;                             /* [queries, row_room(keys)] */
    float *transposed;                         /* [keys, row_room(queries)] */
    float *bias;                               /* by distance */
    long size;
};

static float *take(float *memory, long *at, long floats)
{
    float *part = memory ? memory + *at : NULL;

    *at += floats;
    return part;
}

/* Without memory: only the size. */
static struct room room_in(float *memory, const struct backward *w)
{
    long queries = w->queries, keys = w->keys, width = w->a->head_width;
    long at = 0;
    struct room r;

    r.keys_turned = take(memory, &at, panels_room(keys, width));
    r.values_turned = take(memory, &at, panels_room(keys, width));
    r.keys = take(memory, &at, panels_room(width, keys));
    r.queries = take(memory, &at, panels_room(width, queries));
    r.dout = take(memory, &at, panels_room(width, queries));
    r.p = take(memory, &at, queries * row_room(keys));
    r.ds = take(memory, &at, queries * row_room(keys));
    r.transposed = take(memory, &at, keys * row_room(queries));
    r.bias = take(memory, &at, bias_room(w->a, queries, keys));
    r.size = at;
    return r;
}

/* y (+)= x b */
static void product(float *y, long y_stride, bool add, const float *x, long x_stride, long rows,
                    const float *panels, long depth, long columns)
{
    panel_multiply(kernels.panel, &(struct panel_product){ x, x_stride, rows, depth, panels, depth,
                                                           0, columns, y, y_stride, add });
}

/* In strips of a line's width: their lines stay in the first cache. */
static void transpose(float *to, const float *x, long rows, long columns)
{
    enum { STRIP = 16 };
    long stride = row_room(columns), to_stride = row_room(rows);

    for (long j = 0; j < columns; j += STRIP) {
        long end = j + STRIP < columns ? j + STRIP : columns;

        for (long i = 0; i < rows; i++)
            for (long k = j; k < end; k++)
                to[k * to_stride + i] = x[i * stride + k];
    }
}

/* ds holds dp before.  What no row sees has p 0. */
static void score_gradients(const struct backward *w, const struct room *r, const struct span *s,
                            int head)
{
    long stride = row_room(s->keys), zero = w->a->bias_zero - (s->keys - s->queries);

    for (long i = 0; i < s->queries; i++) {
        const float *p = r->p + i * stride;
        float *ds = r->ds + i * stride, mean = kernels.dot(p, ds, s->keys);

        for (long j = 0; j < s->keys; j++)
            ds[j] = p[j] * (ds[j] - mean);
        for (long j = 0; w->dbias && j < s->keys; j++)
            w->dbias[(j - i + zero) * w->a->heads + head] += ds[j];
        for (long j = 0; j < s->keys; j++)
            ds[j] *= w->a->scale;
    }
}

static void one_sequence(const struct backward *w, const struct room *r, int sequence, int head)
{
    const struct attention *a = w->a;
    struct span s = span_of(a, sequence, head);
    long column = (long)head * a->head_width, n = s.queries, m = s.keys, width = a->head_width;
    const float *dout = w->dout + s.query * a->out_stride + column;
    const float *bias = bias_gather(a, &s, head, r->bias);

    for (long row = 0; row < n; row += kernels.panel->rows)
        probabilities(a, &s, r->keys_turned, bias, r->p + row * row_room(m), row_room(m), row,
                      (int)(n - row < kernels.panel->rows ? n - row : kernels.panel->rows));
    if (w->dv) {
        panels_fill(kernels.panel, r->dout, dout, a->out_stride, n, width);
        transpose(r->transposed, r->p, n, m);
        product(w->dv + s.key * a->v_stride + column, a->v_stride, true, r->transposed, row_room(n),
                m, r->dout, n, width);
    }
    if (!w->dq && !w->dk && !w->dbias)
        return;
    product(r->ds, row_room(m), false, dout, a->out_stride, n, r->values_turned, width, m);
    score_gradients(w, r, &s, head);
    if (w->dq)
        product(w->dq + s.query * a->q_stride + column, a->q_stride, true, r->ds, row_room(m), n,
                r->keys, m, width);
    if (w->dk) {
        panels_fill(kernels.panel, r->queries, s.q, a->q_stride, n, width);
        transpose(r->transposed, r->ds, n, m);
        product(w->dk + s.key * a->k_stride + column, a->k_stride, true, r->transposed, row_room(n),
                m, r->queries, n, width);
    }
}

static void one_key_sequence(const struct backward *w, const struct room *in, int j, int head)
{
    const struct attention *a = w->a;
    struct room r = *in;
    bool ready = false;

    for (int i = 0; i < a->sequences; i++) {
        if ((a->key_of ? a->key_of[i] : i) != j)
            continue;
        if (!ready) {
            struct span s = span_of(a, i, head);

            panels_fill_transposed(kernels.panel, r.keys_turned, s.k, a->k_stride, s.keys,
                                   a->head_width, a->scale);
            panels_fill_transposed(kernels.panel, r.values_turned, s.v, a->v_stride, s.keys,
                                   a->head_width, 1);
            panels_fill(kernels.panel, r.keys, s.k, a->k_stride, s.keys, a->head_width);
            ready = true;
        }
        one_sequence(w, &r, i, head);
    }
}

static void one_piece(void *argument, long index, int worker)
{
    const struct backward *w = argument;
    struct room r = room_in(scratch_of(worker), w);
    int head = (int)(index % w->a->heads);

    if (!w->dbias) {
        one_key_sequence(w, &r, (int)(index / w->a->heads), head);
        return;
    }
    for (int j = 0; j < w->key_sequences; j++)
        one_key_sequence(w, &r, j, head);
}

void attention_backward(const struct attention *a, const float *dout, float *dq, float *dk,
                        float *dv, float *dbias)
{
    struct backward w = { .a = a, .dout = dout, .dq = dq, .dk = dk, .dv = dv, .dbias = dbias };

    assert(dout);
    for (int i = 0; i < a->sequences; i++) {
        int j = a->key_of ? a->key_of[i] : i, n = a->query_start[i + 1] - a->query_start[i];

        w.key_sequences = j >= w.key_sequences ? j + 1 : w.key_sequences;
        w.keys = a->key_count[j] > w.keys ? a->key_count[j] : w.keys;
        w.queries = n > w.queries ? n : w.queries;
    }
    scratch_reserve((size_t)room_in(NULL, &w).size);
    pool_run(one_piece, &w, (dbias ? 1 : w.key_sequences) * a->heads);
}
