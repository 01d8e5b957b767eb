/* SPDX-License-Identifier: MIT
 * bounds.c - pictures that ask for much: memory and time grow with the file, not with its claims
 *
 * Each picture is decoded in a process of its own, whose largest size is looked at.
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "tests/unit/pictures.h"

enum { MIB = 1 << 20, LIMIT = 178956970 };

static void big32(struct buffer *b, unsigned long x)
{
    for (int i = 24; i >= 0; i -= 8)
        buffer_byte(b, (int)(x >> i & 255));
}

static void chunk(struct buffer *b, const char *type, const void *data, size_t size)
{
    unsigned long crc = crc32(crc32(0, (const Bytef *)type, 4), data, (uInt)size);

    big32(b, size);
    buffer_add(b, type, 4);
    buffer_add(b, data, size);
    big32(b, size ? crc : crc32(0, (const Bytef *)type, 4));
}

/* A PNG whose IDAT inflates to `bytes` zeros, whatever its header tells. */
static struct buffer make_png(int width, int height, int colour, size_t bytes)
{
    struct buffer b = { 0 }, head = { 0 }, body = { 0 };
    unsigned char zeros[4096] = { 0 };
    z_stream z = { 0 };

    deflateInit(&z, 9);
    while (bytes > 0) {
        size_t n = bytes < sizeof zeros ? bytes : sizeof zeros;

        z.next_in = zeros;
        z.avail_in = (uInt)n;
        bytes -= n;
        do {
            buffer_reserve(&body, 4096);
            z.next_out = (Bytef *)body.data + body.size;
            z.avail_out = 4096;
            deflate(&z, bytes ? Z_NO_FLUSH : Z_FINISH);
            body.size += 4096 - z.avail_out;
        } while (!z.avail_out);
    }
    deflateEnd(&z);
    big32(&head, (unsigned long)width);
    big32(&head, (unsigned long)height);
    buffer_add(&head, (char[]){ 8, (char)colour, 0, 0, 0 }, 5);
    buffer_add(&b, "\x89PNG\r\n\x1a\n", 8);
    chunk(&b, "IHDR", head.data, head.size);
    if (colour == 3)
        chunk(&b, "PLTE", "\1\2\3", 3);
    chunk(&b, "IDAT", body.data, body.size);
    chunk(&b, "IEND", "", 0);
    buffer_free(&head);
    buffer_free(&body);
    return b;
}

struct bits {
    struct buffer b;
    unsigned value;
    int count;
};

static void put_bits(struct bits *o, unsigned value, int count)
{
    while (count-- > 0) {
        o->value = o->value << 1 | (value >> count & 1);
        if (++o->count == 8) {
            buffer_byte(&o->b, (int)o->value);
            if (o->value == 255)
                buffer_byte(&o->b, 0);
            o->value = 0;
            o->count = 0;
        }
    }
}

/* A code table of one code of one bit: 0 means `symbol`. */
static void code_table(struct buffer *b, int class, int symbol)
{
    buffer_add(b, "\xff\xc4\0\x14", 4);
    buffer_byte(b, class << 4);
    buffer_add(b, (char[16]){ 1 }, 16);
    buffer_byte(b, symbol);
}

/* A grey progressive JPEG of zeros: a scan for the mean of each block, and `scans` more for one
 * coefficient each, in which a run of 15 bits ends 32,767 blocks. */
static struct buffer make_jpeg(int side, int scans)
{
    long blocks = (long)side / 8 * (side / 8);
    struct bits o = { 0 };
    char size[] = { (char)(side >> 8), (char)side };

    buffer_add(&o.b, "\xff\xd8\xff\xdb\0\x43\0", 7);
    for (int i = 0; i < 64; i++)
        buffer_byte(&o.b, 1);
    buffer_add(&o.b, "\xff\xc2\0\x0b\x08", 5);
    buffer_add(&o.b, size, 2);
    buffer_add(&o.b, size, 2);
    buffer_add(&o.b, "\1\1\x11\0", 4);
    code_table(&o.b, 0, 0);
    code_table(&o.b, 1, 0xe0);
    for (int i = 0; i <= scans; i++) {
        int k = i ? 1 + (i - 1) % 63 : 0;

        buffer_add(&o.b, "\xff\xda\0\x08\1\1\0", 7);
        buffer_add(&o.b, (char[]){ (char)k, (char)k, 0 }, 3);
        if (!i)
            for (long n = 0; n < blocks; n++)
                put_bits(&o, 0, 1);
        for (long n = 0; i && n < blocks; n += 32767)
            put_bits(&o, 0x3fff, 15);
        put_bits(&o, 0x7f, (8 - o.count) % 8);
    }
    buffer_add(&o.b, "\xff\xd9", 2);
    return o.b;
}

