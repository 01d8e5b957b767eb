/* SPDX-License-Identifier: MIT
 * fastvit.c - FastViT: arXiv 2303.14189, section 3
 *
 *     stem:   gelu(3 x 3, stride 2), gelu(3 x 3 a channel, stride 2), gelu(1 x 1)
 *     stage:  [gelu(squeeze(7 x 7 a channel, stride 2)), gelu(1 x 1)], [x + 7 x 7 a channel],
 * blocks block:  x = x + scale (3 x 3 a channel - norm)(x)      or      x + scale attend(norm(x))
 *             x = x + scale fc2(gelu(fc1(norm(7 x 7 a channel))))
 *     last:   gelu(squeeze(3 x 3 a channel))
 *
 * Each convolution but fc1 and fc2 is one of struct branches.
 *
 * Source: huggingface/pytorch-image-models timm/models/fastvit.py.
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/fastvit.h"

enum { HEAD = 32, FILTER = 7, DOWN = 7, MIXER = 3, STEM = 3 };
static const float layernorm_eps = 1e-5f;

static struct branches channels(long out, long in, int stride)
{
    return (struct branches){ .out = out, .in = in, .stride = stride, .depthwise = true };
}

static void init_stage(struct fastvit_stage *s, const struct fastvit_stage_config *c, long in)
{
    s->down = channels(c->width, in, 2);
    s->after = (struct branches){ .out = c->width, .in = c->width, .stride = 1 };
    s->place = channels(c->width, c->width, 1);
    s->blocks = xalloc((size_t)c->blocks, sizeof *s->blocks);
    for (int i = 0; i < c->blocks; i++) {
        s->blocks[i].mixer = s->blocks[i].filter = channels(c->width, c->width, 1);
        s->blocks[i].norm.eps = layernorm_eps;
    }
}

void fastvit_init(struct fastvit *v, const struct fastvit_config *c)
{
    long in = c->stage[0].width;

    *v = (struct fastvit){ .config = *c };
    v->stem[0] = (struct branches){ .out = in, .in = 3, .stride = 2 };
    v->stem[1] = channels(in, in, 2);
    v->stem[2] = (struct branches){ .out = in, .in = in, .stride = 1 };
    for (int i = 0; i < c->stages; in = c->stage[i++].width)
        init_stage(&v->stage[i], &c->stage[i], in);
    v->last = channels(c->out, in, 1);
}

/* Every halving rounds up, as an odd picture has a filter over its last pixel too. */
int fastvit_tokens(const struct fastvit_config *c)
{
    int side = ((c->image + 1) / 2 + 1) / 2;

    for (int i = 0; i < c->stages; i++)
        side = c->stage[i].halves ? (side + 1) / 2 : side;
    return side * side;
}

/* The stem keeps its pixels, or two of a half and two of a quarter a side; a block what each step
 * makes. */
long fastvit_room(const struct fastvit_config *c)
{
    long half = (c->image + 1) / 2, side = (half + 1) / 2, wide = c->stage[0].width;
    long most = 3L * c->image * c->image + 2 * (half * half + side * side) * wide;

    for (int i = 0; i < c->stages; i++) {
        long room;

        side = c->stage[i].halves ? (side + 1) / 2 : side;
        room = side * side * ((c->stage[i].attends ? 13 : 6) * c->stage[i].width + c->stage[i].mlp);
        most = room > most ? room : most;
    }
    return most;
}

/* --- parameters, under timm's names --- */

/* MobileOne's block: a convolution, the same of 1 x 1, and x itself where it fits. */
static void mobileone_params(struct branches *b, struct params *p, const char *name, int size,
                             bool small)
{
    params_in(p, "%s", name);
    branch_params(b, p, "conv_kxk.0", size);
    if (small)
        branch_params(b, p, "conv_scale", 1);
    if (b->in == b->out && b->stride == 1)
        branch_norm_params(b, p, "identity");
    params_out(p);
}

static void one_or_many(const struct fastvit *v, struct branches *b, struct params *p,
                        const char *name, int size, bool small)
{
    if (!v->config.folded) {
        mobileone_params(b, p, name, size, small);
        return;
    }
    params_in(p, "%s", name);
    branch_plain_params(b, p, "reparam_conv", size);
    params_out(p);
}

/* A convolution of 1 x 1 as its files have it: a matrix with two axes of 1 behind. */
static void pointwise_params(struct linear *l, struct params *p, const char *name, long out,
                             long in)
{
    struct linear_initial initial = linear_normal(0.02f);

    l->parts = 1;
    params_in(p, "%s", name);
    param(p, &l->weight[0], initial.weight, "weight", out, in, 1, 1);
    param(p, &l->bias[0], initial.bias, "bias", out);
    params_out(p);
}

