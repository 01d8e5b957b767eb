/* SPDX-License-Identifier: MIT
 * thread.c - one pool for everything
 *
 * The job in the foreground lives in one static slot.  Its `ticket` joins a generation with the
 * next index:
 *
 *     ticket = generation << 32 | next index
 *
 * A thread reads the ticket, then the slot's fields, then claims the index by compare-and-swap.
 * A claim that succeeds proves that the fields belong to that generation, so a thread that comes
 * late can do no harm.  Jobs in the background wait in a list under a lock; their pieces are
 * milliseconds long.
 *
 * Idle threads look again for some time, then sleep.  Waking one takes about as long as a small job
 * does, so looking pays between the jobs of a pass.  But where a neighbour keeps a core busy, time
 * spent looking is taken from the work that follows, and a core that looks does not pull over a
 * thread that the neighbour keeps waiting.  A look that takes its full time is a sign of one: for a
 * while all looks are brief then.  Where jobs are so large that it is none, waking is cheap.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

/* Nanoseconds, but for LOOKS. */
enum {
    LOOKS = 16,        /* between two readings of the clock: a microsecond */
    CALL = 200000,     /* a look for work, as long as what a pass does outside of jobs */
    END = 100000,      /* a look for the others' last pieces */
    BRIEF = 10000,     /* either, while the cores are shared */
    SHARED = 50000000, /* how long they count as shared after a sign of it */
};

struct job {
    pool_task task;
    void *argument;
    long count, next, done;
    struct job *after;
};

static struct {
    _Atomic uint64_t ticket;
    _Atomic(pool_task) task;
    _Atomic(void *) argument;
    _Atomic long count, done;
} slot;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, finished = PTHREAD_COND_INITIALIZER;
static struct job *background; /* under the lock */
static _Atomic int sleepers, waiters, background_ready;
static _Atomic bool stopping;
static _Atomic int64_t shared_until; /* on the clock: a neighbour may want a core */
static pthread_t *threads;
static int thread_count = 1;
static _Atomic bool running;      /* a job is in the foreground */
static _Thread_local int self;    /* this thread's worker number */
static _Thread_local bool inside; /* a task runs on this thread */

static int64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

int pool_threads(void)
{
    return thread_count;
}

/* Claims and runs one index of the job in the foreground; false if none is left. */
static bool foreground_step(void)
{
    uint64_t ticket = atomic_load(&slot.ticket);

    for (;;) {
        pool_task task = atomic_load_explicit(&slot.task, memory_order_relaxed);
        void *argument = atomic_load_explicit(&slot.argument, memory_order_relaxed);
        long count = atomic_load_explicit(&slot.count, memory_order_relaxed);
        long index = (long)(ticket & 0xffffffff);

        if (index >= count)
            return false;
        if (atomic_compare_exchange_weak(&slot.ticket, &ticket, ticket + 1)) {
            inside = true;
            task(argument, index, self);
            inside = false;
            if (atomic_fetch_add(&slot.done, 1) + 1 == count && atomic_load(&waiters)) {
                pthread_mutex_lock(&lock);
                pthread_cond_broadcast(&finished);
                pthread_mutex_unlock(&lock);
            }
            return true;
        }
    }
}

/* Claims and runs one index of a background job (`only`, or the oldest); false if none is left. */
static bool background_step(struct job *only)
{
    struct job *j;
    long index;

    pthread_mutex_lock(&lock);
    for (j = only ? only : background; j && j->next >= j->count;)
        j = only ? NULL : j->after;
    if (!j) {
        pthread_mutex_unlock(&lock);
        return false;
    }
    index = j->next++;
    atomic_fetch_sub(&background_ready, 1);
    pthread_mutex_unlock(&lock);

    inside = true;
    j->task(j->argument, index, self);
    inside = false;

    pthread_mutex_lock(&lock);
    if (++j->done == j->count)
        pthread_cond_broadcast(&finished);
    pthread_mutex_unlock(&lock);
    return true;
}

static bool foreground_ready(void)
{
    return (long)(atomic_load(&slot.ticket) & 0xffffffff) < atomic_load(&slot.count);
}

/* Something to do, or nothing ever again. */
static bool called(void)
{
    return foreground_ready() || atomic_load(&background_ready) > 0 || atomic_load(&stopping);
}

static bool slot_done(void)
{
    return atomic_load(&slot.done) == atomic_load_explicit(&slot.count, memory_order_relaxed);
}

