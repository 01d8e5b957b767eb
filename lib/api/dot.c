/* SPDX-License-Identifier: MIT
 * dot.c - similarity of vectors: all pairs, near duplicates
 */
#include "tensor/tensor.h"
#include "vlm.h"

void vlm_dot(const float *a, long rows, const float *b, long columns, int width, float *out)
{
    dots(a, rows, b, columns, width, out);
}

struct vlm_duplicates *vlm_duplicates_open(int width, float threshold)
{
    return (struct vlm_duplicates *)duplicate_set_new(width, threshold);
}

void vlm_duplicates_find(struct vlm_duplicates *d, const float *vectors, long count, long *of,
                         float *sim)
{
    duplicate_set_take((struct duplicate_set *)d, vectors, count, of, sim);
}

void vlm_duplicates_close(struct vlm_duplicates *d)
{
    duplicate_set_free((struct duplicate_set *)d);
}
