/* SPDX-License-Identifier: MIT
 * memory.c - memory that is there, or the process says so and exits with 1
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include "base/error.h"
#include "base/memory.h"

enum { RETURNED = 4 << 20 }; /* bytes: a block as large goes back to the system when it is freed */

static _Noreturn void gone(size_t count, size_t size)
{
    fprintf(stderr, "%s: out of memory (%zu x %zu bytes)\n", program_name, count, size);
    exit(1);
}

bool size_product(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* glibc keeps what a thread frees for that thread, and the more the larger it was: with as many
 * threads as pictures, as many pictures stay in memory.  A bound that is set no longer grows. */
void memory_returns(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, RETURNED);
#endif
}

/* A size of 0 gets a byte: NULL means that memory is gone, and nothing else. */
void *xalloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);

    if (!memory)
        gone(count, size);
    return memory;
}

void *xresize(void *memory, size_t count, size_t size)
{
    size_t bytes;

    if (!size_product(count, size, &bytes))
        gone(count, size);
    memory = realloc(memory, bytes ? bytes : 1);
    if (!memory)
        gone(count, size);
    return memory;
}

void *xcheck(void *memory)
{
    if (!memory)
        gone(1, 1);
    return memory;
}

char *xmemdup(const void *data, size_t size)
{
    char *copy = xresize(NULL, size + 1, 1);

    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}

char *xstrdup(const char *text)
{
    return xmemdup(text, strlen(text));
}

/* Measured first: no message is cut. */
char *xvprintf(const char *format, va_list list)
{
    va_list again;
    int length;
    char *text;

    va_copy(again, list);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = xresize(NULL, (size_t)length + 1, 1);
    vsnprintf(text, (size_t)length + 1, format, list);
    return text;
}

char *xprintf(const char *format, ...)
{
    va_list list;
    char *text;

    va_start(list, format);
    text = xvprintf(format, list);
    va_end(list);
    return text;
}
