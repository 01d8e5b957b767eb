/* SPDX-License-Identifier: MIT
 * attention.c - softmax(scale q k^T + mask) v for many short sequences
 *
 * One (sequence, head) is one piece of work, and one thread's.  Keys are transposed into panels,
 * values copied into panels, unless that was done before; then some query rows at a time, as many
 * as a tile is high:
 *
 *     scores = q (scale k)^T + bias    [block, keys]      in the first cache
 *     p      = softmax(scores)     each row over the keys that it sees, zero behind them
 *     out    = p v                 [block, head_width]
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/panel.h"

struct span span_of(const struct attention *a, int sequence, int head)
{
    int j = a->key_of ? a->key_of[sequence] : sequence;
    long column = (long)head * a->head_width;
    struct span s = { .query = a->query_start[sequence],
                      .key = a->key_start[j],
                      .queries = a->query_start[sequence + 1] - a->query_start[sequence],
                      .keys = a->key_count[j] };

    s.q = a->q + s.query * a->q_stride + column;
    if (a->packed)
        return s;
    s.k = a->k + s.key * a->k_stride + column;
    s.v = a->v + s.key * a->v_stride + column;
    return s;
}

long bias_room(const struct attention *a, long queries, long keys)
{
    return a->bias ? row_room(queries + keys) : 0;
}

const float *bias_gather(const struct attention *a, const struct span *s, int head, float *to)
{
    long first = a->bias_zero - (s->keys - 1);

    for (long i = 0; a->bias && i < s->keys + s->queries - 1; i++)
        to[i] = a->bias[(first + i) * a->heads + head];
    return a->bias ? to : NULL;
}

/* How many keys a query row sees. */
static int visible(const struct attention *a, const struct span *s, long row)
{
    long n = a->causal ? s->keys - s->queries + row + 1 : s->keys;

    return n > 0 ? (int)n : 0;
}

static void softmax_rows(const struct attention *a, const struct span *s, const float *bias,
                         float *p, long stride, long row, int rows)
{
    for (int i = 0; i < rows; i++) {
        int seen = visible(a, s, row + i);

        if (bias) /* of distance 0 at keys - 1; the row's place is keys - queries + row + i */
            kernels.add(p + i * stride, p + i * stride, bias + (s->queries - 1 - row - i), seen);
        kernels.softmax(p + i * stride, seen);
        memset(p + i * stride + seen, 0, (size_t)(s->keys - seen) * sizeof *p);
    }
}

void probabilities(const struct attention *a, const struct span *s, const float *keys,
                   const float *bias, float *p, long stride, long row, int rows)
{
    panel_multiply(kernels.panel, &(struct panel_product){
                                      .x = s->q + row * a->q_stride,
                                      .x_stride = a->q_stride,
                                      .rows = rows,
                                      .depth = a->head_width,
                                      .panels = keys,
                                      .panel_depth = a->head_width,
                                      .columns = s->keys,
                                      .y = p,
                                      .y_stride = stride,
                                  });
    softmax_rows(a, s, bias, p, stride, row, rows);
}

/* The same where rows are so few that reading the keys is the cost: one panel at a time, used once.
 */
static void probabilities_memory_bound(const struct attention *a, const struct span *s,
                                       float *panel, const float *bias, float *p, long stride)
{
    struct panels cut = panels_of(kernels.panel, s->keys);

    for (long i = 0; i < cut.count; i++) {
        long first = panel_first(&cut, i);
        int columns = panel_columns(&cut, i);

        kernels.panel->transpose(panel, columns, s->k + first * a->k_stride, a->k_stride,
                                 a->head_width, a->scale);
        panel_multiply(kernels.panel, &(struct panel_product){
                                          .x = s->q,
                                          .x_stride = a->q_stride,
                                          .rows = s->queries,
                                          .depth = a->head_width,
                                          .panels = panel,
                                          .panel_depth = a->head_width,
                                          .columns = columns,
                                          .y = p + first,
                                          .y_stride = stride,
                                      });
    }
    softmax_rows(a, s, bias, p, stride, 0, s->queries);
}

/* --- keys and values arranged once for many calls ---
 *
 *     (sequence, head) -> panels of scale k^T, panels of v        one after the other, head by head
 *
 * A decoder looks at the same image at every step: arranging its tokens anew would move more memory
 * than the sums do.
 */

struct packed_keys {
    const struct panel_kernel *kernel;
    int heads, head_width, sequences;
    size_t *at;  /* [sequences] floats before a sequence */
    long *room;  /* [sequences] floats of one head */
    float *data; /* of pages_alloc() */
};

struct key_packing {
    const struct attention *attention;
    struct packed_keys *packed;
};

long keys_room(int keys, int head_width)
{
    return panels_room(keys, head_width) + panels_room(head_width, keys);
}

void keys_arrange(const struct attention *a, const struct span *s, float *to)
{
    panels_fill_transposed(kernels.panel, to, s->k, a->k_stride, s->keys, a->head_width, a->scale);
    panels_fill(kernels.panel, to + panels_room(s->keys, a->head_width), s->v, a->v_stride, s->keys,
                a->head_width);
}

