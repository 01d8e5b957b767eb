/* SPDX-License-Identifier: MIT
 * tiff.c - the first page of a TIFF by libtiff; without it TIFF is refused
 *
 * Read are grey, palette, RGB, YCbCr (as JPEG) and CMYK, of 1 to 16 bits, in strips or tiles, the
 * samples of a pixel together or each in a plane of its own.  libtiff unpacks; which sample is
 * which is decided here.  Source: TIFF 6.0; python-pillow/Pillow src/PIL/TiffImagePlugin.py, by
 * which
 *
 *   - the picture is turned upright as its Orientation says, whoever reads it;
 *   - an extra sample is alpha if it says so (ExtraSamples 1 or 2); colours that are multiplied by
 *     it (1) are divided again;
 *   - white is 0 where PhotometricInterpretation is 0.
 *
 * Of 16 bits the high byte is taken, as in all formats.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_LIBTIFF_4
#include <tiffio.h>
#endif
#include "base/error.h"
#include "base/memory.h"
#include "image/codec.h"

#ifdef HAVE_LIBTIFF_4
enum { MESSAGE = 200, MOST_AT_ONCE = 1 << 30 };

struct tiff {
    struct bytes b;
    size_t at;
    TIFF *t;
    char message[MESSAGE]; /* the first one */
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar, orientation;
    bool tiled;
    uint16_t alpha; /* 0: none; 1: colours are multiplied by it */
    uint16_t *map[3];
};

/* --- libtiff reads from memory --- */

static tmsize_t on_read(thandle_t h, void *to, tmsize_t size)
{
    struct tiff *f = h;
    size_t n = f->b.size - f->at < (size_t)size ? f->b.size - f->at : (size_t)size;

    memcpy(to, f->b.data + f->at, n);
    f->at += n;
    return (tmsize_t)n;
}

static tmsize_t on_write(thandle_t h, void *from, tmsize_t size)
{
    (void)h, (void)from, (void)size;
    return -1;
}

static toff_t on_seek(thandle_t h, toff_t offset, int whence)
{
    struct tiff *f = h;
    toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? f->at : f->b.size;

    if (base + offset > f->b.size)
        return (toff_t)-1;
    f->at = (size_t)(base + offset);
    return f->at;
}

static int on_close(thandle_t h)
{
    (void)h;
    return 0;
}

static toff_t on_size(thandle_t h)
{
    return ((struct tiff *)h)->b.size;
}

static int on_map(thandle_t h, void **data, toff_t *size)
{
    struct tiff *f = h;

    *data = (void *)(uintptr_t)f->b.data;
    *size = f->b.size;
    return 1;
}

static void on_unmap(thandle_t h, void *data, toff_t size)
{
    (void)h, (void)data, (void)size;
}

static int on_error(TIFF *t, void *self, const char *module, const char *format, va_list list)
{
    struct tiff *f = self;

    (void)t, (void)module;
    if (!*f->message)
        vsnprintf(f->message, MESSAGE, format, list);
    return 1;
}

/* A tag that cannot be read is a warning to libtiff, which then guesses: a picture without its
 * palette would be grey. */
static int on_warning(TIFF *t, void *self, const char *module, const char *format, va_list list)
{
    return strstr(format, "IO error") ? on_error(t, self, module, format, list) : 1;
}

/* Whether this libtiff lacks what the pixels are packed with. */
static bool codec_missing(const struct tiff *f)
{
    uint16_t packing = COMPRESSION_NONE;

    return f->t && TIFFGetField(f->t, TIFFTAG_COMPRESSION, &packing) &&
           !TIFFIsCODECConfigured(packing);
}

