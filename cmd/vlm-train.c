/* SPDX-License-Identifier: MIT
 * vlm-train.c - teach a model with pairs of image and text
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "train/options.h"

static struct training training;
static volatile int stopped_by, learns;

enum { MOST_OPTIONS = 64 };

/* What lib/train/options.c has for a group, as options, behind those that are here alone. */
struct group {
    struct option_spec rows[MOST_OPTIONS];
    int count;
};
static struct group groups[GROUP_RECORDS + 1];
static struct option_list lists[MOST_OPTIONS]; /* by row; OPTION_KIND_LIST's own type */

static const struct option_spec own[] = {
    OPTION_FOLDER('o', "output", "FOLDER", &settings.output,
                  "write the model to FOLDER, which must not be there"),
    OPTION_FOLDER(0, "resume", "FOLDER", &settings.resume,
                  "write the model to FOLDER, and go on with the training that is there"),
    OPTION_LONG(0, "seed", "N", &settings.seed, 0, 0, "seed random choices with N",
                .standard = "0"),
    OPTION_LONG('j', "threads", "N", &settings.threads, 0, 1024, "use N threads",
                .standard = "0, as many as the process may use"),
    OPTION_LONG(0, "memory", "MIB", &settings.memory, 1, 1 << 20,
                "decode images within MIB mebibytes, over all threads", .standard = "1024"),
    OPTION_FLAG(0, "progress", &settings.progress,
                "show progress even if standard error is no terminal"),
    OPTION_FLAG('q', "quiet", &settings.quiet, "do not report bad records"),
    OPTION_FLAG('v', "verbose", &settings.verbose, "report the model and the hardware"),
    OPTIONS_END,
};

static int set_randaugment(const char *text)
{
    return training_numbers(text, training.pictures.randaugment);
}

static const enum option_kind kinds[] = {
    [TRAINING_FLAG] = OPTION_KIND_FLAG,     [TRAINING_STRING] = OPTION_KIND_STRING,
    [TRAINING_FOLDER] = OPTION_KIND_FOLDER, [TRAINING_LIST] = OPTION_KIND_LIST,
    [TRAINING_LONG] = OPTION_KIND_LONG,     [TRAINING_FLOAT] = OPTION_KIND_FLOAT,
    [TRAINING_CHOICE] = OPTION_KIND_CHOICE, [TRAINING_NUMBERS] = OPTION_KIND_CALL,
};

static void add_option(struct group *g, struct option_spec o)
{
    g->rows[g->count++] = o;
}

static void make_options(void)
{
    struct group *top = &groups[GROUP_RUN];
    const struct training_option *o;

    for (int i = 0; i < COUNT(own) - 1; i++)
        add_option(top, own[i]);
    for (int i = 0; (o = training_option(i)); i++)
        if (o->kind != TRAINING_FACT)
            add_option(&groups[o->group],
                       (struct option_spec){ .kind = kinds[o->kind],
                                             .name = o->name,
                                             .argument = o->argument,
                                             .value = o->kind == TRAINING_LIST
                                                          ? (void *)&lists[i]
                                                          : training_value(&training, o),
                                             .help = o->help,
                                             .standard = o->standard,
                                             .choices = o->choices,
                                             .least = o->least,
                                             .most = o->most,
                                             .call = set_randaugment });
    for (int i = GROUP_LEARN; i < COUNT(groups); i++)
        add_option(top, (struct option_spec){ .kind = OPTION_GROUP,
                                              .name = training_groups[i],
                                              .group = groups[i].rows });
    add_option(top, (struct option_spec)OPTIONS_MODEL);
    for (int i = 0; i < COUNT(groups); i++)
        add_option(&groups[i], (struct option_spec)OPTIONS_END);
}

/* Lists go where the table says. */
static void take_lists(void)
{
    const struct training_option *o;

    for (int i = 0; (o = training_option(i)); i++)
        if (o->kind == TRAINING_LIST && lists[i].count) {
            struct training_list *to = training_value(&training, o);

            *to = (struct training_list){ lists[i].items, lists[i].count };
        }
}

/* The last step's report, for SIGUSR1. */
static struct training_report latest;

static void show_progress(const struct training_report *r, bool line)
{
    double left = (double)(r->steps - r->step) * r->seconds / (double)(r->step ? r->step : 1);

    fprintf(stderr, "%sstep %ld of %ld, epoch %.2f, loss %.4f, %.1f pairs/s, %ld:%02ld left%s",
            isatty(2) ? "\r\033[K" : "", r->step, r->steps, r->epoch, r->loss, r->pairs_a_second,
            (long)left / 60, (long)left % 60, line ? "\n" : "");
}

static void show_latest(void)
{
    if (latest.step)
        show_progress(&latest, true);
    else
        warn("no step yet");
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
    progress_lock();
    latest = *r;
    progress_unlock();
    if (settings.progress || isatty(2))
        show_progress(r, !isatty(2) || r->step == r->steps);
}

static void stop(int number)
{
    stopped_by = number;
}

/* Before the first step there is nothing to save, and a signal ends the process as usual.  Later
 * the first one saves, and the second ends. */
static void take(int number, const sigset_t *awaited)
{
    static bool asked;

    if (learns && !asked) {
        asked = true;
        stop(number);
        return;
    }
    temporary_remove_all();
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, awaited, NULL);
    raise(number);
}

/* Before there are other threads.  What is ignored, as by nohup, stays so.  A reader that left
 * saves too, and once is enough: the reports that follow raise it again. */
static void watch_signals(void)
{
    static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
    struct sigaction before;

    if (!sigaction(SIGPIPE, NULL, &before) && before.sa_handler != SIG_IGN)
        sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = stop }, NULL);
    signals_await(numbers, COUNT(numbers), take);
}

static void check_options(void)
{
    if (!settings.output == !settings.resume)
        options_mistake("where the model goes: --output or --resume, one of them");
    if (training.init && settings.model)
        options_mistake("--init begins anew, --model goes on: not both");
    if (training.learn.momentum >= 1)
        options_mistake("--momentum=1: the momentum encoders would never move");
    if (training.data.words && !settings.opened.clean_text)
        options_mistake("--max-words needs --clean-text");
    if (training_check(&training))
        options_mistake("%s", error_text());
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
    const struct option_usage usage = { .name = "vlm-train",
                                        .args = "[FILE...]",
                                        .about = "Teach a model with pairs of image and text.",
                                        .options = groups[GROUP_RUN].rows };
    struct vlm_options of_model;
    int operands, status;

    training_defaults(&training);
    make_options();
    options_parse(&usage, argc, argv, &operands);
    take_lists();
    check_options();
    signals_progress(show_latest);
    of_model = model_settings();
    training.options = &of_model;
    training.model = settings.model;
    training.folder = settings.output ? settings.output : settings.resume;
    training.data.operands = argv + operands;
    training.data.count = argc - operands;
    training.data.quiet = settings.quiet;
    training.data.memory = (size_t)settings.memory << 20;
    training.seed = (uint64_t)settings.seed;
    training.resume = settings.resume;
    training.stop = &stopped_by;
    training.learns = &learns;
    watch_signals();
    training_threads((int)settings.threads);
    if (settings.verbose)
        warn("%s", vlm_hardware());
    status = status_of(training_run(&training, report));
    for (int i = 0; i < COUNT(lists); i++)
        free(lists[i].items);
    return status;
}
