/* SPDX-License-Identifier: MIT
 * number.c - any text as a number: what is read is what strtof reads, and what the scanner calls
 * one
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/number.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup(data, size), *stop;
    const char *at = text;
    struct buffer object = { 0 };
    float value, wanted;

    if (float_parse(&at, text + size, &value)) {
        buffer_string(&object, "{\"a\":");
        buffer_add(&object, text, (size_t)(at - text));
        buffer_byte(&object, '}');
        text[at - text] = 0;
        wanted = strtof(text, &stop);
        if (stop != at || memcmp(&wanted, &value, sizeof value) != 0 ||
            json_check(object.data, object.size))
            abort();
    }
    buffer_free(&object);
    free(text);
    return 0;
}
