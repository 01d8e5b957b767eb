/* SPDX-License-Identifier: MIT
 * learn.c - open_clip's losses: CLIP's over the batch, or SigLIP's over each pair where there is a
 * bias
 *
 * Source: mlfoundations/open_clip src/open_clip/loss.py.
 */
#include <math.h>
#include "base/memory.h"
#include "family/open_clip/open_clip.h"
#include "family/registry.h"

static const float length_floor = 1e-12f;

static unsigned objectives(const struct model *m)
{
    (void)m;
    return OBJECTIVE_ITC;
}

static unsigned reads(const struct model *m, unsigned what)
{
    const struct open_clip_config *c = &((const struct open_clip *)m->self)->config;

    (void)what;
    return (c->sigmoid ? 0 : READS_POSITIVES) |
           (image_trunks[c->image.kind]->transforms && model_learns(m, "vision.") ? READS_DROP_PATH
                                                                                  : 0);
}

static struct tensor *image(struct tape *t, struct model *m, const struct pairs *p)
{
    struct image_tower *v = &((struct open_clip *)m->self)->image;
    long shape[] = { p->count, m->image.tokens, m->image.width };
    struct tensor *x = p->features ? tensor_reshape(t, pairs_features(t, m, p), 3, shape)
                                   : image_tower_features(t, v, pairs_pixels(t, m, p));

    return normalize(t, image_tower_embed(t, v, x), length_floor);
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct open_clip *o = m->self;
    struct contrast c = { 0 };
    struct tensor *logits;

    c.images = image(t, m, p);
    c.texts =
        normalize(t, words_tower_embed(t, &o->words, p->ids, p->counts, p->count), length_floor);
    c.temperature = (struct temperature){ scale_exp, o->logit_scale };
    if (o->config.sigmoid) {
        logits = scale_exp(t, matmul_transposed(t, c.texts, c.images), o->logit_scale);
        out->each[LOSS_ITC] = sigmoid_contrastive(t, logits, o->logit_bias, pairs_alike(t, p));
    } else {
        out->each[LOSS_ITC] = contrast(t, &c, p, l);
    }
    out->temperature = expf(-o->logit_scale->data[0]);
    return 0;
}

static void clamp(struct model *m)
{
    clamp_scale(((struct open_clip *)m->self)->logit_scale);
}

static void build(struct model *copy, const struct model *m)
{
    struct open_clip *o = xalloc(1, sizeof *o);

    copy->self = o;
    open_clip_init(o, &((const struct open_clip *)m->self)->config);
    open_clip_params(o, &copy->params);
}

const struct learner open_clip_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_matrices,
    .texts = texts_of_pairs,
    .learn = learn,
    .clamp = clamp,
    .build = build,
};
