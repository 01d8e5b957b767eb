/* SPDX-License-Identifier: MIT
 * rouge.c - ROUGE-L of an image's caption
 *
 * P and R are the longest common subsequence's share of the caption and of a reference, each the
 * best over the references; b = 1.2.  Source: Lin, 2004.
 *
 *     ROUGE-L = (1 + b^2) P R / (R + b^2 P)
 */
#include <math.h>
#include <stdlib.h>
#include "eval/inside.h"

static int longest_common(const struct text *a, const struct text *b)
{
    int *row = xalloc((size_t)b->length + 1, sizeof *row), result;

    for (int i = 0; i < a->length; i++) {
        int diagonal = 0;

        for (int k = 1; k <= b->length; k++) {
            int above = row[k];

            if (a->words[i] == b->words[k - 1])
                row[k] = diagonal + 1;
            else if (row[k - 1] > above)
                row[k] = row[k - 1];
            diagonal = above;
        }
    }
    result = row[b->length];
    free(row);
    return result;
}

double rouge_l(const struct image *m)
{
    const double square = 1.2 * 1.2;
    double precision = 0, recall = 0;

    for (int i = 0; i < m->count; i++) {
        int common = longest_common(&m->caption, &m->references[i]);

        if (common) {
            precision = fmax(precision, (double)common / m->caption.length);
            recall = fmax(recall, (double)common / m->references[i].length);
        }
    }
    return precision > 0 ? (1 + square) * precision * recall / (recall + square * precision) : 0;
}
