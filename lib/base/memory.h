/* SPDX-License-Identifier: MIT
 * memory.h - memory that is there: blocks, arenas, large pages
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdarg.h>
#include "base/core.h"

/* memory.c - memory that is there, or the process says so and exits with 1 */
void *xalloc(size_t count, size_t size); /* zeroed; the product is checked */
void *xresize(void *memory, size_t count, size_t size);
void *xcheck(void *memory); /* what another library made; exits where that is NULL */
char *xstrdup(const char *text);
char *xmemdup(const void *data, size_t size); /* one NUL behind it */
char *xprintf(const char *format, ...) PRINTF_LIKE(1, 2);
char *xvprintf(const char *format, va_list list) PRINTF_LIKE(1, 0);
/* Before the first thread: large blocks that were freed are no longer the process's. */
void memory_returns(void);
bool size_product(size_t a, size_t b, size_t *product); /* false on overflow */

/* arena.c - memory that is dropped together; grows by chunks, rewinds to a mark */
struct arena {
    struct arena_chunk *last; /* NULL: empty, ready for use */
    size_t peak;              /* most bytes ever in use */
};
struct arena_mark {
    struct arena_chunk *chunk;
    size_t used;
};
void *arena_alloc(struct arena *arena, size_t bytes); /* 64-byte aligned, not zeroed */
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark); /* keeps chunks for reuse */
void arena_free(struct arena *arena);

/* pages.c - memory on large pages, for what lives long and is read over and over; of any content,
 * aligned to a line of the cache; exits when out of memory */
void *pages_alloc(size_t bytes);
void pages_free(void *memory); /* NULL is nothing */

#endif
