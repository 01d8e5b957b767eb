/* SPDX-License-Identifier: MIT
 * attention_unit.c - softmax(scale q k^T) v by a unit that multiplies pieces
 *
 * One (sequence, head) is one part of the work.  Its keys and values are split once; then some
 * query rows at a time:
 *
 *     scores = q k^T                          [QUERIES, keys]      in the second cache
 *     e      = exp(scale (scores - most))     split as it is made
 *     out    = e v / sum e                    [QUERIES, head_width]
 */
#include "base/number.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum { QUERIES = 64 };

/* A worker's scratch memory. */
struct room {
    long keys, width; /* rounded up to whole panels */
    float *scores, *sums, *inverse;
    uint16_t *q, *e, *k, *v; /* pieces */
};

static struct room room_of(float *at, long keys, long width)
{
    struct room r = { .keys = round_up(keys, UNIT_COLUMNS),
                      .width = round_up(width, UNIT_COLUMNS) };
    uint16_t *shorts;

    r.scores = at;
    r.sums = r.scores + QUERIES * r.keys;
    r.inverse = r.sums + QUERIES * r.width;
    shorts = (uint16_t *)(r.inverse + QUERIES);
    r.q = shorts;
    r.e = r.q + pieces_room(QUERIES, r.width);
    r.k = r.e + pieces_room(QUERIES, r.keys);
    r.v = r.k + pieces_room(r.keys, r.width);
    return r;
}

static size_t room_floats(long keys, long width)
{
    long whole = round_up(keys, UNIT_COLUMNS), wide = round_up(width, UNIT_COLUMNS);
    long shorts =
        pieces_room(QUERIES, wide) + pieces_room(QUERIES, whole) + 2 * pieces_room(whole, wide);

    return (size_t)(QUERIES * (whole + wide + 1) + shorts / 2);
}

struct pass {
    const struct attention *attention;
    const struct unit *unit;
    long keys; /* most of any sequence */
};

static int columns_left(long count, long first)
{
    return count - first < UNIT_COLUMNS ? (int)(count - first) : UNIT_COLUMNS;
}

static void split_keys(const struct pass *p, const struct span *s, const struct room *r)
{
    const struct attention *a = p->attention;
    long size = pieces_room(UNIT_COLUMNS, a->head_width);

    for (long i = 0; i < s->keys; i += UNIT_COLUMNS)
        p->unit->right(&(struct unit_panel){ .x = s->k + i * a->k_stride,
                                             .x_stride = a->k_stride,
                                             .type = DTYPE_F32,
                                             .transposed = true,
                                             .columns = columns_left(s->keys, i),
                                             .depth = a->head_width,
                                             .to = r->k + i / UNIT_COLUMNS * size });
    size = pieces_room(UNIT_COLUMNS, s->keys);
    for (long i = 0; i < a->head_width; i += UNIT_COLUMNS)
        p->unit->right(&(struct unit_panel){ .x = s->v + i,
                                             .x_stride = a->v_stride,
                                             .type = DTYPE_F32,
                                             .columns = columns_left(a->head_width, i),
                                             .depth = s->keys,
                                             .to = r->v + i / UNIT_COLUMNS * size });
}

/* sums [rows, columns] = left right */
static void multiply(const struct pass *p, float *sums, long stride, const uint16_t *left,
                     const uint16_t *right, long rows, long columns, long depth)
{
    long size = pieces_room(UNIT_COLUMNS, depth);

    for (long i = 0; i < columns; i += UNIT_COLUMNS)
        p->unit->multiply(&(struct unit_product){ .sums = sums + i,
                                                  .sums_stride = stride,
                                                  .left = left,
                                                  .right = right + i / UNIT_COLUMNS * size,
                                                  .type = DTYPE_F32,
                                                  .rows = rows,
                                                  .columns = columns_left(columns, i),
                                                  .depth = depth });
}

static void attend_rows(const struct pass *p, const struct span *s, const struct room *r,
                        float *out, long row, long rows)
{
    const struct attention *a = p->attention;

    p->unit->left(r->q, &(struct unit_rows){ s->q + row * a->q_stride, a->q_stride, false, 0 },
                  rows, a->head_width);
    multiply(p, r->scores, r->keys, r->q, r->k, rows, s->keys, a->head_width);
    p->unit->left_softmax(r->e, r->inverse, r->scores, r->keys, a->scale, rows, s->keys);
    multiply(p, r->sums, r->width, r->e, r->v, rows, a->head_width, s->keys);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < a->head_width; j++)
            out[i * a->out_stride + j] = r->sums[i * r->width + j] * r->inverse[i];
}

static void attend(void *argument, long index, int worker)
{
    const struct pass *p = argument;
    const struct attention *a = p->attention;
    int head = (int)(index % a->heads);
    struct span s = span_of(a, (int)(index / a->heads), head);
    struct room r = room_of(scratch_of(worker), p->keys, a->head_width);
    float *out = a->out + s.query * a->out_stride + (long)head * a->head_width;

    split_keys(p, &s, &r);
    for (long row = 0; row < s.queries; row += QUERIES)
        attend_rows(p, &s, &r, out + row * a->out_stride, row,
                    s.queries - row < QUERIES ? s.queries - row : QUERIES);
}

void attention_unit(const struct attention *a, const struct unit *unit)
{
    struct pass p = { a, unit, 1 };

    for (int i = 0; i < a->sequences; i++) {
        int j = a->key_of ? a->key_of[i] : i;

        p.keys = a->key_count[j] > p.keys ? a->key_count[j] : p.keys;
    }
    scratch_reserve(room_floats(p.keys, a->head_width));
    pool_run(attend, &p, (long)a->sequences * a->heads);
}
