/* SPDX-License-Identifier: MIT
 * forward.c - SigLIP: two towers in one space, a probability for each pair alone
 *
 *     image = pool(norm(tower(pixels)))      text = head(norm(tower(ids))[last])
 *     probability = sigmoid(exp(logit_scale) cos(image, text) + logit_bias)
 *
 * The text tower sees its padding: every text has as many tokens as there are places.  A new model
 * begins with temperature 10 and bias -10 (arXiv 2303.15343, section 3.2).
 */
#include <math.h>
#include "family/siglip/siglip.h"

/* The pool has the tower's heads, activation and epsilon: the configuration says nothing of its own
 * for it. */
void siglip_init(struct siglip *m, const struct siglip_config *config)
{
    *m = (struct siglip){ .config = *config };
    if (config->has_vision) {
        vit_init(&m->vit, &config->vit);
        m->pool.heads = config->vit.heads;
        m->pool.activation = config->vit.activation;
        m->pool.norm.eps = config->vit.eps;
    }
    if (config->has_text)
        text_init(&m->text, &config->text);
}

void siglip_params(struct siglip *m, struct params *p)
{
    const struct siglip_config *c = &m->config;

    if (c->has_vision) {
        struct vit_initial initial = vit_normal(1 / sqrtf((float)c->vit.width));

        params_in(p, "vision");
        vit_params(&m->vit, p, &initial);
        params_in(p, "pool");
        pool_head_params(&m->pool, p, c->vit.width, c->vit.mlp);
        params_out(p);
        params_out(p);
    }
    if (c->has_text) {
        params_in(p, "text");
        text_params(&m->text, p);
        linear_params(&m->text_head, p, "head", c->embedding, c->text.width,
                      linear_normal(1 / sqrtf((float)c->text.width)));
        params_out(p);
    }
    param_scalar(p, &m->logit_scale, INIT_VALUE(logf(10)), "logit_scale");
    if (!c->has_vision || !c->has_text)
        params_optional(p);
    param_scalar(p, &m->logit_bias, INIT_VALUE(-10), "logit_bias");
    if (!c->has_vision || !c->has_text)
        params_optional(p);
}

void siglip_close(struct siglip *m)
{
    if (m->config.has_vision) {
        vit_close(&m->vit);
        pool_head_close(&m->pool);
    }
    if (m->config.has_text)
        text_close(&m->text);
    linear_close(&m->text_head);
}

struct tensor *siglip_features(struct tape *t, struct siglip *m, struct tensor *pixels)
{
    return vit_forward(t, &m->vit, pixels, false);
}

struct tensor *siglip_image_of(struct tape *t, struct siglip *m, struct tensor *features)
{
    return pool_head_forward(t, &m->pool, vit_finish(t, &m->vit, features));
}

struct tensor *siglip_image(struct tape *t, struct siglip *m, struct tensor *pixels)
{
    const struct spans *pictures;
    struct tensor *x;

    if (m->config.vit.squares != SQUARES_IN_SHAPES)
        return siglip_image_of(t, m, siglip_features(t, m, pixels));
    x = vit_finish(t, &m->vit, vit_forward_shapes(t, &m->vit, pixels, &pictures));
    return pool_head_rows(t, &m->pool, x, pictures);
}

struct tensor *siglip_text(struct tape *t, struct siglip *m, const int *ids, const int *counts,
                           int texts)
{
    return linear(t, &m->text_head, text_forward(t, &m->text, ids, counts, texts), ACTIVATION_NONE);
}
