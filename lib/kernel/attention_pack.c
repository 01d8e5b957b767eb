/* SPDX-License-Identifier: MIT
 * attention_pack.c - keys and values arranged once for many calls of attention_forward
 *
 *     (sequence, head) -> panels of scale k^T, panels of v        one after the other, head by head
 *
 * A decoder looks at the same image at every step: arranging its tokens anew would move more memory
 * than the sums do.
 */
#include <assert.h>
#include <stdlib.h>
#include "kernel/panel.h"

struct packed_keys {
    const struct panel_kernel *kernel;
    int heads, head_width, sequences;
    size_t *at;  /* [sequences] floats before a sequence */
    long *room;  /* [sequences] floats of one head */
    float *data; /* of pages_alloc() */
};

struct packing {
    const struct attention *attention;
    struct packed_keys *packed;
};

long keys_room(int keys, int head_width)
{
    return panels_room(keys, head_width) + panels_room(head_width, keys);
}

void keys_arrange(const struct attention *a, const struct span *s, float *to)
{
    panels_fill_turned(kernels.panel, to, s->k, a->k_stride, s->keys, a->head_width, a->scale);
    panels_fill(kernels.panel, to + panels_room(s->keys, a->head_width), s->v, a->v_stride, s->keys,
                a->head_width);
}

const float *packed_keys_at(const struct packed_keys *p, int sequence, int head)
{
    assert(p->kernel == kernels.panel && sequence < p->sequences && head < p->heads);
    return p->data + p->at[sequence] + (size_t)head * (size_t)p->room[sequence];
}

static void pack_head(void *argument, long index, int worker)
{
    const struct packing *w = argument;
    const struct attention *a = w->attention;
    int j = (int)(index / a->heads), head = (int)(index % a->heads);
    long column = (long)head * a->head_width;
    struct span s = { .k = a->k + a->key_start[j] * a->k_stride + column,
                      .v = a->v + a->key_start[j] * a->v_stride + column,
                      .keys = a->key_count[j] };

    (void)worker;
    keys_arrange(a, &s, (float *)(uintptr_t)packed_keys_at(w->packed, j, head));
}

struct packed_keys *attention_pack(const struct attention *a, int key_sequences)
{
    struct packed_keys *p = xalloc(1, sizeof *p);
    struct packing w = { a, p };
    size_t floats = 0;

    *p = (struct packed_keys){ .kernel = kernels.panel,
                               .heads = a->heads,
                               .head_width = a->head_width,
                               .sequences = key_sequences };
    p->at = xalloc((size_t)key_sequences, sizeof *p->at);
    p->room = xalloc((size_t)key_sequences, sizeof *p->room);
    for (int j = 0; j < key_sequences; j++) {
        p->at[j] = floats;
        p->room[j] = keys_room(a->key_count[j], a->head_width);
        floats += (size_t)a->heads * (size_t)p->room[j];
    }
    p->data = pages_alloc(floats * sizeof *p->data);
    pool_run(pack_head, &w, (long)key_sequences * a->heads);
    return p;
}

void packed_keys_free(struct packed_keys *p)
{
    if (!p)
        return;
    free(p->at);
    free(p->room);
    pages_free(p->data);
    free(p);
}
