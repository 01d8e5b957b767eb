/* SPDX-License-Identifier: MIT
 * processors.c - how many processors this process may use: affinity and cgroup limits
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/thread.h"

static int affinity(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

/* Processors that "QUOTA PERIOD" in microseconds pays for, rounded up; 0 if there is no limit. */
static int paid_for(double quota, double period)
{
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

static int limit_v2(const char *group)
{
    char path[600], quota[32];
    double period;
    int least = 0;

    for (char *end = (char *)(uintptr_t)group + strlen(group); end && end > group;
         end = memrchr(group, '/', (size_t)(end - group))) {
        FILE *f;

        snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/cpu.max", (int)(end - group), group);
        f = fopen(path, "re");
        if (f && fscanf(f, "%31s %lf", quota, &period) == 2 && strcmp(quota, "max")) {
            int n = paid_for(atof(quota), period);

            least = n && (!least || n < least) ? n : least;
        }
        if (f)
            fclose(f);
    }
    return least;
}

static double first_number(const char *path)
{
    FILE *f = fopen(path, "re");
    double value = 0;

    if (f && fscanf(f, "%lf", &value) != 1)
        value = 0;
    if (f)
        fclose(f);
    return value;
}

static int limit(void)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[512];
    int n = 0;

    while (f && !n && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "0::", 3))
            n = limit_v2(line + 3);
    }
    if (f)
        fclose(f);
    if (!n)
        n = paid_for(first_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                     first_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
    return n;
}

int processors(void)
{
    int n = affinity(), most = limit();

    return most && most < n ? most : n;
}
