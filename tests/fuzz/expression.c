/* SPDX-License-Identifier: MIT
 * expression.c - fuzz target: a line of vlm-filter's --keep, then a record that it is asked about
 *
 * The first line is the expression; what follows is the record, or without it the usual one.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char usual[] =
    "{\"itm\":0.5,\"caption\":\"a red dog\",\"text\":\"Zwei Hunde\",\"captions\":[\"a\",\"two "
    "cats\"],"
    "\"list\":[1,[2],null,true,{\"a\":-0}],\"a\":{\"b\":1e300},\"a.b\":2,\"no\":null}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup(data, size), *line = strchr(text, '\n');
    const char *json = line ? line + 1 : usual;
    struct record *r = record_parse(json, strlen(json));
    struct expression *e;
    double number;

    if (line)
        *line = 0;
    e = expression_parse(text);
    if (!e && !*error_text())
        abort();
    if (e && r) {
        expression_holds(e, r);
        expression_number(e, r, &number);
    }
    expression_free(e);
    record_free(r);
    free(text);
    return 0;
}
