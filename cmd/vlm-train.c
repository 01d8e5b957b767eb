/* SPDX-License-Identifier: MIT
 * vlm-train.c - teach a model with pairs of image and text
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "train/loop.h"

static const char *init, *objective = "itc", *prompt;
static struct option_list freeze, adopt, held_out;
static long epochs = 1, steps, batch = 32, accumulate = 1, warmup = -1, queue, log_every = 10,
            save_every = 1000;
static float rate, least_rate, warmup_rate,
    decay = 0.9f, weight_decay = 0.05f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, clip,
    momentum, alpha = 0.4f, alpha_epochs = 1, smoothing = 0.1f, easy, crop, dropout, drop_path;
static int schedule, decays, precision;
static bool flip, background;
static int operations, magnitude;
static volatile int stopped_by;

static const char *const schedules[] = { "cosine", "epoch", "decay", "constant", NULL };
static const char *const groups[] = { "family", "all", "no-bias", "matrices", NULL };

static const char *const precisions[] = { "highest", "high", "medium", NULL };

static int set_randaugment(const char *text)
{
    char rest;

    if (sscanf(text, "%d,%d%c", &operations, &magnitude, &rest) != 2 || operations < 0 ||
        operations > 10 || magnitude < 0 || magnitude > 10)
        return fail("must be N,M: so many operations, so strong, each from 0 to 10");
    return 0;
}

static const struct option_spec learning_options[] = {
    OPTION_STRING(0, "objective", "NAMES", &objective,
                  "what to learn, separated by commas: itc, itm, lm, mlm, itg [itc]"),
    OPTION_LIST(0, "freeze", "PREFIX", &freeze,
                "parameters whose names begin with PREFIX do not learn; repeatable"),
    OPTION_FLOAT(0, "momentum", "M", &momentum, 0, 1,
                 "of the momentum encoders, such as 0.995 [0: none]"),
    OPTION_LONG(0, "queue", "N", &queue, 0, 1 << 24,
                "features of earlier batches that itc compares with; needs --momentum [0]"),
    OPTION_FLOAT(0, "alpha", "A", &alpha, 0, 1,
                 "share of the momentum encoders' soft targets [0.4]"),
    OPTION_FLOAT(0, "alpha-epochs", "N", &alpha_epochs, 0, 1e6,
                 "the share rises from 0 over the first N epochs [1]"),
    OPTION_FLOAT(0, "easy-negatives", "SHARE", &easy, 0, 1,
                 "share of itm's negatives that are drawn evenly, not by likeness [0]"),
    OPTION_STRING(0, "prompt", "TEXT", &prompt,
                  "what every text begins with; lm does not learn it [lm alone: the model's own]"),
    OPTION_FLOAT(0, "label-smoothing", "E", &smoothing, 0, 1, "of lm [0.1]"),
    OPTION_FLOAT(0, "dropout", "SHARE", &dropout, 0, 0.95f,
                 "of the numbers between a BERT's layers, left out by chance [0]"),
    OPTION_FLOAT(0, "drop-path", "SHARE", &drop_path, 0, 0.95f,
                 "of the pictures that pass by the image tower's last layer, by chance [0]"),
    OPTIONS_END,
};

static const struct option_spec step_options[] = {
    OPTION_LONG(0, "epochs", "N", &epochs, 1, 1000000, "how often all pairs are seen [1]"),
    OPTION_LONG(0, "steps", "N", &steps, 0, 1000000000, "steps in all [0: as --epochs says]"),
    OPTION_LONG(0, "batch", "N", &batch, 1, 65536, "pairs of one pass [32]"),
    OPTION_LONG(0, "accumulate", "N", &accumulate, 1, 65536, "passes of one step [1]"),
    OPTION_FLOAT(0, "lr", "RATE", &rate, 0, 1, "learning rate [3e-4 with --init, else 1e-5]"),
    OPTION_CHOICE(0, "schedule", "KIND", &schedule, schedules,
                  "how it falls: cosine, epoch, decay or constant [cosine]"),
    OPTION_LONG(0, "warmup", "N", &warmup, -1, 1000000000,
                "steps in which it rises [-1: a twentieth of all]"),
    OPTION_FLOAT(0, "warmup-lr", "RATE", &warmup_rate, 0, 1,
                 "where it rises from, but with cosine [0]"),
    OPTION_FLOAT(0, "min-lr", "RATE", &least_rate, 0, 1, "where it falls to [0]"),
    OPTION_FLOAT(0, "lr-decay", "D", &decay, 0, 1, "factor of an epoch with decay [0.9]"),
    OPTION_FLOAT(0, "weight-decay", "W", &weight_decay, 0, 100, "AdamW's [0.05]"),
    OPTION_CHOICE(0, "decays", "WHAT", &decays, groups,
                  "what decays: all, no-bias, matrices or family, as the model's authors [family]"),
    OPTION_FLOAT(0, "beta1", "B", &beta1, 0, 1, "AdamW's [0.9]"),
    OPTION_FLOAT(0, "beta2", "B", &beta2, 0, 1, "AdamW's [0.999]"),
    OPTION_FLOAT(0, "eps", "E", &epsilon, 0, 1, "AdamW's [1e-8]"),
    OPTION_FLOAT(0, "clip", "NORM", &clip, 0, 1e9, "longest gradient [0: any]"),
    OPTION_CHOICE(0, "precision", "HOW", &precision, precisions,
                  "of products by AMX: highest (f32), high (16 bits) or medium (bf16) [highest]"),
    OPTIONS_END,
};

static const struct option_spec augment_options[] = {
    OPTION_FLOAT(0, "crop", "SHARE", &crop, 0, 1,
                 "cut out a random part of at least this share of the area [0: none]"),
    OPTION_FLAG(0, "flip", &flip, "turn every second picture left to right"),
    OPTION_CALL(0, "randaugment", "N,M", set_randaugment,
                "N random changes of strength M out of 10: RandAugment [0,0]"),
    OPTION_FLAG(0, "background", &background,
                "put pictures with transparency on random backgrounds"),
    OPTIONS_END,
};

static const struct option_spec record_options[] = {
    OPTION_CHOICE(0, "from", "FORMAT", &settings.from,
                  ((const char *const[]){ "any", "jsonl", "cbor", "tar", NULL }),
                  "what comes in: any, jsonl, cbor or tar [any: by its first bytes]"),
    OPTION_FOLDER(0, "root", "FOLDER", &settings.fields.root, "image paths are relative to FOLDER"),
    OPTION_STRING(0, "image-field", "NAME", &settings.fields.image,
                  "the field that holds the image [the first of image, image_path, ...]"),
    OPTION_STRING(0, "text-field", "NAME", &settings.fields.text,
                  "the field that holds the text [the first of text, caption, ...]"),
    OPTION_LONG(0, "max-pixels", "N", &settings.max_pixels, 0, 1e15,
                "refuse images of more pixels [178956970; 0: no limit]"),
    OPTIONS_END,
};

static const struct option_spec options[] = {
    OPTION_FOLDER(0, "init", "FOLDER", &init,
                  "begin with random numbers: FOLDER has config.json and the tokenizer's files"),
    OPTION_LIST(0, "adopt", "FILE", &adopt,
                "with --init: take the weights of BERT, or of a vision transformer; repeatable"),
    OPTION_FOLDER('o', "output", "FOLDER", &settings.output,
                  "write the model to FOLDER, which must not be there"),
    OPTION_FOLDER(0, "resume", "FOLDER", &settings.resume,
                  "the same, but go on with what is there"),
    OPTION_LONG(0, "log-every", "N", &log_every, 1, 1000000000, "steps between reports [10]"),
    OPTION_LONG(0, "save-every", "N", &save_every, 0, 1000000000,
                "steps between writings of the folder [1000; 0: at the end alone]"),
    OPTION_LIST(0, "held-out", "FILE", &held_out,
                "judge by the pairs of FILE whenever the folder is written; repeatable"),
    OPTION_LONG(0, "seed", "N", &settings.seed, 0, 0, "seed of random choices [0]"),
    OPTION_LONG('j', "threads", "N", &settings.threads, 0, 1024,
                "threads [0: as many as the process may use]"),
    OPTION_FLAG(0, "progress", &settings.progress,
                "show progress even if standard error is no terminal"),
    OPTION_FLAG('q', "quiet", &settings.quiet, "say nothing of bad records"),
    OPTION_FLAG('v', "verbose", &settings.verbose, "say which model and hardware are used"),
    { .kind = OPTION_GROUP, .name = "What is learnt", .group = learning_options },
    { .kind = OPTION_GROUP, .name = "Steps", .group = step_options },
    { .kind = OPTION_GROUP, .name = "Changes to pictures", .group = augment_options },
    { .kind = OPTION_GROUP, .name = "Records in", .group = record_options },
    OPTIONS_MODEL,
    OPTIONS_END,
};

static void show_progress(const struct training_report *r)
{
    double left = (double)(r->steps - r->step) * r->seconds / (double)(r->step ? r->step : 1);
    bool terminal = isatty(2);

    fprintf(stderr, "%sstep %ld of %ld, epoch %.2f, loss %.4f, %.1f pairs/s, %ld:%02ld left%s",
            terminal ? "\r\033[K" : "", r->step, r->steps, r->epoch, r->loss, r->pairs_a_second,
            (long)left / 60, (long)left % 60, terminal && r->step < r->steps ? "" : "\n");
}

/* {"step":..,"epoch":..,"held_out_loss":..,"held_out_itc":..,"held_out_pairs":..} */
static void report_held_out(const struct training_report *r)
{
    printf("{\"step\":%ld,\"epoch\":%.4g,\"held_out_loss\":%.6g", r->step, r->epoch, r->loss);
    for (int i = 0; i < r->losses; i++)
        printf(",\"held_out_%s\":%.6g", r->name[i], r->each[i]);
    printf(",\"held_out_pairs\":%ld}\n", r->pairs);
    fflush(stdout);
}

