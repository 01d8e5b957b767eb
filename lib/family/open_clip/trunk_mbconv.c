/* SPDX-License-Identifier: MIT
 * trunk_mbconv.c - ViTamin: a vision transformer behind stages of convolutions
 *
 * Source: huggingface/pytorch-image-models 1.0.31, timm/models/vitamin.py.
 */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "checkpoint/sizes.h"
#include "family/open_clip/open_clip.h"

#define BACKBONE TRUNK "patch_embed.backbone."

static const struct {
    const char *begins;
    int heads;
} names[] = {
    { "vitamin_small_", 6 },
    { "vitamin_base_", 12 },
    { "vitamin_large", 16 },
    { "vitamin_xlarge_", 16 },
};

static void describe_stages(const struct weights *w, struct mbconv_config *m)
{
    for (int i = 0; i < MBCONV_STAGES; i++) {
        char before[64], name[96];

        snprintf(before, sizeof before, BACKBONE "stages.%d.", i);
        m->stage[i].blocks = open_clip_count(w, before, ".conv3_1x1.weight");
        snprintf(name, sizeof name, "%s0.conv3_1x1.weight", before);
        m->stage[i].width = open_clip_axis(w, name, 0);
        m->stage[i].middle = open_clip_axis(w, name, 1);
    }
}

static bool describe(const char *name, const struct weights *w, struct image_config *c)
{
    struct vit_config *v = &c->vit;
    int i = 0;

    while (i < COUNT(names) && strncmp(name, names[i].begins, strlen(names[i].begins)))
        i++;
    if (i == COUNT(names))
        return false;
    trunk_vit_begin(w, names[i].heads, ACTIVATION_GELU, c);
    c->spelling = "vitamin";
    c->norm_after_pool = true;
    c->mbconv.stem = open_clip_axis(w, BACKBONE "stem.conv1.weight", 0);
    c->mbconv.out = v->width = open_clip_axis(w, BACKBONE "pool.proj.weight", 0);
    v->mlp = open_clip_axis(w, TRUNK "blocks.0.mlp.w0.weight", 0);
    v->patch = MBCONV_PATCH;
    v->squares = SQUARES_GIVEN;
    v->no_class = v->gated = v->twice = true;
    v->no_position = !weights_find(w, TRUNK "pos_embed"); /* XL has none */
    describe_stages(w, &c->mbconv);
    return true;
}

static int check(const struct image_config *c)
{
    const struct mbconv_config *m = &c->mbconv;

    for (int k = 0; k < MBCONV_STAGES; k++)
        if (m->stem < 1 || m->stage[k].blocks < 1 || m->stage[k].width < 1 ||
            m->stage[k].middle < 1 || c->size % MBCONV_PATCH)
            return fail("ViTamin with %d blocks of width %ld for %d pixels is not possible",
                        m->stage[k].blocks, m->stage[k].width, c->size);
    return sizes_check_vit("open_clip", &c->vit);
}

static void init(struct image_tower *v)
{
    mbconv_init(&v->mbconv, &v->config.mbconv);
    trunk_vit.init(v);
}

static void params(struct image_tower *v, struct params *p)
{
    mbconv_params(&v->mbconv, p);
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
    return vit_forward_squares(t, &v->vit, mbconv_forward(t, &v->mbconv, pixels), false);
}

static const struct tensor *matrix(const struct image_tower *v)
{
    return trunk_vit.matrix(v);
}

static void close(struct image_tower *v)
{
    mbconv_close(&v->mbconv);
    trunk_vit.close(v);
}

static const struct rename layer[] = {
    RENAME_QKV("attn.qkv."),
    PLAIN("mlp.again.", "mlp.norm."),
    PLAIN("mlp.gate.", "mlp.w0."),
    PLAIN("norm1.", "norm1."),
    PLAIN("norm2.", "norm2."),
    PLAIN("attention.out.", "attn.proj."),
    PLAIN("mlp.fc1.", "mlp.w1."),
    PLAIN("mlp.fc2.", "mlp.w2."),
    { 0 },
};

static const struct rename vitamin[] = {
    PLAIN("stem.", "patch_embed.backbone."),
    { .ours = "position", .theirs = "pos_embed", .axes = 3 },
    PLAIN("norm_after.", "fc_norm."),
    { 0 },
};

static const struct section sections[] = {
    { "vision.vitamin.block.*.", TRUNK "blocks.*.", layer },
    { "vision.vitamin.", TRUNK, vitamin },
    { 0 },
};

const struct trunk trunk_mbconv = {
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
