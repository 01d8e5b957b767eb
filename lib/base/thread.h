/* SPDX-License-Identifier: MIT
 * thread.h - one pool of threads for everything
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include "base/core.h"

/* thread.c - one pool for everything
 *
 * Indices of a job are claimed from an atomic counter, so an unlucky thread never holds up the
 * others for long.  A worker number is below pool_threads() and names per-worker scratch memory;
 * at any moment each number is held by one thread at most.
 */
typedef void (*pool_task)(void *argument, long index, int worker);
struct job; /* work handed to the pool that nobody waits for yet */

int processors(void);         /* that this process may use: affinity and cgroup limits */
void pool_start(int threads); /* once; 0: processors().  Never called: 1 thread */
int pool_threads(void);
void pool_stop(void);
/* Runs task for 0 <= index < count on all threads, the caller's among them, and returns when all
 * are done.  Called from inside a task, it runs the indices one after the other. */
void pool_run(pool_task task, void *argument, long count);
/* The same in the background, at low priority; `task` must not wait for other jobs. */
struct job *pool_submit(pool_task task, void *argument, long count);
void pool_finish(struct job *job); /* helps, waits, frees the job; NULL is nothing */

/* budget.c - an amount that threads share, such as the bytes of pictures that are decoded at once
 *
 * A share waits until it fits within `most` beside those of others.  One larger than all of it
 * waits until no other is taken, so that everything is done in the end.  No thread may take a
 * second share before it has given back its first.
 */
struct budget {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t used;
};
#define BUDGET_INITIALIZER                                                                         \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }
void budget_take(struct budget *b, size_t size, size_t most); /* any thread; waits */
void budget_give(struct budget *b, size_t size);              /* what was taken */

#endif
