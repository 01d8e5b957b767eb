/* SPDX-License-Identifier: MIT
 * png.c - PNG by zlib, a row at a time
 *
 *     89 "PNG" 0d 0a 1a 0a  { length32 type[4] body[length] crc32(type, body) }*
 *     IHDR: width32 height32 depth8 colour8 compression8 filter8 interlace8
 *
 * Source: the PNG specification, second edition (ISO/IEC 15948).  Own code, not stb_image's, for
 * three reasons: stb_image inflates all of IDAT whatever size the header tells, so that a picture
 * of one pixel can take gigabytes; it needs the picture twice; and it reads its palette where the
 * file wrote none.  Here zlib is asked for the rows that the header tells and for no byte more.
 *
 * What is special:
 *   - An index behind the end of the palette is black and opaque, as in Pillow.
 *   - tRNS is kept as a last channel, which image_to_rgb drops as Pillow's convert does.  The mode
 *     stays the file's, so that resizing goes as Pillow's does without it.
 *   - An animated PNG gives the picture that readers without animation show.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/memory.h"
#include "base/error.h"
#include "image/codec.h"

enum { GREY = 0, TRUE_COLOUR = 2, PALETTE = 3, GREY_ALPHA = 4, TRUE_COLOUR_ALPHA = 6 };
enum { SIGNATURE = 8, WINDOW = 1 << 16 };

struct png {
    struct bytes b;
    int depth, colour, samples; /* samples: a pixel */
    bool interlaced;
    unsigned char palette[256][4]; /* red, green, blue, alpha */
    bool has_key;                  /* one grey level, or one RGB colour, is transparent: */
    unsigned key[3];
    size_t pixels; /* where the first IDAT chunk begins */
};

/* --- chunks --- */

static int truncated(void)
{
    return fail_as("truncated", "premature end of PNG");
}

static int corrupt(const char *what)
{
    return fail_as("corrupt", "bad PNG: %s", what);
}

/* The body of the chunk at *at, which moves behind it; its type is in *type.  -1 after fail_as().
 * The sum is checked in check_chunks. */
static int next_chunk(struct bytes b, size_t *at, const unsigned char **type, struct bytes *body)
{
    const unsigned char *p = b.data + *at;

    if (!bytes_have(b, *at, 12) || !bytes_have(b, *at + 12, big32(p)))
        return truncated();
    *type = p + 4;
    *body = (struct bytes){ p + 8, big32(p) };
    *at += 12 + body->size;
    return 0;
}

/* Every chunk up to the end is there and is what its sum says. */
static int check_chunks(struct bytes b)
{
    for (size_t at = SIGNATURE;;) {
        const unsigned char *type = NULL;
        struct bytes body = { 0 };

        if (next_chunk(b, &at, &type, &body) < 0)
            return -1;
        if (body.size > INT32_MAX ||
            crc32(0, type, (uInt)body.size + 4) != big32(body.data + body.size))
            return corrupt("wrong sum of a chunk");
        if (!memcmp(type, "IEND", 4))
            return 0;
    }
}

static int read_header(struct bytes b, struct png *p, struct image_info *info)
{
    static const unsigned char depths[] = { /* a bit for each depth that a colour type may have */
                                            [GREY] = 1 | 2 | 4 | 8 | 16,
                                            [TRUE_COLOUR] = 8 | 16,
                                            [PALETTE] = 1 | 2 | 4 | 8,
                                            [GREY_ALPHA] = 8 | 16,
                                            [TRUE_COLOUR_ALPHA] = 8 | 16
    };
    static const int samples[] = {
        [GREY] = 1, [TRUE_COLOUR] = 3, [PALETTE] = 1, [GREY_ALPHA] = 2, [TRUE_COLOUR_ALPHA] = 4
    };
    const unsigned char *h = b.data + 16;

    if (b.size < 29)
        return truncated();
    if (memcmp(b.data + 12, "IHDR", 4) || big32(b.data + SIGNATURE) != 13)
        return corrupt("no header");
    info->width = (long)big32(h);
    info->height = (long)big32(h + 4);
    *p = (struct png){ .b = b, .depth = h[8], .colour = h[9], .interlaced = h[12] };
    if (p->colour >= COUNT(depths) || !depths[p->colour])
        return fail_as("corrupt", "bad PNG: colour type %d", p->colour);
    if (!(depths[p->colour] & p->depth) || (p->depth & (p->depth - 1)))
        return fail_as("corrupt", "bad PNG: %d bits a sample", p->depth);
    if (h[10] || h[11] || h[12] > 1)
        return fail_as("unsupported", "PNG with an unknown compression, filter or interlacing");
    p->samples = samples[p->colour];
    return 0;
}

