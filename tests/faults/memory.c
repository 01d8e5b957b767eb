/* SPDX-License-Identifier: MIT
 * memory.c - each allocation of each command fails in turn, as SQLite's tests have it
 *
 * With an argument, that job alone.  FAULTS=all takes every allocation; usually some of each
 * command are drawn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/thread.h"
#include "tests/faults/run.h"

enum { USUAL = 6 };

static void test(const struct job *j)
{
    struct outcome whole = job_run(j, "FAULT_MEMORY=0", false);
    long counts[CALLS], *places, count;
    int bad = 0;

    job_counts(counts);
    places = xalloc((size_t)counts[CALLS_MEMORY] + 1, sizeof *places);
    count = faults_places(counts[CALLS_MEMORY], USUAL, places);
    for (long i = 0; i < count; i++) {
        char *setting = xprintf("FAULT_MEMORY=%ld", places[i]);
        struct outcome o = job_run(j, setting, false);
        const char *why = outcome_fault(j, &o, &whole);

        if (why && bad++ < 5) {
            note("%s %s", j->name, why);
            outcome_note(&o, setting);
        }
        outcome_free(&o);
        free(setting);
    }
    ok(!whole.status && count > 0 && !bad, "%s: %ld of %ld allocations fail, %d of them wrongly",
       j->name, count, counts[CALLS_MEMORY], bad);
    free(places);
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
