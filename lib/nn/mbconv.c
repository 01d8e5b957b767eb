/* SPDX-License-Identifier: MIT
 * mbconv.c - ViTamin's first stages: convolutions that make a vision transformer's squares
 *
 *     stem:   3 x 3 (gelu(norm(3 x 3, stride 2)))
 *     block:  x' + 1 x 1 (gelu(3 x 3 a channel (gelu(1 x 1 (norm(x))))))
 *     last:   3 x 3, stride 2, of norm(x)
 *
 * The first block of a stage has stride 2: x' is then the mean of the 3 x 3 pixels around, those
 * beyond the edge left out, and 1 x 1 where it gets wider.
 *
 * Source: huggingface/pytorch-image-models timm/models/vitamin.py.
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/mbconv.h"

static const float eps = 1e-6f;

void mbconv_init(struct mbconv *v, const struct mbconv_config *config)
{
    *v = (struct mbconv){ .config = *config };
    v->norm1.eps = v->last_norm.eps = eps;
    for (int i = 0; i < MBCONV_STAGES; i++)
        v->count += config->stage[i].blocks;
    v->blocks = xalloc((size_t)v->count, sizeof *v->blocks);
    for (int i = 0, at = 0; i < MBCONV_STAGES; at += config->stage[i++].blocks)
        for (int k = 0; k < config->stage[i].blocks; k++) {
            v->blocks[at + k].norm.eps = eps;
            v->blocks[at + k].stride = k ? 1 : 2;
        }
}

/* Deviation sqrt(2 / (size size out)): _init_conv there.  in: 1 for a filter a channel */
static void conv_params(struct linear *l, struct params *p, const char *name, const long shape[3])
{
    long out = shape[0], in = shape[1], size = shape[2];
    float deviation = sqrtf(2 / (float)(size * size * (in == 1 ? 1 : out)));

    l->parts = 1;
    params_in(p, "%s", name);
    param(p, &l->weight[0], INIT_NORMAL(deviation), "weight", out, in, size, size);
    param(p, &l->bias[0], INIT_VALUE(0), "bias", out);
    params_out(p);
}

static void named_norm(struct norm *n, struct params *p, const char *name, long width)
{
    params_in(p, "%s", name);
    norm_params(n, p, width);
    params_out(p);
}

static void block_layers(struct mbconv_block *b, struct params *p,
                         const struct mbconv_stage_config *c, long in)
{
    if (in != c->width)
        conv_params(&b->shortcut, p, "shortcut.expand", (long[]){ c->width, in, 1 });
    named_norm(&b->norm, p, "pre_norm", in);
    conv_params(&b->conv1, p, "conv1_1x1", (long[]){ c->middle, in, 1 });
    conv_params(&b->conv2, p, "conv2_kxk", (long[]){ c->middle, 1, 3 });
    conv_params(&b->conv3, p, "conv3_1x1", (long[]){ c->width, c->middle, 1 });
}

void mbconv_params(struct mbconv *v, struct params *p)
{
    const struct mbconv_config *c = &v->config;
    struct mbconv_block *b = v->blocks;
    long in = c->stem;

    params_in(p, "stem");
    params_in(p, "stem");
    conv_params(&v->conv1, p, "conv1", (long[]){ c->stem, 3, 3 });
    named_norm(&v->norm1, p, "norm1", c->stem);
    conv_params(&v->conv2, p, "conv2", (long[]){ c->stem, c->stem, 3 });
    params_out(p);
    for (int i = 0; i < MBCONV_STAGES; i++)
        for (int k = 0; k < c->stage[i].blocks; k++, in = c->stage[i].width) {
            params_in(p, "stages.%d.%d", i, k);
            block_layers(b++, p, &c->stage[i], in);
            params_out(p);
        }
    params_in(p, "pool");
    named_norm(&v->last_norm, p, "norm", in);
    conv_params(&v->last, p, "proj", (long[]){ c->out, in, 3 });
    params_out(p);
    params_out(p);
}

/* Means over 3 x 3 pixels around every second one; x: [n, h, w, d] -> [n, h', w', d] */
static struct tensor *halved(struct tape *t, struct tensor *x)
{
    int images = (int)x->shape[0], h = (int)x->shape[1], w = (int)x->shape[2];
    int down = (h + 1) / 2, across = (w + 1) / 2, count = 0, spans = 0;
    size_t places = (size_t)images * (size_t)down * (size_t)across;
    int *at = tape_alloc(t, 9 * places * sizeof *at);
    int *length = tape_alloc(t, places * sizeof *length);
    struct tensor *y;

    for (int i = 0; i < images * down * across; i++) {
        int image = i / (down * across), before = count;
        int top = 2 * (i / across % down) - 1, left = 2 * (i % across) - 1;

        for (int k = 0; k < 9; k++) {
            int row = top + k / 3, column = left + k % 3;

            if (row >= 0 && row < h && column >= 0 && column < w)
                at[count++] = (image * h + row) * w + column;
        }
        length[spans++] = count - before;
    }
    y = mean_rows(t, take_rows(t, tensor_as_rows(t, x), at, count), spans_of(t, spans, length));
    return tensor_reshape(t, y, 4, (long[]){ images, down, across, width(x) });
}

static struct tensor *block_run(struct tape *t, struct mbconv_block *b, struct tensor *x)
{
    struct tensor *h = linear(t, &b->conv1, norm_forward(t, &b->norm, x), ACTIVATION_GELU);

    h = activate(t, depthwise(t, &b->conv2, h, b->stride), ACTIVATION_GELU);
    x = b->stride > 1 ? halved(t, x) : x;
    if (b->shortcut.parts)
        x = linear(t, &b->shortcut, x, ACTIVATION_NONE);
    return add(t, linear(t, &b->conv3, h, ACTIVATION_NONE), x);
}

struct tensor *mbconv_forward(struct tape *t, struct mbconv *v, struct tensor *pixels)
{
    struct tape_mark start = tape_mark(t);
    struct tensor *x = convolve(t, &v->conv1, to_channels_last(t, pixels), 2);

    x = activate(t, norm_forward(t, &v->norm1, x), ACTIVATION_GELU);
    x = tape_keep(t, start, convolve(t, &v->conv2, x, 1));
    for (int i = 0; i < v->count; i++)
        x = tape_keep(t, start, block_run(t, &v->blocks[i], x));
    x = convolve(t, &v->last, norm_forward(t, &v->last_norm, x), 2);
    x = tape_keep(t, start, x);
    return tensor_reshape(t, x, 3, (long[]){ x->shape[0], x->shape[1] * x->shape[2], width(x) });
}

void mbconv_close(struct mbconv *v)
{
    for (int i = 0; i < v->count; i++) {
        linear_close(&v->blocks[i].shortcut);
        linear_close(&v->blocks[i].conv1);
        linear_close(&v->blocks[i].conv2);
        linear_close(&v->blocks[i].conv3);
    }
    linear_close(&v->conv1);
    linear_close(&v->conv2);
    linear_close(&v->last);
    free(v->blocks);
    *v = (struct mbconv){ 0 };
}