static void squeeze_params(struct squeeze *s, struct params *p, const char *name, long width,
                           long squeezed)
{
    params_in(p, "%s", name);
    pointwise_params(&s->fc1, p, "fc1", squeezed, width);
    pointwise_params(&s->fc2, p, "fc2", width, squeezed);
    params_out(p);
}

static void scale_param(struct tensor **scale, struct params *p, const char *name, long width)
{
    params_in(p, "%s", name);
    param(p, scale, INIT_VALUE(1e-5f), "gamma", width, 1, 1);
    params_out(p);
}

static void down_params(const struct fastvit *v, struct fastvit_stage *s,
                        const struct fastvit_stage_config *c, struct params *p)
{
    params_in(p, "downsample.proj");
    params_in(p, "0");
    if (v->config.folded) {
        branch_plain_params(&s->down, p, "reparam_conv", DOWN);
    } else {
        branch_params(&s->down, p, "large_conv", DOWN);
        branch_params(&s->down, p, "small_conv", MIXER);
    }
    if (c->squeeze)
        squeeze_params(&s->squeeze, p, "se", c->width, c->squeeze);
    params_out(p);
    one_or_many(v, &s->after, p, "1", 1, false);
    params_out(p);
}

static void place_params(const struct fastvit *v, struct fastvit_stage *s, struct params *p)
{
    params_in(p, "pos_emb");
    branch_plain_params(&s->place, p, v->config.folded ? "reparam_conv" : "pos_enc", FILTER);
    s->place.skips = !v->config.folded;
    params_out(p);
}

static void mixer_params(const struct fastvit *v, struct fastvit_block *b, struct params *p)
{
    struct branches *m = &b->mixer;

    params_in(p, "token_mixer");
    if (v->config.folded) {
        branch_plain_params(m, p, "reparam_conv", MIXER);
    } else {
        mobileone_params(m, p, "mixer", MIXER, true);
        params_in(p, "norm");
        branch_norm_params(m, p, "identity");
        params_out(p);
        m->list[m->count - 1].subtracts = m->skips = true;
        scale_param(&m->scale, p, "layer_scale", m->out);
    }
    params_out(p);
}

static void attention_params(const struct fastvit *v, struct fastvit_block *b, struct params *p,
                             long width)
{
    struct linear_initial initial = linear_normal(0.02f);

    params_in(p, "norm");
    if (v->config.layer_norm)
        norm_params(&b->norm, p, width);
    else
        batchnorm_params(&b->batch_norm, p, width);
    params_out(p);
    params_in(p, "token_mixer");
    linear_params(&b->qkv, p, "attention.query", width, width, without_bias(initial));
    linear_params(&b->qkv, p, "attention.key", width, width, without_bias(initial));
    linear_params(&b->qkv, p, "attention.value", width, width, without_bias(initial));
    linear_params(&b->proj, p, "proj", width, width, initial);
    params_out(p);
    scale_param(&b->scale1, p, "layer_scale_1", width);
}

static void block_layers(const struct fastvit *v, struct fastvit_block *b, struct params *p,
                         const struct fastvit_stage_config *c)
{
    if (c->attends)
        attention_params(v, b, p, c->width);
    else
        mixer_params(v, b, p);
    params_in(p, "mlp");
    branch_params(&b->filter, p, "conv", FILTER);
    pointwise_params(&b->fc1, p, "fc1", c->mlp, c->width);
    pointwise_params(&b->fc2, p, "fc2", c->width, c->mlp);
    params_out(p);
    scale_param(&b->scale2, p, c->attends ? "layer_scale_2" : "layer_scale", c->width);
}

void fastvit_params(struct fastvit *v, struct params *p)
{
    const struct fastvit_config *c = &v->config;
    bool small = !c->stem_no_scale;

    params_in(p, "stem");
    one_or_many(v, &v->stem[0], p, "0", STEM, small);
    one_or_many(v, &v->stem[1], p, "1", STEM, small);
    one_or_many(v, &v->stem[2], p, "2", 1, false);
    params_out(p);
    for (int i = 0; i < c->stages; i++) {
        struct fastvit_stage *s = &v->stage[i];

        params_in(p, "stages.%d", i);
        if (c->stage[i].halves)
            down_params(v, s, &c->stage[i], p);
        if (c->stage[i].placed)
            place_params(v, s, p);
        for (int k = 0; k < c->stage[i].blocks; k++) {
            params_in(p, "blocks.%d", k);
            block_layers(v, &s->blocks[k], p, &c->stage[i]);
            params_out(p);
        }
        params_out(p);
    }
    one_or_many(v, &v->last, p, "final_conv", MIXER, true);
    params_in(p, "final_conv");
    squeeze_params(&v->squeeze, p, "se", c->out, c->squeeze);
    params_out(p);
}

