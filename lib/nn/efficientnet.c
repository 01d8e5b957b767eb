/* SPDX-License-Identifier: MIT
 * efficientnet.c - EfficientNet-Lite: arXiv 1905.11946 without squeeze and excitation, with ReLU6
 *
 *     stem:  3x3 convolution, stride 2
 *     block: project(filter(expand(x))) [+ x where neither stride nor channels change]
 *            expand and project are 1x1, filter is depthwise; the first two end in ReLU6
 *     head:  1x1 convolution
 *
 * Each convolution is followed by its batch norm, and has the zeros of TensorFlow's SAME around.
 * Wider and deeper members scale the channels and the blocks of a stage; not the stem, the head,
 * and the depth of the first and the last stage.  Table 1 there; tensorflow/tpu
 * models/official/efficientnet/lite/.
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/branches.h"
#include "nn/efficientnet.h"

enum { STEP = 8 }; /* channels come in steps of that */
static const struct stage {
    int blocks, size, stride, expands;
    long out;
} stages[] = {
    { 1, 3, 1, 1, 16 },  { 2, 3, 2, 6, 24 },  { 2, 5, 2, 6, 40 },  { 3, 3, 2, 6, 80 },
    { 3, 5, 1, 6, 112 }, { 4, 5, 2, 6, 192 }, { 1, 3, 1, 6, 320 },
};

/* To the nearest step, but never below nine tenths. */
static long scaled_channels(long channels, float by)
{
    double wanted = (double)channels * (double)by;
    long whole = (long)(wanted + STEP / 2.0) / STEP * STEP;

    if (whole < STEP)
        whole = STEP;
    return (double)whole < 0.9 * wanted ? whole + STEP : whole;
}

static int scaled_blocks(int stage, float by)
{
    bool fixed = stage == 0 || stage == COUNT(stages) - 1;

    return fixed ? stages[stage].blocks : (int)ceilf((float)stages[stage].blocks * by);
}

void efficientnet_init(struct efficientnet *e, const struct efficientnet_config *config)
{
    struct inverted *b;
    long in = config->stem;

    *e = (struct efficientnet){ .config = *config };
    for (int i = 0; i < COUNT(stages); i++)
        e->count += scaled_blocks(i, config->depth);
    b = e->blocks = xalloc((size_t)e->count, sizeof *e->blocks);
    for (int i = 0; i < COUNT(stages); i++)
        for (int k = 0; k < scaled_blocks(i, config->depth); k++, b++) {
            b->in = in;
            b->wide = in * stages[i].expands;
            b->out = in = scaled_channels(stages[i].out, config->width);
            b->size = stages[i].size;
            b->stride = k ? 1 : stages[i].stride;
        }
}

int efficientnet_tokens(const struct efficientnet_config *c)
{
    int grid = c->grid ? c->grid : (c->image + 31) / 32;

    return 1 + grid * grid;
}

/* A block keeps x and what each of its steps makes; the stem its pixels as well. */
long efficientnet_room(const struct efficientnet *e)
{
    long image = e->config.image, side = (image + 1) / 2;
    long most = 3 * image * image + side * side * e->config.stem;

    for (int i = 0; i < e->count; i++) {
        const struct inverted *b = &e->blocks[i];
        long after = (side + b->stride - 1) / b->stride;
        long wide = b->wide != b->in ? b->wide : 0, twice = b->stride == 1 && b->in == b->out;
        long room = side * side * (b->in + wide) + after * after * (b->wide + (1 + twice) * b->out);

        most = room > most ? room : most;
        side = after;
    }
    return most;
}

static void layer_params(struct linear *l, struct batchnorm *n, struct params *p, const char *name,
                         float eps)
{
    long out = p->list[p->count - 1].shape[0];

    l->parts = 1;
    l->same = true;
    n->eps = eps;
    params_in(p, "%s_norm", name);
    batchnorm_params_named(n, p, out, "mean", "variance");
    params_out(p);
}

/* Its 1 x 1 convolutions are no matrices to who stores them: as bytes they would change what the
 * tower sees by a tenth. */
static void block_layers(struct inverted *b, struct params *p, float eps)
{
    if (b->wide != b->in) {
        param(p, &b->expand.weight[0], linear_uniform(b->in).weight, "expand.weight", b->wide,
              b->in, 1, 1);
        layer_params(&b->expand, &b->expand_norm, p, "expand", eps);
    }
    param(p, &b->filter.weight[0], linear_uniform(b->size * b->size).weight, "filter.weight",
          b->wide, 1, b->size, b->size);
    layer_params(&b->filter, &b->filter_norm, p, "filter", eps);
    param(p, &b->project.weight[0], linear_uniform(b->wide).weight, "project.weight", b->out,
          b->wide, 1, 1);
    layer_params(&b->project, &b->project_norm, p, "project", eps);
}