/* What libtiff said, as an error of ours. */
static int broken(const struct tiff *f)
{
    static const char *const short_of[] = { "Read error",  "ot enough data", "data is short",
                                            "out of file", "Premature EOF",  "Cannot read",
                                            "IO error",    "Can not read" };

    for (int i = 0; i < COUNT(short_of); i++)
        if (strstr(f->message, short_of[i]))
            return fail_as("truncated", "premature end of TIFF: %s", f->message);
    if (codec_missing(f) || strstr(f->message, "not supported"))
        return fail_as("unsupported", "TIFF: %s", f->message);
    return fail_as("corrupt", "bad TIFF: %s", *f->message ? f->message : "no reason given");
}

/* The tags of the first page.  *f is to be closed by TIFFClose(f->t) unless NULL. */
static int open_page(struct bytes b, struct tiff *f)
{
    TIFFOpenOptions *o = TIFFOpenOptionsAlloc();
    uint16_t count = 0, *extra = NULL, packing = 0;

    *f = (struct tiff){ .b = b };
    TIFFOpenOptionsSetMaxSingleMemAlloc(o, MOST_AT_ONCE);
    TIFFOpenOptionsSetErrorHandlerExtR(o, on_error, f);
    TIFFOpenOptionsSetWarningHandlerExtR(o, on_warning, f);
    f->t = TIFFClientOpenExt("memory", "r", f, on_read, on_write, on_seek, on_close, on_size,
                             on_map, on_unmap, o);
    TIFFOpenOptionsFree(o);
    if (!f->t || *f->message)
        return broken(f);
    if (!TIFFGetField(f->t, TIFFTAG_IMAGEWIDTH, &f->width) ||
        !TIFFGetField(f->t, TIFFTAG_IMAGELENGTH, &f->height))
        return fail_as("corrupt", "bad TIFF: no size");
    TIFFGetFieldDefaulted(f->t, TIFFTAG_BITSPERSAMPLE, &f->bits);
    TIFFGetFieldDefaulted(f->t, TIFFTAG_SAMPLESPERPIXEL, &f->samples);
    TIFFGetFieldDefaulted(f->t, TIFFTAG_PLANARCONFIG, &f->planar);
    TIFFGetFieldDefaulted(f->t, TIFFTAG_ORIENTATION, &f->orientation);
    TIFFGetFieldDefaulted(f->t, TIFFTAG_COMPRESSION, &packing);
    f->photometric = f->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    TIFFGetField(f->t, TIFFTAG_PHOTOMETRIC, &f->photometric);
    if (f->photometric == PHOTOMETRIC_YCBCR && packing == COMPRESSION_JPEG) {
        TIFFSetField(f->t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB); /* libjpeg converts */
        f->photometric = PHOTOMETRIC_RGB;
    }
    f->tiled = TIFFIsTiled(f->t);
    if (TIFFGetField(f->t, TIFFTAG_EXTRASAMPLES, &count, &extra) && count && extra[0] <= 2)
        f->alpha = extra[0];
    if (f->photometric == PHOTOMETRIC_PALETTE &&
        !TIFFGetField(f->t, TIFFTAG_COLORMAP, &f->map[0], &f->map[1], &f->map[2]))
        return fail_as("corrupt", "bad TIFF: no palette");
    return 0;
}

/* --- what a picture is --- */

