/* SPDX-License-Identifier: MIT
 * queue.c - records on their way between two threads, bounded by count and by bytes
 *
 * One lock and one condition serve both ends. Records differ in size by a million times, so a bound
 * on their count alone would not bound the memory.
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "cli/loop.h"

void queue_open(struct queue *q, int capacity, size_t most_bytes)
{
    *q = (struct queue){ .capacity = capacity, .most_bytes = most_bytes };
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->ring = xalloc((size_t)capacity, sizeof *q->ring);
}

/* What the record itself holds; a picture that is named by a path is not read yet, and counts
 * nothing. */
static size_t item_bytes(const struct item *item)
{
    const struct record *r = item->record;
    size_t sum = sizeof *item + item->kept.size + item->dropped.size;

    if (item->line)
        sum += item->size ? item->size : strlen(item->line);
    if (r)
        sum += sizeof *r + r->json.size;
    for (int i = 0; r && i < r->member_count; i++)
        sum += r->members[i].size;
    return sum;
}

/* One record always fits, however large it is. */
static bool is_full(const struct queue *q)
{
    return q->count == q->capacity || (q->count && q->bytes >= q->most_bytes);
}

/* False: nobody will take it, and it still belongs to the caller. */
bool queue_put(struct queue *q, struct item item)
{
    bool taken;

    pthread_mutex_lock(&q->lock);
    while (is_full(q) && !q->abandoned)
        pthread_cond_wait(&q->changed, &q->lock);
    taken = !q->abandoned;
    if (taken) {
        q->ring[(q->first + q->count++) % q->capacity] = item;
        q->bytes += item_bytes(&item);
        pthread_cond_broadcast(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

/* Waiters are woken only by a change. */
static void set(struct queue *q, bool *flag, bool value)
{
    pthread_mutex_lock(&q->lock);
    if (*flag != value) {
        *flag = value;
        pthread_cond_broadcast(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
}

void queue_starve(struct queue *q, bool starving)
{
    set(q, &q->starving, starving);
}

void queue_close(struct queue *q)
{
    set(q, &q->closed, true);
}

void queue_abandon(struct queue *q)
{
    set(q, &q->abandoned, true);
}

/* Waits for a whole batch, unless the input has ended, the queue is full, or the reader waits for
 * more input itself: then what is there is worth computing now. */
int queue_take(struct queue *q, struct item *items, int most, bool wait)
{
    int taken = 0;

    pthread_mutex_lock(&q->lock);
    while (!q->closed && !is_full(q) && q->count < most && (!q->starving || (!q->count && wait)))
        pthread_cond_wait(&q->changed, &q->lock);
    while (taken < most && q->count) {
        items[taken] = q->ring[q->first];
        q->bytes -= item_bytes(&items[taken++]);
        q->first = (q->first + 1) % q->capacity;
        q->count--;
    }
    if (taken)
        pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return taken;
}

/* Closed and drained: nothing will come any more. */
bool queue_ended(struct queue *q)
{
    bool ended;

    pthread_mutex_lock(&q->lock);
    ended = q->closed && !q->count;
    pthread_mutex_unlock(&q->lock);
    return ended;
}

void item_free(struct item *item)
{
    record_free(item->record);
    free(item->line);
}

void queue_free(struct queue *q)
{
    for (; q->count; q->count--, q->first = (q->first + 1) % q->capacity)
        item_free(&q->ring[q->first]);
    free(q->ring);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->changed);
    *q = (struct queue){ 0 };
}
