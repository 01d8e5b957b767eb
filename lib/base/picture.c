/* SPDX-License-Identifier: MIT
 * picture.c - which format a picture is in, by its first bytes, never by its name
 */
#include <stdint.h>
#include <string.h>
#include "base/core.h"
#include "base/picture.h"

#define BEGINS(text)                                                                               \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

const struct picture_format picture_formats[PICTURE_COUNT] = {
#define ROW(constant, codec, name, media_type, endings, ...)                                       \
    [PICTURE_##constant] = { name, media_type, endings, true, { __VA_ARGS__ } },
    PICTURES(ROW)
#undef ROW
#define ROW(constant, codec, name, media_type, endings, ...)                                       \
    [PICTURE_##constant] = { name, media_type, endings, false, { __VA_ARGS__ } },
        PICTURES_NOT_READ(ROW)
#undef ROW
};

static enum picture_type by_beginning(const unsigned char *p, size_t size)
{
    for (int i = 0; i < PICTURE_COUNT; i++)
        for (int k = 0; k < PICTURE_BEGINNINGS && picture_formats[i].beginnings[k].size; k++)
            if (size >= picture_formats[i].beginnings[k].size &&
                !memcmp(p, picture_formats[i].beginnings[k].bytes,
                        picture_formats[i].beginnings[k].size))
                return (enum picture_type)i;
    return PICTURE_NONE;
}

static unsigned little16(const unsigned char *p)
{
    return (unsigned)p[1] << 8 | p[0];
}

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_webp(const unsigned char *p, size_t size)
{
    return size >= 12 && !memcmp(p, "RIFF", 4) && !memcmp(p + 8, "WEBP", 4);
}

/* An ISO base media file names its kinds as the brands of its first box (ISO/IEC 23008-12 section
 * 10): one main brand, a version, and those that it is compatible with.
 *
 *     size32 "ftyp" brand[4] version32 { brand[4] }* */
static enum picture_type brand_of(const unsigned char *p, size_t size)
{
    static const char avif[] = "avifavis", heif[] = "heicheixheimheishevchevxhevmhevsmif1msf1";
    enum picture_type found = PICTURE_NONE;

    if (size < 12 || memcmp(p + 4, "ftyp", 4) || p[0] || p[1])
        return PICTURE_NONE;
    if (size > ((size_t)p[2] << 8 | p[3]))
        size = (size_t)p[2] << 8 | p[3];
    for (size_t at = 8; at + 4 <= size; at += at == 8 ? 8 : 4) {
        for (int i = 0; i < 8; i += 4)
            if (!memcmp(p + at, avif + i, 4))
                return PICTURE_AVIF;
        for (int i = 0; heif[i]; i += 4)
            if (!memcmp(p + at, heif + i, 4))
                found = PICTURE_HEIF;
    }
    return found;
}

/* "BM" could begin a text: one of the known sizes of the second header must follow. */
static bool is_bmp(const unsigned char *p, size_t size)
{
    static const unsigned char headers[] = { 12, 40, 52, 56, 64, 108, 124 };

    return size >= 18 && p[0] == 'B' && p[1] == 'M' && p[14] &&
           memchr(headers, p[14], sizeof headers) && !p[15] && !p[16] && !p[17];
}

/* "P5" could begin a text: spaces, comments and a digit must follow. */
static bool is_pnm(const unsigned char *p, size_t size)
{
    size_t at = 2;

    if (size < 3 || p[0] != 'P' || p[1] < '1' || p[1] > '6' || (!is_space(p[2]) && p[2] != '#'))
        return false;
    for (; at < size; at++)
        if (p[at] == '#')
            while (at + 1 < size && p[at] != '\n' && p[at] != '\r')
                at++;
        else if (!is_space(p[at]))
            return p[at] >= '0' && p[at] <= '9';
    return true;
}

/* A Targa file has no signature; what does not contradict itself is taken for one.
 *
 *     id-length8 map-type8 type8 map-first16 map-length16 map-bits8
 *     left16 top16 width16 height16 bits8 descriptor8 */
static bool is_tga(const unsigned char *p, size_t size)
{
    int type, map_bits, bits;

    if (size < 18)
        return false;
    type = p[2] & 7;
    map_bits = p[7];
    bits = p[16];
    if (p[1] > 1 || (p[2] & ~8) != type || type < 1 || type > 3 || (type == 1) != (p[1] == 1))
        return false;
    if ((p[17] & 0xc0) || ((p[17] & 15) != 0 && (p[17] & 15) != 1 && (p[17] & 15) != 8))
        return false;
    if (little16(p + 12) == 0 || little16(p + 14) == 0)
        return false;
    if (type == 1)
        return bits == 8 && little16(p + 5) > 0 &&
               (map_bits == 15 || map_bits == 16 || map_bits == 24 || map_bits == 32);
    if (little16(p + 3) || little16(p + 5) || (map_bits != 0 && map_bits != 24))
        return false;
    return type == 2 ? bits == 15 || bits == 16 || bits == 24 || bits == 32
                     : bits == 8 || bits == 16;
}

enum picture_type picture_of(const void *head, size_t size)
{
    const unsigned char *p = head;
    enum picture_type known = by_beginning(p, size);

    if (known == PICTURE_NONE)
        known = brand_of(p, size);
    if (known != PICTURE_NONE)
        return known;
    return is_webp(p, size)  ? PICTURE_WEBP
           : is_bmp(p, size) ? PICTURE_BMP
           : is_pnm(p, size) ? PICTURE_PNM
           : is_tga(p, size) ? PICTURE_TGA
                             : PICTURE_NONE;
}

bool picture_ending(const char *ending)
{
    size_t size = strlen(ending);

    if (!size || strchr(ending, ' '))
        return false;
    for (int i = 0; i < PICTURE_COUNT; i++) {
        const char *list = picture_formats[i].endings;

        for (const char *at = list; (at = strstr(at, ending)); at += size)
            if ((at == list || at[-1] == ' ') && (at[size] == ' ' || !at[size]))
                return true;
    }
    return false;
}
