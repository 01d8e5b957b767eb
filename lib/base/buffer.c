/* SPDX-License-Identifier: MIT
 * buffer.c - bytes that grow; always one NUL behind the last
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"

/* Capacities double, so that n bytes cost about n copies however they are added. */
void buffer_reserve(struct buffer *b, size_t more)
{
    size_t need = b->size + more + 1, capacity = b->capacity ? b->capacity : 64;

    if (b->capacity >= need && need > more)
        return;
    while (capacity < need && capacity * 2 > capacity)
        capacity *= 2;
    if (need <= more) /* wrapped around: let xresize refuse it */
        capacity = SIZE_MAX;
    b->data = xresize(b->data, capacity, 1);
    b->capacity = capacity;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
    buffer_reserve(b, size);
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
}

void buffer_byte(struct buffer *b, int byte)
{
    char c = (char)byte;

    buffer_add(b, &c, 1);
}

void buffer_string(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    buffer_reserve(b, (size_t)length);
    va_start(list, format);
    vsnprintf(b->data + b->size, (size_t)length + 1, format, list);
    va_end(list);
    b->size += (size_t)length;
}

/* The tail moves first: the new bytes may be longer than the old. */
void buffer_replace(struct buffer *b, size_t at, size_t size, const void *data, size_t new_size)
{
    assert(at + size <= b->size);
    if (new_size > size)
        buffer_reserve(b, new_size - size);
    memmove(b->data + at + new_size, b->data + at + size, b->size - at - size);
    if (new_size)
        memcpy(b->data + at, data, new_size);
    b->size = b->size - size + new_size;
    b->data[b->size] = 0;
}

void buffer_substitute(struct buffer *b, const char *what, const char *by)
{
    size_t length = strlen(what);
    struct buffer out = { 0 };

    if (!b->size)
        return;
    for (size_t i = 0; i < b->size;) {
        if (b->size - i >= length && !memcmp(b->data + i, what, length)) {
            buffer_string(&out, by);
            i += length;
        } else {
            buffer_byte(&out, b->data[i++]);
        }
    }
    buffer_free(b);
    *b = out;
}

void buffer_clear(struct buffer *b)
{
    b->size = 0;
    if (b->data)
        b->data[0] = 0;
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){ 0 };
}

/* One code point; overlong forms, surrogates and values past U+10FFFF are bad bytes. */
uint32_t utf8_next(const char **text, const char *end)
{
    const unsigned char *s = (const unsigned char *)*text;
    int more = *s < 0x80 ? 0 : *s < 0xc2 ? -1 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : *s < 0xf5 ? 3 : -1;
    uint32_t code = more <= 0 ? *s : *s & (0x3fu >> more);
    int low = *s == 0xe0 ? 0xa0 : *s == 0xf0 ? 0x90 : 0x80;
    int high = *s == 0xed ? 0x9f : *s == 0xf4 ? 0x8f : 0xbf;

    *text += 1;
    if (more < 0)
        return 0xfffd;
    for (; more > 0; more--, low = 0x80, high = 0xbf) {
        const unsigned char next = *text < end ? (unsigned char)**text : 0;

        if (next < low || next > high)
            return 0xfffd;
        code = code << 6 | (next & 0x3f);
        *text += 1;
    }
    return code;
}

/* RFC 3629: the first byte says by its leading ones how many follow, six bits in each. */
void buffer_utf8(struct buffer *b, uint32_t code)
{
    char s[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    if (n == 1) {
        s[0] = (char)code;
    } else {
        for (size_t i = n - 1; i > 0; i--, code >>= 6)
            s[i] = (char)(0x80 | (code & 0x3f));
        s[0] = (char)((0xf00u >> n & 0xf0) | code);
    }
    buffer_add(b, s, n);
}

bool utf8_is_valid(const char *text, size_t size)
{
    const char *end = text + size;

    while (text < end) {
        const char *from = text;

        if (utf8_next(&text, end) == 0xfffd &&
            (text - from != 3 || memcmp(from, "\xef\xbf\xbd", 3)))
            return false;
    }
    return true;
}
