/* SPDX-License-Identifier: MIT
 * stem.c - convolutions that make a vision transformer's squares of pixels
 *
 *     x = gelu(norm(4 x 4 pixels)), gelu(norm(2 x 2)), 2 x 2 + b        none overlaps its neighbour
 *
 * Source: huggingface/pytorch-image-models timm/models/vision_transformer_hybrid.py, ConvStem.
 */
#include "nn/branches.h"
#include "nn/stem.h"

static const int sizes[STEM_LAYERS] = { 4, 2, 2 };

void stem_init(struct stem *s, const struct stem_config *config)
{
    *s = (struct stem){ .config = *config };
}

void stem_params(struct stem *s, struct params *p)
{
    const struct stem_config *c = &s->config;
    const long channels[STEM_LAYERS + 1] = { 3, c->middle, c->middle, c->width };

    params_in(p, "stem");
    for (int i = 0; i < STEM_LAYERS; i++) {
        struct linear *l = &s->conv[i];
        long in = channels[i], out = channels[i + 1], k = sizes[i];

        l->parts = 1;
        l->same = true; /* no zeros around */
        params_in(p, "%d", i);
        params_in(p, "conv");
        param(p, &l->weight[0], linear_uniform(in * k * k).weight, "weight", out, in, k, k);
        if (i + 1 == STEM_LAYERS)
            param(p, &l->bias[0], linear_uniform(in * k * k).bias, "bias", out);
        params_out(p);
        if (i + 1 < STEM_LAYERS) {
            params_in(p, "bn");
            batchnorm_params(&s->norm[i], p, out);
            params_out(p);
        }
        params_out(p);
    }
    params_out(p);
}

struct tensor *stem_forward(struct tape *t, struct stem *s, struct tensor *pixels)
{
    struct tensor *x = to_channels_last(t, pixels);

    for (int i = 0; i + 1 < STEM_LAYERS; i++)
        x = convolve_norm(t, &s->conv[i], &s->norm[i], x, sizes[i], ACTIVATION_GELU);
    x = convolve(t, &s->conv[STEM_LAYERS - 1], x, sizes[STEM_LAYERS - 1]);
    return tensor_reshape(t, x, 3, (long[]){ x->shape[0], x->shape[1] * x->shape[2], width(x) });
}

void stem_close(struct stem *s)
{
    for (int i = 0; i < STEM_LAYERS; i++)
        linear_close(&s->conv[i]);
}
