/* SPDX-License-Identifier: MIT
 * loop.c - teaching a model: from a list of pairs to a model's folder
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "base/random.h"
#include "base/thread.h"
#include "family/registry.h"
#include "learn/learn.h"
#include "checkpoint/model.h"
#include "checkpoint/save.h"
#include "train/data.h"
#include "train/validate.h"
#include "train/loop.h"
#include "train/objective.h"
#include "train/options.h"
#include "train/checkpoint.h"

struct run {
    const struct training *t;
    struct model *model, *teacher;
    struct learning *learning;
    struct adamw adam;
    struct dataset *data, *held_out;
    struct feature_queue *queue;
    struct tape tape;
    struct schedule schedule;
    struct loss_options loss;
    struct random random; /* of the step at hand */
    char *options;
    struct objectives objectives;
    long step, steps;
    /* since the last report */
    struct training_report sum;
    long passes, summed;
    double began, reported;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double rate_of(const struct training *t)
{
    return t->step.rate > 0 ? t->step.rate : t->init ? 3e-4 : 1e-5;
}

static struct training_facts facts_of(const struct run *r)
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

    model_begin_learning(r->model);
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

/* Of the folder that is written, which has all towers in one file. */
static struct vlm_options options_written(const struct training *t)
{
    struct vlm_options o = *t->options;

    o.vision = o.language = NULL;
    return o;
}

/* The folder of a run that was broken off comes before what it began with. */
static int open_model(struct run *r)
{
    const struct training *t = r->t;
    struct vlm_options written = options_written(t);
    char *config = t->init ? path_join(t->init, "config.json") : NULL, *state;
    bool goes_on;

    state = path_join(t->folder, "training.json");
    goes_on = t->resume && path_exists(state);
    free(state);
    if (path_exists(t->folder) && !goes_on) {
        free(config);
        return fail("%s is there already%s", t->folder,
                    t->resume ? ", and holds no training to go on with"
                              : "; --resume goes on with a training that was broken off");
    }
    if (goes_on)
        r->model = model_load(t->folder, &written);
    else if (t->init)
        r->model = path_exists(config)
                       ? new_model(t)
                       : (fail("--init=%s: there is no config.json", t->init), NULL);
    else
        r->model = model_load(t->model, t->options);
    free(config);
    return r->model ? 0 : -1;
}

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

/* Nothing is asked for that would do nothing. */
static int check_reads(const struct run *r)
{
    const struct learner *l = r->model->family->learn;

    return training_check_reads(r->t, l->reads(r->model, r->objectives.set), r->model->about);
}

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

static void begin_learning(struct run *r)
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
                               .prompt = dataset_prefix(r->data) > 1 ? dataset_prefix(r->data) : 0,
                               .teacher = r->teacher,
                               .queue = r->queue,
                               .draw = draw_uniform,
                               .draw_self = &r->random };
}

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

static int open_data(struct run *r)
{
    const struct training *t = r->t;
    const char *prompt = t->learn.prompt                     ? t->learn.prompt
                         : r->objectives.set == OBJECTIVE_LM ? r->model->writing.prompt
                                                             : NULL;
    struct dataset_options o = { .root = t->data.root,
                                 .image_field = t->data.image_field,
                                 .text_field = t->data.text_field,
                                 .from = t->data.from,
                                 .features = t->data.features,
                                 .max_pixels = t->data.max_pixels,
                                 .tokenizer = t->options->tokenizer,
                                 .clean_text = t->options->clean_text,
                                 .seed = t->seed,
                                 .augment = { .crop_least = t->pictures.crop,
                                              .crop_most = t->pictures.crop > 0 ? 1 : 0,
                                              .flip = t->pictures.flip,
                                              .operations = t->pictures.randaugment[0],
                                              .magnitude = t->pictures.randaugment[1],
                                              .background = t->pictures.background },
                                 .prefix = prompt && *prompt ? prompt : NULL,
                                 .quiet = t->data.quiet,
                                 .shuffle = true };

    r->data = dataset_open(t->data.operands, t->data.count, &o, r->model);
    if (!r->data)
        return -1;
    plan(r);
    return t->data.held_out.count ? open_held_out(r, &o) : 0;
}

static struct checkpoint checkpoint_of(struct run *r)
{
    return (struct checkpoint){ .step = r->step,
                                .steps = r->steps,
                                .options = r->options,
                                .learning = r->learning,
                                .adam = &r->adam,
                                .teacher = r->teacher,
                                .queue = r->queue };
}

/* 1: all is done already. */
static int go_on(struct run *r)
{
    struct training_facts facts = facts_of(r);
    struct checkpoint s;
    int found;

    r->options = training_describe(r->t, &facts);
    if (!r->t->resume)
        return 0;
    found = checkpoint_find(r->t, &facts, &r->step);
    if (found < 0 || found == 2)
        return found < 0 ? -1 : 1;
    s = checkpoint_of(r);
    return found ? checkpoint_read(&s, r->t->folder) : 0;
}

static int add_state(const char *folder, void *self)
{
    struct checkpoint s = checkpoint_of(self);

    return checkpoint_write(&s, folder);
}

static int save(struct run *r)
{
    struct save_options o = { .type = DTYPE_F32, .add = add_state, .add_self = r };

    return model_save(r->model, r->t->folder, &o);
}

