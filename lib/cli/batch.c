/* SPDX-License-Identifier: MIT
 * batch.c - from the input's queue to the output's
 *
 *     take 2   prepare 2 ......   compute 2   put 2
 *              compute 1  put 1   take 3      prepare 3 ....
 *
 * While a batch is computed, the next one is being prepared in the background.  A batch is what is
 * there: when the input is slow, every record is a batch of its own.  The first batches are small,
 * 1, 2, 4 .. records, so that the first result does not wait for the computing of a whole batch.
 */
#include <assert.h>
#include <stdlib.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "cli/loop.h"

struct batch {
    struct filter *filter;
    struct item *items;
    int count;
    struct job *job;
};

/* Does a record have its error already, and is that to be forgotten? */
static void examine(struct item *item)
{
    struct record *r = item->record;
    struct span value;

    if (r->raw || item->ready)
        return;
    if (!r->failed_before)
        return;
    if (settings.retry_errors && !record_find(r, "raw", &value)) {
        record_remove(r, "error");
        r->failed = false;
    } else {
        item->came_failed = true;
    }
}

/* On any thread: images are decoded and texts tokenised while the batch before is computed. */
static void prepare_one(void *argument, long index, int worker)
{
    struct batch *b = argument;
    struct item *item = &b->items[index];

    (void)worker;
    examine(item);
    if (!item->ready && !item->record->failed && b->filter->prepare) {
        double begun = stage_begin();

        b->filter->prepare(item->record);
        stage_end(STAGE_PREPARE, begun);
    }
}

/* The first batch has one record, and each full one doubles the next: the first result comes soon,
 * and a large model is soon fed well. */
static bool take(struct loop *l, struct batch *b, bool wait)
{
    b->count = queue_take(&l->input->queue, b->items, l->next_size, wait);
    if (b->count == l->next_size)
        l->next_size = 2 * b->count < l->size ? 2 * b->count : l->size;
    b->job = b->count ? pool_submit(prepare_one, b, b->count) : NULL;
    return b->count > 0;
}

/* Some of the records that batch() gets. */
static enum run compute_some(struct loop *l, int first, int count)
{
    double begun = stage_begin();
    enum run run;

    for (int i = first; i < first + count; i++)
        l->outcomes[i] = NOT_COMPUTED;
    l->in_batch = true;
    run = l->filter->batch(l->records + first, l->outcomes + first, count);
    l->in_batch = false;
    stage_end(STAGE_COMPUTE, begun);
    return run;
}

/* A record that could not be computed, alone or beside others, fails; its neighbours do not. */
static enum run compute_each(struct loop *l, int count)
{
    enum run run = RUN_GOES_ON;

    for (int i = 0; i < count && run == RUN_GOES_ON; i++) {
        if (l->outcomes[i] == NOT_COMPUTED && count > 1)
            run = compute_some(l, i, 1);
        if (l->outcomes[i] == NOT_COMPUTED && run == RUN_GOES_ON) {
            record_fail_last(l->records[i], "compute");
            l->outcomes[i] = COMPUTED;
        }
    }
    return run;
}

static void add_provenance(struct loop *l, struct record *r)
{
    if (settings.provenance && r && !r->failed && !r->untouched)
        provenance_add(r, l->filter->model_of ? l->filter->model_of(r) : model_hash());
}

/* Records that failed, or whose result an earlier run has, are not computed. */
static int compute(struct loop *l, struct batch *b)
{
    int count = 0;
    enum run run;

    for (int i = 0; i < b->count; i++) {
        if (!b->items[i].ready && (!b->items[i].record->failed || l->filter->takes_failed)) {
            l->places[count] = i;
            l->records[count++] = b->items[i].record;
        }
    }
    if (!count || !l->filter->batch)
        return 0;
    run = compute_some(l, 0, count);
    if (run == RUN_GOES_ON)
        run = compute_each(l, count);
    for (int i = 0; i < count; i++) {
        if (l->outcomes[i] == COMPUTED)
            add_provenance(l, l->records[i]);
        b->items[l->places[i]].record = l->records[i];
        b->items[l->places[i]].lost = l->outcomes[i] == NOT_COMPUTED;
    }
    return run == RUN_ENDS ? -1 : 0;
}

/* Nothing is written any more. */
static bool is_over(const struct loop *l)
{
    return l->ended || l->report->stopped;
}

/* A sample without its picture serves nobody: where it cannot be read, the record fails. */
static bool lacks_picture(struct record *r)
{
    if (settings.to != RECORD_TAR || r->failed || r->dropped ||
        record_load_picture(r, &settings.fields) == 0)
        return false;
    record_image_fail(r, &settings.fields, "write");
    return true;
}

/* A set that was chosen holds no record that failed. */
static void divert(struct loop *l, struct record *r)
{
    char *code = record_error_code(r), *reason = xprintf("error: %s", code);

    l->report->diverted++;
    record_set_string(r, "reason", reason);
    output_drop(l->output, r);
    free(code);
    free(reason);
}

/* Does a record that failed leave nowhere? */
static bool is_left_out(const struct loop *l)
{
    return settings.errors.action == ON_ERROR_SKIP || l->filter->drops_failed;
}

static void put(struct loop *l, struct record *r, bool to_dropped)
{
    if (!to_dropped && lacks_picture(r)) {
        report_emitted(l->report, r);
        if (is_left_out(l) || settings.errors.action == ON_ERROR_FAIL)
            record_free(r);
        else if (l->filter->diverts_failed)
            divert(l, r);
        else
            output_put(l->output, r);
    } else if (to_dropped) {
        output_drop(l->output, r);
    } else {
        output_put(l->output, r);
    }
}