/* What it is, or "unsupported": a kind of colours, or of numbers, that has no place in 8 bits. */
static int describe(const struct tiff *f, struct image_info *info)
{
    uint16_t format = SAMPLEFORMAT_UINT, colours;
    bool swapped = f->orientation >= 5 && f->orientation <= 8;

    info->width = swapped ? f->height : f->width;
    info->height = swapped ? f->width : f->height;
    TIFFGetFieldDefaulted(f->t, TIFFTAG_SAMPLEFORMAT, &format);
    switch (f->photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
        colours = 1;
        info->mode = f->bits == 1 ? MODE_1 : f->bits == 16 ? MODE_I16 : MODE_L;
        break;
    case PHOTOMETRIC_PALETTE:
        colours = 1;
        info->mode = MODE_P;
        break;
    case PHOTOMETRIC_RGB:
        colours = 3;
        info->mode = MODE_RGB;
        break;
    case PHOTOMETRIC_SEPARATED:
        colours = 4;
        info->mode = MODE_CMYK;
        break;
    default:
        return fail_as("unsupported", "TIFF with colours of kind %u", f->photometric);
    }
    if (f->samples < colours || f->samples > 64 ||
        (f->bits != 8 && f->bits != 16 && (f->bits > 8 || f->samples > 1 || 8 % f->bits)) ||
        (info->mode == MODE_P && f->bits > 8))
        return fail_as("unsupported", "TIFF with %u samples of %u bits", f->samples, f->bits);
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        return fail_as("unsupported", "TIFF of numbers that are no light: %s",
                       format == SAMPLEFORMAT_INT ? "they have signs" : "they are real or complex");
    info->alpha = f->alpha && f->samples > colours && (colours == 3 || info->mode == MODE_L);
    if (info->alpha)
        info->mode = colours == 3 ? MODE_RGBA : MODE_LA;
    info->channels = (info->mode == MODE_P ? 3 : colours) + info->alpha;
    return 0;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct tiff f;
    int result = open_page(b, &f);

    if (result == 0)
        result = describe(&f, info);
    if (result == 0) {
        size_t unit = (size_t)(f.tiled ? TIFFTileSize(f.t) : TIFFStripSize(f.t));

        info->scratch = 2 * unit;
        if (f.orientation > 1) /* it is turned here, so there are two of it */
            info->scratch += (size_t)f.width * f.height * (size_t)info->channels;
    }
    if (f.t)
        TIFFClose(f.t);
    return result;
}

/* --- samples --- */

static unsigned char sample(const unsigned char *row, size_t i, unsigned bits)
{
    uint16_t deep;
    size_t bit = i * bits;

    if (bits == 8)
        return row[i];
    if (bits == 16) { /* libtiff gives them in the machine's order */
        memcpy(&deep, row + 2 * i, 2);
        return (unsigned char)(deep >> 8);
    }
    return row[bit >> 3] >> (8 - bits - (bit & 7)) & ((1u << bits) - 1);
}

/* An index becomes its colour; a light where white is 0 is turned around. */
static void put_sample(const struct tiff *f, unsigned char *to, unsigned value, int channel)
{
    if (f->photometric == PHOTOMETRIC_PALETTE) {
        for (int c = 0; c < 3 && channel == 0; c++)
            to[c] = (unsigned char)(f->map[c][value] >> 8);
        return;
    }
    if (f->bits < 8)
        value = value * 255 / ((1u << f->bits) - 1);
    to[channel] =
        (unsigned char)(f->photometric == PHOTOMETRIC_MINISWHITE && channel == 0 ? 255 - value
                                                                                 : value);
}

/* `count` pixels of a row at (x, y).  plane: the sample that all of them are; -1: all samples of
 * each pixel follow each other. */
struct piece {
    const unsigned char *row;
    uint32_t x, y, count;
    int plane;
};

static void put_piece(const struct tiff *f, const struct piece *p, struct image *image)
{
    int channels = image->channels;
    int wanted = f->photometric == PHOTOMETRIC_PALETTE ? 1 : channels;
    unsigned char *to =
        image->pixels + ((size_t)p->y * (size_t)image->width + p->x) * (size_t)channels;

    for (uint32_t i = 0; i < p->count; i++, to += channels) {
        if (p->plane >= 0) {
            put_sample(f, to, sample(p->row, i, f->bits), p->plane);
            continue;
        }
        for (int c = 0; c < wanted; c++)
            put_sample(f, to, sample(p->row, (size_t)i * f->samples + (size_t)c, f->bits), c);
    }
}

