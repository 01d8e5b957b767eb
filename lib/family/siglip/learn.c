/* SPDX-License-Identifier: MIT
 * learn.c - SigLIP's loss (arXiv 2303.15343, algorithm 1)
 */
#include "family/registry.h"
#include "family/siglip/siglip.h"

static unsigned objectives(const struct model *m)
{
    const struct siglip_config *c = &((const struct siglip *)m->self)->config;

    return c->has_vision && c->has_text ? OBJECTIVE_ITC : 0;
}

static unsigned reads(const struct model *m, unsigned what)
{
    (void)what;
    return model_learns(m, "vision.") ? READS_DROP_PATH : 0;
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct siglip *s = m->self;
    struct contrast c = { .temperature.s = s->logit_scale, .bias = s->logit_bias };

    c.images = siglip_image(t, s, pairs_pixels(t, m, p));
    c.texts = siglip_text(t, s, p->ids, p->counts, p->count);
    contrast_rows(t, &c, p, l, out);
    return 0;
}

BUILD(siglip)

const struct learner siglip_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_matrices,
    .texts = texts_of_pairs,
    .learn = learn,
    .build = build,
};
