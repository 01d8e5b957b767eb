/* SPDX-License-Identifier: MIT
 * loop.c - teaching a model: from a list of pairs to a model's folder
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/error.h"
#include "base/random.h"
#include "base/thread.h"
#include "checkpoint/save.h"
#include "train/checkpoint.h"
#include "train/run.h"
#include "train/validate.h"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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
    struct training_facts facts = run_facts(r);
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

/* save_options.add: writes into the temporary folder, before it replaces the old one. */
static int add_state(const char *folder, void *self)
{
    struct checkpoint s = checkpoint_of(self);

    return checkpoint_write(&s, folder);
}

static int save(struct run *r)
{
    struct save_options o = {
        .type = DTYPE_F32, .tokenizer = r->t->options->tokenizer, .add = add_state, .add_self = r
    };

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

/* The norm is that of all gradients together, as torch.nn.utils.clip_grad_norm_ takes it. */
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

/* Losses are means over passes, the norm over steps: with --accumulate there are several passes a
 * step. */
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

/* The folder that was just saved is opened anew: what is measured is what a user will get. */
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

static bool is_stopped(const struct training *t)
{
    return t->stop && *t->stop;
}

/* The next batch is decoded while this one is computed. A stop is noticed between steps, so a saved
 * state is always one of a whole step. */
static enum training_end steps(struct run *r, void (*report)(const struct training_report *))
{
    const struct training *t = r->t;
    struct batch *next = batch_begin(r->data, r->step * t->step.accumulate, (int)t->step.batch);
    bool stopped = false;
    int status = 0;

    if (t->learns)
        *t->learns = 1;
    r->began = r->reported = now();
    while (!status && r->step < r->steps && !stopped) {
        status = step(r, &next);
        if (!status && (r->step == r->steps || r->step % t->log_every == 0))
            report_means(r, report);
        stopped = is_stopped(t) && r->step < r->steps;
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
    name_unlock(&r->lock);
}

void training_threads(int count)
{
    blas_name(); /* sets the environment while it loads: before there are threads */
    pool_start(count);
}

/* A folder that is not complete is never left: model_save() replaces it at once.  Two runs that
 * read and replace one folder in turns would mix weights of one with moments of the other: the
 * second is refused. */
enum training_end training_run(const struct training *t,
                               void (*report)(const struct training_report *))
{
    struct run r = { .t = t };
    enum training_end end = TRAINING_NO_MODEL;

    if (name_lock(&r.lock, t->folder))
        return TRAINING_FAILED;
    if (!run_open_model(&r)) {
        end = TRAINING_FAILED;
        if (run_open_data(&r)) {
            end = is_stopped(t) ? TRAINING_STOPPED : TRAINING_FAILED;
        } else if (is_stopped(t)) {
            end = TRAINING_STOPPED;
        } else {
            gemm_precision((enum precision)t->step.precision);
            run_begin_learning(&r);
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
