/* SPDX-License-Identifier: MIT
 * duplicates.c - near duplicates: what the kept records are called, and marks on the others
 */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/memory.h"
#include "cli/search.h"

enum { LONGEST_NAME = 4096 }; /* bytes */

/* A data: URI is the picture, not its name. */
static bool is_short(struct span name)
{
    char *text = name.size <= LONGEST_NAME ? json_text(name) : NULL;
    bool is_name = name.size <= LONGEST_NAME && (!text || strncmp(text, "data:", 5));

    free(text);
    return is_name;
}

/* Its id, its image's path, or, where these are long or a data: URI, its number in the input. */
static char *name_of(const struct record *r)
{
    struct span name;

    if ((record_id(r, &name, NULL) && is_short(name)) ||
        (!record_member(r, "image") && record_image(r, &settings.fields, &name, NULL) &&
         is_short(name)))
        return xmemdup(name.data, name.size);
    return xprintf("%llu", (unsigned long long)r->index + 1);
}

static void keep(struct duplicates *d, const struct record *r)
{
    if (d->count == d->room) {
        d->room = d->room ? 2 * d->room : 1024;
        d->names = xresize(d->names, (size_t)d->room, sizeof *d->names);
    }
    d->names[d->count++] = name_of(r);
}

void duplicates_add(struct duplicates *d, struct record *r, const float *vector, long width)
{
    if (!d->width)
        d->width = width;
    d->arrived = xresize(d->arrived, (size_t)d->arrivals + 1, sizeof *d->arrived);
    d->rows = xresize(d->rows, (size_t)(d->arrivals + 1) * (size_t)width, sizeof *d->rows);
    memcpy(d->rows + d->arrivals * width, vector, (size_t)width * sizeof *vector);
    d->arrived[d->arrivals++] = r;
}

void duplicates_mark(struct duplicates *d, float threshold)
{
    long *of = xalloc((size_t)d->arrivals + 1, sizeof *of);
    float *sims = xalloc((size_t)d->arrivals + 1, sizeof *sims);

    if (d->arrivals && !d->vectors)
        d->vectors = vlm_duplicates_open((int)d->width, threshold);
    if (d->arrivals)
        vlm_duplicates_find(d->vectors, d->rows, d->arrivals, of, sims);
    for (long i = 0; i < d->arrivals; i++) {
        if (of[i] < 0) {
            keep(d, d->arrived[i]);
            continue;
        }
        record_set_json(d->arrived[i], "duplicate_of", d->names[of[i]], strlen(d->names[of[i]]));
        record_set_number(d->arrived[i], "duplicate_sim", sims[i]);
    }
    d->arrivals = 0;
    free(of);
    free(sims);
}

void duplicates_free(struct duplicates *d)
{
    for (long i = 0; i < d->count; i++)
        free(d->names[i]);
    free(d->names);
    free(d->rows);
    free(d->arrived);
    vlm_duplicates_close(d->vectors);
    *d = (struct duplicates){ 0 };
}
