/* SPDX-License-Identifier: MIT
 * layout.c - where a checkpoint keeps a parameter
 *
 *     vision.block.3.attention.key.weight
 *     section "vision.block.*." -> "visual.transformer.resblocks.*."
 *     rename  "attention.key.weight" -> "attn.in_proj_weight", part 1 of 3
 *     visual.transformer.resblocks.3.attn.in_proj_weight, rows [width, 2 width)
 */
#include <stdio.h>
#include <string.h>
#include "checkpoint/layout.h"

enum { NUMBERS = 4 };
struct match {
    const char *rest; /* what a prefix left */
    int numbers[NUMBERS], count;
};

/* Moves *name past the pattern, noting numbers; false where they differ. */
static bool match(struct match *m, const char **name, const char *pattern)
{
    for (; *pattern; pattern++) {
        int digits = 0;

        if (*pattern != '*') {
            if (*(*name)++ != *pattern)
                return false;
            continue;
        }
        if (m->count == NUMBERS || sscanf(*name, "%4d%n", &m->numbers[m->count++], &digits) != 1)
            return false;
        *name += digits;
    }
    return true;
}

static bool matches(struct match *m, const char *name, const char *prefix, const char *pattern)
{
    size_t length = strlen(pattern);

    *m = (struct match){ 0 };
    if (!match(m, &name, prefix) || !match(m, &name, pattern))
        return false;
    m->rest = name;
    return !*name || (length && pattern[length - 1] == '.');
}

static void write(struct place *place, size_t *used, const char *pattern, const struct match *m,
                  int *number)
{
    for (; *pattern && *used + 12 < sizeof place->name; pattern++)
        if (*pattern == '*')
            *used += (size_t)snprintf(place->name + *used, 12, "%d", m->numbers[(*number)++]);
        else
            place->name[(*used)++] = *pattern;
    place->name[*used] = 0;
}

static void translate(const struct section *s, const struct rename *r, const struct match *m,
                      struct place *place)
{
    size_t used = 0;
    int number = 0;

    write(place, &used, s->theirs, m, &number);
    write(place, &used, r->theirs, m, &number);
    write(place, &used, m->rest, m, &number);
    place->part = r->part;
    place->parts = r->parts ? r->parts : 1;
    place->transpose = r->transpose;
    place->axes = r->axes;
}

static bool is_token(const char *ours)
{
    return !strcmp(ours, "vision.class") || !strcmp(ours, "vision.position") ||
           !strcmp(ours, "qformer.queries");
}

static bool find(const struct section *s, const char *ours, struct place *place)
{
    struct match m;

    for (; s->ours; s++)
        for (const struct rename *r = s->renames; r->ours; r++)
            if (matches(&m, ours, s->ours, r->ours)) {
                translate(s, r, &m, place);
                return true;
            }
    return false;
}

bool layout_place(const struct layout *l, const char *ours, struct place *place)
{
    bool found;

    *place = (struct place){ .parts = 1 };
    if (!l->sections)
        return (size_t)snprintf(place->name, sizeof place->name, "%s", ours) < sizeof place->name;
    found = find(l->sections, ours, place);
    for (int i = 0; !found && l->others && l->others[i]; i++)
        found = find(*l->others[i], ours, place);
    if (found && l->batched && is_token(ours))
        place->axes = 3;
    return found;
}
