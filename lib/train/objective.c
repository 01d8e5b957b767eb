/* SPDX-License-Identifier: MIT
 * objective.c - the names of what a model can be taught
 */
#include <string.h>
#include "train/objective.h"

int objectives_parse(const char *text, unsigned *set)
{
    *set = 0;
    for (const char *at = text, *end; *at; at = *end ? end + 1 : end) {
        int i = 0;

        end = at + strcspn(at, ",");
        while (i < OBJECTIVES && (strlen(objective_name(i)) != (size_t)(end - at) ||
                                  strncmp(at, objective_name(i), (size_t)(end - at)) != 0))
            i++;
        if (i == OBJECTIVES)
            return fail("--objective=%s: %.*s is none of itc, itm, lm, mlm and itg", text,
                        (int)(end - at), at);
        *set |= 1u << i;
    }
    return *set ? 0 : fail("--objective=%s: names one or more of itc, itm, lm, mlm and itg", text);
}

void objectives_list(struct buffer *b, unsigned set)
{
    for (int i = 0; i < OBJECTIVES; i++)
        if (set & 1u << i)
            buffer_printf(b, "%s%s", b->size ? "," : "", objective_name(i));
}
