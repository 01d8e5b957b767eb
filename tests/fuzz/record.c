/* SPDX-License-Identifier: MIT
 * record.c - any line as a record: what is accepted is changed by every setter and stays an object
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* The offsets that the record keeps are those of a scan from the start. */
static void check(const struct record *r)
{
    struct json_fields fresh = { 0 };

    must(json_index(r->json.data, r->json.size, &fresh) == 0);
    must(fresh.count == r->fields.count && fresh.close == r->fields.close);
    must(!fresh.count ||
         !memcmp(fresh.list, r->fields.list, (size_t)fresh.count * sizeof *fresh.list));
    free(fresh.list);
}

static void read_value(struct span value)
{
    struct span name = { "", 0 }, item;
    size_t at = 0, length;
    float *list;
    long count;
    double number;

    free(json_text(value));
    free(json_text_sized(value, &length));
    json_double(value, &number);
    if (json_floats(value, &list, &count))
        free(list);
    while (json_each(value, &at, &name, &item))
        json_name_is(name, "a", 1);
}

static void change(struct record *r)
{
    const char *const names[] = { "a", "b", "text", "error", "" };
    float list[2] = { 1, 2 };
    struct span value;

    for (int i = 0; i < COUNT(names); i++) {
        if (record_find(r, names[i], &value))
            read_value(value);
        record_set_number(r, names[i], 0.5f);
        check(r);
        record_set_string(r, names[i], "\xff\"");
        check(r);
        if (i & 1)
            record_remove(r, names[i]);
        else
            record_set_floats(r, names[i], list, 2, (long[]){ 1, 2 });
        check(r);
    }
    record_fail(r, "stage", "code", "message");
    check(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup(data, size);
    struct record *r = record_parse(text, size);
    struct buffer out = { 0 };
    size_t used;

    /* what is no JSON is a record only where NaN was in it */
    must((json_check(text, size) == 0) == (r && !r->had_nan));
    if (r) {
        check(r);
        change(r);
        record_write(&out, r, false);
        must(out.data[out.size - 1] == '\n' && json_check(out.data, out.size) == 0);
        buffer_clear(&out);
        record_write(&out, r, true);
        record_free(r);
        r = cbor_read_record(out.data, out.size, &used);
        must(r && used == out.size);
    }
    record_free(r);
    buffer_free(&out);
    free(text);
    return 0;
}