void efficientnet_params(struct efficientnet *e, struct params *p)
{
    const struct efficientnet_config *c = &e->config;

    param(p, &e->stem.weight[0], linear_uniform(3L * 3 * 3).weight, "stem.weight", c->stem, 3, 3,
          3);
    layer_params(&e->stem, &e->stem_norm, p, "stem", c->eps);
    for (int i = 0; i < e->count; i++) {
        params_in(p, "block.%d", i);
        block_layers(&e->blocks[i], p, c->eps);
        params_out(p);
    }
    param(p, &e->head.weight[0], linear_uniform(e->blocks[e->count - 1].out).weight, "head.weight",
          c->head, e->blocks[e->count - 1].out, 1, 1);
    layer_params(&e->head, &e->head_norm, p, "head", c->eps);
}

static struct tensor *block_run(struct tape *t, struct inverted *b, struct tensor *x)
{
    struct tensor *h = x;

    if (b->wide != b->in)
        h = convolve_norm(t, &b->expand, &b->expand_norm, h, 1, ACTIVATION_RELU6);
    h = depthwise_norm(t, &b->filter, &b->filter_norm, h, b->stride, ACTIVATION_RELU6);
    h = convolve_norm(t, &b->project, &b->project_norm, h, 1, ACTIVATION_NONE);
    return b->stride == 1 && b->in == b->out ? add(t, h, x) : h;
}

/* Which of `places` a square of the grid covers along one axis; squares overlap where it does not
 * divide evenly, as PyTorch's adaptive pooling has them. */
static struct range {
    int first, last;
} covered(int places, int grid, int at)
{
    return (struct range){ at * places / grid, ((at + 1) * places + grid - 1) / grid };
}

/* The mean over all places and the means over squares of them: fewer keys to look at. */
static struct tensor *pool(struct tape *t, struct tensor *x, int grid)
{
    int images = (int)x->shape[0], down = (int)x->shape[1], across = (int)x->shape[2];
    int squares = grid * grid, count = 0, spans = 0;
    int *at = tape_alloc(t, (size_t)images * (size_t)(1 + squares) * (size_t)(down * across) *
                                sizeof *at);
    int *length = tape_alloc(t, (size_t)images * (size_t)(1 + squares) * sizeof *length);

    for (int image = 0; image < images; image++)
        for (int square = -1; square < squares; square++) {
            struct range y = { 0, down }, z = { 0, across };
            int before = count;

            if (square >= 0) {
                y = covered(down, grid, square / grid);
                z = covered(across, grid, square % grid);
            }
            for (int i = y.first; i < y.last; i++)
                for (int j = z.first; j < z.last; j++)
                    at[count++] = (image * down + i) * across + j;
            length[spans++] = count - before;
        }
    x = mean_rows(t, take_rows(t, tensor_as_rows(t, x), at, count), spans_of(t, spans, length));
    return tensor_reshape(t, x, 3, (long[]){ images, 1 + squares, width(x) });
}

struct tensor *efficientnet_forward(struct tape *t, struct efficientnet *e, struct tensor *pixels,
                                    bool first_only)
{
    struct tape_mark start = tape_mark(t);
    struct tensor *x = to_channels_last(t, pixels);
    long places, images = pixels->shape[0];

    x = tape_keep(t, start, convolve_norm(t, &e->stem, &e->stem_norm, x, 2, ACTIVATION_RELU6));
    for (int i = 0; i < e->count; i++)
        x = tape_keep(t, start, block_run(t, &e->blocks[i], x));
    x = convolve_norm(t, &e->head, &e->head_norm, x, 1, ACTIVATION_RELU6);
    places = x->shape[1] * x->shape[2];
    if (first_only)
        x = mean_rows(t, tensor_as_rows(t, x), spans_even(t, (int)images, (int)places));
    else if (e->config.grid)
        x = pool(t, x, e->config.grid);
    else
        x = prepend_mean(t, tensor_reshape(t, x, 3, (long[]){ images, places, width(x) }));
    return tape_keep(t, start, x);
}

void efficientnet_close(struct efficientnet *e)
{
    linear_close(&e->stem);
    linear_close(&e->head);
    for (int i = 0; i < e->count; i++) {
        linear_close(&e->blocks[i].expand);
        linear_close(&e->blocks[i].filter);
        linear_close(&e->blocks[i].project);
    }
    free(e->blocks);
    *e = (struct efficientnet){ 0 };
}
