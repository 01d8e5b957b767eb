/* SPDX-License-Identifier: MIT
 * panel.c - cutting columns into panels of nearly one width, and products with them
 */
#include <string.h>
#include "base/number.h"
#include "kernel/panel.h"

/* As few panels as the widest tile allows, of as many vectors each as can be: a last narrow panel
 * would waste most of a tile. */
struct panels panels_cut(int lanes, int widest, long columns)
{
    struct panels p = { .columns = columns, .lanes = lanes };
    long most = widest / lanes;

    p.vectors = (columns + lanes - 1) / lanes;
    p.count = (p.vectors + most - 1) / most;
    return p;
}

/* In elements; columns are rounded up to whole vectors. */
struct panels panels_of(const struct panel_kernel *kernel, long columns)
{
    return panels_cut(kernel->lanes, kernel->columns, columns);
}

long panels_size(const struct panel_kernel *kernel, const struct panels *p, long depth)
{
    return p->vectors * kernel->lanes * depth;
}

/* The first column of panel i. */
long panel_first(const struct panels *p, long i)
{
    return p->vectors * i / p->count * p->lanes;
}

int panel_columns(const struct panels *p, long i)
{
    long end = panel_first(p, i + 1);

    return (int)((end < p->columns ? end : p->columns) - panel_first(p, i));
}

/* x: [depth, columns]. Columns past the last are zeros, for whole vectors are read. */
void panels_fill(const struct panel_kernel *kernel, float *panels, const float *x, long x_stride,
                 long depth, long columns)
{
    struct panels p = panels_of(kernel, columns);

    for (long i = 0; i < p.count; i++) {
        long first = panel_first(&p, i), wide = panel_columns(&p, i);
        long stride = round_up(wide, kernel->lanes);
        float *to = panels + first * depth;

        for (long k = 0; k < depth; k++, to += stride) {
            memcpy(to, x + k * x_stride + first, (size_t)wide * sizeof *to);
            memset(to + wide, 0, (size_t)(stride - wide) * sizeof *to);
        }
    }
}

/* x: [columns, depth]. */
void panels_fill_transposed(const struct panel_kernel *kernel, float *panels, const float *x,
                            long x_stride, long columns, long depth, float scale)
{
    struct panels p = panels_of(kernel, columns);

    for (long i = 0; i < p.count; i++) {
        long first = panel_first(&p, i);

        kernel->transpose(panels + first * depth, panel_columns(&p, i), x + first * x_stride,
                          x_stride, depth, scale);
    }
}

/* A long sum is made of sums of TILE_DEPTH terms: an f32 loses about a bit for each doubling of the
 * terms. */
void tile_multiply(const struct panel_kernel *kernel, struct tile t)
{
    size_t step = (size_t)t.panel_stride * dtype_size(t.type);
    long depth = t.depth;

    for (long k = 0; k < depth || k == 0; k += TILE_DEPTH) {
        t.depth = depth - k < TILE_DEPTH ? depth - k : TILE_DEPTH;
        kernel->tile(&t);
        t.x += t.depth;
        t.panel = (const char *)t.panel + (size_t)t.depth * step;
        t.add = true;
    }
}

/* Panel by panel, so that one stays in the cache while all rows pass by it. Blocks of rows are as
 * even as can be. */
void panel_multiply(const struct panel_kernel *kernel, const struct panel_product *p)
{
    struct panels cut = panels_of(kernel, p->columns);
    long blocks = (p->rows + kernel->rows - 1) / kernel->rows;

    for (long i = 0; i < cut.count; i++) {
        long first = panel_first(&cut, i);
        int columns = panel_columns(&cut, i);

        for (long b = 0; b < blocks; b++) {
            long row = p->rows * b / blocks;

            tile_multiply(
                kernel,
                (struct tile){
                    .sums = p->y + row * p->y_stride + first,
                    .sums_stride = p->y_stride,
                    .add = p->add,
                    .x = p->x + row * p->x_stride,
                    .x_stride = p->x_stride,
                    .rows = (int)(p->rows * (b + 1) / blocks - row),
                    .columns = columns,
                    .panel = p->panels + first * (p->in_place ? 1 : p->panel_depth),
                    .panel_stride = p->in_place ? p->in_place : round_up(columns, kernel->lanes),
                    .type = DTYPE_F32,
                    .depth = p->depth,
                });
        }
    }
}
