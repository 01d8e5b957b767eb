/* SPDX-License-Identifier: MIT
 * pages.c - memory on large pages, for what lives long and is read over and over
 *
 * A core read weights at 15 GB/s through pages of 2 MiB where it was 12 through those of 4 KiB:
 * fewer translations, and the processor fetches ahead up to the end of a page.  Many blocks are
 * smaller than a large page, so they lie one behind the other in regions:
 *
 *     region = [header][line][block][line][block] ..      the line before a block names its region
 *
 * A region goes when its last block does; the youngest stays, to be filled anew.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/error.h"
#include "base/memory.h"

enum { LINE = 64, PAGE = 2 << 20, REGION = 32 << 20 };

struct region {
    size_t size, used;
    int blocks; /* in use */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct region *youngest; /* under the lock, as all regions are */

static size_t round_to(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* Mapped with room for a page more, of which what is outside of whole pages is given back. */
static struct region *region_new(size_t bytes)
{
    size_t size = bytes < REGION ? REGION : round_to(bytes, PAGE), before;
    char *memory = MAP_FAILED;
    struct region *r;

    if (size >= bytes && size <= SIZE_MAX - PAGE)
        memory =
            mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        warn("out of memory (%zu bytes)", bytes);
        exit(1);
    }
    before = round_to((uintptr_t)memory, PAGE) - (uintptr_t)memory;
    r = (struct region *)(void *)(memory + before);
    if (before)
        munmap(memory, before);
    if (before < PAGE)
        munmap((char *)r + size, PAGE - before);
    madvise(r, size, MADV_HUGEPAGE); /* a hint: failing changes nothing */
    *r = (struct region){ .size = size, .used = LINE };
    return r;
}

static void region_free(struct region *r)
{
    munmap(r, r->size);
}

void *pages_alloc(size_t bytes)
{
    struct region *r;
    char *line;

    bytes = bytes < SIZE_MAX / 2 ? round_to(bytes, LINE) + LINE : SIZE_MAX / 2;
    pthread_mutex_lock(&lock);
    r = youngest;
    if (!r || r->size - r->used < bytes) {
        youngest = region_new(bytes + LINE);
        if (r && !r->blocks)
            region_free(r);
        r = youngest;
    }
    line = (char *)r + r->used;
    r->used += bytes;
    r->blocks++;
    pthread_mutex_unlock(&lock);
    *(struct region **)(void *)line = r;
    return line + LINE;
}

void pages_free(void *memory)
{
    struct region *r;

    if (!memory)
        return;
    r = *(struct region **)(void *)((char *)memory - LINE);
    pthread_mutex_lock(&lock);
    if (!--r->blocks && r != youngest)
        region_free(r);
    else if (!r->blocks)
        r->used = LINE;
    pthread_mutex_unlock(&lock);
}