/* tRNS: the alpha of the first colours of the palette, or one grey level, or one colour. */
static bool read_transparency(struct png *p, struct bytes body)
{
    for (size_t i = 0; p->colour == PALETTE && i < body.size && i < 256; i++)
        p->palette[i][3] = body.data[i];
    if (p->colour > TRUE_COLOUR || body.size < 2 * (size_t)p->samples)
        return p->colour == PALETTE;
    for (int i = 0; i < p->samples; i++)
        p->key[i] = big16(body.data + 2 * i) & ((1u << p->depth) - 1);
    return p->has_key = true;
}

/* The chunks before the pixels, into p and info. */
static int read_head(struct bytes b, struct png *p, struct image_info *info)
{
    bool has_palette = false, has_transparency = false;
    const unsigned char *type;
    struct bytes body;
    size_t at = SIGNATURE;

    if (read_header(b, p, info) < 0)
        return -1;
    for (int i = 0; i < 256; i++)
        p->palette[i][3] = 255;
    for (;;) {
        p->pixels = at;
        if (next_chunk(b, &at, &type, &body) < 0)
            return -1;
        if (!memcmp(type, "IDAT", 4))
            break;
        if (!memcmp(type, "IEND", 4))
            return corrupt("no pixels");
        if (!memcmp(type, "PLTE", 4) && p->colour == PALETTE) {
            has_palette = true;
            for (size_t i = 0; 3 * i + 2 < body.size && i < 256; i++)
                memcpy(p->palette[i], body.data + 3 * i, 3);
        } else if (!memcmp(type, "tRNS", 4)) {
            has_transparency = read_transparency(p, body);
        } else if (!memcmp(type, "eXIf", 4)) {
            info->orientation = exif_orientation(body);
        } else if (!memcmp(type, "iTXt", 4) && !info->orientation) {
            info->orientation = xmp_orientation(body);
        } else if (!memcmp(type, "acTL", 4)) {
            info->animated = true;
        }
    }
    if (p->colour == PALETTE && !has_palette)
        return corrupt("no palette");
    info->alpha = has_transparency || p->colour >= GREY_ALPHA;
    return 0;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct png p;

    if (read_head(b, &p, info) < 0)
        return -1;
    switch (p.colour) {
    case GREY:
        info->mode = p.depth == 1 ? MODE_1 : p.depth == 16 ? MODE_I16 : MODE_L;
        info->channels = info->alpha ? 2 : 1;
        break;
    case TRUE_COLOUR:
        info->mode = MODE_RGB;
        info->channels = info->alpha ? 4 : 3;
        break;
    case PALETTE:
        info->mode = MODE_P;
        info->channels = info->alpha ? 4 : 3;
        break;
    case GREY_ALPHA: /* of 16 bits Pillow makes RGBA */
        info->mode = p.depth == 16 ? MODE_RGBA : MODE_LA;
        info->channels = p.depth == 16 ? 4 : 2;
        break;
    default:
        info->mode = MODE_RGBA;
        info->channels = 4;
    }
    /* a row and the one before it, of the stored samples */
    info->scratch = WINDOW + 4 * (size_t)info->width * (size_t)p.samples;
    return 0;
}

/* --- rows --- */

struct rows { /* of IDAT's zlib stream */
    z_stream z;
    struct bytes b;
    size_t at; /* the next chunk */
    size_t have, taken;
    unsigned char window[WINDOW]; /* inflated, not yet taken: taken .. have */
};

