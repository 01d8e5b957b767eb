/* SPDX-License-Identifier: MIT
 * json.c - small reads of parsed configurations
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

static void *allocate(size_t size)
{
    return xalloc(1, size);
}

/* cJSON leaves a field out where memory is gone, and says nothing: end as everywhere else. */
__attribute__((constructor)) static void json_start(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = allocate, .free_fn = free });
}

cJSON *json_parse(const char *text, size_t size)
{
    const char *end = NULL;
    cJSON *parsed = cJSON_ParseWithLengthOpts(text, size, &end, false);

    while (parsed && end < text + size && (!*end || strchr(" \t\r\n", *end)))
        end++;
    if (parsed && end == text + size)
        return parsed;
    cJSON_Delete(parsed);
    fail("not valid JSON near byte %td", end ? end - text : (ptrdiff_t)0);
    return NULL;
}

cJSON *json_read(const char *path)
{
    struct buffer b = { 0 };
    cJSON *parsed = NULL;

    if (file_read(&b, path) == 0) {
        parsed = json_parse(b.data, b.size);
        if (!parsed)
            fail_in(path);
    }
    buffer_free(&b);
    return parsed;
}

const cJSON *json_get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

double json_number(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *item = json_get(object, name);

    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

bool json_bool(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *item = json_get(object, name);

    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

const char *json_string(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = json_get(object, name);

    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

void json_escape_inside(struct buffer *b, const char *text, size_t size)
{
    const char *end = text + size;

    while (text < end) {
        uint32_t code = utf8_next(&text, end);

        if (code == '"' || code == '\\')
            buffer_printf(b, "\\%c", (char)code);
        else if (code == '\n')
            buffer_string(b, "\\n");
        else if (code < 0x20 || code == 0x7f)
            buffer_printf(b, "\\u%04x", code);
        else
            buffer_utf8(b, code);
    }
}

void json_escape(struct buffer *b, const char *text, size_t size)
{
    buffer_byte(b, '"');
    json_escape_inside(b, text, size);
    buffer_byte(b, '"');
}
