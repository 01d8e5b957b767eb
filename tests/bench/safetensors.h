/* SPDX-License-Identifier: MIT
 * safetensors.h - checkpoints of random numbers, larger than memory would like
 */
#ifndef BENCH_SAFETENSORS_H
#define BENCH_SAFETENSORS_H

#include <stdio.h>
#include <stdlib.h>
#include "tensor/tensor.h"

/* All parameters under their names, numbers within 1/16 of 0 in f16: matrices about 0, vectors the
 * same.  -1 after a warning. */
static inline int write_random(const struct params *p, enum dtype type, const char *path)
{
    enum { BLOCK = 1 << 20 };
    struct buffer head = { 0 };
    FILE *f = fopen(path, "wb");
    uint16_t *block = xalloc(BLOCK, sizeof *block);
    uint64_t at = 0, length;
    uint32_t state = 1;

    buffer_string(&head, "{");
    for (int i = 0; i < p->count; i++) {
        uint64_t count = 1;

        buffer_printf(&head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "",
                      p->list[i].name, type == DTYPE_F16 ? "F16" : "BF16");
        for (int k = 0; k < p->list[i].rank; k++) {
            count *= (uint64_t)p->list[i].shape[k];
            buffer_printf(&head, "%s%ld", k ? "," : "", p->list[i].shape[k]);
        }
        buffer_printf(&head, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                      (unsigned long long)(at + 2 * count));
        at += 2 * count;
    }
    buffer_string(&head, "}");
    while (head.size % 8)
        buffer_byte(&head, ' ');
    length = head.size;
    for (int i = 0; i < BLOCK; i++) {
        state = state * 1664525 + 1013904223;
        block[i] =
            (uint16_t)(type == DTYPE_F16 ? float_to_half((float)(int32_t)state * 0x1p-35f)
                                         : float_to_bfloat((float)(int32_t)state * 0x1p-35f));
    }
    if (f && (fwrite(&length, 8, 1, f) != 1 || fwrite(head.data, head.size, 1, f) != 1))
        at = 0;
    for (uint64_t left = at; f && left;) {
        size_t size = left < 2 * BLOCK ? (size_t)left : 2 * BLOCK;

        if (fwrite(block, size, 1, f) != 1)
            break;
        left -= size;
        at -= size;
    }
    free(block);
    buffer_free(&head);
    if (!f || fclose(f) || at) {
        warn("%s: cannot be written", path);
        return -1;
    }
    return 0;
}

#endif
