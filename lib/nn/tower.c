/* SPDX-License-Identifier: MIT
 * tower.c - the image tower of a model, whichever it is
 */
#include "nn/tower.h"

void tower_init(struct tower *v, const struct tower_config *config)
{
    *v = (struct tower){ .config = *config };
    if (config->convolves)
        efficientnet_init(&v->net, &config->net);
    else
        vit_init(&v->vit, &config->vit);
}

void tower_params(struct tower *v, struct params *p, const struct vit_initial *initial)
{
    if (v->config.convolves)
        efficientnet_params(&v->net, p);
    else
        vit_params(&v->vit, p, initial);
}

int tower_image(const struct tower_config *c)
{
    return c->convolves ? c->net.image : c->vit.image;
}

int tower_tokens(const struct tower_config *c)
{
    return c->convolves ? efficientnet_tokens(&c->net) : vit_tokens(&c->vit);
}

long tower_width(const struct tower_config *c)
{
    return c->convolves ? c->net.head : c->vit.width;
}

long tower_room(const struct tower *v)
{
    return v->config.convolves ? efficientnet_room(&v->net) : 0;
}

struct tensor *tower_forward(struct tape *t, struct tower *v, struct tensor *pixels,
                             bool first_only)
{
    if (v->config.convolves)
        return efficientnet_forward(t, &v->net, pixels, first_only);
    return vit_finish(t, &v->vit, vit_forward(t, &v->vit, pixels, first_only));
}

const struct tensor *tower_matrix(const struct tower *v)
{
    return v->config.convolves ? v->net.head.weight[0] : vit_matrix(&v->vit);
}

void tower_close(struct tower *v)
{
    if (v->config.convolves)
        efficientnet_close(&v->net);
    else
        vit_close(&v->vit);
}
