/* SPDX-License-Identifier: MIT
 * filter.c - a command from its options to its exit status
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "cli/loop.h"

enum { BATCH = 16 }; /* records; larger ones compute no faster */
enum { STATUS_OK, STATUS_FAILED, STATUS_USAGE, STATUS_MODEL, STATUS_FORMAT };

struct filter_run { /* one run of a command */
    struct filter *filter;
    struct input input;
    struct output output;
    struct report report;
    struct resume resume;
    struct reuse reuse;
    struct name_lock lock; /* of the parts of --per-shard */
};

static struct loop *running; /* for emit() */

void emit(struct record *r)
{
    loop_emit(running, r, false);
}

void emit_dropped(struct record *r, const char *reason)
{
    record_set_string(r, "reason", reason);
    loop_emit(running, r, true);
}

void emit_line(const char *line)
{
    output_line(running->output, line);
}

void emit_bytes(const void *bytes, size_t size)
{
    output_bytes(running->output, bytes, size);
}

long records_seen(void)
{
    return running->report->records;
}

/* The one place where a failure of the run, not of a record, is printed. */
static int complain(int status)
{
    if (log_form == LOG_JSON)
        log_json("error", error_text(), "");
    else
        warn("%s", error_text());
    return status;
}

/* Before the first record. */
static int give_up(int status)
{
    complain(status);
    status_write(NULL, status);
    return status;
}

/* A file opened later must not become standard output. */
static void guard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void options_write(const char *option, const char *path)
{
    static struct {
        const char *option, *path;
    } written[8];
    int i = 0;

    for (; path && i < COUNT(written) && written[i].option; i++) {
        if (!strcmp(written[i].option, option))
            return; /* looked at again */
        if (path_same(path, written[i].path))
            options_mistake("--%s and --%s name one file: %s", written[i].option, option, path);
    }
    if (path && i < COUNT(written)) {
        written[i].option = option;
        written[i].path = path;
    }
}

/* Which forms of output go with which options. */
static void check_form(const struct filter *f)
{
    const char *path = settings.resume ? settings.resume : settings.output;

    if (settings.binary && option_given("to") && settings.to != RECORD_CBOR)
        options_mistake("--binary is --to=cbor: it does not go with another --to");
    settings.to = settings.binary ? RECORD_CBOR : settings.to;
    settings.binary = settings.to == RECORD_CBOR;
    if (settings.per_shard && (settings.to != RECORD_TAR || !path || !shards_pattern(path)))
        options_mistake("--per-shard goes with --to=tar and an output such as out-%%05d.tar");
    if (settings.per_shard && (settings.reuse || settings.retry_errors))
        options_mistake("--per-shard does not go with --reuse or --retry-errors");
    if (settings.to == RECORD_TAR && !settings.per_shard && (settings.resume || settings.reuse))
        options_mistake("a tar is continued with --per-shard alone");
    if (settings.per_shard && f->no_input)
        options_mistake("--per-shard has no effect: no records are read");
}

/* Called before begin() and behind it: begin() may set f->whole by its own options. */
static void check_settings(const struct filter *f, struct shard *shard)
{
    if (shard_parse(shard, settings.input.shard))
        options_mistake("--shard=%s: %s", settings.input.shard, error_text());
    if (settings.input.null && settings.input.from != FORMAT_ANY &&
        settings.input.from != FORMAT_NAMES)
        options_mistake("--null has no effect: it is for lists of names");
    if (settings.resume && f->whole)
        options_mistake("--resume does not go with output that depends on the whole input");
    if (settings.reuse && f->whole)
        options_mistake("--reuse does not go with output that depends on the whole input");
    check_form(f);
    options_write("resume", settings.resume);
    options_write("output", settings.output);
    options_write("dropped", settings.dropped);
    options_write("status", status_path);
    if (settings.to != RECORD_JSON && !settings.output && !settings.resume && isatty(STDOUT_FILENO))
        options_mistake("the binary form is not for terminals: give --output or a pipe");
}

