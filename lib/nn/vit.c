/* SPDX-License-Identifier: MIT
 * vit.c - vision transformer: pixels in, tokens out.  The image tower of every model here.
 *
 *     x = [class, squares of pixels W^T + b] + position
 *     x = norm_before(x)                          CLIP
 *     x = block(x) for every layer
 *     x = norm_after(x)
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/vit.h"

/* The angle of pair i of a head: its place down, or across in the second half of the pairs, times
 * 10000^(-4 i / head).  Computed in f32 as timm does. */
static void fill_angles(struct vit *v, int head)
{
    const struct vit_config *c = &v->config;
    int grid = c->image / c->patch, half = head / 2, bands = head / 4;
    float *sine = v->angles, *cosine = sine + (size_t)grid * (size_t)grid * (size_t)half;

    for (int i = 0; i < grid * grid; i++)
        for (int k = 0; k < half; k++) {
            bool across = (k >= bands) != c->turns.across_first;
            float band = 1 / powf(10000, (float)(k % bands) / (float)bands);
            float place = (float)(across ? i % grid : i / grid) + c->turns.offset;
            float angle = place / (float)grid * (float)c->turns.reference * band;

            *sine++ = sinf(angle);
            *cosine++ = cosf(angle);
        }
}

static void init_rotary(struct vit *v)
{
    const struct vit_config *c = &v->config;
    int head = (int)c->width / c->heads, grid = c->image / c->patch;
    size_t count = (size_t)grid * (size_t)grid * (size_t)(head / 2);

    v->angles = xalloc(2 * count, sizeof *v->angles);
    fill_angles(v, head);
    v->rotary = (struct rotary){ vit_tokens(c), !c->no_class, head, v->angles, v->angles + count };
}

/* Stochastic depth drops a later layer more often: `drops` rises from 0 to 1 over the layers (arXiv
 * 1603.09382). */
void vit_init(struct vit *v, const struct vit_config *config)
{
    *v = (struct vit){ .config = *config };
    if (config->turns.on)
        init_rotary(v);
    v->before.eps = config->eps;
    v->after.eps = config->after_eps > 0 ? config->after_eps : config->eps;
    v->blocks = xalloc((size_t)config->layers, sizeof *v->blocks);
    for (int i = 0; i < config->layers; i++) {
        struct block *b = &v->blocks[i];

        b->heads = config->heads;
        b->activation = config->activation;
        b->no_key_bias = config->no_key_bias;
        b->no_qkv_bias = config->no_qkv_bias;
        b->has_inner = config->has_inner;
        b->gated = config->gated;
        b->after = config->after;
        b->scaled = config->scaled;
        b->twice = config->twice;
        b->again.eps = config->eps;
        b->rotary = config->turns.on ? &v->rotary : NULL;
        b->inner.eps = b->mlp_norm.eps = config->eps;
        b->norm1.eps = b->norm2.eps = config->eps;
        b->drops = config->layers > 1 ? (float)i / (float)(config->layers - 1) : 0;
    }
}

int vit_tokens(const struct vit_config *c)
{
    return (c->image / c->patch) * (c->image / c->patch) + !c->no_class;
}

struct vit_initial vit_normal(float deviation)
{
    return (struct vit_initial){ linear_normal(deviation), INIT_NORMAL(deviation),
                                 INIT_NORMAL(deviation), block_normal(deviation) };
}

void vit_params(struct vit *v, struct params *p, const struct vit_initial *initial)
{
    const struct vit_config *c = &v->config;

    v->patches.parts = 1;
    if (c->squares == SQUARES_IN_SHAPES)
        param(p, &v->patches.weight[0], initial->patch.weight, "patch.weight", c->width,
              3 * c->patch * c->patch);
    else if (c->squares == SQUARES_OF_PIXELS)
        param(p, &v->patches.weight[0], initial->patch.weight, "patch.weight", c->width, 3,
              c->patch, c->patch);
    if (c->patch_bias && c->squares != SQUARES_GIVEN)
        param(p, &v->patches.bias[0], initial->patch.bias, "patch.bias", c->width);
    if (!c->no_class)
        param(p, &v->class_token, initial->class_token, "class", c->width);
    if (!c->no_position)
        param(p, &v->position, initial->position, "position", vit_tokens(c) - c->class_unplaced,
              c->width);
    if (c->norm_before) {
        params_in(p, "norm_before");
        norm_params(&v->before, p, c->width);
        params_out(p);
    }
    for (int i = 0; i < c->layers; i++) {
        params_in(p, "block.%d", i);
        block_params(&v->blocks[i], p, c->width, c->mlp, &initial->block);
        params_out(p);
    }
    if (c->norm_after) {
        params_in(p, "norm_after");
        norm_params(&v->after, p, c->width);
        params_out(p);
    }
}

/* A table of positions has one row a square and, mostly, one for the class token, in reading order.
 */
static struct tensor *place(struct tape *t, struct vit *v, struct tensor *x)
{
    bool before = v->config.class_unplaced;

    if (before && v->position)
        x = add(t, x, v->position);
    x = v->class_token ? prepend(t, x, v->class_token) : x;
    if (!before && v->position)
        x = add(t, x, v->position);
    return v->config.norm_before ? norm_forward(t, &v->before, x) : x;
}

struct tensor *vit_embed(struct tape *t, struct vit *v, struct tensor *pixels)
{
    return place(t, v, patches(t, &v->patches, pixels, v->config.patch));
}

/* With first_only the last layer computes the class tokens' queries alone: keys and values still
 * come from all rows. */
static struct tensor *run_layers(struct tape *t, struct vit *v, struct tensor *x, bool first_only)
{
    int images = (int)x->shape[0], tokens = vit_tokens(&v->config);
    int last = v->config.layers - 1, *first = tape_alloc(t, (size_t)images * sizeof *first);
    const struct spans *spans = spans_even(t, images, tokens);
    const struct pick classes = { first, images };

    for (int i = 0; i < images; i++)
        first[i] = i * tokens;
    x = tensor_reshape(t, x, 2, (long[]){ (long)images * tokens, v->config.width });
    for (int i = 0; i <= last; i++)
        x = block_forward(t, &v->blocks[i], x, spans, false,
                          first_only && i == last ? &classes : NULL);
    if (first_only)
        return last < 0 ? take_rows(t, x, first, images) : x;
    return tensor_reshape(t, x, 3, (long[]){ images, tokens, v->config.width });
}

struct tensor *vit_forward(struct tape *t, struct vit *v, struct tensor *pixels, bool first_only)
{
    return run_layers(t, v, vit_embed(t, v, pixels), first_only);
}

struct tensor *vit_forward_squares(struct tape *t, struct vit *v, struct tensor *squares,
                                   bool first_only)
{
    return run_layers(t, v, place(t, v, squares), first_only);
}

struct tensor *vit_finish(struct tape *t, struct vit *v, struct tensor *x)
{
    return v->config.norm_after ? norm_forward(t, &v->after, x) : x;
}

const struct tensor *vit_matrix(const struct vit *v)
{
    return v->config.layers ? v->blocks[0].fc1.weight[0] : v->patches.weight[0];
}

void vit_close(struct vit *v)
{
    linear_close(&v->patches);
    for (int i = 0; i < v->config.layers; i++)
        block_close(&v->blocks[i]);
    free(v->blocks);
    free(v->angles);
    *v = (struct vit){ 0 };
}
