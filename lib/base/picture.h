/* SPDX-License-Identifier: MIT
 * picture.h - the file formats of pictures: one table for the decoders, for the members of a tar
 * and for data: URIs
 *
 * A new format is a row of PICTURES here and a file in lib/image that defines codec_FILE.  A format
 * that is known and not read is a row of PICTURES_NOT_READ: the message then names it, and a member
 * of a tar with its name ending is a picture that fails, not a field of another kind.
 */
#ifndef BASE_PICTURE_H
#define BASE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/core.h"

/* ROW(constant, file, name in messages, media type, name endings in lower case, bytes that a file
 * begins with: at most PICTURE_BEGINNINGS, none for what a function of picture.c knows).
 * Media types: the IANA registry, where it has one. */
#define PICTURES(ROW)                                                                              \
    ROW(JPEG, jpeg, "jpeg", "image/jpeg", "jpg jpeg jpe jfif", BEGINS("\xff\xd8\xff"))             \
    ROW(PNG, png, "png", "image/png", "png apng", BEGINS("\x89PNG\r\n\x1a\n"))                     \
    ROW(WEBP, webp, "webp", "image/webp", "webp")                                                  \
    ROW(GIF, gif, "gif", "image/gif", "gif", BEGINS("GIF87a"), BEGINS("GIF89a"))                   \
    ROW(BMP, bmp, "bmp", "image/bmp", "bmp dib")                                                   \
    ROW(PNM, pnm, "pnm", "image/x-portable-anymap", "ppm pgm pbm pnm")                             \
    ROW(PSD, psd, "psd", "image/vnd.adobe.photoshop", "psd", BEGINS("8BPS"))                       \
    /* the last two: BigTIFF, offsets of 8 bytes */                                                \
    ROW(TIFF, tiff, "tiff", "image/tiff", "tif tiff", BEGINS("II*\0"), BEGINS("MM\0*"),            \
        BEGINS("II+\0\10\0\0\0"), BEGINS("MM\0+\0\10\0\0"))                                        \
    ROW(HEIF, heif, "heif", "image/heif", "heic heif hif")                                         \
    ROW(AVIF, avif, "avif", "image/avif", "avif")                                                  \
    ROW(ICO, ico, "ico", "image/vnd.microsoft.icon", "ico", BEGINS("\0\0\x01\0"))                  \
    ROW(TGA, tga, "tga", "image/x-tga", "tga")

#define PICTURES_NOT_READ(ROW)                                                                     \
    ROW(JXL, none, "JPEG XL", "image/jxl", "jxl", BEGINS("\xff\x0a"), BEGINS("\0\0\0\x0cJXL "))    \
    ROW(JP2, none, "JPEG 2000", "image/jp2", "jp2 jpx j2k", BEGINS("\0\0\0\x0cjP  "),              \
        BEGINS("\xff\x4f\xff\x51"))                                                                \
    ROW(PAM, none, "PAM", "image/x-portable-arbitrarymap", "pam", BEGINS("P7\n"))

enum picture_type {
    PICTURE_NONE = -1,
#define ROW(constant, ...) PICTURE_##constant,
    PICTURES(ROW) PICTURES_NOT_READ(ROW)
#undef ROW
        PICTURE_COUNT
};
enum { PICTURE_BEGINNINGS = 4 };
struct picture_format {
    const char *name, *media_type, *endings;
    bool is_read; /* there is a codec */
    struct {
        const char *bytes;
        size_t size;
    } beginnings[PICTURE_BEGINNINGS];
};
extern const struct picture_format picture_formats[PICTURE_COUNT];

/* The format that the first bytes belong to.  A few dozen bytes are enough. */
enum picture_type picture_of(const void *head, size_t size);
bool picture_ending(const char *ending); /* "jpg": is it one of a picture's name? */

#endif
