/* SPDX-License-Identifier: MIT
 * duplicates.c - near duplicates: exact, in blocks; memory is the kept vectors'
 */
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "cli/search.h"

enum { BLOCK = 4096, LONGEST_NAME = 4096 }; /* vectors compared at once; bytes */

const char *duplicates_find(const struct duplicates *n, const float *vector, float threshold)
{
    float *scores = xresize(NULL, BLOCK, sizeof *scores);
    const char *found = NULL;

    for (long at = 0; at < n->count && !found; at += BLOCK) {
        long count = n->count - at < BLOCK ? n->count - at : BLOCK;

        vector_cosines(vector, 1, n->vectors + at * n->width, count, n->width, scores);
        for (long i = 0; i < count && !found; i++)
            if (scores[i] >= threshold)
                found = n->names[at + i];
    }
    free(scores);
    return found;
}

/* Its id, its image's path, or, where these are long as a data: URI is, its number in the input. */
static char *name_of(const struct record *r)
{
    struct span name;

    if ((record_id(r, &name, NULL) ||
         (!record_member(r, "image") && record_image(r, &settings.fields, &name, NULL))) &&
        name.size <= LONGEST_NAME)
        return xmemdup(name.data, name.size);
    return xprintf("%llu", (unsigned long long)r->index + 1);
}

void duplicates_keep(struct duplicates *n, const struct record *r, const float *vector, long width)
{
    if (n->count == n->room) {
        n->room = n->room ? 2 * n->room : BLOCK;
        n->names = xresize(n->names, (size_t)n->room, sizeof *n->names);
        n->vectors = xresize(n->vectors, (size_t)n->room * (size_t)width, sizeof *vector);
    }
    n->width = width;
    memcpy(n->vectors + n->count * width, vector, (size_t)width * sizeof *vector);
    n->names[n->count++] = name_of(r);
}

void duplicates_free(struct duplicates *n)
{
    for (long i = 0; i < n->count; i++)
        free(n->names[i]);
    free(n->names);
    free(n->vectors);
    *n = (struct duplicates){ 0 };
}
