/* SPDX-License-Identifier: MIT
 * trouble.c - records made here: for a file, and for what could not be read
 *
 *     {"image":"photo.jpg"}
 *     {"error":{"stage":"read","code":"invalid_json","message":"...","line":17},"raw":"..."}
 */
#include <string.h>
#include "base/buffer.h"
#include "base/random.h"
#include "base/json.h"
#include "stream/format.h"

struct record *record_of_path(const char *path, size_t size)
{
    struct buffer b = { 0 };
    struct record *r;

    buffer_string(&b, "{\"image\":");
    json_add_path(&b, path, size);
    buffer_byte(&b, '}');
    r = record_new(b.data, b.size);
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
        json_add_path(&b, raw, size); /* bytes that are no UTF-8 are not lost */
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
