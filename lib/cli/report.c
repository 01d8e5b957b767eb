/* SPDX-License-Identifier: MIT
 * report.c - what becomes of bad records: a line on stderr, counts, and when they are too many
 *
 * Called in the records' order and by one thread, so the run ends at the same record whatever the
 * batch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/loop.h"

enum {
    PERCENT_EVERY = 1000, /* records between looks at --max-errors=P% */
    FEW = 3,              /* fewer failures have a line each, though they are alike */
    MOST_HELD = 1 << 20   /* bytes of lines that may not be needed */
};

void report_open(struct report *p)
{
    *p = (struct report){ .start = stage_begin() };
    atomic_store(&p->total, -1);
    p->shown = p->start;
    p->terminal = isatty(STDERR_FILENO) && log_form == LOG_TEXT;
    p->progress = settings.progress || (p->terminal && !settings.quiet && !isatty(STDOUT_FILENO));
}

bool record_has_error(const struct record *r)
{
    struct span value;

    return record_find(r, "error", &value) && value.size && value.data[0] == '{';
}

/* Members of a line of JSON: where the record came from, and the code of its error. */
static void log_failure(const struct record *r, const char *message)
{
    struct buffer b = { 0 };
    char *code = record_error_code(r);

    buffer_string(&b, ",\"code\":");
    json_escape(&b, code, strlen(code));
    if (r->source) {
        buffer_string(&b, ",\"source\":");
        json_escape(&b, r->source, strlen(r->source));
        buffer_printf(&b, ",\"record\":%ld", r->line);
    }
    log_json("error", message, b.data);
    buffer_free(&b);
    free(code);
}

/* Over a line of progress, if there is one. */
static void print_line(const struct report *p, const char *line)
{
    fprintf(stderr, "%s%s: %s\n", p->progress && p->terminal ? "\r\033[K" : "", program_name, line);
}

static char *member_text(const struct record *r, const char *name)
{
    struct span error, value;

    if (record_find(r, "error", &error) && json_find(error.data, error.size, name, &value))
        return json_text(value);
    return NULL;
}

/* Control characters of a file's name reach no terminal. */
static char *failure_line(const struct record *r)
{
    char *text = member_text(r, "message"), *line;

    if (r->line && r->source && log_form == LOG_TEXT)
        line = xprintf("%s:%ld: %s", r->source, r->line, text ? text : "failed");
    else
        line = xprintf("%s", text ? text : "failed");
    make_printable(line, "");
    free(text);
    return line;
}

/* They were not all alike: each is reported after all. */
static void print_held(struct report *p)
{
    for (size_t at = 0; at < p->held.size; at += strlen(p->held.data + at) + 1)
        print_line(p, p->held.data + at);
    buffer_free(&p->held);
    if (p->untold)
        warn("%ld more like these", p->untold);
    p->untold = 0;
    free(p->alike);
    p->alike = NULL;
}

/* As long as all failures are alike, the first has a line, and report_close prints how many there
 * were.  On a terminal, and with --line-buffered, each has its line at once. */
static void report_failure(struct report *p, const struct record *r)
{
    bool holds = !settings.line_buffered && !isatty(STDOUT_FILENO);
    char *line = failure_line(r), *code = member_text(r, "code");

    if (log_form == LOG_JSON) { /* for programs: each */
        log_failure(r, line);
    } else if (p->records == 1 && holds && code) {
        p->alike = xstrdup(code);
        print_line(p, line);
    } else if (p->alike && code && !strcmp(code, p->alike)) {
        if (p->held.size < MOST_HELD)
            buffer_add(&p->held, line, strlen(line) + 1);
        else
            p->untold++;
    } else {
        if (p->alike)
            print_held(p);
        print_line(p, line);
    }
    free(line);
    free(code);
}

/* A percentage counts what has come so far; it is looked at now and then, so that one bad record at
 * the beginning ends nothing. */
static bool too_many(const struct report *p)
{
    return (settings.errors.most >= 0 && p->errors > settings.errors.most) ||
           (settings.errors.most_percent >= 0 &&
            (double)p->errors * 100 > settings.errors.most_percent * (double)p->records);
}

static void note_code(const struct record *r)
{
    char *code = status_path ? record_error_code(r) : NULL;

    if (code)
        status_error(code);
    free(code);
}