/* One pass over a batch: gradients are added to. */
static int pass(struct run *r, const struct pairs *pairs)
{
    struct losses losses;

    tape_clear(&r->tape);
    if (model_learn(&r->tape, r->model, pairs, &r->loss, &losses))
        return -1;
    report_add(&r->sum, &losses);
    r->passes++;
    if (!isfinite(losses.total->data[0]))
        return fail("the loss is not finite at step %ld: a lower --lr or a --clip may help",
                    r->step + 1);
    tape_backward(&r->tape, scale(&r->tape, losses.total, 1 / (float)r->t->step.accumulate));
    return 0;
}

static void update(struct run *r)
{
    double norm = learning_norm(r->learning), rate = schedule_rate(&r->schedule, r->step);

    if (r->t->step.clip > 0 && norm > (double)r->t->step.clip)
        learning_scale(r->learning, (float)((double)r->t->step.clip / norm));
    r->adam.rate = (float)rate;
    adamw_step(&r->adam, r->learning);
    r->sum.rate = rate;
    r->sum.norm += norm;
    r->summed++;
    r->step++;
}

/* The batches of a step; *next has been begun early and leaves as the next step's first. */
static int step(struct run *r, struct batch **next)
{
    const struct training *t = r->t;
    const struct training_goal *a = &t->learn;
    double epoch = (double)r->step / (double)r->schedule.per_epoch;
    long last = r->steps * t->step.accumulate - 1;

    learning_zero(r->learning);
    model_clamp(r->model);
    r->random.state = hash_bytes(&r->step, sizeof r->step, t->seed);
    r->loss.alpha =
        (float)(a->alpha * (a->alpha_epochs > 0 ? fmin(1, epoch / a->alpha_epochs) : 1));
    if (r->teacher)
        momentum_model_update(r->teacher, r->model, t->learn.momentum);
    for (long i = 0; i < t->step.accumulate; i++) {
        struct batch *b = *next;
        const struct pairs *pairs = batch_pairs(b);
        long number = r->step * t->step.accumulate + i;
        int status;

        *next = number < last ? batch_begin(r->data, number + 1, (int)t->step.batch) : NULL;
        status = pairs ? pass(r, pairs) : -1;
        batch_free(b);
        if (status)
            return -1;
    }
    update(r);
    return 0;
}

static double epochs_done(const struct run *r)
{
    return (double)r->step / (double)r->schedule.per_epoch;
}

static void report_means(struct run *r, void (*report)(const struct training_report *))
{
    struct training_report *s = &r->sum;
    double time = now();

    s->step = r->step;
    s->steps = r->steps;
    s->epoch = epochs_done(r);
    s->seconds = time - r->began;
    s->pairs_a_second = (double)(r->passes * r->t->step.batch) / fmax(time - r->reported, 1e-9);
    s->norm /= (double)r->summed;
    report_mean(s, r->passes);
    report(s);
    *s = (struct training_report){ 0 };
    r->passes = r->summed = 0;
    r->reported = time;
}

static int validate_held_out(struct run *r, void (*report)(const struct training_report *))
{
    const struct training *t = r->t;
    struct training_report result = { .step = r->step, .steps = r->steps, .epoch = epochs_done(r) };
    struct vlm_options written = options_written(t);
    struct validation v = { .folder = t->folder,
                            .options = &written,
                            .data = r->held_out,
                            .batch = (int)t->step.batch,
                            .loss = &r->loss,
                            .seed = t->seed };

    if (validate(&result, &v))
        return -1;
    report(&result);
    return 0;
}

/* A run that was stopped saves and leaves. */
static int save_and_validate(struct run *r, bool stopped,
                             void (*report)(const struct training_report *))
{
    if (save(r))
        return -1;
    return r->held_out && !stopped ? validate_held_out(r, report) : 0;
}

static enum training_end steps(struct run *r, void (*report)(const struct training_report *))
{
    const struct training *t = r->t;
    struct batch *next = batch_begin(r->data, r->step * t->step.accumulate, (int)t->step.batch);
    bool stopped = false;
    int status = 0;

    r->began = r->reported = now();
    while (!status && r->step < r->steps && !stopped) {
        status = step(r, &next);
        if (!status && (r->step == r->steps || r->step % t->log_every == 0))
            report_means(r, report);
        stopped = t->stop && *t->stop && r->step < r->steps;
        if (!status &&
            (stopped || r->step == r->steps || (t->save_every && r->step % t->save_every == 0)))
            status = save_and_validate(r, stopped, report);
    }
    batch_free(next);
    return status ? TRAINING_FAILED : stopped ? TRAINING_STOPPED : TRAINING_DONE;
}

static void release(struct run *r)
{
    adamw_end(&r->adam);
    dataset_close(r->data);
    dataset_close(r->held_out);
    feature_queue_free(r->queue);
    tape_free(&r->tape);
    model_free(r->teacher);
    model_free(r->model);
    learning_free(r->learning);
    free(r->options);
}

void training_threads(int count)
{
    blas_name(); /* sets the environment while it loads: before there are threads */
    pool_start(count);
}

enum training_end training_run(const struct training *t,
                               void (*report)(const struct training_report *))
{
    struct run r = { .t = t };
    enum training_end end = TRAINING_NO_MODEL;

    if (!open_model(&r) && !check_objectives(&r) && !check_reads(&r) && !freeze(&r)) {
        end = TRAINING_FAILED;
        if (!open_data(&r)) {
            gemm_precision((enum precision)t->step.precision);
            begin_learning(&r);
            switch (go_on(&r)) {
            case 0:
                end = steps(&r, report);
                break;
            case 1:
                end = TRAINING_DONE;
                break;
            }
        }
    }
    release(&r);
    return end;
}
