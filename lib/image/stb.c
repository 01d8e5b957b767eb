/* SPDX-License-Identifier: MIT
 * stb.c - stb_image's one door
 *
 * PNG, BMP, TGA and PSD, and JPEG where libjpeg is not there.  stb_image fills what is missing at a
 * file's end with zeros and says nothing, so each codec proves that its file is whole first.
 * stb_image_resize is not used: its filters, its edges and its rounding are others than Pillow's.
 */
#include <stdlib.h>
#include <string.h>
#include "image/codec.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ONLY_PSD
#ifndef HAVE_LIBJPEG
#define STBI_ONLY_JPEG
#endif
#define STBI_ASSERT(x)        ((void)0)         /* a file's mistake must not end the program */
#define STBI_MALLOC(size)     calloc((size), 1) /* it reads tables that a file did not fill */
#define STBI_REALLOC(p, size) realloc((p), (size))
#define STBI_FREE(p)          free(p)
#pragma GCC diagnostic ignored "-Wunused-function"     /* declares what STBI_ONLY leaves out */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" /* fields that only its callbacks use */
#include <stb/stb_image.h>

/* Of stb_image's short reasons, those that do not mean damage. */
static const char *code_of(const char *reason)
{
    static const char *const unsupported[] = { "unsupported", "only 8-bit", "no header height",
                                               "BMP RLE",     "monochrome", "wrong color format",
                                               "bad BMP type" };

    if (!strcmp(reason, "outofmem") || !strcmp(reason, "too large"))
        return "too_large";
    if (!strcmp(reason, "no SOI") || !strcmp(reason, "outofdata"))
        return "truncated";
    for (int i = 0; i < COUNT(unsupported); i++)
        if (strstr(reason, unsupported[i]))
            return "unsupported";
    return "corrupt";
}

int stb_decode(struct bytes b, const struct image_info *info, int channels, struct image *image)
{
    int width, height, stored;

    if (b.size > INT32_MAX)
        return fail_as("unsupported", "%s of more than 2 GiB", info->format);
    image->pixels = stbi_load_from_memory(b.data, (int)b.size, &width, &height, &stored, channels);
    if (!image->pixels) {
        const char *reason = stbi_failure_reason();

        reason = reason ? reason : "no reason given";
        return fail_as(code_of(reason), "bad %s: %s", info->format, reason);
    }
    if (width != info->width || height != info->height)
        return fail_as("corrupt", "bad %s: its size is told twice", info->format);
    image->width = width;
    image->height = height;
    image->channels = channels;
    image->mode = info->mode;
    return 0;
}
