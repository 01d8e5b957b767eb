/* SPDX-License-Identifier: MIT
 * cleanup.c - signals, from the first moment of a run to its last
 *
 * SIGINT, SIGTERM and SIGHUP are blocked everywhere and awaited by one thread, which is started
 * before the model is opened and never ends.  It lets the writer finish what has been computed, if
 * there is one yet, removes temporary files, and lets the signal have its way, so the parent sees a
 * death by that signal (128+n in a shell).  A second signal kills at once.  SIGUSR1 prints a line
 * of progress, and nothing else comes of it; commands that are no filters have that alone from
 * here. SIGPIPE is held back only as long as it takes to remove temporary files.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/loop.h"

static _Atomic(struct output *) output;
static _Atomic(struct report *) report;

static _Noreturn void die_of(int number)
{
    sigset_t set;

    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(128 + number);
}

void die_of_pipe(void)
{
    temporary_remove_all();
    die_of(SIGPIPE);
}

/* SIGUSR1 may come many times, the others once. */
static void take(int number, const sigset_t *awaited)
{
    struct output *o;
    struct report *p = atomic_load(&report);

    if (number == SIGUSR1) {
        if (p)
            report_now(p);
        else
            warn("no records yet");
        return;
    }
    signal(SIGUSR1, SIG_IGN); /* on the way out too */
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, awaited, NULL);
    o = atomic_load(&output);
    if (o)
        output_drain(o);
    status_write(p, 128 + number);
    temporary_remove_all();
    if (p && p->progress && p->terminal)
        fputc('\n', stderr);
    die_of(number);
}

struct awaited {
    sigset_t set;
    void (*take)(int number, const sigset_t *awaited);
};

static void *await(void *what)
{
    struct awaited *a = what;
    int number;

    while (!sigwait(&a->set, &number))
        a->take(number, &a->set);
    return NULL;
}

/* In the thread that awaits some signals all others are blocked, too: one that another thread of
 * the command awaits would end the process there. */
void signals_await(const int *signals, int count, void (*taken)(int, const sigset_t *))
{
    struct awaited *a = xalloc(1, sizeof *a); /* as long as the process */
    struct sigaction old;
    sigset_t all, before;
    pthread_t watcher;

    a->take = taken;
    sigemptyset(&a->set);
    for (int i = 0; i < count; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaddset(&a->set, signals[i]);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&watcher, NULL, await, a)) {
        warn("cannot start a thread");
        exit(1);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_sigmask(SIG_BLOCK, &a->set, NULL);
    pthread_detach(watcher);
}

void signals_start(void)
{
    static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };

    signal(SIGPIPE, SIG_IGN);
    signals_await(wanted, COUNT(wanted), take);
}

static void (*print_progress)(void);
static pthread_mutex_t progress = PTHREAD_MUTEX_INITIALIZER;

void progress_lock(void)
{
    pthread_mutex_lock(&progress);
}

void progress_unlock(void)
{
    pthread_mutex_unlock(&progress);
}

static void take_progress(int number, const sigset_t *awaited)
{
    (void)number;
    (void)awaited;
    progress_lock();
    print_progress();
    progress_unlock();
}

void signals_progress(void (*print)(void))
{
    static const int wanted[] = { SIGUSR1 };

    print_progress = print;
    signals_await(wanted, COUNT(wanted), take_progress);
}

void signals_watch(struct output *o, struct report *p)
{
    atomic_store(&output, o);
    atomic_store(&report, p);
}
