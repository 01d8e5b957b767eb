/* SPDX-License-Identifier: MIT
 * resnet.c - CLIP's ModifiedResNet (arXiv 2103.00020, section 2.4)
 *
 *     stem:  three 3x3 convolutions, the first with stride 2; average pool 2
 *     block: relu(conv3(pool(conv2(conv1(x)))) + down(x)), each followed by its batch norm;
 *            a block with stride 2 averages behind conv2 and before the shortcut's convolution
 *     pool:  the mean of all places asks all places and itself
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/resnet.h"

static const float batchnorm_eps = 1e-5f;

void resnet_init(struct resnet *r, const struct resnet_config *config)
{
    *r = (struct resnet){ .config = *config };
    for (int i = 0; i < 4; i++)
        r->count += config->layers[i];
    r->blocks = xalloc((size_t)r->count, sizeof *r->blocks);
}

/* shape: channels out and in, pixels of a side */
static void conv_params(struct conv_norm *c, struct params *p, const char *conv, const char *norm,
                        const long shape[3])
{
    long out = shape[0], in = shape[1], size = shape[2];

    c->norm.eps = batchnorm_eps;
    c->conv.parts = 1;
    params_in(p, "%s", conv);
    param(p, &c->conv.weight[0], linear_uniform(in * size * size).weight, "weight", out, in, size,
          size);
    params_out(p);
    params_in(p, "%s", norm);
    param(p, &c->norm.gain, INIT_VALUE(1), "weight", out);
    param(p, &c->norm.shift, INIT_VALUE(0), "bias", out);
    param(p, &c->norm.mean, INIT_VALUE(0), "mean", out);
    params_buffer(p);
    param(p, &c->norm.variance, INIT_VALUE(1), "variance", out);
    params_buffer(p);
    params_out(p);
}

/* 1 x 1, 3 x 3, 1 x 1; a shortcut of its own where the shape changes. */
static void bottleneck_params(struct bottleneck *b, struct params *p, long in, long planes)
{
    conv_params(&b->conv[0], p, "conv1", "norm1", (long[]){ planes, in, 1 });
    conv_params(&b->conv[1], p, "conv2", "norm2", (long[]){ planes, planes, 3 });
    conv_params(&b->conv[2], p, "conv3", "norm3", (long[]){ 4 * planes, planes, 1 });
    if (b->stride > 1 || in != 4 * planes)
        conv_params(&b->down, p, "down", "down_norm", (long[]){ 4 * planes, in, 1 });
}

/* Positions of the mean and of the places; PyTorch's MultiheadAttention otherwise. */
static void pool_params(struct resnet *r, struct params *p)
{
    long width = 32L * r->config.width, grid = r->config.image / 32;
    float thin = 1 / sqrtf((float)width);

    params_in(p, "pool");
    param(p, &r->position, INIT_NORMAL(thin), "position", grid * grid + 1, width);
    linear_params(&r->query, p, "query", width, width, linear_normal(thin));
    linear_params(&r->key_value, p, "key", width, width, linear_normal(thin));
    linear_params(&r->key_value, p, "value", width, width, linear_normal(thin));
    linear_params(&r->project, p, "out", r->config.out, width, linear_normal(thin));
    params_out(p);
}

/* Each stage has twice the channels of the one before, and from the second on half its pixels. */
void resnet_params(struct resnet *r, struct params *p)
{
    long width = r->config.width, in = width;
    struct bottleneck *b = r->blocks;

    conv_params(&r->stem[0], p, "conv1", "norm1", (long[]){ width / 2, 3, 3 });
    conv_params(&r->stem[1], p, "conv2", "norm2", (long[]){ width / 2, width / 2, 3 });
    conv_params(&r->stem[2], p, "conv3", "norm3", (long[]){ width, width / 2, 3 });
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < r->config.layers[stage]; i++, b++) {
            long planes = width << stage;

            b->stride = stage && !i ? 2 : 1;
            params_in(p, "stage.%d.%d", stage, i);
            bottleneck_params(b, p, in, planes);
            params_out(p);
            in = 4 * planes;
        }
    pool_params(r, p);
}

/* Each convolution and its norm are kept: of the stem, or of the first block of a stage, whose
 * first two see as many places as the stage before.  The last is written over x. */