/* More of the stream into the window; -1 after fail_as(). */
static int inflate_more(struct rows *r)
{
    int result = Z_OK;

    r->z.next_out = r->window;
    r->z.avail_out = WINDOW;
    while (r->z.avail_out == WINDOW && result == Z_OK) {
        const unsigned char *type = NULL;
        struct bytes body = { 0 };

        while (!r->z.avail_in) {
            if (next_chunk(r->b, &r->at, &type, &body) < 0)
                return -1;
            if (!memcmp(type, "IEND", 4))
                return corrupt("pixels are missing");
            if (memcmp(type, "IDAT", 4))
                continue;
            r->z.next_in = (unsigned char *)(uintptr_t)body.data;
            r->z.avail_in = (uInt)body.size;
        }
        result = inflate(&r->z, Z_NO_FLUSH);
    }
    r->taken = 0;
    r->have = WINDOW - r->z.avail_out;
    if (r->have)
        return 0;
    return corrupt(result == Z_STREAM_END ? "pixels are missing" : "its compressed data is broken");
}

static int take(struct rows *r, unsigned char *to, size_t size)
{
    while (size > 0) {
        size_t n;

        if (r->taken == r->have && inflate_more(r) < 0)
            return -1;
        n = r->have - r->taken < size ? r->have - r->taken : size;
        memcpy(to, r->window + r->taken, n);
        r->taken += n;
        to += n;
        size -= n;
    }
    return 0;
}

static unsigned char paeth(int left, int up, int both)
{
    int to_left = abs(up - both), to_up = abs(left - both), to_both = abs(left + up - 2 * both);

    return (unsigned char)(to_left <= to_up && to_left <= to_both ? left
                           : to_up <= to_both                     ? up
                                                                  : both);
}

/* Section 9 of the specification.  step: bytes a pixel, at least one; before: zeros at first. */
static int unfilter(int filter, unsigned char *row, const unsigned char *before, size_t size,
                    size_t step)
{
    size_t first = step < size ? step : size;

    switch (filter) {
    case 0:
        break;
    case 1:
        for (size_t i = step; i < size; i++)
            row[i] = (unsigned char)(row[i] + row[i - step]);
        break;
    case 2:
        for (size_t i = 0; i < size; i++)
            row[i] = (unsigned char)(row[i] + before[i]);
        break;
    case 3:
        for (size_t i = 0; i < first; i++)
            row[i] = (unsigned char)(row[i] + before[i] / 2);
        for (size_t i = step; i < size; i++)
            row[i] = (unsigned char)(row[i] + (row[i - step] + before[i]) / 2);
        break;
    case 4:
        for (size_t i = 0; i < first; i++)
            row[i] = (unsigned char)(row[i] + before[i]);
        for (size_t i = step; i < size; i++)
            row[i] = (unsigned char)(row[i] + paeth(row[i - step], before[i], before[i - step]));
        break;
    default:
        return fail_as("corrupt", "bad PNG: filter %d", filter);
    }
    return 0;
}

/* Sample i of a row, in the file's own bits. */
static unsigned stored(const struct png *p, const unsigned char *row, size_t i)
{
    size_t bit = i * (size_t)p->depth;

    if (p->depth == 8)
        return row[i];
    if (p->depth == 16)
        return big16(row + 2 * i);
    return row[bit >> 3] >> (8 - p->depth - (int)(bit & 7)) & ((1u << p->depth) - 1);
}

/* As 8 bits: fewer are stretched, of 16 the high byte is taken. */
static unsigned char sample(const struct png *p, const unsigned char *row, size_t i)
{
    unsigned value = stored(p, row, i);

    return (unsigned char)(p->depth == 16 ? value >> 8 : value * 255 / ((1u << p->depth) - 1));
}

/* Pillow compares the key with what it made of a sample: of two and four bits the stretched value,
 * of an RGB colour's 16 bits the high byte, with the key's low one.  Those are mistakes, but what
 * the models saw. */