static int read_rows(struct tiff *f, int plane, unsigned char *buffer, struct image *image)
{
    for (uint32_t y = 0; y < f->height; y++) {
        if (TIFFReadScanline(f->t, buffer, y, (uint16_t)(plane < 0 ? 0 : plane)) != 1)
            return broken(f);
        put_piece(f, &(struct piece){ buffer, 0, y, f->width, plane }, image);
    }
    return 0;
}

static int read_tiles(struct tiff *f, int plane, unsigned char *buffer, struct image *image)
{
    uint32_t width = 0, height = 0;
    size_t stride = (size_t)TIFFTileRowSize(f->t);

    TIFFGetField(f->t, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(f->t, TIFFTAG_TILELENGTH, &height);
    if (!width || !height)
        return fail_as("corrupt", "bad TIFF: tiles without a size");
    for (uint32_t y = 0; y < f->height; y += height)
        for (uint32_t x = 0; x < f->width; x += width) {
            uint32_t count = f->width - x < width ? f->width - x : width;

            if (TIFFReadTile(f->t, buffer, x, y, 0, (uint16_t)(plane < 0 ? 0 : plane)) < 0)
                return broken(f);
            for (uint32_t row = 0; row < height && y + row < f->height; row++)
                put_piece(f, &(struct piece){ buffer + row * stride, x, y + row, count, plane },
                          image);
        }
    return 0;
}

/* Is a row, or a tile, as long as its pixels need?  libtiff and the tags must agree. */
static bool rows_fit(const struct tiff *f, size_t row, size_t pixels)
{
    size_t samples = f->planar == PLANARCONFIG_SEPARATE ? 1 : f->samples;

    return row >= (pixels * samples * f->bits + 7) / 8;
}

static int read_page(struct tiff *f, struct image *image)
{
    int planes = f->photometric == PHOTOMETRIC_PALETTE ? 1 : image->channels, result = 0;
    size_t size = (size_t)(f->tiled ? TIFFTileSize(f->t) : TIFFScanlineSize(f->t));
    uint32_t tile = 0;
    unsigned char *buffer;

    if (f->tiled)
        TIFFGetField(f->t, TIFFTAG_TILEWIDTH, &tile);
    if (!size || size > MOST_AT_ONCE ||
        !rows_fit(f, (size_t)(f->tiled ? TIFFTileRowSize(f->t) : TIFFScanlineSize(f->t)),
                  f->tiled ? tile : f->width))
        return fail_as("corrupt", "bad TIFF: rows of another size than its pixels");
    buffer = xalloc(size, 1);
    for (int p = 0; result == 0 && p < (f->planar == PLANARCONFIG_SEPARATE ? planes : 1); p++) {
        int plane = f->planar == PLANARCONFIG_SEPARATE ? p : -1;

        result =
            f->tiled ? read_tiles(f, plane, buffer, image) : read_rows(f, plane, buffer, image);
    }
    free(buffer);
    return result;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct tiff f;
    int result = open_page(b, &f);

    if (result == 0) {
        image_new(image, (int)f.width, (int)f.height, info->channels, info->mode);
        result = read_page(&f, image);
    }
    if (result == 0 && *f.message) /* libtiff went on: what it filled in is no picture's */
        result = broken(&f);
    if (result == 0) {
        if (info->alpha && f.alpha == EXTRASAMPLE_ASSOCALPHA)
            alpha_divide(image);
        image->orientation = f.orientation;
        image_orient(image);
    }
    if (f.t)
        TIFFClose(f.t);
    return result;
}
#else
static int probe(struct bytes b, struct image_info *info)
{
    (void)b, (void)info;
    return fail_as("unsupported", "TIFF is not supported by this build, which has no libtiff; "
                                  "convert it: tifftopnm IN.tif >OUT.ppm");
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    (void)image;
    return probe(b, &(struct image_info){ .format = info->format });
}
#endif

/* A blank row of a fax is one bit, however wide: there is no bound. */
const struct codec codec_tiff = { probe, decode, 0 };
