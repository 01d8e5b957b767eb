/* SPDX-License-Identifier: MIT
 * compare.c - the cosines of a record's vectors with targets
 */
#include <math.h>
#include <stdlib.h>
#include "cli/compare.h"

void compare_scores(const float *rows, int count, const float *targets, long target_count,
                    long width, float *scores)
{
    float *dots = xresize(NULL, (size_t)count * (size_t)target_count, sizeof *dots);

    vlm_dot(rows, count, targets, target_count, (int)width, dots);
    for (long i = 0; i < target_count; i++) {
        float most = dots[i];

        for (int k = 1; k < count; k++)
            most = fmaxf(most, dots[k * target_count + i]);
        scores[i] = fminf(fmaxf(most, -1), 1); /* rounding may lead past 1 */
    }
    free(dots);
}