/* The output, and where in the input to begin. */
static int open_ends(struct filter_run *run)
{
    struct input *in = &run->input;
    const struct filter *f = run->filter;
    bool by_side;

    in->stamps = settings.reuse || settings.resume;
    if (settings.reuse) {
        in->reuse = &run->reuse;
        return reuse_open(&run->reuse, settings.reuse, false, f)
                   ? -1
                   : output_open(&run->output, settings.output, true, f->name);
    }
    if (settings.per_shard) {
        uint64_t dropped = 0;
        long first = 0;

        if (settings.resume && (name_lock(&run->lock, settings.resume) ||
                                (first = shards_pass(in, settings.resume, f, &dropped)) < 0))
            return -1;
        return output_open_shards(&run->output, f, first, dropped);
    }
    if (!settings.resume)
        return output_open(&run->output, settings.output, false, f->name);
    if (resume_open(&run->resume, f))
        return -1;
    if (!settings.retry_errors)
        return input_skip(in, &run->resume) ? -1
                                            : output_append(&run->output, &run->resume, f->name);
    by_side = run->resume.lines >= 0;
    if (by_side && reuse_open(&run->reuse, settings.resume, true, f))
        return -1;
    in->reuse = by_side ? &run->reuse : NULL;
    in->resume = by_side ? NULL : &run->resume;
    return output_open(&run->output, settings.resume, true, f->name);
}

/* All is set up; nothing has been written. */
static int run_loop(struct filter_run *run)
{
    struct filter *f = run->filter;
    struct input *in = &run->input;
    struct output *out = &run->output;
    struct report *report = &run->report;
    struct loop loop = {
        .filter = f, .input = in, .output = out, .report = report, .size = (int)settings.batch
    };
    int status = STATUS_OK;
    bool ended;

    output_start(out);
    input_start(in);
    running = &loop;
    if (loop_run(&loop))
        status = complain(STATUS_FAILED);
    ended = queue_ended(&in->queue);
    if (ended && in->status) {
        status = in->status;
        if (in->reason || settings.quiet || !reader_refused_all(in->reader))
            warn("%s", in->reason ? in->reason : reader_message(in->reader));
    }
    report_close(report, ended && !status);
    if (settings.verbose && in->reuse)
        warn("%zu of %ld results are those of the earlier run", in->reuse->used, report->records);
    if (report->stopped)
        status = STATUS_FAILED;
    if (!status && !atomic_load(&out->failed) && f->finish && f->finish())
        status = complain(STATUS_FAILED);
    if (output_close(out, !status))
        status = complain(STATUS_FAILED);
    if (status_write(report, status))
        warn("%s", error_text());
    if (!ended)
        exit(status); /* the reader may be waiting for its input for ever */
    return status;
}

/* Options, begin(), both ends, the loop.  Threads start before the model is opened, which uses
 * them; signals are taken over before that too, so that a slow start can be broken off. */
int filter_main(struct filter *f, int argc, char **argv)
{
    const struct option_usage usage = { f->name, f->args, f->about, f->options, f->uses };
    static struct filter_run run; /* the thread that awaits signals may outlive this function */
    char *nothing[] = { "/dev/null" }, **inputs;
    struct input *in = &run.input;
    int operands, status, count;

    options_parse(&usage, argc, argv, &operands);
    check_settings(f, &in->shard);
    guard_descriptors();
    memory_returns();
    signals_start();
    vlm_threads((int)settings.threads);
    if (settings.verbose)
        warn("%s", vlm_hardware());
    status = f->begin ? f->begin() : 0;
    if (status)
        return give_up(status < 0 ? STATUS_MODEL : status);
    check_settings(f, &in->shard);
    if (!settings.batch)
        settings.batch = f->most ? f->most : BATCH;
    if (settings.verbose)
        warn("at most %ld records at once", settings.batch);
    run.filter = f;
    run.resume.fd = -1;
    output_init(&run.output);
    report_open(&run.report);
    in->report = &run.report;
    inputs = f->no_input ? nothing : argv + operands;
    count = f->no_input ? 1 : argc - operands;
    if (f->no_input && operands < argc)
        options_mistake("%s: no records are read", argv[operands]);
    if (settings.input.pairs && (f->no_input || operands < argc))
        options_mistake(f->no_input ? "--pairs has no effect: no records are read"
                                    : "%s: with --pairs no operands are read",
                        argv[operands]);
    if (!count && !settings.input.pairs && isatty(STDIN_FILENO) && !settings.quiet)
        warn("reading records from the terminal");
    if (status_write(&run.report, -1))
        return complain(STATUS_FAILED);
    if (input_open(in, inputs, count) || open_ends(&run))
        return give_up(in->status ? in->status : STATUS_FAILED);
    signals_watch(&run.output, &run.report);
    status = run_loop(&run);
    input_close(in);
    resume_close(&run.resume);
    reuse_close(&run.reuse);
    name_unlock(&run.lock);
    if (f->end)
        f->end();
    pool_stop();
    return status;
}
