/* SPDX-License-Identifier: MIT
 * codec.h - one file a picture format: what image.c asks of each
 *
 * A codec never trusts a header: every size is checked against the bytes that are there before it
 * is used.  A new format is a file here and a row in
 * base/picture.h.
 */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

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
};
#define ROW(constant, file, ...) extern const struct codec codec_##file;
PICTURES(ROW)
#undef ROW

/* image.c */
void image_new(struct image *image, int width, int height, int channels, enum image_mode mode);

/* alpha.c - as Pillow resizes what has alpha: in colours multiplied by it */
void alpha_multiply(const struct image *from, struct image *to); /* a copy */
void alpha_divide(struct image *image);

/* jpeg.c, and jpeg_turbo.c or jpeg_stb.c */
int jpeg_truncated(void);                    /* fail_as() */
int jpeg_marker(struct bytes b, size_t *at); /* at or behind *at, which moves; -1: the file ends */
int jpeg_decode(struct bytes b, const struct image_info *info, struct image *image);

/* stb.c - stb_image's one door: the picture with so many channels; -1 after fail_as() */
int stb_decode(struct bytes b, const struct image_info *info, int channels, struct image *image);

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
