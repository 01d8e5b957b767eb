/* SPDX-License-Identifier: MIT
 * input.c - the reader, shards and resumption, on a thread of their own
 */
#include <stdlib.h>
#include "base/random.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/loop.h"

enum { MOST_BYTES = 64 << 20 }; /* waiting in the queue, if that is more than one record */

/* The queue has room for two batches: one is prepared while the one before is computed. */
int input_open(struct input *in, char *const *operands, int count)
{
    struct reader_options options = {
        .from = settings.input.from,
        .null = settings.input.null,
        .is_image = vlm_is_image,
        .quiet = settings.quiet,
        .pairs = settings.input.pairs,
    };

    queue_open(&in->queue, 2 * (int)settings.batch, MOST_BYTES);
    in->reader = reader_open(operands, count, &options);
    return in->reader ? 0 : -1;
}

/* The next record of this process's shard. */
static struct record *next_record(struct input *in, bool *would_wait, long long *bytes)
{
    double begun = stage_begin();
    struct record *r;
    long long total;

    while ((r = reader_next(in->reader, would_wait)) && !shard_takes(&in->shard, r)) {
        record_free(r);
        queue_starve(&in->queue, *would_wait);
    }
    stage_end(STAGE_READ, begun);
    *bytes = reader_bytes(in->reader, &total);
    atomic_store(&in->report->total, total);
    return r;
}

/* The reader thread ends the run; the main thread says why, once what came before has left. */
static int refuse(struct input *in)
{
    in->status = 1;
    in->reason = xstrdup(error_text());
    return -1;
}

/* With --resume --retry-errors: what OUT holds of this record takes its place, unless that failed.
 * A record that OUT does not hold was skipped for its error, and is tried again. */
static int replace(struct input *in, struct item *item)
{
    struct record *out = in->waiting ? in->waiting : resume_next(in->resume);

    in->waiting = NULL;
    if (!out)
        return *error_text() ? refuse(in) : 0;
    if (!resume_matches(in->resume, out, item->record)) {
        in->waiting = out;
        return in->resume->may_drop ? 0 : (resume_mismatch(in->resume, item->record), refuse(in));
    }
    if (record_has_error(out)) {
        record_free(out);
        return 0;
    }
    out->source = item->record->source;
    out->line = item->record->line;
    out->index = item->record->index;
    record_free(item->record);
    *item = (struct item){ .record = out, .ready = true, .bytes = item->bytes };
    return 0;
}

/* The thread: reads ahead until the input ends, or nobody wants more. */
static void *read_all(void *argument)
{
    struct input *in = argument;
    bool would_wait = false;
    struct item item = { 0 };

    long long bytes;

    while ((item.record = next_record(in, &would_wait, &bytes))) {
        struct record *r = item.record;

        item = (struct item){
            .record = r, .index = r->index, .bytes = bytes, .result.record = record_hash(r)
        };
        if (in->stamps)
            item.result.picture = picture_stamp(r);
        if (in->reuse)
            reuse_find(in->reuse, &item);
        if ((in->resume && replace(in, &item)) ||
            (queue_starve(&in->queue, would_wait), !queue_put(&in->queue, item))) {
            record_free(item.record);
            break;
        }
    }
    if (!in->status && !item.record) {
        in->status = reader_failed(in->reader);
        if (in->waiting && !in->status) {
            resume_mismatch(in->resume, NULL);
            refuse(in);
        }
        if (in->reuse && in->reuse->retry && in->reuse->used < in->reuse->usable && !in->status) {
            fail("%s was not made from this input: %zu of its records do not come from it",
                 settings.resume, in->reuse->usable - in->reuse->used);
            refuse(in);
        }
    }
    queue_close(&in->queue);
    return NULL;
}

/* A record that OUT holds counts as it did in the run that wrote it. */
static void count(struct input *in, const struct record *out, const struct record *r)
{
    bool failed = record_has_error(out) && (r->raw || !record_has_error(r));

    in->report->records++;
    in->report->errors += failed;
}

/* By the lines of OUT.vlm: each is of the next record. */
static int skip_lines(struct input *in, struct resume *s)
{
    bool would_wait;

    for (long i = 0; i < s->lines; i++) {
        size_t before = s->side.at;
        struct result line;
        struct record *r = next_record(in, &would_wait, &in->report->first_bytes);
        bool same;

        side_next(&s->side, &line);
        same = r && record_hash(r) == line.record;
        s->records = i + 1;
        if (!same) {
            s->side.at = before;
            in->status = r ? 0 : reader_failed(in->reader);
            if (in->status)
                fail("the input ends before what %s holds", s->path);
            else
                resume_mismatch(s, r);
            record_free(r);
            return -1;
        }
        in->report->records++;
        in->report->errors += (line.kind == RESULT_FAILED && (r->raw || !record_has_error(r))) ||
                              (line.kind == RESULT_SKIPPED && !r->failed_before);
        s->at += line.bytes;
        s->dropped += line.dropped;
        record_free(r);
    }
    return 0;
}

/* What OUT.vlm would have said. */
static void rebuild(struct resume *s, const struct record *r, const struct record *out, size_t from)
{
    struct result line = { .record = record_hash(r), .kind = RESULT_DROPPED };

    if (out) {
        line.kind = record_has_error(out) ? RESULT_FAILED : RESULT_KEPT;
        line.bytes = s->at - from;
        line.content = hash_bytes(s->file.data + from, line.bytes, 0);
    } else {
        line.content = hash_bytes("", 0, 0);
    }
    side_line(&s->rebuilt, &line);
}

/* By comparing the records. */
static int skip_records(struct input *in, struct resume *s)
{
    struct record *out = NULL;
    bool would_wait;
    long long *bytes = &in->report->first_bytes;
    size_t from = 0;

    for (; (out = resume_next(s)); from = s->at) {
        struct record *r = next_record(in, &would_wait, bytes);

        while (r && !resume_matches(s, out, r) && s->may_drop) {
            in->report->records++;
            in->report->errors += settings.errors.action == ON_ERROR_SKIP && !r->failed_before;
            rebuild(s, r, NULL, 0);
            record_free(r);
            r = next_record(in, &would_wait, bytes);
        }
        if (!r && reader_failed(in->reader)) {
            in->status = reader_failed(in->reader);
            record_free(out);
            return fail("the input ends before what %s holds", s->path);
        }
        if (!r || !resume_matches(s, out, r)) {
            resume_mismatch(s, r);
            record_free(out);
            record_free(r);
            return -1;
        }
        count(in, out, r);
        rebuild(s, r, out, from);
        record_free(out);
        record_free(r);
    }
    return *error_text() ? -1 : 0;
}

/* --resume: passes over the records that OUT has, and counts them as the run that wrote OUT did. -1
 * after fail(): OUT was not made from this input. */
int input_skip(struct input *in, struct resume *s)
{
    int result = s->lines >= 0 ? skip_lines(in, s) : skip_records(in, s);

    in->report->first = in->report->records;
    return result;
}

void input_start(struct input *in)
{
    if (pthread_create(&in->thread, NULL, read_all, in)) {
        warn("cannot start a thread");
        exit(1);
    }
}

void input_close(struct input *in)
{
    pthread_join(in->thread, NULL);
    record_free(in->waiting);
    queue_free(&in->queue);
    reader_close(in->reader);
    free(in->reason);
}
