/* SPDX-License-Identifier: MIT
 * cbor.c - any bytes as an item: a record that is read is written and read again as the same
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer first = { 0 }, second = { 0 }, line = { 0 };
    size_t used = 0, again;
    struct record *r = cbor_read_record(data, size, &used), *s;

    if (used > size)
        abort();
    if (r) {
        record_write(&line, r, false);
        record_write(&first, r, true);
        s = cbor_read_record(first.data, first.size, &again);
        if (!s || again != first.size)
            abort();
        record_write(&second, s, true);
        if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
            abort();
        record_free(s);
    }
    record_free(r);
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&line);
    return 0;
}
