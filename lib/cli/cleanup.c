/* SPDX-License-Identifier: MIT
 * cleanup.c - what a run that is broken off still does
 *
 * SIGINT, SIGTERM and SIGHUP are blocked everywhere and awaited by one thread.  It lets the writer
 * finish what has been computed, removes temporary files, and lets the signal have its way, so the
 * parent sees a death by that signal (128+n in a shell).  A second signal kills at once.  SIGPIPE
 * is held back only as long as it takes to remove temporary files.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/error.h"
#include "cli/loop.h"

enum { MOST_FILES = 8 };

static const char *files[MOST_FILES];
static int file_count;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t awaited;
static pthread_t watcher;

void cleanup_file(const char *path)
{
    pthread_mutex_lock(&files_lock);
    if (file_count < MOST_FILES)
        files[file_count++] = path;
    pthread_mutex_unlock(&files_lock);
}

void cleanup_forget(const char *path)
{
    pthread_mutex_lock(&files_lock);
    for (int i = 0; i < file_count; i++)
        if (files[i] == path)
            files[i--] = files[--file_count];
    pthread_mutex_unlock(&files_lock);
}

void cleanup_files(void)
{
    pthread_mutex_lock(&files_lock);
    while (file_count)
        unlink(files[--file_count]);
    pthread_mutex_unlock(&files_lock);
}

/* A signal that the parent had ignored, as nohup does, stays ignored. */
void signals_block(void)
{
    static const int wanted[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction old;

    sigemptyset(&awaited);
    for (int i = 0; i < COUNT(wanted); i++)
        if (sigaction(wanted[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaddset(&awaited, wanted[i]);
    pthread_sigmask(SIG_BLOCK, &awaited, NULL);
    signal(SIGPIPE, SIG_IGN);
}

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
    cleanup_files();
    die_of(SIGPIPE);
}

struct watch {
    struct output *output;
    struct report *report;
};

static void *watch(void *argument)
{
    struct watch *w = argument;
    int number;

    if (sigwait(&awaited, &number))
        return NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &awaited, NULL);
    output_drain(w->output);
    cleanup_files();
    if (w->report->progress && w->report->terminal)
        fputc('\n', stderr);
    die_of(number);
}

void signals_watch(struct output *o, struct report *p)
{
    static struct watch w;

    w = (struct watch){ o, p };
    if (pthread_create(&watcher, NULL, watch, &w)) {
        warn("cannot start a thread");
        exit(1);
    }
}

void signals_unwatch(void)
{
    pthread_cancel(watcher); /* sigwait is a place to be cancelled */
    pthread_join(watcher, NULL);
}
