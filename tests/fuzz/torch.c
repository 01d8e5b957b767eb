/* SPDX-License-Identifier: MIT
 * torch.c - fuzz target: any bytes as a PyTorch file; a bare pickle gets an archive around it
 *
 * In an archive the pickle's checksum stops nearly every mutation, so the corpus has pickles too.
 */
#include <stdlib.h>
#include "base/memory.h"
#include "base/number.h"
#include "tests/unit/zip.h"
#include "weights/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 16 };

static void read_all(const void *data, size_t size)
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
    if (w)
        weights_verify(w);
    weights_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archive a = { 0 };

    read_all(data, size);
    if (!size || data[0] != 0x80)
        return 0;
    archive_checkpoint(&a, data, size);
    read_all(a.file.data, a.file.size);
    archive_free(&a);
    return 0;
}
