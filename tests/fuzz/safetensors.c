/* SPDX-License-Identifier: MIT
 * safetensors.c - fuzz target: any bytes as a safetensors file
 */
#include <stdlib.h>
#include "base/memory.h"
#include "base/number.h"
#include "weights/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weights *w = weights_open_bytes("input", data, size);

    for (int i = 0; w && i < weights_count(w); i++) {
        const struct stored *s = weights_at(w, i);
        void *copy;

        if (weights_find(w, s->name) != s || stored_count(s) < 0 ||
            (uintptr_t)s->data % dtype_size(s->type))
            abort();
        if (stored_count(s) > MOST)
            continue;
        copy = xalloc((size_t)stored_count(s) + 1, dtype_size(s->type));
        stored_copy(s, s->rank == 2, copy);
        free(copy);
    }
    weights_close(w);
    return 0;
}
