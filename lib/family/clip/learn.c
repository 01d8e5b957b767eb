/* SPDX-License-Identifier: MIT
 * learn.c - CLIP's loss
 */
#include "base/memory.h"
#include "family/clip/clip.h"
#include "family/registry.h"

static unsigned objectives(const struct model *m)
{
    const struct clip_config *c = &((const struct clip *)m->self)->config;

    return c->has_vision && c->has_text ? OBJECTIVE_ITC : 0;
}

static unsigned reads(const struct model *m, unsigned what)
{
    bool resnet = ((const struct clip *)m->self)->config.is_resnet;

    (void)what;
    return READS_POSITIVES | (resnet ? 0 : READS_MOMENTUM | READS_QUEUE) |
           (!resnet && model_learns(m, "vision.") ? READS_DROP_PATH : 0);
}

static struct tensor *image(struct tape *t, struct model *m, const struct pairs *p)
{
    long shape[] = { p->count, m->image.tokens, m->image.width };

    if (!p->features)
        return clip_image(t, m->self, pairs_pixels(t, m, p));
    return clip_image_of(t, m->self, tensor_reshape(t, pairs_features(t, m, p), 3, shape));
}

static struct tensor *text(struct tape *t, struct model *m, const struct pairs *p)
{
    return clip_text(t, m->self, p->ids, p->counts, p->count);
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct contrast c = { .temperature.s = ((struct clip *)m->self)->logit_scale };
    struct tape_mark mark;

    c.images = image(t, m, p);
    c.texts = text(t, m, p);
    mark = tape_mark(t);
    if (l->teacher) {
        c.teacher_images = tape_keep(t, mark, image(t, l->teacher, p));
        mark = tape_mark(t);
        c.teacher_texts = tape_keep(t, mark, text(t, l->teacher, p));
    }
    contrast_rows(t, &c, p, l, out);
    return 0;
}

static void clamp(struct model *m)
{
    clamp_scale(((struct clip *)m->self)->logit_scale);
}

BUILD(clip)

const struct learner clip_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_matrices,
    .texts = texts_of_pairs,
    .learn = learn,
    .clamp = clamp,
    .build = build,
};
