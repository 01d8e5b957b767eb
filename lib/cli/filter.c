/* SPDX-License-Identifier: MIT
 * filter.c - a command from its options to its exit status
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/thread.h"
#include "cli/loop.h"

enum { BATCH = 16 }; /* records; larger ones compute no faster */
enum { STATUS_OK, STATUS_FAILED, STATUS_USAGE, STATUS_MODEL, STATUS_FORMAT };

static struct loop *running; /* for emit() */

void emit(struct record *r)
{
    loop_emit(running, r);
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

static int complain(int status)
{
    warn("%s", error_text());
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

static void check_settings(const struct filter *f, struct shard *shard)
{
    if (shard_parse(shard, settings.shard))
        options_mistake("--shard=%s: %s", settings.shard, error_text());
    if (settings.resume && settings.output)
        options_mistake("--resume writes to its own file: it does not go with --output");
    if (settings.resume && f->whole)
        options_mistake("--resume does not go with output that depends on the whole input");
    if (settings.binary && !settings.output && !settings.resume && isatty(STDOUT_FILENO))
        options_mistake("the binary form is not for terminals: give --output or a pipe");
}

/* The output, and where in the input to begin. */
static int open_ends(struct input *in, struct output *out, struct resume *resume,
                     const struct filter *f)
{
    if (!settings.resume)
        return output_open(out, settings.output);
    if (resume_open(resume, f))
        return -1;
    if (settings.retry_errors) {
        in->resume = resume;
        return output_open(out, settings.resume);
    }
    return input_skip(in, resume) ? -1 : output_append(out, settings.resume, resume->at);
}

/* All is set up; nothing has been written. */
static int run(struct filter *f, struct input *in, struct output *out, struct report *report)
{
    struct loop loop = {
        .filter = f, .input = in, .output = out, .report = report, .size = (int)settings.batch
    };
    int status = STATUS_OK;
    bool ended;

    signals_watch(out, report);
    output_start(out);
    input_start(in);
    running = &loop;
    if (loop_run(&loop))
        status = complain(STATUS_FAILED);
    ended = queue_ended(&in->queue);
    if (ended && in->status) {
        status = in->status;
        warn("%s", in->reason ? in->reason : reader_message(in->reader));
    }
    report_close(report, ended && !status);
    if (report->stopped)
        status = STATUS_FAILED;
    if (!status && !atomic_load(&out->failed) && f->finish && f->finish())
        status = complain(STATUS_FAILED);
    if (output_close(out, !status))
        status = complain(STATUS_FAILED);
    if (status)
        cleanup_files();
    if (!ended)
        exit(status); /* the reader may be waiting for its input for ever */
    return status;
}

int filter_main(struct filter *f, int argc, char **argv)
{
    const struct option_usage usage = { f->name, f->args, f->about, f->options };
    struct input in = { 0 };
    struct output out = { .fd = -1 };
    struct report report;
    struct resume resume = { 0 };
    char *nothing[] = { "/dev/null" }, **inputs;
    int operands, status, count;

    options_parse(&usage, argc, argv, &operands);
    check_settings(f, &in.shard);
    guard_descriptors();
    signals_block();
    vlm_threads((int)settings.threads);
    if (settings.verbose)
        warn("%s", vlm_hardware());
    status = f->begin ? f->begin() : 0;
    if (status)
        return complain(status < 0 ? STATUS_MODEL : status);
    check_settings(f, &in.shard);
    if (!settings.batch)
        settings.batch = f->most ? f->most : BATCH;
    report_open(&report);
    in.report = &report;
    inputs = f->no_input ? nothing : argv + operands;
    count = f->no_input ? 1 : argc - operands;
    if (f->no_input && operands < argc)
        options_mistake("%s: no records are read", argv[operands]);
    if (!count && isatty(STDIN_FILENO) && !settings.quiet)
        warn("reading records from the terminal");
    if (input_open(&in, inputs, count) || open_ends(&in, &out, &resume, f)) {
        cleanup_files();
        return complain(in.status ? in.status : STATUS_FAILED);
    }
    status = run(f, &in, &out, &report);
    signals_unwatch();
    input_close(&in);
    resume_close(&resume);
    if (f->end)
        f->end();
    pool_stop();
    return status;
}
