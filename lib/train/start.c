/* SPDX-License-Identifier: MIT
 * start.c - what a training begins with: a model, its pairs, what learns and how
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "checkpoint/save.h"
#include "family/registry.h"
#include "train/run.h"
#include "train/validate.h"

/* A new model learns from nothing and takes large steps; one that knows something would forget it.
 */
static double rate_of(const struct training *t)
{
    return t->step.rate > 0 ? t->step.rate : t->init ? 3e-4 : 1e-5;
}

/* What a training that goes on must find unchanged. */
struct training_facts run_facts(const struct run *r)
{
    const struct training *t = r->t;

    return (struct training_facts){ .from = t->init    ? t->init
                                            : t->model ? t->model
                                                       : "",
                                    .pairs = dataset_count(r->data),
                                    .data = dataset_hash(r->data),
                                    .rate = rate_of(t),
                                    .image_size = r->model->image.size,
                                    .seed = t->seed };
}

/* Behind what the family freezes or lets learn by itself. */
static int freeze(struct run *r)
{
    struct params *p = &r->model->params;

    model_begin_learning(r->model, r->t->options->tokenizer);
    if (r->t->data.features)
        model_freeze_tower(r->model);
    for (int i = 0; i < r->t->learn.freeze.count; i++) {
        const char *prefix = r->t->learn.freeze.items[i];
        int found = 0;

        for (int k = 0; k < p->count; k++)
            found += !strncmp(p->list[k].name, prefix, strlen(prefix));
        if (!found)
            return fail("--freeze=%s: no parameter's name begins so; they begin with %s, ...",
                        prefix, p->count ? p->list[0].name : "nothing");
        params_freeze(p, prefix);
    }
    return 0;
}

/* Later files of --init-from replace what earlier ones gave. */
static struct model *new_model(const struct training *t)
{
    struct model *m = model_create(t->init, t->seed, t->options);

    for (int i = 0; m && i < t->init_from.count; i++)
        if (model_init_from(m, t->init_from.items[i]) < 0) {
            model_free(m);
            m = NULL;
        }
    return m;
}

/* The folder that is written holds the whole model, so BLIP-2's towers are not looked for beside
 * it. */
struct vlm_options options_written(const struct training *t)
{
    struct vlm_options o = *t->options;

    o.vision = o.language = NULL;
    return o;
}

/* What there was no choice of when it began stays as it was. */
static void go_on_as_begun(struct run *r)
{
    char *path = path_join(r->t->folder, "training.json");
    cJSON *root = json_read(path);

    r->own = *r->t;
    r->t = &r->own;
    training_go_on(&r->own, json_get(root, "options"));
    cJSON_Delete(root);
    free(path);
}

/* The folder of a run that was broken off comes before what it began with. */
static int open_model(struct run *r)
{
    const struct training *t = r->t;
    struct vlm_options written = options_written(t);
    char *config = t->init ? path_join(t->init, "config.json") : NULL, *state;

    state = path_join(t->folder, "training.json");
    model_save_recover(t->folder);
    r->goes_on = t->resume && path_exists(state);
    free(state);
    if (path_exists(t->folder) && !r->goes_on) {
        free(config);
        return fail("%s is there already%s", t->folder,
                    t->resume ? ", and holds no training to go on with"
                              : "; --resume goes on with a training that was broken off");
    }
    if (r->goes_on)
        go_on_as_begun(r);
    if (r->goes_on)
        r->model = model_load(t->folder, &written);
    else if (t->init)
        r->model = path_exists(config)
                       ? new_model(t)
                       : (fail("--init=%s: there is no config.json", t->init), NULL);
    else
        r->model = model_named(t->model, t->options);
    free(config);
    return r->model ? 0 : -1;
}

/* The sentence lists what this model can learn. */
static int check_objectives(struct run *r)
{
    struct buffer can = { 0 };
    unsigned lacking;

    if (objectives_parse(r->t->learn.objective, &r->objectives))
        return -1;
    lacking = r->objectives.set & ~model_objectives(r->model);
    if (lacking) {
        objectives_list(&can, model_objectives(r->model));
        fail("%s cannot be taught --objective=%s; it can be taught %s", r->model->about,
             r->t->learn.objective, can.size ? can.data : "nothing");
        buffer_free(&can);
    }
    return lacking ? -1 : 0;
}

/* Nothing is asked for that would do nothing.  Behind freeze().  A training that goes on has the
 * options that it began with, when more of them were taken. */
static int check_reads(const struct run *r)
{
    const struct learner *l = r->model->family->learn;

    return r->goes_on
               ? 0
               : training_check_reads(r->t, l->reads(r->model, r->objectives.set), r->model->about);
}

/* Which parameters weight decay pulls to zero; NULL: all. */
static bool (*decays_of(const struct run *r))(const struct param *)
{
    switch ((enum weight_decay_group)r->t->step.decays) {
    case DECAY_ALL:
        return NULL;
    case DECAY_NO_BIAS:
        return decays_unless_bias;
    case DECAY_MATRICES:
        return decays_matrices;
    case DECAY_FAMILY:
        break;
    }
    return r->model->family->learn->decays;
}

