/* SPDX-License-Identifier: MIT
 * budget.c - an amount that threads share
 */
#include "base/thread.h"

void budget_take(struct budget *b, size_t size, size_t most)
{
    pthread_mutex_lock(&b->lock);
    while (b->used && b->used + size > most)
        pthread_cond_wait(&b->changed, &b->lock);
    b->used += size;
    pthread_mutex_unlock(&b->lock);
}

void budget_give(struct budget *b, size_t size)
{
    pthread_mutex_lock(&b->lock);
    b->used -= size;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}
