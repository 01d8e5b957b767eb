/* SPDX-License-Identifier: MIT
 * learn.c - SigLIP's loss (arXiv 2303.15343, algorithm 1)
 */
#include <math.h>
#include <string.h>
#include "family/registry.h"
#include "family/siglip/siglip.h"

static const float length_floor = 1e-12f;

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
    struct tensor *u, *v, *logits;

    (void)l;
    u = siglip_image(t, s, pairs_pixels(t, m, p));
    v = siglip_text(t, s, p->ids, p->counts, p->count);
    logits = matmul_transposed(t, normalize(t, v, length_floor), normalize(t, u, length_floor));
    logits = scale_exp(t, logits, s->logit_scale);
    out->each[LOSS_ITC] = sigmoid_contrastive(t, logits, s->logit_bias, pairs_alike(t, p));
    out->temperature = expf(-s->logit_scale->data[0]);
    return 0;
}

static void build(struct model *copy, const struct model *m)
{
    struct siglip *s = xalloc(1, sizeof *s);

    copy->self = s;
    siglip_init(s, &((const struct siglip *)m->self)->config);
    siglip_params(s, &copy->params);
}

const struct learner siglip_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_matrices,
    .texts = texts_of_pairs,
    .learn = learn,
    .build = build,
};
