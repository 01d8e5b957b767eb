/* SPDX-License-Identifier: MIT
 * buffer.h - bytes that grow, UTF-8, base64
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/core.h"

/* buffer.c - bytes that grow; always one NUL behind the last */
struct buffer {
    char *data;
    size_t size, capacity;
};
void buffer_reserve(struct buffer *b, size_t more);
void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_byte(struct buffer *b, int byte);
void buffer_string(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_replace(struct buffer *b, size_t at, size_t size, const void *data, size_t new_size);
/* Every `what`, from left to right, becomes `by`. */
void buffer_substitute(struct buffer *b, const char *what, const char *by);
void buffer_clear(struct buffer *b); /* empty, memory kept */
void buffer_free(struct buffer *b);
uint32_t utf8_next(const char **text, const char *end); /* bad bytes: U+FFFD, at least one byte */
bool utf8_is_valid(const char *text, size_t size);
void buffer_utf8(struct buffer *b, uint32_t code);

/* base64.c - appends the bytes that a text spells; spaces and newlines are passed by */
int base64_read(struct buffer *b, const char *text);                 /* 0, or -1 after fail() */
void base64_write(struct buffer *b, const void *bytes, size_t size); /* appends the letters */

#endif
