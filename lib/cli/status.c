/* SPDX-License-Identifier: MIT
 * status.c - --status FILE: how a run goes, for a monitor that reads files
 *
 *     # TYPE vlm_records counter
 *     vlm_records_total{command="vlm-itm"} 4000
 *     ...
 *     # EOF
 *
 * OpenMetrics text, which Prometheus' node_exporter reads from a folder of *.prom files.  The file
 * is replaced as a whole, so a reader never sees half of one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/counts.h"
#include "base/error.h"
#include "cli/loop.h"

enum { EVERY = 5 /* seconds */ };

static const char *const stages[STAGES] = {
    [STAGE_READ] = "read",
    [STAGE_PREPARE] = "prepare",
    [STAGE_COMPUTE] = "compute",
    [STAGE_WRITE] = "write",
};
const char *status_path;

static _Atomic uint64_t spent[STAGES]; /* nanoseconds; of threads side by side, their sum */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct counts codes;
static double started;         /* by the system's clock */
static _Atomic double written; /* by the steady one */
static bool failed;            /* a failure is reported once */

double stage_begin(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void stage_end(enum stage stage, double begun)
{
    double seconds = stage_begin() - begun;

    if (seconds > 0)
        atomic_fetch_add(&spent[stage], (uint64_t)(seconds * 1e9));
}

void status_error(const char *code)
{
    pthread_mutex_lock(&lock);
    counts_add(&codes, code);
    pthread_mutex_unlock(&lock);
}

static double wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void family(struct buffer *b, const char *name, const char *type, const char *help)
{
    buffer_printf(b, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void gauge(struct buffer *b, const char *name, const char *help, double value)
{
    family(b, name, "gauge", help);
    buffer_printf(b, "%s{command=\"%s\"} %.15g\n", name, program_name, value);
}

static void counter(struct buffer *b, const char *name, const char *help, double value)
{
    family(b, name, "counter", help);
    buffer_printf(b, "%s_total{command=\"%s\"} %.15g\n", name, program_name, value);
}

/* Codes are words of ours, but a record that came in may bring any. */
static void add_codes(struct buffer *b)
{
    family(b, "vlm_errors", "counter", "Records that failed, by the code of their error.");
    for (int i = 0; i < codes.used; i++) {
        buffer_printf(b, "vlm_errors_total{command=\"%s\",code=\"", program_name);
        for (const char *c = codes.words[i]; *c; c++) {
            if (*c == '"' || *c == '\\')
                buffer_byte(b, '\\');
            buffer_byte(b, *c == '\n' ? ' ' : *c);
        }
        buffer_printf(b, "\"} %ld\n", codes.times[i]);
    }
}

static void add_stages(struct buffer *b)
{
    family(b, "vlm_stage_seconds", "counter",
           "Time in each stage; of threads that work side by side, the sum.");
    for (int i = 0; i < STAGES; i++)
        buffer_printf(b, "vlm_stage_seconds_total{command=\"%s\",stage=\"%s\"} %.6f\n",
                      program_name, stages[i], (double)atomic_load(&spent[i]) * 1e-9);
}

static void add_all(struct buffer *b, struct report *p, int exit_status)
{
    long records = p ? atomic_load(&p->records) : 0;
    double seconds = p ? stage_begin() - p->start : 0;
    long long total = p ? atomic_load(&p->total) : -1;

    /* no "info", for node_exporter's parser of the older format does not know that type */
    family(b, "vlm_build_info", "gauge", "The program, and the hash of its model.");
    buffer_printf(b, "vlm_build_info{command=\"%s\",version=\"%s\",model=\"", program_name,
                  VERSION);
    if (model_hash())
        buffer_printf(b, "%016" PRIx64, model_hash());
    buffer_string(b, "\"} 1\n");
    counter(b, "vlm_records", "Records done.", (double)records);
    counter(b, "vlm_failed_records", "Records that failed.",
            (double)(p ? atomic_load(&p->errors) : 0));
    add_codes(b);
    gauge(b, "vlm_records_per_second", "Records a second, over the whole run.",
          seconds > 0 ? (double)(records - p->first) / seconds : 0);
    add_stages(b);
    counter(b, "vlm_input_bytes", "Bytes of the input that are done.",
            p ? (double)atomic_load(&p->bytes) : 0);
    if (total >= 0)
        gauge(b, "vlm_input_size_bytes", "Bytes of the whole input.", (double)total);
    gauge(b, "vlm_start_time_seconds", "When the run began, in Unix time.", started);
    gauge(b, "vlm_running", "1 until the run ends.", exit_status < 0);
    if (exit_status >= 0) {
        gauge(b, "vlm_end_time_seconds", "When the run ended, in Unix time.", wall_clock());
        gauge(b, "vlm_exit_status", "The exit status; 128+n: ended by signal n.", exit_status);
    }
    buffer_string(b, "# EOF\n");
}

int status_write(struct report *p, int exit_status)
{
    struct buffer b = { 0 };
    int result;

    if (!status_path)
        return 0;
    pthread_mutex_lock(&lock);
    if (!started)
        started = wall_clock();
    add_all(&b, p, exit_status);
    result = file_write_atomic(status_path, b.data, b.size);
    written = stage_begin();
    pthread_mutex_unlock(&lock);
    buffer_free(&b);
    return result;
}

/* A run does not end because its monitor's disk is full. */
void status_update(struct report *p)
{
    if (status_path && stage_begin() - written >= EVERY && status_write(p, -1) && !failed) {
        failed = true;
        warn("%s", error_text());
    }
}
