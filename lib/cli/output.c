/* SPDX-License-Identifier: MIT
 * output.c - the writer's thread, and the file: standard output, a new file, or one to go on with
 *
 * A new file is written under a temporary name beside it and renamed when all is well.  Whatever is
 * no regular file (/dev/null, a named pipe) is written in place.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/loop.h"

enum { QUEUE_ITEMS = 256, QUEUE_BYTES = 64 << 20, FLUSH_BYTES = 1 << 20 };

static void prepare(struct output *o, int fd, const char *name)
{
    *o = (struct output){ .fd = fd, .name = name };
    o->each_record = settings.line_buffered || (fd >= 0 && isatty(fd));
    queue_open(&o->queue, QUEUE_ITEMS, QUEUE_BYTES);
    queue_starve(&o->queue, true); /* the writer takes what is there */
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->idle, NULL);
}

int output_open(struct output *o, const char *path)
{
    struct stat status;
    bool there;

    if (!path || !strcmp(path, "-")) {
        prepare(o, STDOUT_FILENO, "standard output");
        return 0;
    }
    there = stat(path, &status) == 0;
    prepare(o, -1, path);
    if (there && !S_ISREG(status.st_mode)) {
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
        return o->fd < 0 ? fail_errno("%s", path) : 0;
    }
    o->path = there ? realpath(path, NULL) : xstrdup(path); /* through a symbolic link */
    if (!o->path)
        return fail_errno("%s", path);
    o->temporary = xprintf("%s.%ld.tmp", o->path, (long)getpid());
    o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (o->fd < 0)
        return fail_errno("%s", o->temporary);
    cleanup_file(o->temporary);
    if (there)
        fchmod(o->fd, status.st_mode & 0777);
    return 0;
}

int output_append(struct output *o, const char *path, size_t size)
{
    prepare(o, open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), path);
    if (o->fd < 0)
        return fail_errno("%s", path);
    if (flock(o->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return fail("%s: another process is writing it", path);
    if (ftruncate(o->fd, (off_t)size))
        return fail_errno("%s", path);
    return 0;
}

static void flush(struct output *o)
{
    const char *at = o->buffer.data;
    size_t left = o->buffer.size;

    while (left && !atomic_load(&o->failed)) {
        ssize_t put = write(o->fd, at, left);

        if (put >= 0) {
            at += put;
            left -= (size_t)put;
        } else if (errno == EPIPE) {
            die_of_pipe();
        } else if (errno != EINTR) {
            fail_errno("%s", o->name);
            o->reason = xstrdup(error_text());
            atomic_store(&o->failed, true);
        }
    }
    buffer_clear(&o->buffer);
}

static void add(struct output *o, const struct item *item)
{
    if (item->record)
        record_write(&o->buffer, item->record, settings.binary);
    else if (item->size)
        buffer_add(&o->buffer, item->line, item->size);
    else
        buffer_printf(&o->buffer, "%s\n", item->line);
}

static void *write_all(void *argument)
{
    struct output *o = argument;
    struct item items[QUEUE_ITEMS];
    int count;

    while ((count = queue_take(&o->queue, items, QUEUE_ITEMS, true))) {
        for (int i = 0; i < count; i++) {
            add(o, &items[i]);
            item_free(&items[i]);
            if (o->each_record || o->buffer.size >= FLUSH_BYTES)
                flush(o);
        }
        flush(o);
    }
    pthread_mutex_lock(&o->lock);
    o->finished = true;
    pthread_cond_broadcast(&o->idle);
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

void output_start(struct output *o)
{
    if (pthread_create(&o->thread, NULL, write_all, o)) {
        warn("cannot start a thread");
        exit(1);
    }
    o->started = true;
}

void output_put(struct output *o, struct record *r)
{
    if (!queue_put(&o->queue, (struct item){ .record = r }))
        record_free(r);
}

void output_line(struct output *o, const char *line)
{
    struct item item = { .line = xstrdup(line) };

    if (!queue_put(&o->queue, item))
        item_free(&item);
}

void output_bytes(struct output *o, const void *bytes, size_t size)
{
    struct item item = { .line = xmemdup(bytes, size), .size = size };

    if (!size || !queue_put(&o->queue, item))
        item_free(&item);
}

void output_drain(struct output *o)
{
    pthread_mutex_lock(&o->lock);
    if (!o->started || o->finished) {
        pthread_mutex_unlock(&o->lock);
        return;
    }
    pthread_mutex_unlock(&o->lock);
    queue_abandon(&o->queue);
    queue_close(&o->queue);
    pthread_mutex_lock(&o->lock);
    while (!o->finished)
        pthread_cond_wait(&o->idle, &o->lock);
    pthread_mutex_unlock(&o->lock);
}

int output_close(struct output *o, bool keep)
{
    int result = 0;

    if (o->started) {
        queue_close(&o->queue);
        pthread_join(o->thread, NULL);
    }
    if (atomic_load(&o->failed))
        result = fail("%s", o->reason);
    else if (keep && o->temporary && fsync(o->fd))
        result = fail_errno("%s", o->name);
    if (o->fd >= 0 && close(o->fd) && !result)
        result = fail_errno("%s", o->name);
    if (!result && keep && o->temporary && rename(o->temporary, o->path))
        result = fail_errno("%s", o->name);
    if (o->temporary && (result || !keep))
        unlink(o->temporary);
    if (o->temporary)
        cleanup_forget(o->temporary);
    queue_free(&o->queue);
    buffer_free(&o->buffer);
    free(o->path);
    free(o->temporary);
    free(o->reason);
    return result;
}
