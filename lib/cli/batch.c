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

static void prepare_one(void *argument, long index, int worker)
{
    struct batch *b = argument;
    struct item *item = &b->items[index];

    (void)worker;
    examine(item);
    if (!item->ready && !item->record->failed && b->filter->prepare)
        b->filter->prepare(item->record);
}

static bool take(struct loop *l, struct batch *b, bool wait)
{
    b->count = queue_take(&l->input->queue, b->items, l->next_size, wait);
    if (b->count == l->next_size)
        l->next_size = 2 * b->count < l->size ? 2 * b->count : l->size;
    b->job = b->count ? pool_submit(prepare_one, b, b->count) : NULL;
    return b->count > 0;
}

static int compute(struct loop *l, struct batch *b)
{
    int count = 0, result;

    for (int i = 0; i < b->count; i++) {
        if (!b->items[i].ready && (!b->items[i].record->failed || l->filter->takes_failed)) {
            l->places[count] = i;
            l->records[count++] = b->items[i].record;
        }
    }
    if (!count || !l->filter->batch)
        return 0;
    l->in_batch = true;
    result = l->filter->batch(l->records, count);
    l->in_batch = false;
    for (int i = 0; i < count; i++)
        b->items[l->places[i]].record = l->records[i];
    return result;
}

/* What batch() emitted for the records up to `index` leaves. */
static void put_emitted(struct loop *l, uint64_t index)
{
    int n = 0;

    for (; n < l->emitted_count && l->emitted[n]->index <= index; n++) {
        if (l->report->stopped)
            record_free(l->emitted[n]);
        else
            output_put(l->output, l->emitted[n]);
    }
    l->emitted_count -= n;
    for (int i = 0; n && i < l->emitted_count; i++)
        l->emitted[i] = l->emitted[i + n];
}

static void retire(struct loop *l, struct item *item)
{
    struct record *r = item->record;
    bool failed;

    put_emitted(l, item->index);
    l->report->bytes = item->bytes;
    if (!r) { /* taken over */
        if (!l->report->stopped)
            report_record(l->report, NULL, false);
        return;
    }
    failed = r->failed && !item->came_failed && !item->ready;
    if (l->filter->release && r->work)
        l->filter->release(r);
    if (!l->report->stopped) {
        report_record(l->report, r, failed);
        if ((failed && settings.on_error == ON_ERROR_FAIL) ||
            (r->failed && settings.on_error == ON_ERROR_SKIP))
            r->dropped = true;
        if (l->filter->drops_failed && r->failed)
            r->dropped = true;
    } else {
        r->dropped = true;
    }
    if (r->dropped)
        record_free(r);
    else
        output_put(l->output, r);
}

static void retire_all(struct loop *l, struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        retire(l, &b->items[i]);
    put_emitted(l, UINT64_MAX);
    report_progress(l->report);
}

static void discard(struct loop *l, struct batch *b)
{
    pool_finish(b->job);
    for (int i = 0; i < b->count; i++) {
        if (l->filter->release && b->items[i].record->work)
            l->filter->release(b->items[i].record);
        record_free(b->items[i].record);
    }
}

int loop_run(struct loop *l)
{
    struct batch a = { .filter = l->filter }, b = a, *now = &a, *next = &b, *other;
    int result = 0;

    l->next_size = 1;
    a.items = xalloc((size_t)l->size, sizeof *a.items);
    b.items = xalloc((size_t)l->size, sizeof *b.items);
    l->records = xalloc((size_t)l->size, sizeof(struct record *));
    l->places = xalloc((size_t)l->size, sizeof *l->places);
    while (!result && !l->report->stopped && !atomic_load(&l->output->failed)) {
        if (!now->count && !take(l, now, true))
            break;
        pool_finish(now->job);
        take(l, next, false);
        result = compute(l, now);
        retire_all(l, now);
        now->count = 0;
        other = now;
        now = next;
        next = other;
    }
    if (now->count)
        discard(l, now);
    free(l->records);
    free(l->places);
    free(a.items);
    free(b.items);
    free(l->emitted);
    l->emitted = NULL;
    return result;
}

void loop_emit(struct loop *l, struct record *r)
{
    if (!l->in_batch) {
        output_put(l->output, r);
        return;
    }
    l->emitted = xresize(l->emitted, (size_t)l->emitted_count + 1, sizeof(struct record *));
    l->emitted[l->emitted_count++] = r;
}
