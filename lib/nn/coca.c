/* SPDX-License-Identifier: MIT
 * coca.c - CoCa's decoder: a text's states look at a picture's
 *
 *     x = own(x), causal                              for each layer
 *     x = cross(x), keys and values from the picture
 *     logits = head norm(x)
 *
 * Source: mlfoundations/open_clip src/open_clip/transformer.py, MultimodalTransformer.
 */
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "nn/coca.h"

static void begin(struct block *b, const struct coca_config *c)
{
    b->heads = c->heads;
    b->activation = c->activation;
    b->norm1.eps = b->norm2.eps = c->eps;
}

void coca_init(struct coca *c, const struct coca_config *config)
{
    *c = (struct coca){ .config = *config };
    c->norm.eps = config->eps;
    c->layers = xalloc((size_t)config->layers, sizeof *c->layers);
    for (int i = 0; i < config->layers; i++) {
        begin(&c->layers[i].own, config);
        begin(&c->layers[i].cross, config);
        c->layers[i].seen_norm.eps = config->eps;
    }
}

/* Deviations: MultimodalTransformer.init_parameters there. */
void coca_params(struct coca *c, struct params *p)
{
    const struct coca_config *f = &c->config;
    float thin = 1 / sqrtf((float)f->width), residual = thin / sqrtf(2 * (float)f->layers);
    struct block_initial initial = { linear_normal(thin), linear_normal(residual),
                                     linear_normal(thin / sqrtf(2)), linear_normal(residual) };

    for (int i = 0; i < f->layers; i++) {
        params_in(p, "own.%d", i);
        block_params(&c->layers[i].own, p, f->width, f->mlp, &initial);
        params_out(p);
        params_in(p, "cross.%d", i);
        block_params(&c->layers[i].cross, p, f->width, f->mlp, &initial);
        params_in(p, "seen_norm");
        norm_params(&c->layers[i].seen_norm, p, f->width);
        params_out(p);
        params_out(p);
    }
    params_in(p, "norm");
    norm_params(&c->norm, p, f->width);
    params_out(p);
    linear_params(&c->head, p, "head", f->vocabulary, f->width, without_bias(linear_normal(thin)));
}

struct tensor **coca_pictures(struct tape *t, struct coca *c, struct tensor *seen)
{
    struct tensor **keys = tape_alloc(t, (size_t)c->config.layers * sizeof *keys);

    for (int i = 0; i < c->config.layers; i++)
        keys[i] = block_seen(t, &c->layers[i].cross, seen, &c->layers[i].seen_norm);
    return keys;
}

struct tensor *coca_logits(struct tape *t, struct coca *c, const struct coca_input *in)
{
    const struct spans *pictures = spans_even(t, in->pictures, in->tokens);
    struct tensor *x = in->states;

    for (int i = 0; i < c->config.layers; i++) {
        x = block_forward(t, &c->layers[i].own, x, in->texts, true, NULL);
        x = block_across(t, &c->layers[i].cross, x,
                         &(struct across){ in->texts, pictures, in->picture_of, in->keys[i] });
    }
    x = norm_forward(t, &c->norm, take_rows(t, x, in->index, in->count));
    return linear(t, &c->head, x, ACTIVATION_NONE);
}

void coca_close(struct coca *c)
{
    for (int i = 0; c->layers && i < c->config.layers; i++) {
        block_close(&c->layers[i].own);
        block_close(&c->layers[i].cross);
    }
    linear_close(&c->head);
    free(c->layers);
    *c = (struct coca){ 0 };
}
