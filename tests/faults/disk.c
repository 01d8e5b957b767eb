/* SPDX-License-Identifier: MIT
 * disk.c - reads and writes that are short, interrupted or fail; a full disk, a failing fsync or
 * rename, no more files to open, a clock that jumps: for every command
 *
 * With an argument, that job alone.  FAULTS=all takes every call; usually some of each kind are
 * drawn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "tests/faults/run.h"

static const struct {
    const char *name;
    int calls, usual;
} kinds[] = {
    { "FAULT_READ", CALLS_READ, 2 },     { "FAULT_WRITE", CALLS_WRITE, 2 },
    { "FAULT_FULL", CALLS_WRITE, 2 },    { "FAULT_FSYNC", CALLS_FSYNC, 1 },
    { "FAULT_RENAME", CALLS_RENAME, 1 }, { "FAULT_OPEN", CALLS_OPEN, 2 },
};
/* These change nothing. */
static const char *const harmless[] = { "FAULT_SHORT=1", "FAULT_EINTR=3", "FAULT_CLOCK=1" };

static int try(const struct job *j, const char *setting, const struct outcome *whole, bool same)
{
    struct outcome o = job_run(j, setting, false);
    const char *why = outcome_fault(j, &o, whole);

    if (!why && same && (o.status || strcmp(o.files, whole->files)))
        why = "does not take it";
    if (why) {
        note("%s %s", j->name, why);
        outcome_note(&o, setting);
    }
    outcome_free(&o);
    return why != NULL;
}

static void test(const struct job *j)
{
    struct outcome whole = job_run(j, "FAULT_MEMORY=0", false);
    long counts[CALLS], tried = 0;
    int bad = 0;

    job_counts(counts);
    for (int i = 0; i < COUNT(harmless); i++, tried++)
        bad += try(j, harmless[i], &whole, true);
    for (int i = 0; i < COUNT(kinds); i++) {
        long total = counts[kinds[i].calls], *places = xalloc((size_t)total + 1, sizeof *places);
        long count = faults_places(total, kinds[i].usual, places);

        for (long k = 0; k < count; k++, tried++) {
            char *setting = xprintf("%s=%ld", kinds[i].name, places[k]);

            bad += try(j, setting, &whole, false);
            free(setting);
        }
        free(places);
    }
    ok(!whole.status && !bad, "%s: %ld faults, %d taken wrongly", j->name, tried, bad);
    outcome_free(&whole);
}

int main(int argc, char **argv)
{
    if (!faults_begin(true))
        return 0;
    for (int i = 0; i < job_count; i++)
        if (argc < 2 || !strcmp(argv[1], jobs[i].name))
            test(&jobs[i]);
    return faults_end();
}
