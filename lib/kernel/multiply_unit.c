/* SPDX-License-Identifier: MIT
 * multiply_unit.c - y = activation(x W^T + bias) + residual by a unit that multiplies pieces, see
 * unit.c; weights lie in memory as they do for vectors
 */
#include "kernel/panel.h"

static struct unit_panel panel(const struct unit_work *w, long index, long k)
{
    const struct product *p = w->self;
    const struct pack *pack = p->weights;
    int columns = panel_columns(pack->kernel, &pack->panels, index);
    long stride = round_up(columns, pack->kernel->lanes);
    long from = panel_first(pack->kernel, &pack->panels, index) * pack->inputs + k * stride;

    return (struct unit_panel){ .x = pack->data + (size_t)from * dtype_size(pack->type),
                                .x_stride = stride,
                                .type = pack->type,
                                .columns = columns };
}

static void finish(const struct unit_work *w, const float *sums, long index, long row, long rows)
{
    const struct product *p = w->self;
    const struct pack *pack = p->weights;
    long first = panel_first(pack->kernel, &pack->panels, index), at = row * p->y_stride + first;
    int columns = panel_columns(pack->kernel, &pack->panels, index);
    float bias[UNIT_COLUMNS];

    gather_bias(bias, p, first, columns);
    pack->kernel->finish(&(struct finish){
        .y = p->y + at,
        .y_stride = p->y_stride,
        .sums = sums,
        .sums_stride = UNIT_COLUMNS,
        .scale = pack->scale ? pack->scale + first : NULL,
        .bias = bias,
        .residual = p->residual ? p->residual + at : NULL,
        .rows = (int)rows,
        .columns = columns,
        .activation = p->activation,
    });
}

void multiply_unit(const struct product *p)
{
    unit_run(&(struct unit_work){
        .unit = p->weights->kernel->unit,
        .left = { p->x, p->x_stride, false, 0 },
        .rows = p->rows,
        .depth = p->weights->inputs,
        .panels = p->weights->panels.count,
        .panel = panel,
        .finish = finish,
        .self = p,
    });
}
