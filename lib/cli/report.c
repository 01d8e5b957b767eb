/* SPDX-License-Identifier: MIT
 * report.c - what becomes of bad records: a line on stderr, counts, and when they are too many
 *
 * Called in the records' order and by one thread, so the run ends at the same record whatever the
 * batch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/loop.h"

enum { PERCENT_EVERY = 1000 }; /* records between looks at --max-errors=P% */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void report_open(struct report *p)
{
    *p = (struct report){ .start = now() };
    atomic_store(&p->total, -1);
    p->shown = p->start;
    p->terminal = isatty(STDERR_FILENO);
    p->progress = settings.progress || (p->terminal && !settings.quiet && !isatty(STDOUT_FILENO));
}

bool record_has_error(const struct record *r)
{
    struct span value;

    return record_find(r, "error", &value) && value.size && value.data[0] == '{';
}

/* Over a line of progress, if there is one. Control characters of a file's name reach no terminal.
 */
static void print_failure(const struct report *p, const struct record *r)
{
    struct span error, message;
    char *text = NULL, *line;

    if (record_find(r, "error", &error) && json_find(error.data, error.size, "message", &message))
        text = json_text(message);
    if (r->line && r->source)
        line = xprintf("%s:%ld: %s", r->source, r->line, text ? text : "failed");
    else
        line = xprintf("%s", text ? text : "failed");
    make_printable(line, "");
    fprintf(stderr, "%s%s: %s\n", p->progress && p->terminal ? "\r\033[K" : "", program_name, line);
    free(line);
    free(text);
}

/* A percentage counts what has come so far; it is looked at now and then, so that one bad record at
 * the beginning ends nothing. */
static bool too_many(const struct report *p)
{
    return (settings.errors.most >= 0 && p->errors > settings.errors.most) ||
           (settings.errors.most_percent >= 0 &&
            (double)p->errors * 100 > settings.errors.most_percent * (double)p->records);
}

/* Errors that came with the input are not counted again. */
void report_record(struct report *p, const struct record *r, bool failed)
{
    p->records++;
    if (failed) {
        p->errors++;
        if (!settings.quiet)
            print_failure(p, r);
        if (settings.errors.action == ON_ERROR_FAIL)
            p->stopped = true;
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
    if (too_many(p))
        p->stopped = true;
}

static void print_time(double seconds)
{
    long s = (long)seconds;

    if (s >= 3600)
        fprintf(stderr, ", %ld:%02ld:%02ld left", s / 3600, s / 60 % 60, s % 60);
    else
        fprintf(stderr, ", %ld:%02ld left", s / 60, s % 60);
}

/* The time that is left follows from bytes, for nobody knows how many records there are. */
static void print_progress(const struct report *p, bool last)
{
    double seconds = now() - p->start;
    long done = p->records - p->first;
    long long bytes = p->bytes, now_done = p->bytes - p->first_bytes;
    long long total = atomic_load(&p->total);

    fprintf(stderr, "%s%s: %ld records, %.1f/s, %ld errors", p->terminal ? "\r\033[K" : "",
            program_name, p->records, seconds > 0 ? (double)done / seconds : 0.0, p->errors);
    if (!last && total > 0 && now_done > 0 && bytes <= total) {
        fprintf(stderr, ", %.0f%%", 100 * (double)bytes / (double)total);
        print_time(seconds * (double)(total - bytes) / (double)now_done);
    }
    if (last || !p->terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

void report_progress(struct report *p)
{
    double time = now();

    if (!p->progress || time - p->shown < (p->terminal ? 0.5 : 10.0))
        return;
    p->shown = time;
    print_progress(p, false);
}

void report_close(struct report *p, bool finished)
{
    if (p->progress)
        print_progress(p, true);
    if (finished && too_many(p))
        p->stopped = true;
    if (p->diverted && !settings.quiet)
        warn("%ld records with an error %s%s%s", p->diverted,
             settings.dropped ? "went to " : "were left out",
             settings.dropped ? settings.dropped : "",
             settings.dropped ? ""
                              : ": --dropped=FILE keeps them, --errors=pass lets them through");
    if (p->errors > p->known && !settings.quiet)
        warn("%ld of %ld records failed%s", p->errors, p->records,
             p->stopped && settings.errors.action != ON_ERROR_FAIL ? ": too many" : "");
}
