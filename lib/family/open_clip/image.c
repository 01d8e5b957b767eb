/* SPDX-License-Identifier: MIT
 * image.c - the image side: a tower, its pooling, and what leads into the common space
 *
 *     the class token, the mean of the squares, or what a query sees
 *     y = W x + b        or        y = W2 gelu(W1 x + b1)        or        y = x
 */
#include <math.h>
#include "family/open_clip/open_clip.h"

void image_tower_init(struct image_tower *v, const struct image_config *config)
{
    *v = (struct image_tower){ .config = *config };
    config->trunk->init(v);
    v->pool.heads = config->pool_heads;
    v->pool.activation = config->pool_activation;
    v->pool.norm.eps = config->vit.eps;
    v->pooler.config = config->pooler;
}

void projection_params(struct linear *first, struct linear *second, struct params *p,
                       const long widths[3], bool bias)
{
    struct linear_initial initial = linear_normal(1 / sqrtf((float)widths[0]));

    if (!widths[1]) {
        linear_params(first, p, "projection", widths[2], widths[0],
                      bias ? initial : without_bias(initial));
        return;
    }
    params_in(p, "projection");
    linear_params(first, p, "fc1", widths[1], widths[0], bias ? initial : without_bias(initial));
    linear_params(second, p, "fc2", widths[2], widths[1], without_bias(initial));
    params_out(p);
}

void image_tower_params(struct image_tower *v, struct params *p, long embedding)
{
    const struct image_config *c = &v->config;
    long wide = image_tower_width(c), pooled;

    pooled = c->pooling == IMAGE_QUERIES ? c->pooler.out : wide;
    params_in(p, "vision");
    params_in(p, "%s", c->spelling);
    c->trunk->params(v, p);
    if (c->pooling == IMAGE_QUERY) {
        params_in(p, "pool");
        pool_head_params(&v->pool, p, wide, c->pool_mlp);
        params_out(p);
    }
    if (c->pooling == IMAGE_QUERIES) {
        params_in(p, "pooler");
        pooler_params(&v->pooler, p);
        params_out(p);
    }
    if (c->inside && c->projection)
        projection_params(&v->projection, NULL, p, (long[]){ wide, 0, embedding }, true);
    params_out(p);
    if (c->trunk == &trunk_own || (c->projection && !c->inside)) {
        long middle = c->projection == PROJECTION_MLP ? 2 * embedding : 0;

        params_in(p, c->trunk == &trunk_own ? "own" : "head");
        projection_params(&v->projection, &v->second, p, (long[]){ pooled, middle, embedding },
                          c->projection_bias || middle);
        params_out(p);
    }
    params_out(p);
}

int image_tower_tokens(const struct image_config *c)
{
    return c->trunk->tokens(c);
}

long image_tower_width(const struct image_config *c)
{
    return c->trunk->width(c);
}

long image_tower_room(const struct image_config *c)
{
    return c->trunk->room ? c->trunk->room(c) : 0;
}

struct tensor *image_tower_features(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return v->config.trunk->forward(t, v, pixels);
}

/* Rows of x: [n, tokens, width], the class tokens or all others. */
static struct tensor *some(struct tape *t, struct tensor *x, bool first)
{
    int images = (int)x->shape[0], tokens = (int)x->shape[1], count = 0;
    int *index = tape_alloc(t, (size_t)images * (size_t)tokens * sizeof *index);

    for (int i = 0; i < images * tokens; i++)
        if ((i % tokens == 0) == first)
            index[count++] = i;
    return take_rows(t, x, index, count);
}

static struct tensor *mean(struct tape *t, const struct image_tower *v, struct tensor *x)
{
    int images = (int)x->shape[0], tokens = (int)x->shape[1];
    bool class = !v->config.trunk->finish && !v->config.vit.no_class;

    x = class ? some(t, x, false) : tensor_as_rows(t, x);
    return mean_rows(t, x, spans_even(t, images, tokens - class));
}

static struct tensor *pool(struct tape *t, struct image_tower *v, struct tensor *x)
{
    const struct image_config *c = &v->config;

    if (c->trunk->finish)
        return c->trunk->finish(t, v, mean(t, v, x));
    if (c->pooling == IMAGE_QUERIES)
        return some(t, pooler_forward(t, &v->pooler, x), true);
    if (c->pooling == IMAGE_QUERY)
        return pool_head_forward(t, &v->pool, vit_finish(t, &v->vit, x));
    if (c->pooling == IMAGE_CLASS)
        return vit_finish(t, &v->vit, some(t, x, true));
    return c->norm_after_pool ? vit_finish(t, &v->vit, mean(t, v, x))
                              : mean(t, v, vit_finish(t, &v->vit, x));
}

struct tensor *image_tower_embed(struct tape *t, struct image_tower *v, struct tensor *features)
{
    struct tensor *x = pool(t, v, features);

    if (v->config.projection == PROJECTION_MLP)
        return linear(t, &v->second, linear(t, &v->projection, x, ACTIVATION_GELU),
                      ACTIVATION_NONE);
    return v->config.projection ? linear(t, &v->projection, x, ACTIVATION_NONE) : x;
}

/* All but the class token. */
struct tensor *image_tower_states(struct tape *t, struct image_tower *v, struct tensor *features)
{
    struct tensor *x = v->config.pooling == IMAGE_QUERIES ? pooler_forward(t, &v->pooler, features)
                                                          : vit_finish(t, &v->vit, features);
    long tokens = x->shape[1] - 1;

    return tensor_reshape(t, some(t, x, false), 3, (long[]){ x->shape[0], tokens, width(x) });
}

const struct tensor *image_tower_matrix(const struct image_tower *v)
{
    return v->config.trunk->matrix(v);
}

void image_tower_close(struct image_tower *v)
{
    if (!v->config.trunk) /* its configuration was refused */
        return;
    v->config.trunk->close(v);
    pool_head_close(&v->pool);
    pooler_close(&v->pooler);
    linear_close(&v->projection);
    linear_close(&v->second);
}
