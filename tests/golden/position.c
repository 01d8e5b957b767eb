/* SPDX-License-Identifier: MIT
 * position.c - position embeddings for another size, against torch
 *
 * Sixteen products of numbers near 1 in another order than torch's: 4e-6 is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/memory.h"
#include "checkpoint/position.h"
#include "weights/weights.h"
#include "tests/unit/tap.h"

static void compare(const struct weights *w, int a, int b, const char *kind, bool corners)
{
    char name[32], label[48];
    const struct stored *from, *to;
    float *got = xalloc((size_t)(1 + b * b) * 6, sizeof *got);

    snprintf(name, sizeof name, "%d.%d.from", a, b);
    from = weights_find(w, name);
    snprintf(name, sizeof name, "%d.%d.%s", a, b, kind);
    to = weights_find(w, name);
    snprintf(label, sizeof label, "%d x %d to %d x %d, %s", a, a, b, b, kind);
    position_resize(got, b, from->data, a, 6, corners);
    is_close(got, to->data, (1L + b * b) * 6, 4e-6, 0, label);
    free(got);
}

int main(void)
{
    static const int sizes[][2] = { { 14, 24 }, { 24, 14 }, { 24, 30 }, { 3, 7 },
                                    { 7, 3 },   { 5, 5 },   { 2, 1 } };
    struct weights *w = weights_open("tests/golden/position.safetensors");

    if (!ok(w != NULL, "the fixture opens"))
        return done();
    for (int i = 0; i < COUNT(sizes); i++) {
        compare(w, sizes[i][0], sizes[i][1], "to", false);
        compare(w, sizes[i][0], sizes[i][1], "corners", true);
    }
    weights_close(w);
    return done();
}