long resnet_room(const struct resnet_config *c)
{
    long half = c->image / 2, side = c->image / 4, in = c->width;
    long most = 3L * c->image * c->image + 4 * half * half * c->width + side * side * c->width;

    for (int stage = 0; stage < 4; stage++) {
        long planes = (long)c->width << stage, before = side * side, places, room;

        side = stage ? side / 2 : side;
        places = side * side;
        room = before * (in + 4 * planes) + (stage ? places * (in + planes) : 0) +
               places * 5 * 4 * planes;
        most = room > most ? room : most;
        in = 4 * planes;
    }
    return most;
}

static struct tensor *conv_forward(struct tape *t, struct conv_norm *c, struct tensor *x,
                                   int stride, enum activation act)
{
    return batchnorm(t, &c->norm, convolve(t, &c->conv, x, stride), act);
}

/* CLIP's ResNet averages where others take strides (arXiv 2103.00020, section 2.4). */
static struct tensor *bottleneck_forward(struct tape *t, struct bottleneck *b, struct tensor *x)
{
    struct tensor *h = conv_forward(t, &b->conv[0], x, 1, ACTIVATION_RELU);

    h = conv_forward(t, &b->conv[1], h, 1, ACTIVATION_RELU);
    if (b->stride > 1) {
        h = average_pool(t, h, b->stride);
        x = average_pool(t, x, b->stride);
    }
    h = conv_forward(t, &b->conv[2], h, 1, ACTIVATION_NONE);
    if (b->down.conv.parts)
        x = conv_forward(t, &b->down, x, 1, ACTIVATION_NONE);
    return activate(t, add(t, h, x), ACTIVATION_RELU);
}

/* pixels: [n, 3, size, size] -> [n, places, 32 width]. The tape keeps one block's numbers at a
 * time. */
struct tensor *resnet_forward(struct tape *t, struct resnet *r, struct tensor *pixels)
{
    struct tape_mark start = tape_mark(t);
    struct tensor *x = to_channels_last(t, pixels);
    long places;

    for (int i = 0; i < 3; i++)
        x = conv_forward(t, &r->stem[i], x, i ? 1 : 2, ACTIVATION_RELU);
    x = tape_keep(t, start, average_pool(t, x, 2));
    for (int i = 0; i < r->count; i++)
        x = tape_keep(t, start, bottleneck_forward(t, &r->blocks[i], x));
    places = x->shape[1] * x->shape[2];
    return tensor_reshape(t, x, 3, (long[]){ x->shape[0], places, width(x) });
}

/* Attention pooling: the mean of the places is the query, it and the places are keys and values. */
struct tensor *resnet_pool(struct tape *t, struct resnet *r, struct tensor *x)
{
    int images = (int)x->shape[0], tokens = (int)x->shape[1] + 1, heads = (int)(width(x) / 64);
    int *first = tape_alloc(t, (size_t)images * sizeof *first);
    long across = width(x);
    struct tensor *q, *kv;
    struct attention_plan plan = {
        .heads = heads,
        .scale = 1 / sqrtf(64),
        .queries = spans_even(t, images, 1),
        .keys = spans_even(t, images, tokens),
    };

    for (int i = 0; i < images; i++)
        first[i] = i * tokens;
    x = add(t, prepend_mean(t, x), r->position);
    x = tensor_reshape(t, x, 2, (long[]){ (long)images * tokens, across });
    q = linear(t, &r->query, take_rows(t, x, first, images), ACTIVATION_NONE);
    kv = linear(t, &r->key_value, x, ACTIVATION_NONE);
    x = attention(t, &plan, q, tensor_columns(t, kv, 0, across),
                  tensor_columns(t, kv, across, across));
    return linear(t, &r->project, x, ACTIVATION_NONE);
}

static void bottleneck_close(struct bottleneck *b)
{
    for (int i = 0; i < 3; i++)
        linear_close(&b->conv[i].conv);
    linear_close(&b->down.conv);
}

void resnet_close(struct resnet *r)
{
    for (int i = 0; i < 3; i++)
        linear_close(&r->stem[i].conv);
    for (int i = 0; i < r->count; i++)
        bottleneck_close(&r->blocks[i]);
    linear_close(&r->query);
    linear_close(&r->key_value);
    linear_close(&r->project);
    free(r->blocks);
    *r = (struct resnet){ 0 };
}
