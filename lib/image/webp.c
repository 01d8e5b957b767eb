/* SPDX-License-Identifier: MIT
 * webp.c - WebP by libwebp; without it the header is read and the picture refused
 *
 *     "RIFF" size32 "WEBP" { type[4] length32 body[length] pad to even }*
 *     VP8X: flags8 0[3] width-1[24] height-1[24]     flags: 2 animated, 16 alpha
 *     EXIF, XMP: what a camera wrote
 *     ANMF: left/2[24] top/2[24] width-1[24] height-1[24] duration[24] flags8 { frame's chunks }
 *
 * Source: RFC 9649.
 */
#include <string.h>
#ifdef HAVE_LIBWEBP
#define MODE_RGB  WEBP_MODE_RGB /* libwebp has names of ours */
#define MODE_RGBA WEBP_MODE_RGBA
#include <webp/decode.h>
#undef MODE_RGB
#undef MODE_RGBA
#endif
#include "base/error.h"
#include "image/codec.h"

static int truncated(void)
{
    return fail_as("truncated", "premature end of WebP");
}

static long little24(const unsigned char *p)
{
    return (long)(little16(p) | (unsigned)p[2] << 16);
}

/* The EXIF or XMP chunk behind the pixels; a file that ends early is found out by decode. */
static int orientation(struct bytes b)
{
    int orientation = 0, xmp = 0;

    for (size_t at = 12; bytes_have(b, at, 8);) {
        const unsigned char *p = b.data + at;
        struct bytes body = { p + 8, little32(p + 4) };

        if (!bytes_have(b, at + 8, body.size))
            break;
        if (!memcmp(p, "EXIF", 4) && !orientation)
            orientation = exif_orientation(body);
        else if (!memcmp(p, "XMP ", 4) && !xmp)
            xmp = xmp_orientation(body);
        at += 8 + body.size + (body.size & 1);
    }
    return orientation ? orientation : xmp;
}

static int probe(struct bytes b, struct image_info *info)
{
    const unsigned char *p = b.data + 20; /* body of the first chunk */

    if (b.size < 30)
        return truncated();
    if (!memcmp(p - 8, "VP8X", 4)) {
        info->width = little24(p + 4) + 1;
        info->height = little24(p + 7) + 1;
        info->animated = p[0] & 2;
        info->alpha = p[0] & 16;
        info->orientation = orientation(b);
    } else if (!memcmp(p - 8, "VP8L", 4)) {
        uint32_t bits = little32(p + 1);

        if (p[0] != 0x2f)
            return fail_as("corrupt", "bad WebP: no lossless signature");
        info->width = (long)(bits & 0x3fff) + 1;
        info->height = (long)(bits >> 14 & 0x3fff) + 1;
        info->alpha = bits >> 28 & 1;
    } else if (!memcmp(p - 8, "VP8 ", 4)) {
        if (memcmp(p + 3, "\x9d\x01\x2a", 3))
            return fail_as("corrupt", "bad WebP: no start code");
        info->width = (long)(little16(p + 6) & 0x3fff);
        info->height = (long)(little16(p + 8) & 0x3fff);
    } else {
        return fail_as("corrupt", "bad WebP: a first chunk of an unknown type");
    }
    info->mode = info->alpha ? MODE_RGBA : MODE_RGB;
    info->channels = info->alpha ? 4 : 3;
    /* libwebp decodes a lossless picture, and an alpha plane, whole: four bytes a pixel and one */
    info->scratch = memcmp(p - 8, "VP8 ", 4) ? 5 * (size_t)info->width * (size_t)info->height
                                             : 64 * (size_t)info->width;
    return 0;
}

#ifdef HAVE_LIBWEBP
/* Where in the canvas a picture goes, and its bytes: the file, or the first frame's chunks, which
 * libwebp reads without their file around them. */
struct frame {
    struct bytes b;
    long left, top, width, height;
};

static int first_frame(struct bytes b, const struct image_info *info, struct frame *f)
{
    *f = (struct frame){ b, 0, 0, info->width, info->height };
    if (!info->animated)
        return 0;
    for (size_t at = 12; bytes_have(b, at, 8);) {
        const unsigned char *p = b.data + at;
        size_t length = little32(p + 4);

        if (!bytes_have(b, at + 8, length))
            return truncated();
        if (!memcmp(p, "ANMF", 4)) {
            if (length < 16)
                return fail_as("corrupt", "bad WebP: a short frame");
            f->left = 2 * little24(p + 8);
            f->top = 2 * little24(p + 11);
            f->width = little24(p + 14) + 1;
            f->height = little24(p + 17) + 1;
            f->b = (struct bytes){ p + 24, length - 16 };
            if (f->left + f->width > info->width || f->top + f->height > info->height)
                return fail_as("corrupt", "bad WebP: a frame outside of the picture");
            return 0;
        }
        at += 8 + length + (length & 1);
    }
    return fail_as("corrupt", "bad WebP: no frame");
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    size_t channels = info->alpha ? 4 : 3, stride = channels * (size_t)info->width;
    WebPDecoderConfig config;
    struct frame f;
    VP8StatusCode status;

    if (little32(b.data + 4) > b.size - 8)
        return truncated();
    if (first_frame(b, info, &f) < 0)
        return -1;
    WebPInitDecoderConfig(&config);
    status = WebPGetFeatures(f.b.data, f.b.size, &config.input);
    if (status == VP8_STATUS_OK &&
        (config.input.width != f.width || config.input.height != f.height))
        return fail_as("corrupt", "bad WebP: its size is given twice");
    if (status == VP8_STATUS_OK) {
        image_new(image, (int)info->width, (int)info->height, (int)channels, info->mode);
        if (info->animated)
            memset(image->pixels, 0, stride * (size_t)info->height);
        config.output.colorspace = info->alpha ? WEBP_MODE_RGBA : WEBP_MODE_RGB;
        config.output.is_external_memory = 1;
        config.output.u.RGBA.rgba =
            image->pixels + (size_t)f.top * stride + (size_t)f.left * channels;
        config.output.u.RGBA.stride = (int)stride;
        config.output.u.RGBA.size = stride * (size_t)f.height - (size_t)f.left * channels;
        status = WebPDecode(f.b.data, f.b.size, &config);
        WebPFreeDecBuffer(&config.output);
    }
    if (status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED)
        return truncated();
    if (status == VP8_STATUS_UNSUPPORTED_FEATURE)
        return fail_as("unsupported", "WebP with an unsupported feature");
    return status == VP8_STATUS_OK ? 0 : fail_as("corrupt", "bad WebP: damaged data");
}
#else
static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    (void)b, (void)info, (void)image;
    return fail_as("unsupported", "WebP is not supported by this build");
}
#endif

/* A picture of one colour takes no bit a pixel: there is no bound. */
const struct codec codec_webp = { probe, decode, 0 };