static struct buffer make_gif(unsigned width, unsigned height)
{
    struct buffer b = { 0 };

    buffer_add(&b, "GIF89a", 6);
    buffer_add(&b, (char[]){ (char)width, (char)(width >> 8) }, 2);
    buffer_add(&b, (char[]){ (char)height, (char)(height >> 8) }, 2);
    buffer_add(&b, "\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;", 25);
    return b;
}

/* What a process that decodes it takes; `code` is its answer, "" for a picture. */
static void measure(struct buffer *bytes, char code[24], long *kilobytes, double *seconds)
{
    struct rusage before, after;
    int ends[2];
    ssize_t got;
    pid_t child;

    if (pipe(ends) || (child = fork()) < 0) {
        ok(false, "a process of its own");
        return;
    }
    if (!child) {
        struct image image;
        double took;

        getrusage(RUSAGE_SELF, &before);
        error_clear();
        image_decode(bytes->data, bytes->size, LIMIT, &image);
        getrusage(RUSAGE_SELF, &after);
        took = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
               1e-6 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec);
        dprintf(ends[1], "%ld %f %s\n", after.ru_maxrss - before.ru_maxrss, took,
                image.pixels ? "" : error_code());
        _exit(0);
    }
    close(ends[1]);
    code[0] = 0;
    *kilobytes = -1;
    {
        char text[200] = "";

        got = read(ends[0], text, sizeof text - 1);
        if (got > 0)
            sscanf(text, "%ld %lf %23s", kilobytes, seconds, code);
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
}

/* `most`: of memory.  A sanitizer's own bookkeeping comes on top of it. */
static void check(const char *what, struct buffer bytes, const char *code, long most, double time)
{
    long kilobytes = 0;
    double seconds = 0;
    char got[24] = "";

    measure(&bytes, got, &kilobytes, &seconds);
    if (!ok(!strcmp(got, code) && kilobytes >= 0 && kilobytes <= most / 1024 + 24 * 1024 &&
                seconds <= time,
            "%s: %zu bytes", what, bytes.size))
        note("\"%s\", %ld KiB, %.2f s; expected \"%s\", at most %ld KiB and %.2f s", got, kilobytes,
             seconds, code, most / 1024, time);
    buffer_free(&bytes);
}

static void check_memory(void)
{
    struct buffer png = make_png(3000, 2000, 6, (4 * 3000 + 1) * 2000);
    struct buffer small = make_png(100, 100, 0, 101 * 100);
    size_t pixels = 4 * 3000 * 2000, memory = image_memory(png.data, png.size, LIMIT);

    ok(memory >= pixels && memory < pixels + pixels / 2, "a decoding's memory is told: %zu",
       memory);
    ok(image_memory(png.data, png.size, 1000) == 0, "nothing, of a picture over the limit");
    ok(image_memory(small.data, small.size, 0) >= 3 * 100 * 100, "three bytes a pixel of grey");
    buffer_free(&small);
    check("what was told is what it takes", png, "", (long)memory, 30);
}

int main(void)
{
    double time = 2; /* of the processor's, ten times what it takes without a sanitizer */

    check("a PNG of one pixel that inflates to 400 MiB", make_png(1, 1, 2, 400u * MIB), "", 0,
          time);
    check("an indexed PNG behind its palette", make_png(9, 9, 3, 90), "", 0, time);
    check("a PNG that claims more than deflate can make", make_png(13000, 13000, 6, 100),
          "truncated", 0, time);
    check("a GIF that claims 178 million pixels", make_gif(65535, 2730), "truncated", 0, time);
    check("a JPEG of 10 scans", make_jpeg(2048, 10), "", 20L * MIB, time);
    check("a JPEG of 600 scans", make_jpeg(2048, 600), "corrupt", 20L * MIB, 2 * time);
    check_memory();
    return done();
}
