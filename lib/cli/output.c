/* SPDX-License-Identifier: MIT
 * output.c - the writer's thread, and the files: records, what is dropped, and OUT.vlm
 *
 * Records go to standard output, to a new file, or to the end of one.  With OUT.vlm, a record's
 * line there follows its bytes, so the lines never say more than OUT has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/random.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/loop.h"

enum { QUEUE_ITEMS = 256, QUEUE_BYTES = 64 << 20, FLUSH_BYTES = 1 << 20 };
static const uint64_t AS_IT_IS = UINT64_MAX; /* a size */

void output_init(struct output *o)
{
    *o = (struct output){ 0 };
    o->records.fd = o->dropped.fd = o->side.fd = -1;
    o->records.file.fd = o->dropped.file.fd = o->side.file.fd = -1;
    queue_open(&o->queue, QUEUE_ITEMS, QUEUE_BYTES);
    queue_starve(&o->queue, true); /* the writer takes what is there */
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->idle, NULL);
}

/* A new file, which appears under its name when it is committed.  One that another process goes on
 * with is left to it: what that writes later would be lost with the old file. */
static int make(struct sink *s, const char *path)
{
    if (path != settings.resume && path_held(path))
        return fail("%s: another process is writing it", path);
    if (new_file_open(&s->file, path))
        return -1;
    s->fd = s->file.fd;
    s->name = path;
    return 0;
}

