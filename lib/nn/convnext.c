/* SPDX-License-Identifier: MIT
 * convnext.c - ConvNeXt (arXiv 2201.03545, section 2)
 *
 *     x = norm(squares of 4 x 4 pixels)
 *     x = squares of 2 x 2 of norm(x)                    before each stage but the first
 *     x = x + scale fc2(gelu(fc1(norm(filter(x)))))      for each block; filter: 7 x 7, depthwise
 *
 * Source: huggingface/pytorch-image-models timm/models/convnext.py.
 */
#include <stdlib.h>
#include "base/memory.h"
#include "nn/convnext.h"

enum { STEM = 4, FILTER = 7, EXPANDS = 4 };

void convnext_init(struct convnext *v, const struct convnext_config *config)
{
    *v = (struct convnext){ .config = *config };
    v->stem_norm.eps = v->norm.eps = config->eps;
    for (int i = 0; i < CONVNEXT_STAGES; i++) {
        v->count += config->blocks[i];
        v->down_norm[i].eps = config->eps;
        v->down[i].same = true;
    }
    v->blocks = xalloc((size_t)v->count, sizeof *v->blocks);
    for (int i = 0; i < v->count; i++)
        v->blocks[i].norm.eps = config->eps;
}

int convnext_tokens(const struct convnext_config *c)
{
    return (c->image / 32) * (c->image / 32);
}

/* A block keeps x, filter, norm, fc1, fc2, its factors and the sum: most in the first stage. */
long convnext_room(const struct convnext_config *c)
{
    long side = c->image / STEM;

    return side * side * (6 + EXPANDS) * c->width[0];
}

static void convolution_params(struct linear *l, struct params *p, const char *name,
                               const long shape[4])
{
    struct linear_initial initial = linear_normal(0.02f);

    l->parts = 1;
    params_in(p, "%s", name);
    param(p, &l->weight[0], initial.weight, "weight", shape[0], shape[1], shape[2], shape[3]);
    param(p, &l->bias[0], initial.bias, "bias", shape[0]);
    params_out(p);
}

static void named_norm_params(struct norm *n, struct params *p, const char *name, long width)
{
    params_in(p, "%s", name);
    norm_params(n, p, width);
    params_out(p);
}

static void block_layers(struct convnext_block *b, struct params *p, long width)
{
    convolution_params(&b->filter, p, "filter", (long[]){ width, 1, FILTER, FILTER });
    named_norm_params(&b->norm, p, "norm", width);
    linear_params(&b->fc1, p, "fc1", EXPANDS * width, width, linear_normal(0.02f));
    linear_params(&b->fc2, p, "fc2", width, EXPANDS * width, linear_normal(0.02f));
    param(p, &b->scale, INIT_VALUE(1e-6f), "scale", width);
}

void convnext_params(struct convnext *v, struct params *p)
{
    const struct convnext_config *c = &v->config;
    struct convnext_block *b = v->blocks;

    convolution_params(&v->stem, p, "stem", (long[]){ c->width[0], 3, STEM, STEM });
    named_norm_params(&v->stem_norm, p, "stem_norm", c->width[0]);
    for (int i = 0; i < CONVNEXT_STAGES; i++) {
        params_in(p, "stage.%d", i);
        if (i) {
            named_norm_params(&v->down_norm[i], p, "down_norm", c->width[i - 1]);
            convolution_params(&v->down[i], p, "down",
                               (long[]){ c->width[i], c->width[i - 1], 2, 2 });
        }
        for (int k = 0; k < c->blocks[i]; k++) {
            params_in(p, "block.%d", k);
            block_layers(b++, p, c->width[i]);
            params_out(p);
        }
        params_out(p);
    }
    named_norm_params(&v->norm, p, "norm", c->width[CONVNEXT_STAGES - 1]);
}

static struct tensor *block_run(struct tape *t, struct convnext_block *b, struct tensor *x)
{
    struct tensor *h = norm_forward(t, &b->norm, depthwise(t, &b->filter, x, 1));

    h = linear(t, &b->fc2, linear(t, &b->fc1, h, ACTIVATION_GELU), ACTIVATION_NONE);
    return add(t, x, factors(t, h, b->scale));
}

struct tensor *convnext_forward(struct tape *t, struct convnext *v, struct tensor *pixels)
{
    const struct convnext_config *c = &v->config;
    long n = pixels->shape[0], side = c->image / STEM;
    struct tape_mark start = tape_mark(t);
    struct convnext_block *b = v->blocks;
    struct tensor *x = norm_forward(t, &v->stem_norm, patches(t, &v->stem, pixels, STEM));

    x = tape_keep(t, start, tensor_reshape(t, x, 4, (long[]){ n, side, side, c->width[0] }));
    for (int i = 0; i < CONVNEXT_STAGES; i++) {
        if (i)
            x = tape_keep(t, start,
                          convolve(t, &v->down[i], norm_forward(t, &v->down_norm[i], x), 2));
        for (int k = 0; k < c->blocks[i]; k++)
            x = tape_keep(t, start, block_run(t, b++, x));
    }
    return tensor_reshape(t, x, 3, (long[]){ n, x->shape[1] * x->shape[2], width(x) });
}

void convnext_close(struct convnext *v)
{
    linear_close(&v->stem);
    for (int i = 0; i < CONVNEXT_STAGES; i++)
        linear_close(&v->down[i]);
    for (int i = 0; i < v->count; i++) {
        linear_close(&v->blocks[i].filter);
        linear_close(&v->blocks[i].fc1);
        linear_close(&v->blocks[i].fc2);
    }
    free(v->blocks);
    *v = (struct convnext){ 0 };
}
