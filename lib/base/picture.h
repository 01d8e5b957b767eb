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

/* ROW(constant, file, name in messages, media type, name endings in lower case).
 * Media types: the IANA registry, where it has one.  TGA has no signature: it comes last. */
#define PICTURES(ROW)                                                                              \
    ROW(JPEG, jpeg, "jpeg", "image/jpeg", "jpg jpeg jpe jfif")                                     \
    ROW(PNG, png, "png", "image/png", "png apng")                                                  \
    ROW(WEBP, webp, "webp", "image/webp", "webp")                                                  \
    ROW(GIF, gif, "gif", "image/gif", "gif")                                                       \
    ROW(BMP, bmp, "bmp", "image/bmp", "bmp dib")                                                   \
    ROW(PNM, pnm, "pnm", "image/x-portable-anymap", "ppm pgm pbm pnm")                             \
    ROW(PSD, psd, "psd", "image/vnd.adobe.photoshop", "psd")                                       \
    ROW(TIFF, tiff, "tiff", "image/tiff", "tif tiff")                                              \
    ROW(HEIF, heif, "heif", "image/heif", "heic heif hif")                                         \
    ROW(AVIF, avif, "avif", "image/avif", "avif")                                                  \
    ROW(ICO, ico, "ico", "image/vnd.microsoft.icon", "ico")                                        \
    ROW(TGA, tga, "tga", "image/x-tga", "tga")

#define PICTURES_NOT_READ(ROW)                                                                     \
    ROW(JXL, none, "JPEG XL", "image/jxl", "jxl")                                                  \
    ROW(JP2, none, "JPEG 2000", "image/jp2", "jp2 jpx j2k")                                        \
    ROW(PAM, none, "PAM", "image/x-portable-arbitrarymap", "pam")

enum picture_type {
    PICTURE_NONE = -1,
#define ROW(constant, ...) PICTURE_##constant,
    PICTURES(ROW) PICTURES_NOT_READ(ROW)
#undef ROW
        PICTURE_COUNT
};
struct picture_format {
    const char *name, *media_type, *endings;
    bool is_read; /* there is a codec */
};
extern const struct picture_format picture_formats[PICTURE_COUNT];

/* The format that the first bytes belong to.  A few dozen bytes are enough. */
enum picture_type picture_of(const void *head, size_t size);
bool picture_ending(const char *ending); /* "jpg": is it one of a picture's name? */

#endif