static bool is_key(const struct png *p, const unsigned char *row, size_t pixel)
{
    bool deep = p->depth == 16 && p->colour == TRUE_COLOUR;

    for (size_t i = 0; i < (size_t)p->samples; i++) {
        size_t at = pixel * (size_t)p->samples + i;
        bool made = deep || p->depth == 2 || p->depth == 4;

        if ((made ? sample(p, row, at) : stored(p, row, at)) !=
            (deep ? p->key[i] & 255 : p->key[i]))
            return false;
    }
    return true;
}

/* A row of `count` pixels, `step` pixels apart in the picture. */
static void put_row(const struct png *p, const unsigned char *row, size_t count, unsigned char *to,
                    size_t step, int channels)
{
    size_t samples = (size_t)p->samples, move = step * (size_t)channels;

    if (p->depth == 8 && p->samples == channels && step == 1 && p->colour != PALETTE) {
        memcpy(to, row, count * samples);
        return;
    }
    for (size_t x = 0; x < count; x++, to += move) {
        if (p->colour == PALETTE) {
            memcpy(to, p->palette[stored(p, row, x)], (size_t)channels);
        } else if (p->colour == GREY_ALPHA && channels == 4) {
            to[0] = to[1] = to[2] = sample(p, row, 2 * x);
            to[3] = sample(p, row, 2 * x + 1);
        } else {
            for (size_t c = 0; c < samples; c++)
                to[c] = sample(p, row, x * samples + c);
            if (p->has_key)
                to[samples] = is_key(p, row, x) ? 0 : 255;
        }
    }
}

struct pass { /* of the picture's pixels: which column and row comes first, and steps from there */
    int left, top, across, down;
};

/* One pass, row after row.  lines: two rows of the picture's full width. */
static int read_pass(const struct png *p, struct rows *r, const struct pass *s,
                     unsigned char *lines, struct image *image)
{
    size_t width = (size_t)((image->width - s->left + s->across - 1) / s->across);
    size_t bits = (size_t)p->samples * (size_t)p->depth, size = (width * bits + 7) / 8;
    unsigned char *row = lines, *before = lines + size;

    if (image->width <= s->left)
        return 0;
    memset(before, 0, size);
    for (int y = s->top; y < image->height; y += s->down) {
        size_t at = (size_t)y * (size_t)image->width + (size_t)s->left;
        unsigned char filter, *swap = row;

        if (take(r, &filter, 1) < 0 || take(r, row, size) < 0 ||
            unfilter(filter, row, before, size, bits < 8 ? 1 : bits / 8) < 0)
            return -1;
        put_row(p, row, width, image->pixels + at * (size_t)image->channels, (size_t)s->across,
                image->channels);
        row = before;
        before = swap;
    }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    static const struct pass whole[] = { { 0, 0, 1, 1 } };
    static const struct pass adam7[] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 }, { 0, 4, 4, 8 },
                                         { 2, 0, 4, 4 }, { 0, 2, 2, 4 }, { 1, 0, 2, 2 },
                                         { 0, 1, 1, 2 } };
    struct image_info again = { 0 };
    unsigned char *lines;
    struct rows *r;
    struct png p;
    int result = 0;

    if (check_chunks(b) < 0 || read_head(b, &p, &again) < 0)
        return -1;
    r = xalloc(1, sizeof *r);
    r->b = b;
    r->at = p.pixels;
    if (inflateInit(&r->z) != Z_OK) {
        free(r);
        return fail_as("too_large", "no memory to inflate a PNG");
    }
    lines = xresize(NULL, 2, ((size_t)info->width * (size_t)(p.samples * p.depth) + 7) / 8);
    image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
    for (int i = 0; result == 0 && i < (p.interlaced ? COUNT(adam7) : 1); i++)
        result = read_pass(&p, r, p.interlaced ? &adam7[i] : &whole[i], lines, image);
    inflateEnd(&r->z);
    free(lines);
    free(r);
    return result;
}

/* deflate makes at most 1032 bytes of one, of 8 pixels each. */
const struct codec codec_png = { probe, decode, 8 * 1032 };
