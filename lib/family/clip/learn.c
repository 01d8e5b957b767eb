/* SPDX-License-Identifier: MIT
 * learn.c - CLIP's loss, and how it begins
 *
 * Sources: openai/CLIP clip/model.py (text tower), mlfoundations/open_clip transformer.py (the
 * image tower's numbers are those that PyTorch's layers come with).
 */
#include <math.h>
#include <string.h>
#include "family/clip/clip.h"
#include "family/registry.h"

static const float length_floor = 1e-12f, first_scale = 2.6592f /* ln(1 / 0.07) */;

static unsigned objectives(const struct model *m)
{
    const struct clip_config *c = &((const struct clip *)m->self)->config;

    return c->has_vision && c->has_text ? OBJECTIVE_ITC : 0;
}

static unsigned reads(const struct model *m, unsigned what)
{
    bool resnet = ((const struct clip *)m->self)->config.is_resnet;

    (void)what;
    return resnet ? 0 : READS_MOMENTUM | READS_QUEUE | READS_DROP_PATH;
}

static struct tensor *image(struct tape *t, struct model *m, const struct pairs *p)
{
    return normalize(t, clip_image(t, m->self, pairs_pixels(t, m, p)), length_floor);
}

static struct tensor *text(struct tape *t, struct model *m, const struct pairs *p)
{
    return normalize(t, clip_text(t, m->self, p->ids, p->counts, p->count), length_floor);
}

static int learn(struct tape *t, struct model *m, const struct pairs *p, const struct lesson *l,
                 struct losses *out)
{
    struct clip *clip = m->self;
    struct contrast c = { 0 };
    struct tape_mark mark;

    c.images = image(t, m, p);
    c.texts = text(t, m, p);
    mark = tape_mark(t);
    c.temperature = (struct temperature){ scale_exp, clip->logit_scale };
    if (l->teacher) {
        c.teacher_images = tape_keep(t, mark, image(t, l->teacher, p));
        mark = tape_mark(t);
        c.teacher_texts = tape_keep(t, mark, text(t, l->teacher, p));
    }
    out->each[LOSS_ITC] = contrast(t, &c, p, l);
    out->temperature = expf(-clip->logit_scale->data[0]);
    return 0;
}

static void clamp(struct model *m)
{
    struct tensor *s = ((struct clip *)m->self)->logit_scale;

    if (s)
        s->data[0] = fminf(fmaxf(s->data[0], 0), logf(100));
}

/* --- first numbers --- */

static struct initial normal(float deviation)
{
    return (struct initial){ INITIAL_NORMAL, deviation };
}

static struct initial uniform(long inputs)
{
    return (struct initial){ INITIAL_UNIFORM, 1 / sqrtf((float)inputs) };
}

static struct initial value(float x)
{
    return (struct initial){ INITIAL_VALUE, x };
}

static bool ends(const char *name, const char *with)
{
    size_t length = strlen(name), tail = strlen(with);

    return length >= tail && !strcmp(name + length - tail, with);
}

static struct initial initial_vision(const struct vit_config *c, const struct param *p)
{
    float thin = 1 / sqrtf((float)c->width);

    if (ends(p->name, ".class") || ends(p->name, ".position") ||
        ends(p->name, ".projection.weight"))
        return normal(thin);
    if (ends(p->name, ".patch.weight"))
        return uniform(3L * c->patch * c->patch);
    if (strstr(p->name, ".mlp.fc1."))
        return uniform(c->width);
    if (strstr(p->name, ".mlp.fc2."))
        return uniform(c->mlp);
    if (p->rank == 1)
        return value(ends(p->name, ".weight"));
    if (strstr(p->name, ".attention.out."))
        return uniform(c->width);
    return (struct initial){ INITIAL_UNIFORM,
                             sqrtf(6) / 2 * thin }; /* Xavier of [3 width, width] */
}

static struct initial initial_text(const struct text_config *c, const struct param *p)
{
    float thin = 1 / sqrtf((float)c->width), residual = thin / sqrtf(2 * (float)c->layers);

    if (ends(p->name, ".token"))
        return normal(0.02f);
    if (ends(p->name, ".position"))
        return normal(0.01f);
    if (p->rank == 1)
        return value(ends(p->name, ".weight"));
    if (strstr(p->name, ".attention.out.") || strstr(p->name, ".mlp.fc2."))
        return normal(residual);
    if (strstr(p->name, ".mlp.fc1."))
        return normal(thin / sqrtf(2));
    return normal(thin);
}

static struct initial initial(const struct model *m, const struct param *p)
{
    const struct clip_config *c = &((const struct clip *)m->self)->config;

    if (!strcmp(p->name, "logit_scale"))
        return value((float)json_number(m->config, "logit_scale_init_value", first_scale));
    return strncmp(p->name, "vision.", 7) ? initial_text(&c->text, p) : initial_vision(&c->vit, p);
}

static void build(struct model *twin, const struct model *m)
{
    struct clip *clip = xalloc(1, sizeof *clip);

    twin->self = clip;
    clip_init(clip, &((const struct clip *)m->self)->config);
    clip_params(clip, &twin->params);
}

const struct learner clip_learner = {
    .objectives = objectives,
    .reads = reads,
    .decays = decays_matrices,
    .learn = learn,
    .clamp = clamp,
    .initial = initial,
    .build = build,
};