const float *packed_keys_at(const struct packed_keys *p, int sequence, int head)
{
    assert(p->kernel == kernels.panel && sequence < p->sequences && head < p->heads);
    return p->data + p->at[sequence] + (size_t)head * (size_t)p->room[sequence];
}

static void pack_head(void *argument, long index, int worker)
{
    const struct key_packing *w = argument;
    const struct attention *a = w->attention;
    int j = (int)(index / a->heads), head = (int)(index % a->heads);
    long column = (long)head * a->head_width;
    struct span s = { .k = a->k + a->key_start[j] * a->k_stride + column,
                      .v = a->v + a->key_start[j] * a->v_stride + column,
                      .keys = a->key_count[j] };

    (void)worker;
    keys_arrange(a, &s, (float *)(uintptr_t)packed_keys_at(w->packed, j, head));
}

struct packed_keys *attention_pack(const struct attention *a, int key_sequences)
{
    struct packed_keys *p = xalloc(1, sizeof *p);
    struct key_packing w = { a, p };
    size_t floats = 0;

    *p = (struct packed_keys){ .kernel = kernels.panel,
                               .heads = a->heads,
                               .head_width = a->head_width,
                               .sequences = key_sequences };
    p->at = xalloc((size_t)key_sequences, sizeof *p->at);
    p->room = xalloc((size_t)key_sequences, sizeof *p->room);
    for (int j = 0; j < key_sequences; j++) {
        p->at[j] = floats;
        p->room[j] = keys_room(a->key_count[j], a->head_width);
        floats += (size_t)a->heads * (size_t)p->room[j];
    }
    p->data = pages_alloc(floats * sizeof *p->data);
    pool_run(pack_head, &w, (long)key_sequences * a->heads);
    return p;
}

void packed_keys_free(struct packed_keys *p)
{
    if (!p)
        return;
    free(p->at);
    free(p->room);
    pages_free(p->data);
    free(p);
}

/* --- the calls --- */

/* Where the keys and values of one (sequence, head) are read. */
struct source {
    const float *keys;   /* panels; NULL: transposed one at a time, for few rows */
    const float *values; /* panels, or in place */
    long in_place;       /* their stride, or 0 */
    float *room;         /* of this worker, for what is not packed */
};

static struct source source_of(const struct attention *a, const struct span *s, int sequence,
                               int head, float *room)
{
    long keys = panels_room(s->keys, a->head_width);
    bool memory_bound = s->queries <= kernels.panel->rows;
    struct source from = { .room = room };

    if (a->packed)
        from.keys = packed_keys_at(a->packed, a->key_of ? a->key_of[sequence] : sequence, head);
    else if (!memory_bound || a->head_width % kernels.panel->lanes) {
        keys_arrange(a, s, room);
        from.keys = room;
    }
    from.values = from.keys ? from.keys + keys : s->v;
    from.in_place = from.keys ? 0 : a->v_stride;
    return from;
}

static void attend(void *argument, long index, int worker)
{
    const struct attention *a = argument;
    int head = (int)(index % a->heads), high = kernels.panel->rows, i = (int)(index / a->heads);
    struct span s = span_of(a, i, head);
    long stride = row_room(s.keys), blocks = (s.queries + high - 1) / high;
    float *p = scratch_of(worker), *after = p + TILE_ROWS * stride;
    const float *bias = bias_gather(a, &s, head, after);
    struct source from = source_of(a, &s, i, head, after + bias_room(a, s.queries, s.keys));
    float *out = a->out + s.query * a->out_stride + (long)head * a->head_width;

    for (long b = 0; b < blocks; b++) {
        long row = s.queries * b / blocks;
        int rows = (int)(s.queries * (b + 1) / blocks - row);

        if (from.keys)
            probabilities(a, &s, from.keys, bias, p, stride, row, rows);
        else
            probabilities_memory_bound(a, &s, from.room, bias, p, stride);
        panel_multiply(kernels.panel, &(struct panel_product){
                                          .x = p,
                                          .x_stride = stride,
                                          .rows = rows,
                                          .depth = visible(a, &s, row + rows - 1),
                                          .panels = from.values,
                                          .panel_depth = s.keys,
                                          .in_place = from.in_place,
                                          .columns = a->head_width,
                                          .y = out + row * a->out_stride,
                                          .y_stride = a->out_stride,
                                      });
    }
}

void attention_forward(const struct attention *a)
{
    long keys = 0, queries = 0, floats;

    assert(!a->wide || (!a->causal && !a->packed && !a->bias));
    if (a->wide && kernels.packed_engine->unit) {
        attention_unit(a, kernels.packed_engine->unit);
        return;
    }
    for (int i = 0; i < a->sequences; i++) {
        int j = a->key_of ? a->key_of[i] : i, n = a->query_start[i + 1] - a->query_start[i];

        keys = a->key_count[j] > keys ? a->key_count[j] : keys;
        queries = n > queries ? n : queries;
    }
    floats = TILE_ROWS * row_room(keys) + bias_room(a, queries, keys) +
             (a->packed ? 0 : keys_room((int)keys, a->head_width));
    scratch_reserve((size_t)floats);
    pool_run(attend, (void *)(uintptr_t)a, (long)a->sequences * a->heads);
}
