/* SPDX-License-Identifier: MIT
 * trunk_convnext.c - ConvNeXt
 *
 * Source: huggingface/pytorch-image-models 1.0.31, timm/models/convnext.py.
 */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "family/open_clip/open_clip.h"

static const char *const names[] = { "convnext_tiny",  "convnext_small",  "convnext_base",
                                     "convnext_large", "convnext_xlarge", "convnext_xxlarge" };

static bool describe(const char *name, const struct weights *w, struct image_config *c)
{
    struct convnext_config *n = &c->convnext;
    bool known = false;

    for (int i = 0; i < COUNT(names); i++)
        known |= !strncmp(name, names[i], strlen(names[i]));
    if (!known)
        return false;
    c->spelling = "convnext";
    n->image = c->size;
    n->eps = strstr(name, "xxlarge") ? 1e-5f : 1e-6f;
    for (int i = 0; i < CONVNEXT_STAGES; i++) {
        char before[64], width[96];

        snprintf(before, sizeof before, TRUNK "stages.%d.blocks.", i);
        snprintf(width, sizeof width, "%s0.conv_dw.weight", before);
        n->blocks[i] = open_clip_count(w, before, ".conv_dw.weight");
        n->width[i] = open_clip_axis(w, width, 0);
    }
    return true;
}

static int check(const struct image_config *c)
{
    const struct convnext_config *n = &c->convnext;

    for (int k = 0; k < CONVNEXT_STAGES; k++)
        if (n->blocks[k] < 1 || n->blocks[k] > 1000 || n->width[k] < 1 || n->width[k] > 1 << 16 ||
            n->image < 32 || n->image % 32)
            return fail("ConvNeXt with %d blocks of width %ld for %d pixels is not possible",
                        n->blocks[k], n->width[k], n->image);
    return 0;
}

static void init(struct image_tower *v)
{
    convnext_init(&v->convnext, &v->config.convnext);
}

static void params(struct image_tower *v, struct params *p)
{
    convnext_params(&v->convnext, p);
}

static int tokens(const struct image_config *c)
{
    return convnext_tokens(&c->convnext);
}

static long wide(const struct image_config *c)
{
    return c->convnext.width[CONVNEXT_STAGES - 1];
}

static long room(const struct image_config *c)
{
    return convnext_room(&c->convnext);
}

static struct tensor *forward(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return convnext_forward(t, &v->convnext, pixels);
}

static struct tensor *finish(struct tape *t, struct image_tower *v, struct tensor *x)
{
    return norm_forward(t, &v->convnext.norm, x);
}

static const struct tensor *matrix(const struct image_tower *v)
{
    return v->convnext.blocks[0].fc1.weight[0];
}

static void close(struct image_tower *v)
{
    convnext_close(&v->convnext);
}

static const struct rename outside[] = {
    PLAIN("stem.", "stem.0."),
    PLAIN("stem_norm.", "stem.1."),
    PLAIN("norm.", "head.norm."),
    { 0 },
};

static const struct rename stage[] = {
    PLAIN("down_norm.", "downsample.0."),
    PLAIN("down.", "downsample.1."),
    { 0 },
};

static const struct rename block[] = {
    PLAIN("filter.", "conv_dw."), PLAIN("norm.", "norm."), PLAIN("fc1.", "mlp.fc1."),
    PLAIN("fc2.", "mlp.fc2."),    PLAIN("scale", "gamma"), { 0 },
};

static const struct section sections[] = {
    { "vision.convnext.stage.*.block.*.", TRUNK "stages.*.blocks.*.", block },
    { "vision.convnext.stage.*.", TRUNK "stages.*.", stage },
    { "vision.convnext.", TRUNK, outside },
    { 0 },
};

const struct trunk trunk_convnext = {
    .describe = describe,
    .check = check,
    .sections = sections,
    .init = init,
    .params = params,
    .tokens = tokens,
    .width = wide,
    .room = room,
    .forward = forward,
    .finish = finish,
    .matrix = matrix,
    .close = close,
};
