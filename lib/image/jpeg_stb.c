/* SPDX-License-Identifier: MIT
 * jpeg_stb.c - JPEG by stb_image, where libjpeg is not there
 *
 * stb_image's other formats are not used: it fills what is missing with zeros and says nothing, and
 * takes memory that no header tells.  Nor is stb_image_resize: its filters, its edges and its
 * rounding are others than Pillow's.
 *
 * stb_image takes what is missing at the end for zeros, and tables that the file never gave for
 * whatever its memory holds.  So the segments are walked first: the end marker must be there, and
 * what a frame or scan refers to must stand before it.
 *
 *     C4  { class4 id4 counts[16] values[sum of counts] }*      class 0: DC, 1: AC
 *     DB  { precision4 id4 values[64] }*                        of one or two bytes
 *     DA  count8 { channel8 DC-table4 AC-table4 }* first8 last8 refinement4 shift4
 */
#ifndef HAVE_LIBJPEG
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "image/codec.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_NO_STDIO
#define STBI_ONLY_JPEG
#define STBI_ASSERT(x)        ((void)0)         /* a file's mistake must not end the program */
#define STBI_MALLOC(size)     calloc((size), 1) /* it reads tables that a file did not fill */
#define STBI_REALLOC(p, size) realloc((p), (size))
#define STBI_FREE(p)          free(p)
#pragma GCC diagnostic ignored "-Wunused-function" /* declares what STBI_ONLY leaves out */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" /* fields that only its callbacks use */
#endif
#include <stb/stb_image.h>

/* Of stb_image's short reasons, those that do not mean damage. */
static const char *code_of(const char *reason)
{
    if (!strcmp(reason, "outofmem") || !strcmp(reason, "too large"))
        return "too_large";
    if (!strcmp(reason, "no SOI") || !strcmp(reason, "outofdata"))
        return "truncated";
    return strstr(reason, "unsupported") || strstr(reason, "only 8-bit") ? "unsupported"
                                                                         : "corrupt";
}

struct tables {        /* a bit for each id that is known */
    unsigned codes[2]; /* DC, AC */
    unsigned quantisers;
    bool progressive;
};

static int corrupt(const char *what)
{
    return fail_as("corrupt", "bad JPEG: %s", what);
}

static int read_codes(const unsigned char *p, size_t size, struct tables *t)
{
    while (size > 0) {
        size_t values = 17;

        for (int i = 1; size >= 17 && i <= 16; i++)
            values += p[i];
        if (values > size || values > 17 + 256 || p[0] >> 4 > 1 || (p[0] & 15) > 3)
            return corrupt("a code table");
        t->codes[p[0] >> 4] |= 1u << (p[0] & 15);
        p += values;
        size -= values;
    }
    return 0;
}

static int read_quantisers(const unsigned char *p, size_t size, struct tables *t)
{
    while (size > 0) {
        size_t values = p[0] >> 4 ? 129 : 65;

        if (values > size || (p[0] & 15) > 3)
            return corrupt("a quantisation table");
        t->quantisers |= 1u << (p[0] & 15);
        p += values;
        size -= values;
    }
    return 0;
}

/* Quantisers may stand behind the frame, so a scan asks for them. */
static int check_scan(const unsigned char *p, size_t size, const struct tables *t)
{
    if (size < 1 || p[0] < 1 || p[0] > 4 || size < 4 + 2 * (size_t)p[0])
        return corrupt("a scan header");
    for (int i = 0; i < p[0]; i++) {
        unsigned id = p[2 + 2 * i], dc = id >> 4, ac = id & 15;
        const unsigned char *end = p + 1 + 2 * p[0]; /* first, last, refinement and shift */
        bool needs_dc = !t->progressive || (end[0] == 0 && end[2] >> 4 == 0);
        bool needs_ac = !t->progressive || end[0] > 0;

        if (dc > 3 || ac > 3 || (needs_dc && !(t->codes[0] >> dc & 1)) ||
            (needs_ac && !(t->codes[1] >> ac & 1)))
            return corrupt("a scan without its code table");
    }
    return 0;
}

static int check_frame(const unsigned char *p, size_t size, const struct tables *t)
{
    for (size_t i = 6; i + 2 < size; i += 3)
        if (p[i + 2] > 3 || !(t->quantisers >> p[i + 2] & 1))
            return corrupt("a channel without its quantisation table");
    return 0;
}

static int check_segments(struct bytes b, long most_scans)
{
    struct tables t = { { 0 }, 0, false };
    const unsigned char *frame = NULL;
    size_t at = 2, size, frame_size = 0;
    int marker, result = 0;

    while (result == 0 && (marker = jpeg_marker(b, &at)) != 0xd9) {
        if (marker < 0)
            return jpeg_truncated();
        if ((marker >= 0xd0 && marker <= 0xd8) || marker == 0x01)
            continue;
        if (!bytes_have(b, at, 2) || !bytes_have(b, at, big16(b.data + at)))
            return jpeg_truncated();
        size = big16(b.data + at);
        if (size < 2)
            return corrupt("a short segment");
        if (marker == 0xc4) {
            result = read_codes(b.data + at + 2, size - 2, &t);
        } else if (marker == 0xdb) {
            result = read_quantisers(b.data + at + 2, size - 2, &t);
        } else if (marker == 0xda) {
            if (--most_scans < 0)
                return corrupt("too many scans");
            result = check_scan(b.data + at + 2, size - 2, &t);
            if (result == 0)
                result = check_frame(frame, frame_size, &t);
        } else if (marker >= 0xc0 && marker <= 0xc2) {
            t.progressive = marker == 0xc2;
            frame = b.data + at + 2;
            frame_size = size - 2;
        }
        at += size;
    }
    return result;
}

int jpeg_decode(struct bytes b, const struct image_info *info, struct image *image)
{
    int width, height, stored;

    if (check_segments(b, jpeg_scan_limit(b, info)) < 0)
        return -1;
    if (b.size > INT32_MAX)
        return fail_as("unsupported", "%s of more than 2 GiB", info->format);
    image->channels = info->mode == MODE_L ? 1 : 3; /* stb_image multiplies inks out itself */
    image->pixels =
        stbi_load_from_memory(b.data, (int)b.size, &width, &height, &stored, image->channels);
    if (!image->pixels) {
        const char *reason = stbi_failure_reason();

        reason = reason ? reason : "no reason given";
        return fail_as(code_of(reason), "bad %s: %s", info->format, reason);
    }
    if (width != info->width || height != info->height)
        return fail_as("corrupt", "bad %s: its size is given twice", info->format);
    image->width = width;
    image->height = height;
    image->mode = info->mode == MODE_CMYK ? MODE_RGB : info->mode;
    return 0;
}
#endif
