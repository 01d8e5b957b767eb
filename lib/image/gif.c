/* SPDX-License-Identifier: MIT
 * gif.c - the first frame of a GIF
 *
 *     "GIF89a" width16 height16 flags8 background8 aspect8 [palette]
 *     { 21 label8 blocks | 2c left16 top16 width16 height16 flags8 [palette] bits8 blocks | 3b }*
 *
 * Blocks are { size8 bytes[size] }* 0.  Their bytes joined are codes of 3 to 12 bits, low bits
 * first: a code below `clear` is a colour; a higher one is the string of an earlier code and one
 * more colour.  Own code, not stb_image's: a transparent pixel keeps its palette's colour and the
 * canvas is filled as Pillow does it.
 *
 * Source: GIF89a Specification (CompuServe, 1990), appendix F; python-pillow/Pillow
 * src/PIL/GifImagePlugin.py.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "image/codec.h"

enum { MOST_CODES = 4096 };

struct frame {
    unsigned left, top, width, height;
    bool interlaced, transparent, grey;
    unsigned char transparent_index;
    unsigned char palette[256][4]; /* red, green, blue, alpha */
    size_t data;                   /* where the blocks begin; the code size stands before */
};

static int truncated(void)
{
    return fail_as("truncated", "premature end of GIF");
}

/* Behind the blocks at `at`; 0: the file ends. */
static size_t skip_blocks(struct bytes b, size_t at)
{
    while (at < b.size && b.data[at])
        at += 1 + b.data[at];
    return at < b.size ? at + 1 : 0;
}

/* A palette of 0, 1, 2 ... is no palette: the picture is grey.  A colour behind the palette's end
 * is black, as in Pillow. */
static int read_palette(struct bytes b, size_t *at, int flags, struct frame *f)
{
    int count = 2 << (flags & 7);

    for (int i = 0; i < 256; i++) {
        memset(f->palette[i], i, 3);
        f->palette[i][3] = 255;
    }
    f->grey = true;
    if (!(flags & 0x80))
        return 0;
    if (!bytes_have(b, *at, 3 * (size_t)count))
        return truncated();
    for (int i = 0; i < count; i++) {
        if (memcmp(f->palette[i], b.data + *at + 3 * (size_t)i, 3))
            f->grey = false;
        memcpy(f->palette[i], b.data + *at + 3 * (size_t)i, 3);
    }
    for (int i = count; i < 256 && !f->grey; i++)
        memset(f->palette[i], 0, 3);
    *at += 3 * (size_t)count;
    return 0;
}

/* Of extensions only the graphic control matters: it tells the transparent colour. */
static int read_extension(struct bytes b, size_t *at, struct frame *f)
{
    const unsigned char *p = b.data + *at; /* label, size, body */

    if (!bytes_have(b, *at, 6))
        return truncated();
    if (p[0] == 0xf9 && p[1] >= 4 && (p[2] & 1)) {
        f->transparent = true;
        f->transparent_index = p[5];
    }
    *at = skip_blocks(b, *at + 1);
    return *at ? 0 : truncated();
}

static int read_frame(struct bytes b, struct frame *f)
{
    size_t at = 13;
    const unsigned char *p;

    *f = (struct frame){ 0 };
    if (b.size < 13)
        return truncated();
    if (read_palette(b, &at, b.data[10], f) < 0)
        return -1;
    for (;; at++) {
        if (at >= b.size)
            return truncated();
        if (b.data[at] == 0x3b)
            return fail_as("corrupt", "bad GIF: no picture");
        if (b.data[at] == 0x21) {
            at++;
            if (read_extension(b, &at, f) < 0)
                return -1;
            at--;
        } else if (b.data[at] == 0x2c) {
            break;
        }
    }
    if (!bytes_have(b, at, 11))
        return truncated();
    p = b.data + at + 1;
    f->left = little16(p);
    f->top = little16(p + 2);
    f->width = little16(p + 4);
    f->height = little16(p + 6);
    f->interlaced = p[8] & 0x40;
    at += 10;
    if ((p[8] & 0x80) && read_palette(b, &at, p[8], f) < 0)
        return -1;
    f->data = at + 1;
    if (f->transparent)
        f->palette[f->transparent_index][3] = 0;
    return at < b.size ? 0 : truncated();
}

struct codes {
    struct bytes b;
    size_t at, block_end; /* the next byte, and where its block ends */
    uint32_t bits;
    int count;
    uint16_t prefix[MOST_CODES];
    unsigned char last[MOST_CODES], first[MOST_CODES];
    unsigned char string[MOST_CODES]; /* backwards */
};

