/* SPDX-License-Identifier: MIT
 * shard.c - the records that this process is to take: content hash modulo N equals I - 1
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

static int from_environment(const char *name, long otherwise, long *value)
{
    const char *text = getenv(name), *end;

    *value = otherwise;
    if (!text && otherwise >= 0)
        return 0;
    if (!text)
        return fail("%s is not set: this is no job of a Slurm array", name);
    if (!whole_number(text, &end, value) || *end)
        return fail("%s=%s: not a whole number", name, text);
    return 0;
}

/* An array may begin anywhere and take steps: --array=5-20:5 has the tasks 5, 10, 15 and 20. */
static int from_slurm(long *part, long *parts)
{
    long id, least, step;

    if (from_environment("SLURM_ARRAY_TASK_ID", -1, &id) ||
        from_environment("SLURM_ARRAY_TASK_COUNT", -1, parts) ||
        from_environment("SLURM_ARRAY_TASK_MIN", 0, &least) ||
        from_environment("SLURM_ARRAY_TASK_STEP", 1, &step))
        return -1;
    if (step < 1 || id < least)
        return fail("task %ld is not in the array that begins at %ld", id, least);
    *part = (id - least) / step + 1;
    return 0;
}

int shard_parse(struct shard *s, const char *text)
{
    const char *end;
    long part = 0, parts = 0;

    *s = (struct shard){ 0 };
    if (!text)
        return 0;
    if (!strcmp(text, "auto")) {
        if (from_slurm(&part, &parts))
            return -1;
    } else if (!whole_number(text, &end, &part) || *end != '/' ||
               !whole_number(end + 1, &end, &parts) || *end) {
        return fail("must be I/N, such as 1/4, or auto");
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
