/* SPDX-License-Identifier: MIT
 * learn.c - open_clip's losses: CLIP's over the batch, or SigLIP's over each pair where there is a
 * bias; and of CoCa what its decoder writes
 *
 * Source: mlfoundations/open_clip src/open_clip/loss.py; of CoCa CoCaLoss there, and
 * coca_model.py, CoCa.forward.
 */
#include <math.h>
#include "base/memory.h"
#include "family/open_clip/open_clip.h"
#include "family/registry.h"

static unsigned objectives(const struct model *m)
{
    const struct open_clip_config *c = &((const struct open_clip *)m->self)->config;

    return OBJECTIVE_ITC | (c->writes && c->words.text.has_class ? OBJECTIVE_LM : 0);
}

static unsigned reads(const struct model *m, unsigned what)
{
    const struct open_clip_config *c = &((const struct open_clip *)m->self)->config;

    return (c->sigmoid || !(what & OBJECTIVE_ITC) ? 0 : READS_POSITIVES) |
           (!c->image.trunk->finish && model_learns(m, "vision.") ? READS_DROP_PATH : 0);
}

static struct tensor *features_of(struct tape *t, struct model *m, const struct pairs *p)
{
    struct image_tower *v = &((struct open_clip *)m->self)->image;
    long shape[] = { p->count, m->image.tokens, m->image.width };

    return p->features ? tensor_reshape(t, pairs_features(t, m, p), 3, shape)
                       : image_tower_features(t, v, pairs_pixels(t, m, p));
}

/* Each id of a text but the last tells the next one; an id of padding is not learned, wherever it
 * stands, nor are the first `prompt` ids. */
static struct tensor *captions(struct tape *t, struct open_clip *o, const struct pairs *p,
                               struct tensor *x, int prompt)
{
    struct tensor *seen = image_tower_states(t, &o->image, x);
    const struct spans *texts = spans_of(t, p->count, p->counts);
    int total = texts->start[p->count], *at = tape_alloc(t, 2 * (size_t)(total + 1) * sizeof *at);
    int *target = at + total + 1, *picture = tape_alloc(t, (size_t)p->count * sizeof *picture);
    struct coca_input in = { .texts = texts,
                             .pictures = p->count,
                             .tokens = (int)seen->shape[1],
                             .picture_of = picture,
                             .index = at };

    for (int i = 0; i < p->count; i++) {
        picture[i] = i;
        for (int k = texts->start[i]; k + 1 < texts->start[i + 1]; k++) {
            bool learns =
                p->ids[k + 1] != o->config.words.text.pad_id && k + 1 - texts->start[i] >= prompt;

            at[in.count] = k;
            target[in.count++] = learns ? p->ids[k + 1] : -1;
        }
    }
    in.states = text_class_states(t, &o->words.text, p->ids, p->counts, p->count);
    in.keys = coca_pictures(t, &o->decoder, tensor_as_rows(t, seen));
    return cross_entropy(t, coca_logits(t, &o->decoder, &in), target, 0);
}

static int learn(struct tape *t, struct model *m, const struct pairs *p,
                 const struct loss_options *l, struct losses *out)
{
    struct open_clip *o = m->self;
    struct tensor *x = features_of(t, m, p);
    struct contrast c = { .temperature.s = o->logit_scale, .bias = o->logit_bias };

    out->temperature = expf(-o->logit_scale->data[0]);
    if (l->objectives & OBJECTIVE_LM)
        out->each[LOSS_LM] = captions(t, o, p, x, l->prompt);
    if (!(l->objectives & OBJECTIVE_ITC))
        return 0;
    c.images = image_tower_embed(t, &o->image, x);
    c.texts = words_tower_embed(t, &o->words, p->ids, p->counts, p->count);
    contrast_rows(t, &c, p, l, out);
    return 0;
}

static void clamp(struct model *m)
{
    clamp_scale(((struct open_clip *)m->self)->logit_scale);
}

BUILD(open_clip)

const struct learner open_clip_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_matrices,
    .texts = texts_of_pairs,
    .learn = learn,
    .clamp = clamp,
    .build = build,
};
