/* SPDX-License-Identifier: MIT
 * objective.c - what a model can be taught, by name, and how much each counts
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "train/objective.h"

/* NAME or NAME:WEIGHT, up to a comma or the end, which it returns; NULL after fail(). */
static const char *parse_one(const char *text, const char *at, struct objectives *o)
{
    size_t name = strcspn(at, ",:"), all = strcspn(at, ",");
    int i = 0;

    while (i < LOSSES && (strlen(loss_name(i)) != name || strncmp(at, loss_name(i), name) != 0))
        i++;
    if (i == LOSSES)
        return fail("--objective=%s: %.*s is none of itc, itm, lm, mlm and itg", text, (int)name,
                    at),
               NULL;
    o->set |= 1u << i;
    o->weight[i] = 1;
    if (at[name] == ':') {
        char *end;

        o->weight[i] = strtof(at + name + 1, &end);
        if (end != at + all || !(o->weight[i] > 0 && o->weight[i] <= 1000))
            return fail("--objective=%s: a weight after a colon is above 0, at most 1000", text),
                   NULL;
    }
    return at + all;
}

int objectives_parse(const char *text, struct objectives *o)
{
    const char *at = text;

    *o = (struct objectives){ 0 };
    while (*at) {
        at = parse_one(text, at, o);
        if (!at)
            return -1;
        at += *at == ',';
    }
    return o->set ? 0
                  : fail("--objective=%s: names one or more of itc, itm, lm, mlm and itg", text);
}

void objectives_list(struct buffer *b, unsigned set)
{
    for (int i = 0; i < LOSSES; i++)
        if (set & 1u << i)
            buffer_printf(b, "%s%s", b->size ? "," : "", loss_name(i));
}