/* Whether the condition came true before it was time to sleep. */
static bool look_for(bool (*condition)(void), int64_t most)
{
    int64_t begin = nanoseconds(), now;
    int64_t patience =
        begin < atomic_load_explicit(&shared_until, memory_order_relaxed) ? BRIEF : most;
    bool found;

    do {
        found = condition();
        for (int i = 0; i < LOOKS && !found; i++) {
            pause_briefly();
            found = condition();
        }
        now = nanoseconds();
    } while (!found && now - begin < patience);
    if (now - begin >= most)
        atomic_store_explicit(&shared_until, now + SHARED, memory_order_relaxed);
    return found;
}

static void *serve(void *number)
{
    self = (int)(intptr_t)number;
    while (!atomic_load(&stopping)) {
        while (foreground_step() || (atomic_load(&background_ready) > 0 && background_step(NULL)))
            ;
        if (look_for(called, CALL))
            continue;
        pthread_mutex_lock(&lock);
        atomic_fetch_add(&sleepers, 1);
        while (!called())
            pthread_cond_wait(&work, &lock);
        atomic_fetch_sub(&sleepers, 1);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

void pool_start(int wanted)
{
    assert(!threads);
    thread_count = wanted > 0 ? wanted : processors();
    threads = xalloc((size_t)thread_count, sizeof *threads);
    for (int i = 1; i < thread_count; i++) {
        if (pthread_create(&threads[i], NULL, serve, (void *)(intptr_t)i)) {
            warn("only %d of %d threads could be started", i, thread_count);
            thread_count = i;
        }
    }
}

void pool_stop(void)
{
    pthread_mutex_lock(&lock);
    atomic_store(&stopping, true);
    pthread_cond_broadcast(&work);
    pthread_mutex_unlock(&lock);
    for (int i = 1; threads && i < thread_count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    threads = NULL;
    thread_count = 1;
    atomic_store(&stopping, false);
}

static void wake(void)
{
    if (!atomic_load(&sleepers))
        return;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&work);
    pthread_mutex_unlock(&lock);
}

static void wait_for_slot(void)
{
    if (look_for(slot_done, END))
        return;
    pthread_mutex_lock(&lock);
    atomic_fetch_add(&waiters, 1);
    while (!slot_done())
        pthread_cond_wait(&finished, &lock);
    atomic_fetch_sub(&waiters, 1);
    pthread_mutex_unlock(&lock);
}

void pool_run(pool_task task, void *argument, long count)
{
    uint64_t generation;
    bool busy;

    assert(count < 0x7fffffff);
    if (inside || thread_count == 1 || count == 1) {
        bool outer = inside;

        inside = true;
        for (long i = 0; i < count; i++)
            task(argument, i, self);
        inside = outer;
        return;
    }
    if (count <= 0)
        return;
    busy = atomic_exchange(&running, true);
    assert(!busy); /* one thread at a time may call this */
    (void)busy;
    generation = (atomic_load(&slot.ticket) >> 32) + 1;
    /* Closed first: an index that no count reaches keeps late threads out while fields change. */
    atomic_store(&slot.ticket, generation << 32 | 0xffffffff);
    atomic_store(&slot.task, task);
    atomic_store(&slot.argument, argument);
    atomic_store(&slot.count, count);
    atomic_store(&slot.done, 0);
    atomic_store(&slot.ticket, (generation + 1) << 32);
    wake();
    while (foreground_step())
        ;
    wait_for_slot();
    atomic_store(&running, false);
}

struct job *pool_submit(pool_task task, void *argument, long count)
{
    struct job *j = xalloc(1, sizeof *j), **end;

    *j = (struct job){ .task = task, .argument = argument, .count = count };
    pthread_mutex_lock(&lock);
    for (end = &background; *end;)
        end = &(*end)->after;
    *end = j;
    atomic_fetch_add(&background_ready, (int)count);
    pthread_cond_broadcast(&work);
    pthread_mutex_unlock(&lock);
    return j;
}

void pool_finish(struct job *j)
{
    struct job **link;

    if (!j)
        return;
    while (background_step(j))
        ;
    pthread_mutex_lock(&lock);
    while (j->done < j->count)
        pthread_cond_wait(&finished, &lock);
    for (link = &background; *link != j;)
        link = &(*link)->after;
    *link = j->after;
    pthread_mutex_unlock(&lock);
    free(j);
}
