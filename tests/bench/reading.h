/* SPDX-License-Identifier: MIT
 * reading.h - how fast memory can be read at all: what decoding is measured against
 *
 * Each thread adds up a stretch of its own, in huge pages, as four streams, each fetched eight
 * lines ahead: the fastest of the ways tried (1 to 4 streams, 0 to 256 lines ahead, each kind of
 * fetch).
 */
#ifndef BENCH_READING_H
#define BENCH_READING_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/base.h"

enum { READING_BYTES = 1 << 30 };

typedef float reading_vector __attribute__((vector_size(64)));

static inline char *reading_memory(void)
{
    enum { HUGE_PAGE = 2 << 20 };
    char *at = xalloc((size_t)READING_BYTES + HUGE_PAGE, 1);

    at += HUGE_PAGE - (uintptr_t)at % HUGE_PAGE;
    madvise(at, READING_BYTES, MADV_HUGEPAGE);
    memset(at, 0, READING_BYTES);
    return at; /* for as long as the program runs */
}

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void
reading_sum(const char *from, size_t bytes, reading_vector *out)
{
    enum { STREAMS = 4, LINES = 4, LINE = 64, AHEAD = 8 * LINE };
    reading_vector sum[LINES] = { 0 };
    size_t each = bytes / STREAMS;

    for (size_t i = 0; i < each; i += LINES * LINE)
        for (int k = 0; k < STREAMS; k++) {
            const char *at = from + (size_t)k * each + i;

            for (int j = 0; j < LINES; j++)
                __builtin_prefetch(at + AHEAD + j * LINE);
            for (int j = 0; j < LINES; j++)
                sum[j] += *(const reading_vector *)(const void *)(at + j * LINE);
        }
    *out = sum[0] + sum[1] + sum[2] + sum[3];
}

static inline void reading_part(void *memory, long index, int worker)
{
    size_t each = READING_BYTES / (size_t)pool_threads() / 4096 * 4096;
    static _Thread_local volatile float sink;
    reading_vector sum;

    (void)worker;
    reading_sum((const char *)memory + (size_t)index * each, each, &sum);
    sink = sum[0];
    (void)sink;
}

/* Once through the memory, on the pool. */
static inline void reading_pass(char *memory)
{
    pool_run(reading_part, memory, pool_threads());
}

#endif
