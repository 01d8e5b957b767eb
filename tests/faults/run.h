/* SPDX-License-Identifier: MIT
 * run.h - tiny runs of every command, to be disturbed and compared with a run that was left alone
 */
#ifndef FAULTS_RUN_H
#define FAULTS_RUN_H

#include "base/random.h"
#include "base/thread.h"
#include "tests/unit/tap.h"

struct job {
    const char *name;
    const char *words; /* the command line, split at blanks; "@": tests/golden */
    const char *input; /* standard input; NULL: none */
    const char
        *resumes; /* options that go on with the output, their last word; NULL: it starts anew */
    bool folder;  /* it writes a model's folder, which is there or not */
    const char *keeps; /* what may stay after a failure: names that begin so; NULL: nothing */
};
extern const struct job jobs[];
extern const int job_count;

struct outcome {
    int status; /* as waitpid has it */
    bool hung;  /* killed after a minute */
    char *output, *errors;
    char *files; /* that it left, a line each: name and hash */
};
/* In a fresh folder, or with `resume` in the one of the run before, by what goes on if it has that.
 * setting: "FAULT_READ=3", or NULL. */
struct outcome job_run(const struct job *j, const char *setting, bool resume);
void outcome_free(struct outcome *o);
/* Starts it, with --resume if it has that, and kills it after so many microseconds; `again`: where
 * an earlier one was.  Returns whether it was still running. */
bool job_kill(const struct job *j, long after, bool again);
/* Two at once in a fresh folder, resuming one output: the statuses. */
void job_twice(const struct job *j, int status[2]);

/* How many calls of each kind the last undisturbed run made. */
enum { CALLS_MEMORY, CALLS_READ, CALLS_WRITE, CALLS_FSYNC, CALLS_RENAME, CALLS_OPEN, CALLS };
void job_counts(long counts[CALLS]);

/* NULL if all is as it must be, else what is wrong: it died by a signal, hung, failed without a
 * word, left a file that is not its output, or says that all is well and is not. */
const char *outcome_fault(const struct job *j, const struct outcome *o,
                          const struct outcome *whole);
/* Says what failed, where it did. */
void outcome_note(const struct outcome *o, const char *setting);

extern char faults_golden[], faults_commands[]; /* tests/golden; the folder of the commands */
/* Makes the inputs; false after saying why all is skipped.  alone: the test replaces malloc by
 * shim.c's or counts memory, which cannot be done beside the sanitizers'. */
bool faults_begin(bool alone);
/* Built with the sanitizers, beside which shim.c counts and disturbs no call. */
extern const bool faults_sanitized;
int faults_end(void); /* to return from main */
/* Places of `total` to disturb: all with FAULTS=all, else `usual` of them, chosen by the seed. */
long faults_places(long total, long usual, long *list);
extern struct random faults_dice;

#endif
