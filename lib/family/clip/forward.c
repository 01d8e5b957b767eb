/* SPDX-License-Identifier: MIT
 * forward.c - CLIP: two towers meeting in one space
 *
 *     image = project(norm(tower(pixels)[class]))      text = project(norm(tower(ids))[end])
 *     logits = exp(logit_scale) cos(image, text)
 */
#include <assert.h>
#include <math.h>
#include "family/clip/clip.h"

static const float length_floor = 1e-12f;

/* A ResNet's last stage has 32 times the width of its stem. */
static long vision_width(const struct clip_config *c)
{
    return c->is_resnet ? 32L * c->resnet.width : c->vit.width;
}

void clip_init(struct clip *m, const struct clip_config *config)
{
    *m = (struct clip){ .config = *config };
    if (config->has_vision && config->is_resnet)
        resnet_init(&m->resnet, &config->resnet);
    else if (config->has_vision)
        vit_init(&m->vit, &config->vit);
    if (config->has_text)
        text_init(&m->text, &config->text);
}

/* PyTorch's layers as they come; queries, keys and values are drawn as one matrix of 3 width rows
 * by Xavier.  Sources: mlfoundations/open_clip transformer.py, openai/CLIP clip/model.py. */
static struct vit_initial vit_initial(const struct vit_config *c)
{
    float thin = 1 / sqrtf((float)c->width);
    struct initial xavier = INIT_UNIFORM(sqrtf(6) / 2 * thin), zero = INIT_VALUE(0);
    struct linear_initial out = linear_uniform(c->width);

    out.bias = zero;
    return (struct vit_initial){ .patch = linear_uniform(3L * c->patch * c->patch),
                                 .class_token = INIT_NORMAL(thin),
                                 .position = INIT_NORMAL(thin),
                                 .block = { .qkv = { xavier, zero, false },
                                            .out = out,
                                            .fc1 = linear_uniform(c->width),
                                            .fc2 = linear_uniform(c->mlp) } };
}

static void projection_params(struct linear *l, struct params *p, long out, long in)
{
    linear_params(l, p, "projection", out, in, without_bias(linear_normal(1 / sqrtf((float)in))));
}

void clip_params(struct clip *m, struct params *p)
{
    const struct clip_config *c = &m->config;

    if (c->has_vision) {
        params_in(p, "vision");
        if (c->is_resnet) {
            resnet_params(&m->resnet, p);
        } else {
            struct vit_initial initial = vit_initial(&c->vit);

            vit_params(&m->vit, p, &initial);
            projection_params(&m->image_projection, p, c->embedding, c->vit.width);
        }
        params_out(p);
    }
    if (c->has_text) {
        params_in(p, "text");
        text_params(&m->text, p);
        projection_params(&m->text_projection, p, c->embedding, c->text.width);
        params_out(p);
    }
    param_scalar(p, &m->logit_scale, INIT_VALUE(c->first_scale), "logit_scale");
    if (!c->has_vision || !c->has_text)
        params_optional(p);
}

void clip_close(struct clip *m)
{
    if (m->config.has_vision && m->config.is_resnet)
        resnet_close(&m->resnet);
    else if (m->config.has_vision)
        vit_close(&m->vit);
    if (m->config.has_text)
        text_close(&m->text);
    linear_close(&m->image_projection);
    linear_close(&m->text_projection);
}

int clip_image_size(const struct clip_config *c)
{
    return c->is_resnet ? c->resnet.image : c->vit.image;
}

/* A ResNet halves its image five times. */
int clip_feature_tokens(const struct clip_config *c)
{
    int grid = c->resnet.image / 32;

    return c->is_resnet ? grid * grid : vit_tokens(&c->vit);
}

long clip_feature_width(const struct clip_config *c)
{
    return vision_width(c);
}

struct tensor *clip_features(struct tape *t, struct clip *m, struct tensor *pixels)
{
    return m->config.is_resnet ? resnet_forward(t, &m->resnet, pixels)
                               : vit_forward(t, &m->vit, pixels, false);
}

/* The squares' rows, without the class tokens. */
static struct tensor *squares(struct tape *t, struct tensor *x)
{
    int images = (int)x->shape[0], tokens = (int)x->shape[1], count = 0;
    int *index = tape_alloc(t, (size_t)images * (size_t)tokens * sizeof *index);

    for (int i = 0; i < images * tokens; i++)
        if (i % tokens)
            index[count++] = i;
    return take_rows(t, x, index, count);
}

/* The norm before or after the mean: open_clip has models of both kinds. */
static struct tensor *mean_of_squares(struct tape *t, struct clip *m, struct tensor *x)
{
    const struct spans *spans = spans_even(t, (int)x->shape[0], (int)x->shape[1] - 1);

    x = squares(t, x);
    if (m->config.norm_after_pool)
        return vit_finish(t, &m->vit, mean_rows(t, x, spans));
    return mean_rows(t, vit_finish(t, &m->vit, x), spans);
}

/* [images, tokens, width] -> [images, width] */
static struct tensor *class_tokens(struct tape *t, struct tensor *x)
{
    int images = (int)x->shape[0], *index = tape_alloc(t, (size_t)images * sizeof *index);

    for (int i = 0; i < images; i++)
        index[i] = i * (int)x->shape[1];
    return take_rows(t, x, index, images);
}

struct tensor *clip_image_of(struct tape *t, struct clip *m, struct tensor *features)
{
    if (m->config.is_resnet)
        return resnet_pool(t, &m->resnet, features);
    if (m->config.mean_pool)
        features = mean_of_squares(t, m, features);
    else
        features = vit_finish(t, &m->vit, class_tokens(t, features));
    return linear(t, &m->image_projection, features, ACTIVATION_NONE);
}

/* The last layer of a transformer is computed for the class token alone. */
struct tensor *clip_image(struct tape *t, struct clip *m, struct tensor *pixels)
{
    struct tensor *x;

    if (m->config.is_resnet || m->config.mean_pool)
        return clip_image_of(t, m, clip_features(t, m, pixels));
    x = vit_finish(t, &m->vit, vit_forward(t, &m->vit, pixels, true));
    return linear(t, &m->image_projection, x, ACTIVATION_NONE);
}

struct tensor *clip_text(struct tape *t, struct clip *m, const int *ids, const int *counts,
                         int texts)
{
    struct tensor *x = text_forward(t, &m->text, ids, counts, texts);

    return linear(t, &m->text_projection, x, ACTIVATION_NONE);
}

/* The mean of two cross entropies, over texts for each image and over images for each text (arXiv
 * 2103.00020, figure 3). */
struct tensor *clip_loss(struct tape *t, struct clip *m, struct tensor *pixels, const int *ids,
                         const int *counts)
{
    struct tensor *u = normalize(t, clip_image(t, m, pixels), length_floor);
    struct tensor *v =
        normalize(t, clip_text(t, m, ids, counts, (int)pixels->shape[0]), length_floor);

    return contrastive(t, u, v, m->logit_scale);
}