/* --- the pass --- */

static struct tensor *gelu(struct tape *t, struct tensor *x)
{
    return activate(t, x, ACTIVATION_GELU);
}

static struct tensor *squeezed(struct tape *t, struct squeeze *s, struct tensor *x)
{
    int images = (int)x->shape[0];
    struct tensor *mean;

    if (!s->fc1.parts)
        return x;
    mean = mean_rows(t, tensor_as_rows(t, x), spans_even(t, images, (int)(rows(x) / images)));
    mean = linear(t, &s->fc2, linear(t, &s->fc1, mean, ACTIVATION_RELU), ACTIVATION_NONE);
    return factors(t, x, tensor_sigmoid(t, mean));
}

static struct tensor *attend(struct tape *t, struct fastvit_block *b, struct tensor *x)
{
    long images = x->shape[0], places = rows(x) / images, wide = width(x);
    struct attention_plan plan = { .heads = (int)(wide / HEAD), .scale = 1 / sqrtf(HEAD) };
    struct tensor *y = b->norm.gain ? norm_forward(t, &b->norm, x)
                                    : batchnorm(t, &b->batch_norm, x, ACTIVATION_NONE);

    plan.queries = plan.keys = spans_even(t, (int)images, (int)places);
    y = linear(t, &b->qkv, tensor_as_rows(t, y), ACTIVATION_NONE);
    y = attention(t, &plan, tensor_columns(t, y, 0, wide), tensor_columns(t, y, wide, wide),
                  tensor_columns(t, y, 2 * wide, wide));
    y = linear(t, &b->proj, y, ACTIVATION_NONE);
    return add(t, x, factors(t, y, b->scale1));
}

static struct tensor *block_run(struct tape *t, struct fastvit_block *b, struct tensor *x)
{
    struct tensor *h;

    x = b->qkv.parts ? attend(t, b, x) : branches_forward(t, &b->mixer, x);
    h = linear(t, &b->fc1, branches_forward(t, &b->filter, x), ACTIVATION_GELU);
    h = linear(t, &b->fc2, h, ACTIVATION_NONE);
    return add(t, x, factors(t, h, b->scale2));
}

static struct tensor *halve(struct tape *t, struct fastvit_stage *s, struct tensor *x)
{
    x = gelu(t, squeezed(t, &s->squeeze, branches_forward(t, &s->down, x)));
    return gelu(t, branches_forward(t, &s->after, x));
}

struct tensor *fastvit_forward(struct tape *t, struct fastvit *v, struct tensor *pixels)
{
    const struct fastvit_config *c = &v->config;
    struct tape_mark start = tape_mark(t);
    struct tensor *x = to_channels_last(t, pixels);

    for (int i = 0; i < 3; i++)
        x = tape_keep(t, start, gelu(t, branches_forward(t, &v->stem[i], x)));
    for (int i = 0; i < c->stages; i++) {
        struct fastvit_stage *s = &v->stage[i];

        if (c->stage[i].halves)
            x = tape_keep(t, start, halve(t, s, x));
        if (c->stage[i].placed)
            x = tape_keep(t, start, branches_forward(t, &s->place, x));
        for (int k = 0; k < c->stage[i].blocks; k++)
            x = tape_keep(t, start, block_run(t, &s->blocks[k], x));
    }
    x = tape_keep(t, start, gelu(t, squeezed(t, &v->squeeze, branches_forward(t, &v->last, x))));
    return tensor_reshape(t, x, 3, (long[]){ x->shape[0], x->shape[1] * x->shape[2], width(x) });
}

static void squeeze_close(struct squeeze *s)
{
    linear_close(&s->fc1);
    linear_close(&s->fc2);
}

static void block_end(struct fastvit_block *b)
{
    branches_close(&b->mixer);
    branches_close(&b->filter);
    linear_close(&b->qkv);
    linear_close(&b->proj);
    linear_close(&b->fc1);
    linear_close(&b->fc2);
}

void fastvit_close(struct fastvit *v)
{
    for (int i = 0; i < 3; i++)
        branches_close(&v->stem[i]);
    for (int i = 0; i < v->config.stages; i++) {
        struct fastvit_stage *s = &v->stage[i];

        branches_close(&s->down);
        branches_close(&s->after);
        branches_close(&s->place);
        squeeze_close(&s->squeeze);
        for (int k = 0; k < v->config.stage[i].blocks; k++)
            block_end(&s->blocks[k]);
        free(s->blocks);
    }
    branches_close(&v->last);
    squeeze_close(&v->squeeze);
    *v = (struct fastvit){ 0 };
}
