/* SPDX-License-Identifier: MIT
 * counts.c - how often each of some words came: reasons, codes
 *
 * Words are few, so they are looked for one after the other.  A hostile stream may have many: the
 * last place stands for all that do not fit.
 */
#include <stdlib.h>
#include <string.h>
#include "base/counts.h"
#include "base/memory.h"

enum { WORDS = 200 };

void counts_add(struct counts *c, const char *word)
{
    for (int i = 0; i < c->used; i++)
        if (!strcmp(c->words[i], word)) {
            c->times[i]++;
            return;
        }
    if (c->used == WORDS) {
        c->times[WORDS - 1]++;
        return;
    }
    c->words = xresize(c->words, (size_t)c->used + 1, sizeof *c->words);
    c->times = xresize(c->times, (size_t)c->used + 1, sizeof *c->times);
    c->words[c->used] = xstrdup(c->used == WORDS - 1 ? "others" : word);
    c->times[c->used++] = 1;
}

void counts_free(struct counts *c)
{
    for (int i = 0; i < c->used; i++)
        free(c->words[i]);
    free(c->words);
    free(c->times);
    *c = (struct counts){ 0 };
}
