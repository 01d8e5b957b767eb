/* SPDX-License-Identifier: MIT
 * kill.c - killed at random moments and gone on with, every command ends with the bytes of a run
 * that was left alone; so do two that go on with one output at the same time
 *
 * With an argument, that job alone.  FAULTS=N: N kills a command.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include "base/random.h"
#include "base/thread.h"
#include "tests/faults/run.h"

enum { USUAL = 2 };

static long microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static long wanted(void)
{
    const char *text = getenv("FAULTS");

    return text && atol(text) > 0 ? atol(text) : text ? 200 : USUAL;
}

/* After kills, one more run to the end must leave what `whole` left, and nothing beside it. */
static bool ends_well(const struct job *j, const struct outcome *whole)
{
    struct outcome o = job_run(j, NULL, true);
    bool good = !o.status && !strcmp(o.files, whole->files);

    if (!good)
        outcome_note(&o, "after the kill");
    outcome_free(&o);
    return good;
}

static void test_kills(const struct job *j)
{
    long begin = microseconds(), length, kills = 0, bad = 0;
    struct outcome whole = job_run(j, NULL, false);

    length = microseconds() - begin;
    for (long n = wanted(); kills < n;) {
        bool again = false;

        do {
            kills++;
            if (!job_kill(j, (long)random_below(&faults_dice, (uint64_t)length), again))
                break;
            again = j->resumes;
        } while (kills < n && random_below(&faults_dice, 2));
        bad += !ends_well(j, &whole);
    }
    ok(!whole.status && !bad, "%s: %ld kills, %ld runs differ", j->name, kills, bad);
    if (j->resumes) {
        int status[2];

        job_twice(j, status);
        bad = (status[0] && status[1]) || !ends_well(j, &whole);
        ok(!bad, "%s: two at once, statuses %d and %d", j->name, WEXITSTATUS(status[0]),
           WEXITSTATUS(status[1]));
    }
    outcome_free(&whole);
}

/* A run ends at every step of how files get their names, on a file system that can make files
 * without names and exchange names, and on one that cannot. */
static void test_renames(const struct job *j)
{
    long counts[CALLS], *places, count, bad = 0, kills = 0;

    for (int plain = 0; plain < 2; plain++) {
        if (plain)
            setenv("FAULT_PLAIN", "1", 1);
        struct outcome whole = job_run(j, "FAULT_MEMORY=0", false), o;

        job_counts(counts);
        places = xalloc((size_t)counts[CALLS_RENAME] + 1, sizeof *places);
        count = faults_places(counts[CALLS_RENAME], wanted(), places);
        for (long i = 0; i < count; i++) {
            char *setting = xprintf("FAULT_KILL=%ld", places[i]);

            o = job_run(j, setting, false);
            if (!WIFSIGNALED(o.status) || !ends_well(j, &whole)) {
                note("%s%s", setting, plain ? ", FAULT_PLAIN" : "");
                bad++;
            }
            kills++;
            outcome_free(&o);
            free(setting);
        }
        free(places);
        outcome_free(&whole);
    }
    unsetenv("FAULT_PLAIN");
    ok(kills && !bad, "%s: %ld kills before a rename, %ld runs differ", j->name, kills, bad);
}

int main(int argc, char **argv)
{
    if (!faults_begin(false))
        return 0;
    for (int i = 0; i < job_count; i++)
        if (argc < 2 || !strcmp(argv[1], jobs[i].name)) {
            test_kills(&jobs[i]);
            if (!faults_sanitized)
                test_renames(&jobs[i]);
        }
    return faults_end();
}