/* {"step":..,"epoch":..,"loss":..,"itc":..,"lr":..,"seconds":..,"samples_per_second":..} */
static void report(const struct training_report *r)
{
    if (r->held_out) {
        report_held_out(r);
        return;
    }
    printf("{\"step\":%ld,\"epoch\":%.4g,\"loss\":%.6g", r->step, r->epoch, r->loss);
    for (int i = 0; i < r->losses; i++)
        printf(",\"%s\":%.6g", r->name[i], r->each[i]);
    printf(",\"temperature\":%.6g,\"grad_norm\":%.6g,\"lr\":%.6g,\"seconds\":%.3f"
           ",\"samples_per_second\":%.2f}\n",
           r->temperature, r->norm, r->rate, r->seconds, r->pairs_a_second);
    fflush(stdout);
    if (settings.progress || isatty(2))
        show_progress(r);
}

static void stop(int number)
{
    stopped_by = number;
}

/* The first signal saves; the second ends the process as usual. */
static void watch_signals(void)
{
    struct sigaction action = { .sa_handler = stop, .sa_flags = (int)SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void check_options(void)
{
    if (!settings.output == !settings.resume)
        options_mistake("where the model goes: --output or --resume, one of them");
    if (adopt.count && !init)
        options_mistake("--adopt goes with --init: another model has its weights");
    if (init && settings.model)
        options_mistake("--init begins anew, --model goes on: not both");
    if (queue && !(momentum > 0))
        options_mistake("--queue needs --momentum");
    if (momentum >= 1)
        options_mistake("--momentum=1: the momentum encoders would never move");
}

static struct training training_of(char *const *operands, int count,
                                   const struct vlm_options *of_model)
{
    return (struct training){
        .model = settings.model,
        .init = init,
        .folder = settings.output ? settings.output : settings.resume,
        .options = of_model,
        .operands = operands,
        .count = count,
        .root = settings.fields.root,
        .image_field = settings.fields.image,
        .text_field = settings.fields.text,
        .from = settings.from,
        .max_pixels = settings.max_pixels,
        .quiet = settings.quiet,
        .held_out = held_out.items,
        .held_out_count = held_out.count,
        .crop = crop,
        .flip = flip,
        .background = background,
        .operations = operations,
        .magnitude = magnitude,
        .objectives = objective,
        .adopt = adopt.items,
        .adopt_count = adopt.count,
        .freeze = freeze.items,
        .freeze_count = freeze.count,
        .momentum = momentum,
        .queue = queue,
        .alpha = alpha,
        .alpha_epochs = alpha_epochs,
        .easy = easy,
        .prompt = prompt,
        .smoothing = smoothing,
        .dropout = dropout,
        .drop_path = drop_path,
        .epochs = epochs,
        .steps = steps,
        .batch = batch,
        .accumulate = accumulate,
        .schedule = { .kind = (enum schedule_kind)schedule,
                      .rate = rate > 0 ? rate
                              : init   ? 3e-4
                                       : 1e-5,
                      .least = least_rate,
                      .warmup_rate = warmup_rate,
                      .decay = decay,
                      .warmup = warmup },
        .beta1 = beta1,
        .beta2 = beta2,
        .eps = epsilon,
        .weight_decay = weight_decay,
        .clip = clip,
        .decays = (enum weight_decay_group)decays,
        .precision = (enum precision)precision,
        .seed = (uint64_t)settings.seed,
        .log_every = log_every,
        .save_every = save_every,
        .resume = settings.resume,
        .stop = &stopped_by,
    };
}

static int status_of(enum training_end end)
{
    switch (end) {
    case TRAINING_DONE:
        return fflush(stdout) || ferror(stdout) ? 1 : 0;
    case TRAINING_STOPPED:
        warn("stopped; --resume=%s goes on", settings.output ? settings.output : settings.resume);
        return 128 + stopped_by;
    case TRAINING_NO_MODEL:
        warn("%s", error_text());
        return 3;
    case TRAINING_FAILED:
        warn("%s", error_text());
        break;
    }
    return !strcmp(error_code(), "unknown_format") ? 4 : 1;
}

int main(int argc, char **argv)
{
    const struct option_usage usage = { "vlm-train", "[FILE...]",
                                        "Teach a model with pairs of image and text.", options };
    struct vlm_options of_model;
    struct training t;
    int operands, status;

    options_parse(&usage, argc, argv, &operands);
    check_options();
    of_model = (struct vlm_options){ .tokenizer = settings.tokenizer,
                                     .compat = settings.compat,
                                     .clean_text = settings.clean_text,
                                     .image_size = (int)settings.image_size };
    t = training_of(argv + operands, argc - operands, &of_model);
    training_threads((int)settings.threads);
    if (settings.verbose)
        warn("%s", vlm_hardware());
    watch_signals();
    status = status_of(training_run(&t, report));
    free(held_out.items);
    free(freeze.items);
    free(adopt.items);
    return status;
}
