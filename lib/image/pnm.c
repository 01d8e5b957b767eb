/* SPDX-License-Identifier: MIT
 * pnm.c - netpbm's own: bitmaps, grey maps and pixel maps, plain (P1 P2 P3) and raw (P4 P5 P6)
 *
 *     "P5" space width space height space maxval one-space samples      (no maxval in P1, P4)
 *
 * A comment runs from # to the end of its line.  Samples are scaled to 0..255 and rounded half to
 * even; a raw sample has two bytes, the high one first, if maxval is over 255.
 * Source: netpbm's ppm(5), pgm(5) and pbm(5); python-pillow/Pillow src/PIL/PpmImagePlugin.py.
 */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "image/codec.h"

struct text { /* the header and plain samples */
    struct bytes b;
    size_t at;
};
struct header {
    int kind; /* 1 .. 6 */
    long width, height, most;
    size_t samples; /* where they begin */
};

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static void skip(struct text *t)
{
    for (; t->at < t->b.size; t->at++)
        if (t->b.data[t->at] == '#')
            while (t->at < t->b.size && t->b.data[t->at] != '\n' && t->b.data[t->at] != '\r')
                t->at++;
        else if (!is_space(t->b.data[t->at]))
            break;
    if (t->at > t->b.size)
        t->at = t->b.size;
}

/* A number of at most `most`, or -1 after fail_as(). */
static long number(struct text *t, long most)
{
    long value = 0;

    skip(t);
    if (t->at == t->b.size)
        return fail_as("truncated", "premature end of PNM");
    if (!is_digit(t->b.data[t->at]))
        return fail_as("corrupt", "bad PNM: no number at byte %zu", t->at);
    for (; t->at < t->b.size && is_digit(t->b.data[t->at]); t->at++)
        if ((value = 10 * value + t->b.data[t->at] - '0') > most)
            return fail_as("corrupt", "bad PNM: a number over %ld", most);
    return value;
}

static int read_header(struct bytes b, struct header *h)
{
    struct text t = { b, 2 };

    *h = (struct header){ .kind = b.data[1] - '0' };
    if ((h->width = number(&t, INT32_MAX)) < 0 || (h->height = number(&t, INT32_MAX)) < 0)
        return -1;
    h->most = 1;
    if (h->kind != 1 && h->kind != 4 && (h->most = number(&t, 65535)) < 0)
        return -1;
    if (h->most == 0)
        return fail_as("corrupt", "bad PNM: a largest value of 0");
    if (t.at < b.size && !is_space(b.data[t.at]))
        return fail_as("corrupt", "bad PNM: no space behind the header");
    h->samples = t.at + 1;
    return 0;
}

static int probe(struct bytes b, struct image_info *info)
{
    struct header h;

    if (read_header(b, &h) < 0)
        return -1;
    info->width = h.width;
    info->height = h.height;
    info->mode = h.kind % 3 == 0 ? MODE_RGB : h.kind % 3 == 1 ? MODE_1 : MODE_L;
    info->channels = info->mode == MODE_RGB ? 3 : 1;
    return 0;
}

/* One row of bits, padded to a whole byte; 1 is black. */
static void unpack_bits(const unsigned char *in, unsigned char *out, int width)
{
    for (int x = 0; x < width; x++)
        out[x] = in[x >> 3] >> (7 - (x & 7)) & 1 ? 0 : 255;
}

static int read_raw(struct bytes b, const struct header *h, struct image *image)
{
    size_t width = (size_t)image->width * (size_t)image->channels; /* samples a row */
    size_t row = h->kind == 4 ? (width + 7) / 8 : h->most > 255 ? 2 * width : width;

    if (!bytes_have(b, h->samples, 1) || (b.size - h->samples) / row < (size_t)image->height)
        return fail_as("truncated", "premature end of PNM");
    for (int y = 0; y < image->height; y++) {
        const unsigned char *in = b.data + h->samples + (size_t)y * row;
        unsigned char *out = image->pixels + (size_t)y * width;

        if (h->kind == 4) {
            unpack_bits(in, out, image->width);
            continue;
        }
        if (h->most == 255) {
            memcpy(out, in, width);
            continue;
        }
        for (size_t x = 0; x < width; x++) {
            unsigned value = h->most > 255 ? big16(in + 2 * x) : in[x];

            if (value > h->most)
                value = (unsigned)h->most;
            out[x] = (unsigned char)nearbyint((double)value / (double)h->most * 255);
        }
    }
    return 0;
}

static int read_plain(struct bytes b, const struct header *h, struct image *image)
{
    size_t count = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    struct text t = { b, h->samples < b.size ? h->samples : b.size };

    for (size_t i = 0; i < count; i++) {
        long value;

        if (h->kind == 1) { /* digits need no space between them */
            skip(&t);
            if (t.at < b.size && (b.data[t.at] == '0' || b.data[t.at] == '1'))
                image->pixels[i] = b.data[t.at++] == '1' ? 0 : 255;
            else if (number(&t, 1) >= 0)
                return fail_as("corrupt", "bad PNM: a bit at byte %zu", t.at);
            else
                return -1;
            continue;
        }
        if ((value = number(&t, h->most)) < 0)
            return -1;
        image->pixels[i] = (unsigned char)nearbyint((double)value / (double)h->most * 255);
    }
    return 0;
}

static int decode(struct bytes b, const struct image_info *info, struct image *image)
{
    struct header h;

    if (read_header(b, &h) < 0)
        return -1;
    if (b.size / 8 < (size_t)info->width * (size_t)info->height / 64) /* a bit a pixel at least */
        return fail_as("truncated", "premature end of PNM");
    image_new(image, (int)info->width, (int)info->height, info->channels, info->mode);
    return h.kind <= 3 ? read_plain(b, &h, image) : read_raw(b, &h, image);
}

/* A bit a pixel. */
const struct codec codec_pnm = { probe, decode, 8 };
