/* SPDX-License-Identifier: MIT
 * trouble.c - records made here: for a file, and for what could not be read
 *
 *     {"image":"photo.jpg"}
 *     {"error":{"stage":"read","code":"invalid_json","message":"...","line":17},"raw":"..."}
 */
#include <string.h>
#include "base/json.h"
#include "stream/inside.h"

static bool is_utf8(const char *text, size_t size)
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

struct record *record_of_path(const char *path, size_t size)
{
    struct buffer b = { 0 };
    struct record *r;

    buffer_string(&b, "{\"image\":");
    json_escape(&b, path, size);
    buffer_byte(&b, '}');
    r = record_new(b.data, b.size);
    if (!is_utf8(path, size)) {
        r->path = xmemdup(path, size);
        r->content = hash_bytes(path, size, 0);
    }
    buffer_free(&b);
    return r;
}

struct record *record_of_trouble(const char *code, const char *message, long line, const char *raw,
                                 size_t size)
{
    struct buffer b = { 0 };
    struct record *r;

    buffer_string(&b, "{\"error\":{\"stage\":\"read\",\"code\":");
    json_escape(&b, code, strlen(code));
    buffer_string(&b, ",\"message\":");
    json_escape(&b, message, strlen(message));
    buffer_printf(&b, ",\"line\":%ld}", line);
    if (raw) {
        buffer_string(&b, ",\"raw\":");
        json_escape(&b, raw, size);
    }
    buffer_byte(&b, '}');
    r = record_new(b.data, b.size);
    r->raw = r->failed = true;
    r->failed_before = false; /* the error is ours */
    if (raw)                  /* the same wherever it stands */
        r->content = hash_bytes(raw, size, 0);
    buffer_free(&b);
    return r;
}