/* Is there a second frame?  What follows it is not looked at. */
static bool more_frames(struct bytes b, size_t at)
{
    while ((at = skip_blocks(b, at)) && at < b.size && b.data[at] == 0x21)
        at += 2;
    return at && at < b.size && b.data[at] == 0x2c;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct frame f;

    if (read_frame(b, &f) < 0)
        return -1;
    info->width = (long)little16(b.data + 6);
    info->height = (long)little16(b.data + 8);
    if (info->width < (long)(f.left + f.width))
        info->width = (long)(f.left + f.width);
    if (info->height < (long)(f.top + f.height))
        info->height = (long)(f.top + f.height);
    info->mode = f.grey ? MODE_L : MODE_P;
    info->alpha = f.transparent;
    info->animated = more_frames(b, f.data);
    info->channels = (f.grey ? 1 : 3) + f.transparent;
    info->scratch = (size_t)f.width * f.height + sizeof(struct codes);
    return 0;
}

/* -1: the file ends, or the frame's blocks do. */
static int next_code(struct codes *c, int size)
{
    int code;

    while (c->count < size) {
        if (c->at == c->block_end) {
            if (c->at >= c->b.size || c->b.data[c->at] == 0)
                return -1;
            c->block_end = c->at + 1 + c->b.data[c->at];
            c->at++;
        }
        if (c->at >= c->b.size)
            return -1;
        c->bits |= (uint32_t)c->b.data[c->at++] << c->count;
        c->count += 8;
    }
    code = (int)(c->bits & ((1u << size) - 1));
    c->bits >>= size;
    c->count -= size;
    return code;
}

static int out_of_codes(const struct codes *c)
{
    return c->at >= c->b.size ? truncated() : fail_as("corrupt", "bad GIF: pixels are missing");
}

/* Exactly `count` colour numbers. */
static int unpack(struct codes *c, int bits, unsigned char *out, size_t count)
{
    const int clear = 1 << bits;
    int size = bits + 1, free_code = clear + 2, before = -1;

    for (int i = 0; i < clear; i++)
        c->first[i] = c->last[i] = (unsigned char)i;
    while (count > 0) {
        int code = next_code(c, size), walk = code, length = 0;

        if (code < 0 || code == clear + 1)
            return out_of_codes(c);
        if (code == clear) {
            size = bits + 1;
            free_code = clear + 2;
            before = -1;
            continue;
        }
        if (code > free_code || (code == free_code && before < 0) || (before < 0 && code > clear))
            return fail_as("corrupt", "bad GIF: a code before its meaning");
        if (code == free_code) { /* the string before and its own first colour */
            c->string[length++] = c->first[before];
            walk = before;
        }
        for (; walk > clear; walk = c->prefix[walk])
            c->string[length++] = c->last[walk];
        c->string[length++] = (unsigned char)walk;
        if (before >= 0 && free_code < MOST_CODES) {
            c->prefix[free_code] = (uint16_t)before;
            c->first[free_code] = c->first[before];
            c->last[free_code] = (unsigned char)walk;
            if (++free_code == 1 << size && size < 12)
                size++;
        }
        for (; length > 0 && count > 0; count--)
            *out++ = c->string[--length];
        before = code;
    }
    return 0;
}

static void put_colour(const struct frame *f, int number, unsigned char *out, int channels)
{
    const unsigned char *colour = f->palette[number];

    memcpy(out, colour, (size_t)channels);
    if (channels == 2)
        out[1] = colour[3];
}

/* Rows come as every 8th from 0, every 8th from 4, every 4th from 2, every 2nd from 1. */
static void paint(const struct frame *f, const unsigned char *numbers, struct image *image)
{
    static const struct {
        unsigned first, step;
    } passes[] = { { 0, 8 }, { 4, 8 }, { 2, 4 }, { 1, 2 } };
    int channels = image->channels;

    for (int pass = 0; pass < (f->interlaced ? 4 : 1); pass++)
        for (unsigned y = f->interlaced ? passes[pass].first : 0; y < f->height;
             y += f->interlaced ? passes[pass].step : 1) {
            unsigned char *out =
                image->pixels +
                ((size_t)(f->top + y) * (size_t)image->width + f->left) * (size_t)channels;

            for (unsigned x = 0; x < f->width; x++, out += channels)
                put_colour(f, *numbers++, out, channels);
        }
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct frame f;
    struct codes *c;
    unsigned char *numbers;
    size_t count;
    int bits, result;

    if (read_frame(b, &f) < 0)
        return -1;
    count = (size_t)f.width * f.height;
    bits = b.data[f.data - 1];
    if (bits < 1 || bits > 8)
        return fail_as("corrupt", "bad GIF: codes of %d bits", bits);
    numbers = xresize(NULL, count ? count : 1, 1);
    c = xalloc(1, sizeof *c);
    c->b = b;
    c->at = c->block_end = f.data;
    result = unpack(c, bits, numbers, count);
    if (result == 0) {
        image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
        for (size_t i = 0; i < (size_t)image->width * (size_t)image->height; i++)
            put_colour(&f, f.transparent ? f.transparent_index : 0,
                       image->pixels + i * (size_t)info->channels, info->channels);
        paint(&f, numbers, image);
    }
    free(c);
    free(numbers);
    return result;
}

/* The longest string of 4,096 codes for every 12 bits; the strings begin shorter. */
const struct codec codec_gif = { probe, decode, 4096 * 8 / 12 };