static void count_failure(struct report *p, const struct record *r)
{
    p->errors++;
    note_code(r);
    if (!settings.quiet)
        report_failure(p, r);
    if (settings.errors.action == ON_ERROR_FAIL)
        p->stopped = true;
}

void report_emitted(struct report *p, const struct record *r)
{
    count_failure(p, r);
    if (settings.errors.most >= 0 && too_many(p))
        p->stopped = true;
}

/* Errors that came with the input are not counted again. */
void report_record(struct report *p, const struct record *r, bool failed)
{
    p->records++;
    if (failed) {
        count_failure(p, r);
    } else if (p->alike) {
        print_held(p);
    }
    if ((settings.errors.most >= 0 || p->records % PERCENT_EVERY == 0) && too_many(p))
        p->stopped = true;
}

/* A record that an earlier run has written; its failure counts, and was reported then. */
void report_known(struct report *p, bool failed)
{
    p->records++;
    p->errors += failed;
    p->known += failed;
    if (failed)
        status_error("earlier_run"); /* which says no code */
    if (too_many(p))
        p->stopped = true;
}

static void add_time(struct buffer *b, double seconds)
{
    long s = (long)seconds;

    if (s >= 3600)
        buffer_printf(b, ", %ld:%02ld:%02ld left", s / 3600, s / 60 % 60, s % 60);
    else
        buffer_printf(b, ", %ld:%02ld left", s / 60, s % 60);
}

/* The time that is left follows from bytes, for nobody knows how many records there are. */
/* One call for the line: it may come from the thread that awaits signals. */
static void print_progress(const struct report *p, bool last, bool line)
{
    double seconds = stage_begin() - p->start, rate, left = -1;
    long records = p->records, errors = p->errors;
    long long bytes = p->bytes, now_done = bytes - p->first_bytes, total = p->total;
    struct buffer b = { 0 }, members = { 0 };

    rate = seconds > 0 ? (double)(records - p->first) / seconds : 0.0;
    if (!last && total > 0 && now_done > 0 && bytes <= total)
        left = seconds * (double)(total - bytes) / (double)now_done;
    buffer_printf(&b, "%ld records, %.1f/s, %ld errors", records, rate, errors);
    if (left >= 0) {
        buffer_printf(&b, ", %.0f%%", 100 * (double)bytes / (double)total);
        add_time(&b, left);
    }
    if (log_form == LOG_JSON) {
        buffer_printf(&members, ",\"records\":%ld,\"per_second\":%.1f,\"errors\":%ld", records,
                      rate, errors);
        if (left >= 0)
            buffer_printf(&members, ",\"done\":%.4f,\"seconds_left\":%.0f",
                          (double)bytes / (double)total, left);
        log_json("info", b.data, members.data);
    } else {
        fprintf(stderr, "%s%s: %s%s", p->terminal ? "\r\033[K" : "", program_name, b.data,
                line ? "\n" : "");
        fflush(stderr);
    }
    buffer_free(&b);
    buffer_free(&members);
}

void report_now(const struct report *p)
{
    print_progress(p, false, true);
}

void report_progress(struct report *p)
{
    double time = stage_begin();

    status_update(p);
    if (!p->progress || time - p->shown < (p->terminal ? 0.5 : 10.0))
        return;
    p->shown = time;
    print_progress(p, false, !p->terminal);
}

static void report_count(struct report *p)
{
    const char *many = p->stopped && settings.errors.action != ON_ERROR_FAIL ? ": too many" : "";

    if (p->alike && p->errors < FEW)
        print_held(p);
    if (p->errors == p->known || settings.quiet)
        return;
    if (p->alike)
        warn("%ld of %ld records failed alike, with %s%s", p->errors, p->records, p->alike, many);
    else if (p->records > 1 || *many)
        warn("%ld of %ld records failed%s", p->errors, p->records, many);
    free(p->alike);
    buffer_free(&p->held);
    p->alike = NULL;
}

void report_close(struct report *p, bool finished)
{
    if (p->progress)
        print_progress(p, true, true);
    if (finished && too_many(p))
        p->stopped = true;
    if (p->diverted && !settings.quiet)
        warn("%ld records with an error %s%s%s", p->diverted,
             settings.dropped ? "went to " : "were left out",
             settings.dropped ? settings.dropped : "",
             settings.dropped ? ""
                              : ": --dropped=FILE keeps them, --errors=pass lets them through");
    report_count(p);
}
