/* SPDX-License-Identifier: MIT
 * shard.c - the records that this process is to take: content hash modulo N equals I - 1; I and N
 * are given, or those of a scheduler's task
 *
 * The hash is of a record as it comes in, so it does not matter in which order, or beside which
 * other records, it comes.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "cli/loop.h"

static bool whole_number(const char *text, const char **end, long *value)
{
    char *stop;

    if (*text < '0' || *text > '9')
        return false;
    *value = strtol(text, &stop, 10);
    *end = stop;
    return true;
}

/* A number of the environment into *value.  1, 0: it is not set, -1 after fail(). */
static int from_environment(const char *name, long *value)
{
    const char *text = name ? getenv(name) : NULL, *end;

    if (!text || !*text || !strcmp(text, "undefined")) /* as SGE says of a job without tasks */
        return 0;
    if (!whole_number(text, &end, value) || *end)
        return fail("%s=%s: not a whole number", name, text);
    return 1;
}

/* Where schedulers say which task of how many a process is.  The count stands in `count`, or is
 * that of the numbers from `first` to `last`; where neither is known, auto/N gives it.  Without
 * `first` the lowest number is `base`. */
static const struct scheduler {
    const char *name, *index, *count, *first, *last, *step;
    long base;
} schedulers[] = {
    { "Slurm's array", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
      NULL, "SLURM_ARRAY_TASK_STEP", 0 },
    { "AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", NULL, NULL, NULL, 0 },
    { "SGE", "SGE_TASK_ID", NULL, "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE", 1 },
    { "LSF", "LSB_JOBINDEX", NULL, NULL, "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP", 1 },
    { "PBS", "PBS_ARRAY_INDEX", NULL, NULL, NULL, NULL, 1 },
    { "Torque", "PBS_ARRAYID", NULL, NULL, NULL, NULL, 1 },
    { "Kubernetes", "JOB_COMPLETION_INDEX", NULL, NULL, NULL, NULL, 0 },
    { "Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", NULL, NULL, NULL, 0 },
    { "MPI", "PMI_RANK", "PMI_SIZE", NULL, NULL, NULL, 0 },
};
/* The tasks of an srun step, also of one inside of an array's task.  SLURM_NTASKS would count tasks
 * that a batch script was given and never started. */
static const struct scheduler srun = {
    "Slurm's step", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", NULL, NULL, NULL, 0
};

/* What the scheduler says: 1 and the part, counted from 0, and parts, 0 where that is not known;
 * 0: it is another scheduler; -1 after fail(). */
static int ask(const struct scheduler *s, long *part, long *parts)
{
    long index, first = s->base, last = 0, step = 1;
    int found = from_environment(s->index, &index), has_last = 0;

    *parts = 0;
    if (found <= 0)
        return found;
    if (from_environment(s->count, parts) < 0 || from_environment(s->first, &first) < 0 ||
        (has_last = from_environment(s->last, &last)) < 0 || from_environment(s->step, &step) < 0)
        return -1;
    if (step < 1 || index < first)
        return fail("%s=%ld: the first task is %ld", s->index, index, first);
    *part = (index - first) / step;
    if (has_last)
        *parts = (last - first) / step + 1;
    return 1;
}

/* Tasks of a step inside of a task of an array: each takes a part of that one's part. */
static int combine(long *part, long *parts, bool *found)
{
    long inner, inners;
    int has = ask(&srun, &inner, &inners);

    if (has <= 0 || inners < 1 || (*found && inners == 1))
        return has < 0 ? -1 : 0;
    *part = *found ? *part * inners + inner : inner;
    *parts = *found ? *parts * inners : inners;
    *found = true;
    return 0;
}

/* given: of auto/N, or 0.  The part is counted from 0. */
static int from_scheduler(long given, long *part, long *parts)
{
    const struct scheduler *s = schedulers;
    bool found = false;
    int has = 0;

    for (int i = 0; i < COUNT(schedulers) && !has; i++) {
        s = &schedulers[i];
        has = ask(s, part, parts);
    }
    if (has < 0)
        return -1;
    found = has;
    if (has && !*parts && !given)
        return fail("%s (%s) does not say how many tasks there are: give auto/N", s->index,
                    s->name);
    if ((!has || s == schedulers) && combine(part, parts, &found))
        return -1;
    if (!found)
        return fail("no scheduler's task variable is set, such as SLURM_ARRAY_TASK_ID or "
                    "JOB_COMPLETION_INDEX");
    if (given && *parts && given != *parts)
        return fail("auto/%ld, but there are %ld tasks", given, *parts);
    *parts = given ? given : *parts;
    return 0;
}

int shard_parse(struct shard *s, const char *text)
{
    const char *end;
    long part = 0, parts = 0;

    *s = (struct shard){ 0 };
    if (!text)
        return 0;
    if (!strncmp(text, "auto", 4) && (!text[4] || text[4] == '/')) {
        if (text[4] && (!whole_number(text + 5, &end, &parts) || *end || parts < 1))
            return fail("must be auto/N, such as auto/8");
        if (from_scheduler(parts, &part, &parts))
            return -1;
        part++;
    } else if (!whole_number(text, &end, &part) || *end != '/' ||
               !whole_number(end + 1, &end, &parts) || *end) {
        return fail("must be I/N, such as 1/4, auto or auto/N");
    }
    if (parts < 1 || part < 1 || part > parts)
        return fail("part %ld of %ld: parts are counted from 1 to N", part, parts);
    *s = (struct shard){ (uint64_t)part - 1, (uint64_t)parts };
    return 0;
}

bool shard_takes(const struct shard *s, const struct record *r)
{
    return s->parts < 2 || record_hash(r) % s->parts == s->part;
}
