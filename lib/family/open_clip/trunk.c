/* SPDX-License-Identifier: MIT
 * trunk.c - the kinds of image towers: a row each
 */
#include "family/open_clip/open_clip.h"

/* --- vision transformers --- */

static void vit_begin(struct image_tower *v)
{
    vit_init(&v->vit, &v->config.vit);
}

static void vit_list(struct image_tower *v, struct params *p)
{
    struct vit_initial initial = vit_normal(0.02f);

    vit_params(&v->vit, p, &initial);
}

static int vit_places(const struct image_config *c)
{
    return vit_tokens(&c->vit);
}

static long vit_width(const struct image_config *c)
{
    return c->vit.width;
}

static struct tensor *vit_run(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return vit_forward(t, &v->vit, pixels, false);
}

static const struct tensor *vit_like(const struct image_tower *v)
{
    return vit_matrix(&v->vit);
}

static void vit_end(struct image_tower *v)
{
    vit_close(&v->vit);
}

/* --- a vision transformer behind convolutions --- */

static void stem_list(struct image_tower *v, struct params *p)
{
    stem_params(&v->stem, p, v->config.stem, v->config.vit.width);
    vit_list(v, p);
}

static struct tensor *stem_run(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return vit_forward_squares(t, &v->vit, stem_forward(t, &v->stem, pixels), false);
}

static void stem_end(struct image_tower *v)
{
    stem_close(&v->stem);
    vit_end(v);
}

static void mbconv_begin(struct image_tower *v)
{
    mbconv_init(&v->mbconv, &v->config.mbconv);
    vit_begin(v);
}

static void mbconv_list(struct image_tower *v, struct params *p)
{
    mbconv_params(&v->mbconv, p);
    vit_list(v, p);
}

static struct tensor *mbconv_run(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return vit_forward_squares(t, &v->vit, mbconv_forward(t, &v->mbconv, pixels), false);
}

static void mbconv_end(struct image_tower *v)
{
    mbconv_close(&v->mbconv);
    vit_end(v);
}

/* --- ConvNeXt --- */

static void convnext_begin(struct image_tower *v)
{
    convnext_init(&v->convnext, &v->config.convnext);
}

static void convnext_list(struct image_tower *v, struct params *p)
{
    convnext_params(&v->convnext, p);
}

static int convnext_places(const struct image_config *c)
{
    return convnext_tokens(&c->convnext);
}

static long convnext_width(const struct image_config *c)
{
    return c->convnext.width[CONVNEXT_STAGES - 1];
}

static struct tensor *convnext_run(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return convnext_forward(t, &v->convnext, pixels);
}

static const struct tensor *convnext_like(const struct image_tower *v)
{
    return v->convnext.blocks[0].fc1.weight[0];
}

static void convnext_end(struct image_tower *v)
{
    convnext_close(&v->convnext);
}

/* --- FastViT --- */

static void fastvit_begin(struct image_tower *v)
{
    fastvit_init(&v->fastvit, &v->config.fastvit);
}

static void fastvit_list(struct image_tower *v, struct params *p)
{
    fastvit_params(&v->fastvit, p);
}

static int fastvit_places(const struct image_config *c)
{
    return fastvit_tokens(&c->fastvit);
}

static long fastvit_width(const struct image_config *c)
{
    return c->fastvit.out;
}

static struct tensor *fastvit_run(struct tape *t, struct image_tower *v, struct tensor *pixels)
{
    return fastvit_forward(t, &v->fastvit, pixels);
}

static const struct tensor *fastvit_like(const struct image_tower *v)
{
    return v->fastvit.stage[0].blocks[0].fc1.weight[0];
}

static void fastvit_end(struct image_tower *v)
{
    fastvit_close(&v->fastvit);
}

static const struct trunk vit = { vit_begin, vit_list, vit_places, vit_width,
                                  vit_run,   vit_like, vit_end,    true };
static const struct trunk stem = { vit_begin, stem_list, vit_places, vit_width,
                                   stem_run,  vit_like,  stem_end,   true };
static const struct trunk mbconv = { mbconv_begin, mbconv_list, vit_places, vit_width,
                                     mbconv_run,   vit_like,    mbconv_end, true };
static const struct trunk convnext = { convnext_begin, convnext_list, convnext_places,
                                       convnext_width, convnext_run,  convnext_like,
                                       convnext_end,   false };
static const struct trunk fastvit = { fastvit_begin, fastvit_list, fastvit_places, fastvit_width,
                                      fastvit_run,   fastvit_like, fastvit_end,    false };

const struct trunk *const image_trunks[] = {
    [IMAGE_OWN] = &vit,       [IMAGE_TIMM] = &vit,          [IMAGE_STEM] = &stem,
    [IMAGE_MBCONV] = &mbconv, [IMAGE_CONVNEXT] = &convnext, [IMAGE_FASTVIT] = &fastvit
};
