/* SPDX-License-Identifier: MIT
 * codec.h - one file a picture format: what image.c asks of each
 *
 * A codec never trusts a header: every size is checked against the bytes that are there before it
 * is used.  A new format is a file here and a row in
 * base/picture.h.
 */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include "base/core.h"
#include "base/picture.h"
#include "image/image.h"

struct bytes {
    const unsigned char *data;
    size_t size;
};
struct codec {
    /* Fills *info from the header; -1 after fail_as(). */
    int (*probe)(struct bytes b, struct image_info *info);
    /* The first picture.  `info` was probed from the same bytes and is within the limits; image is
     * zeroed.  -1 after fail_as(), what image holds is freed by the caller. */
    int (*decode)(struct bytes b, const struct image_info *info, struct image *image);
    /* The most pixels that one byte of a file can stand for; 0: there is no bound.  A header that
     * tells of more is refused before any memory is asked for. */
    long most_per_byte;
};
#define ROW(constant, file, ...) extern const struct codec codec_##file;
PICTURES(ROW)
#undef ROW

/* image.c */
void image_new(struct image *image, int width, int height, int channels, enum image_mode mode);

/* alpha.c - as Pillow resizes what has alpha: in colours multiplied by it */
void alpha_multiply(struct image *image);
void alpha_divide(struct image *image);

/* orient.c - 1 .. 8, or 0 where none is given */
int exif_orientation(struct bytes b); /* a TIFF header and its first directory */
int xmp_orientation(struct bytes b);

/* jpeg.c, and jpeg_turbo.c or jpeg_stb.c */
int jpeg_truncated(void);                    /* fail_as() */
int jpeg_marker(struct bytes b, size_t *at); /* at or behind *at, which moves; -1: the file ends */
int jpeg_decode(struct bytes b, const struct image_info *info, struct image *image);
/* How many scans are read.  Each passes over the whole picture, and a few bytes can make one: 32,
 * and more as far as the file has bytes for the picture's blocks, so that time grows with both. */
long jpeg_scan_limit(struct bytes b, const struct image_info *info);

/* bmp.c - a bitmap, as bmp.c and ico.c hold it */
struct dib {
    size_t header, palette, entry, pixels; /* bytes; where; bytes of a colour; where */
    uint32_t compression, colours;         /* colours: of the palette */
    int bits;
    long width, height;
    bool top_down;
    uint32_t mask[4]; /* of red, green, blue, alpha */
};
/* The header at `at`; pixels 0: they follow the palette. */
int dib_header(struct bytes b, size_t at, size_t pixels, struct dib *d);
enum image_mode dib_mode(struct bytes b, const struct dib *d);
/* Into an image of one channel (MODE_L, MODE_1) or three (MODE_P, MODE_RGB) or four. */
int dib_decode(struct bytes b, const struct dib *d, struct image *image);

/* True if `size` bytes at `offset` are inside. */
static inline bool bytes_have(struct bytes b, size_t offset, size_t size)
{
    return offset <= b.size && size <= b.size - offset;
}

static inline unsigned big16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t big32(const unsigned char *p)
{
    return (uint32_t)big16(p) << 16 | big16(p + 2);
}

static inline unsigned little16(const unsigned char *p)
{
    return (unsigned)p[1] << 8 | p[0];
}

static inline uint32_t little32(const unsigned char *p)
{
    return (uint32_t)little16(p + 2) << 16 | little16(p);
}

#endif
