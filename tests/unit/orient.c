/* SPDX-License-Identifier: MIT
 * orient.c - pictures that a camera stored turned, and pictures laid on a ground
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "tests/unit/pictures.h"

/* Three letters over three, and what each orientation makes of them. */
static void check_turns(void)
{
    static const char *const wanted[] = { "abcdef", "abcdef", "cbafed", "fedcba", "defabc",
                                          "adbecf", "daebfc", "fcebda", "cfbead", "abcdef" };

    for (int o = 0; o < COUNT(wanted); o++) {
        struct image image = { 3, 2, 1, MODE_L, (unsigned char *)xmemdup("abcdef", 6), o };
        bool swapped = o >= 5 && o <= 8;

        image_orient(&image);
        ok(image.width == (swapped ? 2 : 3) && image.height == (swapped ? 3 : 2) &&
               !memcmp(image.pixels, wanted[o], 6) && image.orientation <= 1,
           "orientation %d: %.6s", o, (char *)image.pixels);
        image_free(&image);
    }
}

/* A JPEG with a segment of EXIF or XMP behind its first two bytes. */
static int told(const char *segment, size_t size)
{
    struct buffer bytes = { 0 }, b = { 0 };
    struct image_info info = { 0 };

    file_read(&bytes, "tests/golden/images/rgb.jpg");
    buffer_add(&b, "\xff\xd8\xff\xe1", 4);
    buffer_byte(&b, (int)((size + 2) >> 8));
    buffer_byte(&b, (int)(size + 2) & 255);
    buffer_add(&b, segment, size);
    buffer_add(&b, bytes.data + 2, bytes.size - 2);
    if (image_probe(b.data, b.size, &info))
        note("%s", error_text());
    buffer_free(&bytes);
    buffer_free(&b);
    return info.orientation;
}

static void check_headers(void)
{
    static const char big[] = "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0";
    static const char little[] = "Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\3\0\0\0\0\0\0\0";
    static const char bad[] = "Exif\0\0II*\0\xf8\xff\xff\xff\1\0\x12\1\3\0\1\0\0\0\3\0\0\0";
    static const char nine[] = "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0";
    static const char xmp[] = "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation=\"8\"/>";
    static const char text[] =
        "http://ns.adobe.com/xap/1.0/\0<tiff:Orientation>5</tiff:Orientation>";

    is_long(told(big, sizeof big - 1), 6, "EXIF, the high byte first");
    is_long(told(little, sizeof little - 1), 3, "EXIF, the low byte first");
    is_long(told(bad, sizeof bad - 1), 0, "EXIF whose directory is elsewhere");
    is_long(told(nine, sizeof nine - 1), 1, "an orientation that there is not");
    is_long(told(xmp, sizeof xmp - 1), 8, "an attribute of XMP");
    is_long(told(text, sizeof text - 1), 5, "an element of XMP");
    for (size_t n = 0; n < sizeof little - 1; n++)
        told(little, n);
    is_long(told("Exif\0\0", 6), 0, "EXIF of nothing");
}

static void check_ground(void)
{
    static const unsigned char blue[] = { 0, 100, 255 };
    unsigned char rgba[] = { 10, 20, 30, 255, 10, 20, 30, 0, 10, 20, 30, 128 };
    unsigned char la[] = { 10, 255, 10, 0, 10, 128 };
    unsigned char cmyk[] = { 1, 2, 3, 4 };
    struct image image = { 3, 1, 4, MODE_RGBA, (unsigned char *)xmemdup(rgba, sizeof rgba), 0 };
    struct image grey = { 3, 1, 2, MODE_LA, (unsigned char *)xmemdup(la, sizeof la), 0 };
    struct image inks = { 1, 1, 4, MODE_CMYK, cmyk, 0 };

    image_lay_on(&image, blue);
    image_lay_on(&grey, blue);
    image_lay_on(&inks, blue);
    ok(image.channels == 3 &&
           !memcmp(image.pixels, (unsigned char[]){ 10, 20, 30, 0, 100, 255, 5, 60, 142 }, 9),
       "a picture with alpha lies on its ground");
    ok(grey.channels == 3 &&
           !memcmp(grey.pixels, (unsigned char[]){ 10, 10, 10, 0, 100, 255, 5, 55, 132 }, 9),
       "so does a grey one");
    ok(inks.channels == 4 && inks.pixels[3] == 4, "four inks are no alpha");
    image_free(&image);
    image_free(&grey);
}

/* Many pixels go through in blocks, whole ones at once where all is opaque or all is empty. */
static void check_blocks(void)
{
    static const unsigned char ground[] = { 7, 200, 255 };
    enum { WIDTH = 1500 };
    struct image image = { WIDTH, 1, 4, MODE_RGBA, xalloc(WIDTH, 4), 0 };
    unsigned char *stored = xalloc(WIDTH, 4);
    long wrong = 0;

    for (int i = 0; i < WIDTH; i++) {
        for (int c = 0; c < 3; c++)
            image.pixels[4 * i + c] = (unsigned char)(i * (37 + c) + c);
        image.pixels[4 * i + 3] = (unsigned char)(i < 520 ? 255 : i < 1030 ? 0 : i * 11);
    }
    memcpy(stored, image.pixels, (size_t)4 * WIDTH);
    image_lay_on(&image, ground);
    for (int i = 0; i < WIDTH; i++)
        for (int c = 0; c < 3; c++) {
            double a = stored[4 * i + 3], v = stored[4 * i + c] * a + ground[c] * (255 - a);

            wrong += image.pixels[3 * i + c] != (int)(v / 255 + 0.5);
        }
    is_long(wrong, 0, "samples of many pixels, as computed one by one");
    image_free(&image);
    free(stored);
}

int main(void)
{
    check_turns();
    check_headers();
    check_ground();
    check_blocks();
    return done();
}
