/* SPDX-License-Identifier: MIT
 * guard.c - a mapped file that is cut off while it is read ends the program with a sentence
 *
 * The kernel sends SIGBUS for a page of a mapping that the file no longer has.  Nothing that was
 * being computed can be right then, so the program ends, with the status of failed input and not by
 * a signal: what was written before stays, and --resume goes on from there.  A program that handles
 * SIGBUS itself is left alone.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"

enum { MOST = 256, NAME = 256, FAILED_INPUT = 1 };

/* Read by a signal handler: an entry counts while its size is not 0, which is set last. */
static struct mapping {
    const char *data;
    _Atomic size_t size;
    char path[NAME];
} mappings[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool installed;

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)ignored;
}

/* Only what may be called in a signal handler. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const char *at = info->si_addr;

    (void)context;
    for (int i = 0; i < MOST; i++) {
        const struct mapping *m = &mappings[i];

        if (m->size && at >= m->data && at < m->data + m->size) {
            say(program_name);
            say(": ");
            say(m->path);
            say(": the file was cut off while it was in use\n");
            _exit(FAILED_INPUT);
        }
    }
    signal(number, SIG_DFL); /* not ours: the instruction is run again and ends the program */
}

static void install(void)
{
    struct sigaction old, ours = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

    if (installed || sigaction(SIGBUS, NULL, &old) || (old.sa_flags & SA_SIGINFO) ||
        old.sa_handler != SIG_DFL)
        return;
    sigemptyset(&ours.sa_mask);
    installed = sigaction(SIGBUS, &ours, NULL) == 0;
}

void guard_add(const void *data, size_t size, const char *path)
{
    pthread_mutex_lock(&lock);
    install();
    for (int i = 0; i < MOST; i++)
        if (!mappings[i].size) {
            strncpy(mappings[i].path, path, NAME - 1);
            mappings[i].data = data;
            mappings[i].size = size;
            break;
        }
    pthread_mutex_unlock(&lock);
}

void guard_remove(const void *data)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; i++)
        if (mappings[i].size && mappings[i].data == data) {
            mappings[i].size = 0;
            memset(mappings[i].path, 0, NAME);
        }
    pthread_mutex_unlock(&lock);
}