/* What batch() emitted for the records up to `index` leaves. */
static void put_emitted(struct loop *l, uint64_t index)
{
    int n = 0;

    for (; n < l->emitted_count && l->emitted[n].index <= index; n++) {
        if (is_over(l))
            record_free(l->emitted[n].record);
        else
            put(l, l->emitted[n].record, l->emitted[n].to_dropped);
    }
    l->emitted_count -= n;
    for (int i = 0; n && i < l->emitted_count; i++)
        l->emitted[i] = l->emitted[i + n];
}

static bool was_failure(const struct item *item)
{
    return item->result.kind == RESULT_FAILED || item->result.kind == RESULT_SKIPPED;
}

/* An earlier run has its bytes. */
static void retire_known(struct loop *l, struct item *item)
{
    l->report->bytes = item->bytes;
    if (!is_over(l))
        report_known(l->report, was_failure(item) && !item->record->failed_before);
    if (!is_over(l))
        output_end(l->output, item);
    record_free(item->record);
}

/* The record leaves: to the output, to what is dropped, or nowhere. Everything that was emitted
 * before it goes first. */
static void retire(struct loop *l, struct item *item)
{
    struct record *r = item->record;
    bool failed;

    l->ended |= item->lost;
    put_emitted(l, item->index);
    l->report->bytes = item->bytes;
    if (r && l->filter->release && r->work)
        l->filter->release(r);
    if (is_over(l)) {
        record_free(r);
        return;
    }
    if (r && !item->ready)
        lacks_picture(r);
    failed = r && r->failed && !item->came_failed && !item->ready;
    item->result.kind = r && r->failed ? RESULT_FAILED : RESULT_KEPT;
    report_record(l->report, r, failed);
    if (r && r->failed && ((failed && settings.errors.action == ON_ERROR_FAIL) || is_left_out(l)))
        r->dropped = true;
    if (r && r->dropped)
        record_free(r);
    else if (r && r->failed && l->filter->diverts_failed)
        divert(l, r);
    else if (r)
        output_put(l->output, r);
    if (!(failed && settings.errors.action == ON_ERROR_FAIL))
        output_end(l->output, item);
}

static void retire_any(struct loop *l, struct item *item)
{
    if (item->ready && item->result.record && l->input->reuse)
        retire_known(l, item);
    else
        retire(l, item);
}

static void retire_all(struct loop *l, struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        retire_any(l, &b->items[i]);
    put_emitted(l, UINT64_MAX);
    report_progress(l->report);
}

/* What a record becomes leaves before the next is computed, so that many copies of a large one do
 * not wait for its neighbours. */
static int compute_one_by_one(struct loop *l, struct batch *b)
{
    enum run run = RUN_GOES_ON;

    for (int i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];

        if (!item->ready && !is_over(l) && (!item->record->failed || l->filter->takes_failed)) {
            double begun = stage_begin();

            l->records[0] = item->record;
            l->outcomes[0] = NOT_COMPUTED;
            run = l->filter->batch(l->records, l->outcomes, 1);
            stage_end(STAGE_COMPUTE, begun);
            if (run == RUN_GOES_ON)
                run = compute_each(l, 1);
            item->record = l->records[0];
            item->lost = l->outcomes[0] == NOT_COMPUTED;
            if (!item->lost)
                add_provenance(l, item->record);
        }
        retire_any(l, item);
    }
    report_progress(l->report);
    return run == RUN_ENDS ? -1 : 0;
}

/* Nobody reads any more: what was prepared is freed. */
static void discard(struct loop *l, struct batch *b)
{
    pool_finish(b->job);
    for (int i = 0; i < b->count; i++) {
        if (l->filter->release && b->items[i].record->work)
            l->filter->release(b->items[i].record);
        record_free(b->items[i].record);
    }
}

/* Two batches take turns, one is prepared while the other is computed. */
int loop_run(struct loop *l)
{
    struct batch a = { .filter = l->filter }, b = a, *now = &a, *next = &b, *other;
    int result = 0;

    l->next_size = 1;
    a.items = xalloc((size_t)l->size, sizeof *a.items);
    b.items = xalloc((size_t)l->size, sizeof *b.items);
    l->records = xalloc((size_t)l->size, sizeof(struct record *));
    l->places = xalloc((size_t)l->size, sizeof *l->places);
    l->outcomes = xalloc((size_t)l->size, sizeof *l->outcomes);
    while (!result && !l->report->stopped && !atomic_load(&l->output->failed)) {
        if (!now->count && !take(l, now, true))
            break;
        pool_finish(now->job);
        take(l, next, false);
        if (l->filter->one_by_one) {
            result = compute_one_by_one(l, now);
        } else {
            result = compute(l, now);
            retire_all(l, now);
        }
        now->count = 0;
        other = now;
        now = next;
        next = other;
    }
    if (now->count)
        discard(l, now);
    free(l->records);
    free(l->places);
    free(l->outcomes);
    free(a.items);
    free(b.items);
    free(l->emitted);
    l->emitted = NULL;
    return result;
}

/* batch() may try records of a batch again one by one; what they emit still leaves in the order of
 * the input. */
void loop_emit(struct loop *l, struct record *r, bool to_dropped)
{
    const struct item item = { .record = r, .index = r->index, .to_dropped = to_dropped };
    int at;

    add_provenance(l, r);
    if (!l->in_batch) {
        put(l, r, to_dropped);
        return;
    }
    l->emitted = xresize(l->emitted, (size_t)l->emitted_count + 1, sizeof *l->emitted);
    for (at = l->emitted_count++; at && l->emitted[at - 1].index > r->index; at--)
        l->emitted[at] = l->emitted[at - 1]; /* that one was tried again later */
    l->emitted[at] = item;
}
