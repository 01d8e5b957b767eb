/* SPDX-License-Identifier: MIT
 * provenance.c - the field `provenance`: how a record's results were made
 *
 *     [{"command":"vlm-itm","vlm":"0.1.0","model":"91c0c3dfd1b0a63e","precision":"highest",
 *       "options":["--fields=text,caption"]}]
 *
 * Each filter adds an entry behind those that came, so a pipeline leaves a list in its order.  The
 * entry holds what decides about results alone, so that shards, forms and folders do not make
 * records differ.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/loop.h"

static const char field[] = "provenance";

static void describe(struct buffer *b, uint64_t model)
{
    buffer_printf(b, "{\"command\":\"%s\",\"vlm\":\"%s\",", program_name, VERSION);
    if (model)
        buffer_printf(b, "\"model\":\"%016" PRIx64 "\",\"precision\":\"%s\",", model,
                      settings.opened.precision ? settings.opened.precision : "highest");
    else
        buffer_string(b, "\"model\":null,\"precision\":null,");
    buffer_string(b, "\"options\":[");
    options_list(b, OPTIONS_OF_RESULTS);
    buffer_string(b, "]}");
}

/* The options do not change in a run: one text with the model, and one without. */
static const struct buffer *entry_of(uint64_t model)
{
    static struct buffer made[2];
    struct buffer *b = &made[model != 0];

    if (!b->size)
        describe(b, model);
    return b;
}

static bool is_list(struct span value)
{
    return value.size > 1 && value.data[0] == '[' && value.data[value.size - 1] == ']';
}

/* The last item of a list; size 0: it is empty. */
static struct span last_item(struct span list)
{
    struct span item = { 0 }, last = { 0 };
    size_t at = 0;

    while (json_each(list, &at, NULL, &item))
        last = item;
    return last;
}

/* The same run of a filter over its own output adds nothing; what else has the name of the field
 * stays, as the first of the list. */
void provenance_add(struct record *r, uint64_t model)
{
    const struct buffer *entry = entry_of(model);
    struct buffer list = { 0 };
    struct span value, last;

    buffer_byte(&list, '[');
    if (record_find(r, field, &value) && !(value.size == 4 && !memcmp(value.data, "null", 4))) {
        last = is_list(value) ? last_item(value) : value;
        if (is_list(value) && last.size == entry->size &&
            !memcmp(last.data, entry->data, last.size)) {
            buffer_free(&list);
            return;
        }
        if (is_list(value))
            buffer_add(&list, value.data + 1, value.size - 2);
        else
            buffer_add(&list, value.data, value.size);
        if (last.size)
            buffer_byte(&list, ',');
    }
    buffer_add(&list, entry->data, entry->size);
    buffer_byte(&list, ']');
    record_set_json(r, field, list.data, list.size);
    buffer_free(&list);
}

static bool is_ours(struct span item)
{
    struct span command;

    return item.data[0] == '{' && json_find(item.data, item.size, "command", &command) &&
           command.size > 5 && !memcmp(command.data, "\"vlm-", 5);
}

void provenance_read(struct buffer *b, const struct record *r)
{
    struct span value, item;
    size_t at = 0;

    if (!record_find(r, field, &value) || !is_list(value))
        return;
    while (json_each(value, &at, NULL, &item)) {
        if (!is_ours(item))
            continue;
        if (b->size)
            buffer_byte(b, ',');
        buffer_add(b, item.data, item.size);
    }
}
