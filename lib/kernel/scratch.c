/* SPDX-License-Identifier: MIT
 * scratch.c - memory of the workers, kept from call to call
 */
#include <stdlib.h>
#include "base/memory.h"
#include "base/thread.h"
#include "kernel/panel.h"

enum { LINE = 16 }; /* floats in a line of the cache */

static struct {
    float *memory;
    size_t size, part; /* floats: in all; of one worker */
} scratch;

void scratch_reserve(size_t floats)
{
    size_t part = (size_t)round_up((long)floats, LINE) + LINE; /* workers share no line */
    size_t size = part * (size_t)pool_threads() + LINE;

    scratch.part = part;
    if (size <= scratch.size)
        return;
    free(scratch.memory);
    scratch.memory = xalloc(size, sizeof *scratch.memory);
    scratch.size = size;
}

float *scratch_of(int worker)
{
    uintptr_t start = ((uintptr_t)scratch.memory + 63) / 64 * 64;

    return (float *)start + (size_t)worker * scratch.part;
}

long panels_room(long columns, long depth)
{
    struct panels p = panels_of(kernels.panel, columns);

    return round_up(panels_size(kernels.panel, &p, depth), LINE);
}

long row_room(long columns)
{
    return round_up(columns, LINE) + LINE;
}
