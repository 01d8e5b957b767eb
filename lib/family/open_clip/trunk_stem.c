/* SPDX-License-Identifier: MIT
 * trunk_stem.c - MobileCLIP-B: a vision transformer behind convolutions
 *
 * Source: huggingface/pytorch-image-models 1.0.31, timm/models/vision_transformer_hybrid.py.
 */
#include <string.h>
#include "base/error.h"
#include "checkpoint/sizes.h"
#include "family/open_clip/open_clip.h"

#define CONV(layer) TRUNK "patch_embed.backbone." layer ".conv.weight"

/* Convolutions of 4, 2 and 2 pixels a side, each beside the next, make the squares. */
static bool describe(const char *name, const struct weights *w, struct image_config *c)
{
    if (strncmp(name, "vit_base_mci_224", strlen("vit_base_mci_224")))
        return false;
    trunk_vit_begin(w, 12, ACTIVATION_GELU, c);
    c->stem.middle = open_clip_axis(w, CONV("0"), 0);
    c->stem.width = c->vit.width = open_clip_axis(w, CONV("2"), 0);
    c->vit.patch = STEM_PATCH;
    c->vit.squares = SQUARES_GIVEN;
    c->vit.class_unplaced = true;
    return true;
}

static int check(const struct image_config *c)
{
    if (c->stem.middle < 1)
        return fail("a stem of %ld channels is not possible", c->stem.middle);
    return sizes_check_vit("open_clip", &c->vit);
}

static void init(struct image_tower *v)
{
    stem_init(&v->stem, &v->config.stem);
    trunk_vit.init(v);
}

static void params(struct image_tower *v, struct params *p)
{
    stem_params(&v->stem, p);
    trunk_vit.params(v, p);
}

static int tokens(const struct image_config *c)
{
    return trunk_vit.tokens(c);
}

static long wide(const struct image_config *c)
{
    return trunk_vit.width(c);
}

static struct tensor *forward(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return vit_forward_squares(t, &v->vit, stem_forward(t, &v->stem, pixels), false);
}

static const struct tensor *matrix(const struct image_tower *v)
{
    return trunk_vit.matrix(v);
}

static void close(struct image_tower *v)
{
    stem_close(&v->stem);
    trunk_vit.close(v);
}

/* The rest is spelled as other trunks are. */
static const struct rename stem[] = { PLAIN("stem.", "patch_embed.backbone."), { 0 } };
static const struct section sections[] = { { "vision.trunk.", TRUNK, stem }, { 0 } };

const struct trunk trunk_stem = {
    .describe = describe,
    .check = check,
    .sections = sections,
    .init = init,
    .params = params,
    .tokens = tokens,
    .width = wide,
    .forward = forward,
    .matrix = matrix,
    .close = close,
};
