/* SPDX-License-Identifier: MIT
 * heif.c - HEIF and AVIF, a phone's pictures, by libheif; without it they are refused
 *
 * The primary picture is read, turned and mirrored as the file's own properties say (irot, imir),
 * which belong to the format as the order of rows does; EXIF's orientation is then said to be
 * ignored (ISO/IEC 23008-12, section 6.5.10), as pillow-heif does.  Ten and twelve bits become
 * eight.
 */
#include <string.h>
#ifdef HAVE_LIBHEIF
#include <libheif/heif.h>
#endif
#include "base/error.h"
#include "image/codec.h"

#ifdef HAVE_LIBHEIF
/* Bytes a pixel that libheif holds beside ours: three planes of up to 16 bits, and what they are
 * converted to, twice. */
enum { HELD = 14 };

struct heif {
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
};

static void close_file(struct heif *h)
{
    if (h->image)
        heif_image_release(h->image);
    if (h->handle)
        heif_image_handle_release(h->handle);
    if (h->context)
        heif_context_free(h->context);
}

/* libheif's error as one of ours. */
static int broken(struct heif_error e)
{
    switch (e.code) {
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
        return fail_as("unsupported", "HEIF: %s", e.message);
    case heif_error_Memory_allocation_error:
        return fail_as("too_large", "HEIF: %s", e.message);
    default:
        return e.subcode == heif_suberror_End_of_data
                   ? fail_as("truncated", "premature end of HEIF")
                   : fail_as("corrupt", "bad HEIF: %s", e.message);
    }
}

/* The container and the handle of its primary picture; nothing is decoded. */
static int open_file(struct bytes b, struct heif *h)
{
    struct heif_error e;

    *h = (struct heif){ .context = heif_context_alloc() };
    if (!h->context)
        return fail_as("too_large", "no memory for a HEIF");
    heif_context_set_max_decoding_threads(h->context, 0); /* pictures are what runs in parallel */
    e = heif_context_read_from_memory_without_copy(h->context, b.data, b.size, NULL);
    if (e.code == heif_error_Ok)
        e = heif_context_get_primary_image_handle(h->context, &h->handle);
    return e.code == heif_error_Ok ? 0 : broken(e);
}

static int probe(struct bytes b, struct image_info *info)
{
    struct heif h;
    int result = open_file(b, &h);

    if (result == 0) {
        info->width = heif_image_handle_get_width(h.handle);
        info->height = heif_image_handle_get_height(h.handle);
        info->alpha = heif_image_handle_has_alpha_channel(h.handle);
        info->mode = info->alpha ? MODE_RGBA : MODE_RGB;
        info->channels = info->alpha ? 4 : 3;
        if (info->width > 0 && info->height > 0 && info->width < INT32_MAX / info->height)
            info->scratch = HELD * (size_t)info->width * (size_t)info->height;
    }
    close_file(&h);
    return result;
}

static int copy_rows(const struct heif *h, const struct image_info *info, struct image *image)
{
    size_t row = (size_t)info->width * (size_t)info->channels;
    int stride = 0;
    const uint8_t *plane =
        heif_image_get_plane_readonly(h->image, heif_channel_interleaved, &stride);

    if (!plane || heif_image_get_width(h->image, heif_channel_interleaved) != info->width ||
        heif_image_get_height(h->image, heif_channel_interleaved) != info->height ||
        (size_t)stride < row)
        return fail_as("corrupt", "bad HEIF: its size is given twice");
    image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
    for (long y = 0; y < info->height; y++)
        memcpy(image->pixels + (size_t)y * row, plane + (size_t)y * (size_t)stride, row);
    if (info->alpha && heif_image_handle_is_premultiplied_alpha(h->handle))
        alpha_divide(image);
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct heif_decoding_options *o = heif_decoding_options_alloc();
    struct heif h;
    int result = open_file(b, &h);

    if (result == 0) {
        struct heif_error e;

        o->convert_hdr_to_8bit = 1;
        e = heif_decode_image(
            h.handle, &h.image, heif_colorspace_RGB,
            info->alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, o);
        result = e.code == heif_error_Ok ? copy_rows(&h, info, image) : broken(e);
    }
    heif_decoding_options_free(o);
    close_file(&h);
    return result;
}
#else
static int probe(struct bytes b, struct image_info *info)
{
    (void)b, (void)info;
    return fail_as("unsupported", "HEIF and AVIF are not supported by this build, which has no "
                                  "libheif; convert it: heif-convert IN.heic OUT.png");
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    (void)image;
    return probe(b, &(struct image_info){ .format = info->format });
}
#endif

/* A picture of one colour takes next to nothing: there is no bound. */
const struct codec codec_heif = { probe, decode, 0 };
const struct codec codec_avif = { probe, decode, 0 };