static bool is_regular(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* The path is kept in messages, so it has to stay. */
static int append(struct sink *s, int fd, const char *path, uint64_t size)
{
    s->fd = fd >= 0 ? fd : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    s->name = path;
    if (s->fd < 0 || (size != AS_IT_IS && is_regular(s->fd) && ftruncate(s->fd, (off_t)size)))
        return fail_errno("%s", path);
    return 0;
}

static int make_side(struct output *o, const char *out, const char *command)
{
    char *path = side_path(out);

    if (new_file_open(&o->side.file, path)) {
        free(path);
        return -1;
    }
    o->side.fd = o->side.file.fd;
    o->side.name = o->side.file.path;
    side_header(&o->side.buffer, command);
    buffer_byte(&o->side.buffer, '\n');
    free(path);
    return 0;
}

/* A person at a terminal sees each record as it comes. */
static void set_flushing(struct output *o)
{
    o->each_record = settings.line_buffered || (o->records.fd >= 0 && isatty(o->records.fd));
}

/* The side file is made only beside a file that can be continued: not beside a pipe or a device. */
int output_open(struct output *o, const char *path, bool side, const char *command)
{
    int result = 0;

    if (!path || !strcmp(path, "-")) {
        o->records.fd = STDOUT_FILENO;
        o->records.name = "standard output";
    } else {
        result = make(&o->records, path);
        if (!result && side && o->records.file.temporary)
            result = make_side(o, path, command);
    }
    if (!result && settings.dropped)
        result = make(&o->dropped, settings.dropped);
    if (settings.to == RECORD_TAR)
        o->tar = tar_writer_open(&settings.fields);
    set_flushing(o);
    return result;
}

/* No part is open yet: an input without records makes no file. */
int output_open_shards(struct output *o, const struct filter *f, long first, uint64_t dropped)
{
    o->in_parts = f;
    o->part = first;
    o->tar = tar_writer_open(&settings.fields);
    if (settings.dropped && settings.resume)
        return append(&o->dropped, -1, settings.dropped, dropped);
    return settings.dropped ? make(&o->dropped, settings.dropped) : 0;
}

/* A side file that is missing or older than OUT is built anew from what OUT holds. */
int output_append(struct output *o, struct resume *s, const char *command)
{
    bool anew = s->lines < 0 || !s->side.at;
    int result = append(&o->records, s->fd, s->path, s->at);

    if (!result && anew) {
        result = make_side(o, s->path, command);
        buffer_add(&o->side.buffer, s->rebuilt.data, s->rebuilt.size);
        if (!result && new_file_write(&o->side.file, o->side.buffer.data, o->side.buffer.size))
            result = -1;
        buffer_clear(&o->side.buffer);
        if (!result) { /* there from the beginning, and written to its end from now on */
            result = new_file_commit(&o->side.file);
            o->side.fd = -1;
        }
    }
    if (!result && o->side.fd < 0) {
        o->side.file.path = side_path(s->path);
        result = append(&o->side, -1, o->side.file.path, anew ? AS_IT_IS : s->side.at);
    }
    if (!result && settings.dropped)
        result = append(&o->dropped, -1, settings.dropped, s->dropped);
    set_flushing(o);
    return result;
}

/* A reader that is gone ends the process quietly, as it ends cat. Any other failure stops the run:
 * what comes later is not written. */
static void flush_sink(struct output *o, struct sink *s)
{
    const char *at = s->buffer.data;
    size_t left = s->buffer.size;

    while (left && !atomic_load(&o->failed)) {
        ssize_t put = write(s->fd, at, left);

        if (put >= 0) {
            at += put;
            left -= (size_t)put;
        } else if (errno == EPIPE) {
            die_of_pipe();
        } else if (errno != EINTR) {
            fail_errno("%s", s->name);
            o->reason = xstrdup(error_text());
            atomic_store(&o->failed, true);
        }
    }
    buffer_clear(&s->buffer);
}

/* Records before their lines in the side file: a crash between the two leaves records that are made
 * again, never lines without records. */
static void flush(struct output *o)
{
    flush_sink(o, &o->dropped);
    flush_sink(o, &o->records);
    flush_sink(o, &o->side);
    o->begun = o->begun_dropped = 0;
}

/* The first reason is the one that is reported. */
static void stop(struct output *o)
{
    if (atomic_load(&o->failed))
        return;
    o->reason = xstrdup(error_text());
    atomic_store(&o->failed, true);
}

/* A part, and with --resume its side file. */
static void open_part(struct output *o)
{
    char *path = shards_path(settings.resume ? settings.resume : settings.output, o->part);
    int result = make(&o->records, path);

    if (!result) {
        o->records.name = o->records.file.path;
        result = settings.resume ? make_side(o, path, o->in_parts->name) : 0;
    }
    if (result)
        stop(o);
    free(path);
}

/* It is whole: it appears, behind its side file. */
static void close_part(struct output *o)
{
    int result = 0;

    tar_write_end(o->tar, &o->records.buffer);
    if (settings.resume)
        buffer_printf(&o->side.buffer, "end\t%ld\n", o->in_part);
    flush(o);
    if (atomic_load(&o->failed))
        return;
    if (settings.resume)
        result = new_file_commit(&o->side.file);
    result = result ? result : new_file_commit(&o->records.file);
    o->records.fd = o->side.fd = -1;
    o->records.name = o->side.name = "";
    o->in_part = 0;
    o->part++;
    if (result)
        stop(o);
}

static void add_record(struct output *o, const struct record *r)
{
    if (!o->tar) {
        record_write(&o->records.buffer, r, (enum record_form)settings.to);
        return;
    }
    if (o->in_parts && o->in_parts->whole && o->in_part >= settings.per_shard) {
        close_part(o);
        open_part(o);
    }
    tar_write_record(o->tar, &o->records.buffer, r);
    o->in_part++;
}

/* What an earlier run made of the record. */
static void copy_bytes(struct output *o, const struct item *item)
{
    buffer_add(&o->records.buffer, item->kept.data, item->kept.size);
    if (o->dropped.fd >= 0)
        buffer_add(&o->dropped.buffer, item->dropped.data, item->dropped.size);
}

/* The bytes of one record are complete. */
static void end_record(struct output *o, struct item *item)
{
    struct result *r = &item->result;
    struct buffer *b = &o->records.buffer;

    copy_bytes(o, item);
    r->bytes = b->size - o->begun;
    r->content = hash_bytes(b->data + o->begun, r->bytes, 0);
    r->dropped = o->dropped.buffer.size - o->begun_dropped;
    if (!r->bytes && (r->kind == RESULT_KEPT || r->kind == RESULT_FAILED))
        r->kind = r->kind == RESULT_KEPT ? RESULT_DROPPED : RESULT_SKIPPED;
    side_line(&o->side.buffer, r);
    o->begun = b->size;
    o->begun_dropped = o->dropped.buffer.size;
}

/* On the writer's thread alone, in the order of the input. */
static void add(struct output *o, struct item *item)
{
    if (o->in_parts && o->records.fd < 0 && !atomic_load(&o->failed))
        open_part(o);
    if (item->ends && o->side.fd >= 0)
        end_record(o, item);
    else if (item->ends)
        copy_bytes(o, item);
    else if (item->record && item->to_dropped)
        record_write(&o->dropped.buffer, item->record, settings.binary ? RECORD_CBOR : RECORD_JSON);
    else if (item->record)
        add_record(o, item->record);
    else if (item->size)
        buffer_add(&o->records.buffer, item->line, item->size);
    else
        buffer_printf(&o->records.buffer, "%s\n", item->line);
    o->bare |= item->line != NULL;
    if (item->ends && o->in_parts && o->in_part >= settings.per_shard)
        close_part(o); /* what one record became stays together */
}

/* With OUT.vlm, the bytes of one record are written together. */
static bool may_flush(const struct output *o, const struct item *item)
{
    return o->side.fd < 0 || item->ends;
}

/* What is there is written at once; only under load does a megabyte gather. */
static void *write_all(void *argument)
{
    struct output *o = argument;
    struct item items[QUEUE_ITEMS];
    int count;

    while ((count = queue_take(&o->queue, items, QUEUE_ITEMS, true))) {
        double begun = stage_begin();
        bool whole = false;

        for (int i = 0; i < count; i++) {
            add(o, &items[i]);
            whole = may_flush(o, &items[i]);
            if (whole && (o->each_record || o->records.buffer.size >= FLUSH_BYTES ||
                          o->dropped.buffer.size >= FLUSH_BYTES))
                flush(o);
            item_free(&items[i]);
        }
        if (whole)
            flush(o);
        stage_end(STAGE_WRITE, begun);
    }
    if (o->side.fd >= 0) { /* what no line describes is not written: the run was broken off */
        o->records.buffer.size = o->begun;
        o->dropped.buffer.size = o->begun_dropped;
    }
    flush(o);
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
    pthread_mutex_lock(&o->lock);
    o->started = true;
    pthread_mutex_unlock(&o->lock);
}

static void put(struct output *o, struct item item)
{
    if (!queue_put(&o->queue, item))
        item_free(&item);
}

void output_put(struct output *o, struct record *r)
{
    put(o, (struct item){ .record = r });
}

void output_drop(struct output *o, struct record *r)
{
    if (o->dropped.fd < 0)
        record_free(r);
    else
        put(o, (struct item){ .record = r, .to_dropped = true });
}

/* Where no side file is kept, the end of a record matters to nobody. */
void output_end(struct output *o, const struct item *item)
{
    if (o->in_parts || o->side.fd >= 0 || item->kept.size || item->dropped.size)
        put(o, (struct item){ .ends = true,
                              .kept = item->kept,
                              .dropped = item->dropped,
                              .result = item->result });
}

void output_line(struct output *o, const char *line)
{
    put(o, (struct item){ .line = xstrdup(line) });
}

void output_bytes(struct output *o, const void *bytes, size_t size)
{
    if (size)
        put(o, (struct item){ .line = xmemdup(bytes, size), .size = size });
}

/* For a signal: what is complete is written, the rest is dropped, and then the process may end. */
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

/* A file that was appended to is forced to disk here, as a new one is when it is committed. */
static int close_sink(struct sink *s, bool keep)
{
    int result = 0;

    if (s->file.fd >= 0 && keep) {
        result = new_file_commit(&s->file);
    } else if (s->file.fd >= 0) {
        new_file_drop(&s->file);
    } else if (s->fd >= 0) {
        if (s->fd != STDOUT_FILENO && fsync(s->fd) && errno != EINVAL && errno != EROFS &&
            errno != ENOTSUP)
            result = fail_errno("%s", s->name);
        if (close(s->fd) && !result)
            result = fail_errno("%s", s->name);
        free(s->file.path);
    }
    buffer_free(&s->buffer);
    s->fd = -1;
    return result;
}

/* What was dropped appears first, and the records last, so that a new OUT is never there without
 * its side file, which --reuse asks for.  A side file that is ahead does no harm: its hashes are
 * those of OUT's bytes or it is not believed. */
int output_close(struct output *o, bool keep)
{
    int result = 0;

    if (o->started) {
        queue_close(&o->queue);
        pthread_join(o->thread, NULL);
    }
    if (o->tar && keep && !o->in_parts && !o->bare) {
        tar_write_end(o->tar, &o->records.buffer);
        flush(o);
    } else if (o->in_parts && keep && o->in_part && !atomic_load(&o->failed)) {
        close_part(o);
    }
    tar_writer_close(o->tar);
    if (atomic_load(&o->failed))
        result = fail("%s", o->reason);
    keep = keep && !result;
    if (close_sink(&o->dropped, keep) && !result)
        result = -1;
    if (close_sink(&o->side, keep && !result && !o->in_parts) && !result)
        result = -1;
    if (close_sink(&o->records, keep && !result && !o->in_parts) && !result)
        result = -1;
    free(o->reason);
    return result;
}
