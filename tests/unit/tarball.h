/* SPDX-License-Identifier: MIT
 * tarball.h - members of a tar archive, made in memory
 */
#ifndef TARBALL_H
#define TARBALL_H

#include <stdio.h>
#include <string.h>
#include "base/base.h"

enum { TAR_BLOCK = 512 };

static inline void tar_sum(unsigned char *block)
{
    unsigned sum = 0;

    memset(block + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

static inline void tar_add(struct buffer *b, const char *name, char type, const void *data,
                           size_t size)
{
    unsigned char block[TAR_BLOCK] = { 0 };

    memcpy(block, name, strnlen(name, 100));
    memcpy(block + 100, "0000644", 7);
    snprintf((char *)block + 124, 12, "%011o", (unsigned)size & 0xffffff);
    block[156] = (unsigned char)type;
    memcpy(block + 257, "ustar\00000", 8);
    tar_sum(block);
    buffer_add(b, block, sizeof block);
    buffer_add(b, data, size);
    while (b->size % TAR_BLOCK)
        buffer_byte(b, 0);
}

static inline void tar_end(struct buffer *b)
{
    char zeros[4 * TAR_BLOCK] = { 0 };

    buffer_add(b, zeros, sizeof zeros);
}

#endif
