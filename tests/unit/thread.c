/* SPDX-License-Identifier: MIT
 * thread.c - the pool under stress: every index once, worker numbers held by one thread, nested
 * and background jobs, and stopping and starting again
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/thread.h"
#include "tests/unit/tap.h"

enum { MOST = 400, WORKERS = 4 };

struct run {
    long count;
    _Atomic int hits[MOST];
    _Atomic long stray; /* bad indices, bad or shared worker numbers */
};

static _Atomic int holders[WORKERS];  /* threads inside a task that hold a number */
static _Thread_local int depth, held; /* tasks on this thread, and their number */

static void enter(struct run *r, int worker)
{
    bool good = worker >= 0 && worker < pool_threads();

    if (good && depth++)
        good = worker == held; /* the number of the task around this one */
    else if (good)
        good = !atomic_fetch_add(&holders[held = worker], 1);
    if (!good)
        atomic_fetch_add(&r->stray, 1);
}

static void leave(int worker)
{
    if (!--depth)
        atomic_fetch_sub(&holders[worker], 1);
}

static void hit(void *argument, long index, int worker)
{
    struct run *r = argument;

    enter(r, worker);
    if (index < 0 || index >= r->count)
        atomic_fetch_add(&r->stray, 1);
    else
        atomic_fetch_add(&r->hits[index], 1);
    leave(worker);
}

/* Every index exactly `times`. */
static bool all_hit(const struct run *r, int times)
{
    for (long i = 0; i < MOST; i++)
        if (atomic_load(&r->hits[i]) != (i < r->count ? times : 0))
            return false;
    return !atomic_load(&r->stray);
}

static void reset(struct run *r, long count)
{
    memset(r, 0, sizeof *r);
    r->count = count;
}

static void test_tiny(int threads, long jobs)
{
    static struct run r;
    bool good = true;

    for (long i = 0; i < jobs && good; i++) {
        reset(&r, i % 37 == 0 ? i % MOST : i % 9);
        pool_run(hit, &r, r.count);
        good = all_hit(&r, 1);
        if (i % 1000 == 999) /* now and then long enough for the others to fall asleep */
            nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    }
    ok(good, "%d threads: %ld tiny jobs, every index once", threads, jobs);
}

static void nest(void *argument, long index, int worker)
{
    struct run *r = argument;

    enter(r, worker);
    hit(r, index, worker);
    pool_run(hit, r, r->count);
    leave(worker);
}

static void test_nested(int threads)
{
    static struct run r;
    bool good = true;

    for (int i = 0; i < 300 && good; i++) {
        reset(&r, i % 20);
        pool_run(nest, &r, r.count);
        good = all_hit(&r, (int)r.count + 1);
    }
    ok(good, "%d threads: a job inside a task runs on its thread, under its number", threads);
}

static void linger(void *argument, long index, int worker)
{
    hit(argument, index, worker);
    for (volatile int i = 0; i < 2000;)
        i = i + 1;
    if (index % 5 == 0)
        sched_yield();
}

static void test_background(int threads)
{
    enum { JOBS = 5 };
    static struct run back[JOBS], front;
    struct job *jobs[JOBS];
    bool good = true;

    for (int round = 0; round < 200 && good; round++) {
        for (int i = 0; i < JOBS; i++) {
            reset(&back[i], (round * 7 + i * 31) % 60);
            jobs[i] = pool_submit(i % 2 ? nest : linger, &back[i], back[i].count);
            reset(&front, round % 30);
            pool_run(hit, &front, front.count);
            good = good && all_hit(&front, 1);
        }
        for (int i = 0; i < JOBS; i++) { /* in another order than they were begun */
            int which = (i * 3 + round) % JOBS;

            pool_finish(jobs[which]);
            good = good && all_hit(&back[which], which % 2 ? (int)back[which].count + 1 : 1);
        }
    }
    pool_finish(NULL);
    ok(good, "%d threads: background jobs beside foreground ones", threads);
}

static void test_restart(void)
{
    static struct run r, back;
    bool good = true;

    for (int i = 0; i < 60 && good; i++) {
        struct job *job;

        pool_start(i % WORKERS + 1);
        good = pool_threads() == i % WORKERS + 1;
        reset(&back, 20);
        job = pool_submit(linger, &back, back.count);
        reset(&r, i % 5 * 20);
        pool_run(hit, &r, r.count);
        good = good && all_hit(&r, 1);
        pool_stop(); /* what the background did not come to is done by pool_finish */
        good = good && pool_threads() == 1;
        pool_finish(job);
        good = good && all_hit(&back, 1);
    }
    ok(good, "stopped and started again, sixty times");
}

/* The pool's reason to be: both threads of a job that lasts are at work. */
static void meet(void *argument, long index, int worker)
{
    _Atomic int *here = argument;

    (void)index, (void)worker;
    atomic_fetch_add(here, 1);
    for (int i = 0; i < 5000 && atomic_load(here) < 2; i++)
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

static void test_together(void)
{
    _Atomic int here = 0;
    struct job *job;

    pool_start(2);
    pool_run(meet, &here, 2);
    is_long(here, 2, "two tasks run at one time");
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL); /* asleep by now */
    here = 0;
    pool_run(meet, &here, 2);
    is_long(here, 2, "and after the other thread slept");
    here = 0;
    job = pool_submit(meet, &here, 1);
    meet(&here, 0, 0);
    is_long(here, 2, "a background job runs beside the caller");
    pool_finish(job);
    pool_stop();
}

int main(void)
{
    is_long(pool_threads(), 1, "one thread before the pool is started");
    test_tiny(1, 500);
    for (int threads = 1; threads <= WORKERS; threads++) {
        pool_start(threads);
        test_tiny(threads, 20000);
        test_nested(threads);
        test_background(threads);
        pool_stop();
    }
    test_restart();
    test_together();
    return done();
}
