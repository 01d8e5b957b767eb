/* SPDX-License-Identifier: MIT
 * multiply_loose.c - y = x W^T + bias + residual by a unit that multiplies pieces, see unit.c;
 * weights lie as they are stored, and their panels stop where a matrix does
 */
#include "kernel/panel.h"

struct loose {
    const struct product *product;
    const struct matrix *parts;
    int count;
    long inputs;
};

/* Columns of one part. */
struct slice {
    int part;
    long first, output; /* in its part, in all */
    int columns;
};

static long panels_in(const struct matrix *m)
{
    return (m->rows + UNIT_COLUMNS - 1) / UNIT_COLUMNS;
}

static struct slice slice_of(const struct loose *l, long index)
{
    struct slice s = { 0 };
    long left;

    for (; index >= panels_in(&l->parts[s.part]); s.part++) {
        index -= panels_in(&l->parts[s.part]);
        s.output += l->parts[s.part].rows;
    }
    s.first = index * UNIT_COLUMNS;
    s.output += s.first;
    left = l->parts[s.part].rows - s.first;
    s.columns = left < UNIT_COLUMNS ? (int)left : UNIT_COLUMNS;
    return s;
}

static struct unit_panel panel(const struct unit_work *w, long index, long k)
{
    const struct loose *l = w->self;
    struct slice s = slice_of(l, index);

    return (struct unit_panel){ .x = (const float *)l->parts[s.part].data + s.first * l->inputs + k,
                                .x_stride = l->inputs,
                                .type = DTYPE_F32,
                                .turned = true,
                                .pieces = gemm_pieces(),
                                .columns = s.columns };
}

static void finish(const struct unit_work *w, const float *sums, long index, long row, long rows)
{
    static const float none[UNIT_COLUMNS];
    const struct loose *l = w->self;
    const struct product *p = l->product;
    struct slice s = slice_of(l, index);
    long at = row * p->y_stride + s.output;

    kernels.weights->finish(&(struct finish){
        .y = p->y + at,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = UNIT_COLUMNS,
        .bias = p->bias[s.part] ? p->bias[s.part] + s.first : none,
        .residual = p->residual ? p->residual + at : NULL,
        .rows = (int)rows,
        .columns = s.columns,
        .activation = p->activation,
    });
}

bool multiply_loose(const struct product *p, const struct matrix *parts, int count, long inputs)
{
    struct loose l = { p, parts, count, inputs };
    long panels = 0;

    if (!gemm_by_unit())
        return false;
    for (int i = 0; i < count; i++)
        panels += panels_in(&parts[i]);
    unit_run(&(struct unit_work){
        .unit = kernels.weights->unit,
        .left = { p->x, p->x_stride, false, gemm_pieces() },
        .rows = p->rows,
        .depth = inputs,
        .panels = panels,
        .panel = panel,
        .finish = finish,
        .self = &l,
    });
    return true;
}