static struct learning_texts texts_of(const struct run *r)
{
    return r->model->family->learn->texts(r->model, r->objectives.set);
}

/* The momentum encoder is copied before the first step, when both are equal. The parameters move
 * into one block then. */
void run_begin_learning(struct run *r)
{
    const struct training *t = r->t;

    r->teacher = t->learn.momentum > 0 ? momentum_model_new(r->model) : NULL;
    r->learning = params_learn(&r->model->params, NULL);
    if (r->teacher && t->learn.queue)
        r->queue = feature_queue_new(t->learn.queue, r->model->embedding.width, t->seed);
    r->adam = (struct adamw){ .beta1 = t->step.beta1,
                              .beta2 = t->step.beta2,
                              .eps = t->step.eps,
                              .weight_decay = t->step.weight_decay,
                              .decays = decays_of(r) };
    adamw_begin(&r->adam, r->learning);
    r->loss =
        (struct loss_options){ .objectives = r->objectives.set,
                               .weight = r->objectives.weight,
                               .smoothing = t->learn.smoothing,
                               .dropout = t->learn.dropout,
                               .drop_path = t->learn.drop_path,
                               .easy = t->learn.easy,
                               .positives = t->learn.positives == 1   ? POSITIVES_ALIKE
                                            : t->learn.positives == 2 ? POSITIVES_PAIR
                                                                      : texts_of(r).positives,
                               .context = dataset_context(r->data),
                               .prompt = dataset_prefix(r->data) > 1 ? dataset_prefix(r->data) : 0,
                               .teacher = r->teacher,
                               .queue = r->queue,
                               .draw = draw_uniform,
                               .draw_self = &r->random };
}

/* Without --steps, whole epochs count. Warm-up takes a twentieth unless it is set. */
static void plan(struct run *r)
{
    const struct training_steps *t = &r->t->step;
    long pairs = dataset_count(r->data), per_step = t->batch * t->accumulate;
    long per_epoch = dataset_batches(r->data, (int)t->batch);

    r->steps = t->steps ? t->steps : t->epochs * per_epoch / t->accumulate;
    r->steps = r->steps ? r->steps : 1;
    r->schedule = (struct schedule){ .kind = (enum schedule_kind)t->schedule,
                                     .rate = rate_of(r->t),
                                     .least = t->least_rate,
                                     .warmup_rate = t->warmup_rate,
                                     .decay = t->rate_decay,
                                     .warmup = t->warmup < 0 ? r->steps / 20 : t->warmup,
                                     .steps = r->steps,
                                     .per_epoch = pairs / per_step > 0 ? pairs / per_step : 1 };
}

/* As what is learnt from, but in its order and with no change by chance. */
static int open_held_out(struct run *r, const struct dataset_options *as)
{
    struct dataset_options o = *as;

    o.augment = (struct augment){ 0 };
    o.shuffle = false;
    r->held_out = dataset_open((char *const *)(uintptr_t)r->t->data.held_out.items,
                               r->t->data.held_out.count, &o, r->model);
    return r->held_out ? 0 : -1;
}

/* 0: as when the model is used */
static int context_of(const struct training *t, const struct learning_texts *texts)
{
    long wanted = t->data.context < 0 ? texts->context : t->data.context;

    return wanted > texts->longest ? texts->longest : (int)wanted;
}

/* What no option says comes from the family: how long its texts are, how they are cut, and how a
 * caption begins. */
int run_open_data(struct run *r)
{
    const struct training *t = r->t;
    struct learning_texts texts = texts_of(r);
    const char *prompt = t->learn.prompt                     ? t->learn.prompt
                         : r->objectives.set == OBJECTIVE_LM ? r->model->writing.prompt
                                                             : NULL;
    struct dataset_options o = { .root = t->data.root,
                                 .image_field = t->data.image_field,
                                 .text_field = t->data.text_field,
                                 .from = t->data.from,
                                 .features = t->data.features,
                                 .max_pixels = t->data.max_pixels,
                                 .memory = t->data.memory,
                                 .tokenizer = t->options->tokenizer,
                                 .clean_text = t->options->clean_text,
                                 .words = t->data.words ? (int)t->data.words : texts.words,
                                 .context = context_of(t, &texts),
                                 .behind_prefix = t->data.context < 0 && texts.behind_prompt,
                                 .seed = t->seed,
                                 .augment = { .crop_least = t->pictures.crop,
                                              .crop_most = t->pictures.crop > 0 ? 1 : 0,
                                              .flip = t->pictures.flip,
                                              .operations = t->pictures.randaugment[0],
                                              .magnitude = t->pictures.randaugment[1],
                                              .background = t->pictures.background },
                                 .prefix = prompt && *prompt ? prompt : NULL,
                                 .quiet = t->data.quiet,
                                 .stop = t->stop,
                                 .shuffle = true };

    r->data = dataset_open(t->data.operands, t->data.count, &o, r->model);
    if (!r->data)
        return -1;
    plan(r);
    return t->data.held_out.count ? open_held_out(r, &o) : 0;
}

int run_open_model(struct run *r)
{
    return open_model(r) || check_objectives(r) || freeze(r) || check_reads(r) ? -1 : 0;
}
