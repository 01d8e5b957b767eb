/* SPDX-License-Identifier: MIT
 * pictures.h - the expectations of tests/golden/images.txt, and its random pixels
 *
 * The format of both is told in tests/golden/make_images.py.
 */
#ifndef PICTURES_H
#define PICTURES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"
#include "text/text.h"
#include "tests/unit/tap.h"

/* Calls `check` with the fields of every line that begins with `word`. */
static inline void each_expectation(const char *word, void (*check)(char **field, int fields))
{
    struct buffer text = { 0 };
    char *next;

    if (!ok(file_read(&text, "tests/golden/images.txt") == 0, "expectations: %s", word))
        return;
    for (char *line = text.data; *line; line = next) {
        char *field[24];
        int fields = 0;

        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        for (char *p = strtok(line, " "); p && fields < COUNT(field); p = strtok(NULL, " "))
            field[fields++] = p;
        if (fields > 1 && !strcmp(field[0], word))
            check(field + 1, fields - 1);
    }
    buffer_free(&text);
}

static inline struct image noise(uint32_t seed, int width, int height, int channels)
{
    static const enum image_mode modes[] = { MODE_L, MODE_L, MODE_LA, MODE_RGB, MODE_RGBA };
    size_t count = (size_t)width * (size_t)height * (size_t)channels;
    struct image image = { width, height, channels, modes[channels], xalloc(count, 1), 0 };

    for (size_t i = 0; i < count; i++) {
        unsigned char byte;

        seed = 1664525 * seed + 1013904223;
        byte = (unsigned char)(seed >> 24);
        if (channels % 2 == 0 && i % (size_t)channels == (size_t)channels - 1)
            byte = byte < 64 ? 0 : byte > 191 ? 255 : byte;
        image.pixels[i] = byte;
    }
    return image;
}

static inline unsigned long sum_of(const void *data, size_t size)
{
    return crc32(0, data, (uInt)size);
}

static inline size_t image_bytes(const struct image *image)
{
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

#endif
