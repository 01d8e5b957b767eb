/* SPDX-License-Identifier: MIT
 * sweep_stream.c - damaged streams of every format: each record leaves as JSON, or has an error
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>
#include "stream/stream.h"
#include "tests/unit/sweep.h"
#include "tests/unit/tarball.h"

static long wrong; /* records that are no JSON */

static bool read_stream(const void *data, size_t size)
{
    static int fd = -1;
    struct reader_options o = { .max_record = 100000 };
    struct buffer out = { 0 };
    struct reader *reader;
    struct record *r;
    bool wait;

    if (fd < 0)
        fd = memfd_create("sweep", MFD_CLOEXEC);
    if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size ||
        lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
        exit(1);
    reader = reader_open(NULL, 0, &o);
    for (int n = 0; n < 50 && (r = reader_next(reader, &wait)); n++) {
        buffer_clear(&out);
        record_write(&out, r, false);
        wrong += json_check(out.data, out.size) != 0;
        record_write(&out, r, true);
        record_free(r);
    }
    reader_close(reader);
    buffer_free(&out);
    return true;
}

static void sweep_one(const char *name, const void *data, size_t size, size_t most,
                      struct piece others)
{
    struct sweep s = { .read = read_stream };

    sweep_bytes(&s, data, size, most, others);
    sweep_end(&s, name);
    ok(!wrong, "... all that leaves is JSON");
    wrong = 0;
}

/* A pax header, a long name of GNU's, and members of odd names and lengths; sums are right. */
static void tars(void)
{
    static const char *const extras[] = { "20 path=a/long.name\n",
                                          "11 size=1\n\n",
                                          "10 size=6\n",
                                          "9 size=x\n",
                                          "99 path=a\n",
                                          "5 x=\n",
                                          "7 path\n",
                                          "0\n",
                                          " 12 path=abc",
                                          "12 path=7.txt\n",
                                          "",
                                          "30 path=\n",
                                          "18446744073709551616 path=a\n" };
    static const char *const names[] = {
        "7.txt",     "7.json",  "7.jpg", "a/b.c.txt",          ".txt",  "7",
        "7.caption", "7.x.txt", "",      "IMG_2024.01.05.jpg", "7.TXT", "7.png"
    };
    static const char *const data[] = { "a dog\n", "{\"text\":\"a\"}", "a dog\r\n",
                                        "[1]",     "{\"image\":1}",    "" };
    struct sweep s = { .read = read_stream };
    struct buffer b = { 0 };

    for (int type = 0; type < 4; type++) {
        for (int e = 0; e < COUNT(extras); e++) {
            for (int n = 0; n < COUNT(names); n++) {
                buffer_clear(&b);
                tar_add(&b, "x", "xgLK"[type], extras[e], strlen(extras[e]));
                tar_add(&b, names[n], '0', data[n % COUNT(data)], strlen(data[n % COUNT(data)]));
                tar_add(&b, names[(n + e) % COUNT(names)], e % 3 ? '0' : '\0',
                        data[e % COUNT(data)], strlen(data[e % COUNT(data)]));
                for (int k = 0; k < 2 * (n % 2); k++)
                    for (int z = 0; z < 512; z++)
                        buffer_byte(&b, 0);
                sweep_try(&s, b.data, b.size);
            }
        }
    }
    buffer_free(&b);
    sweep_end(&s, "tars of odd names and headers");
    ok(!wrong, "... all that leaves is JSON");
}

int main(void)
{
    static const char cbor[] = "\xd9\xd9\xf7\xa3"
                               "djsonn{\"text\":\"ab\"}"
                               "ov\xd8\x55\x48"
                               "12345678"
                               "em\xd8\x28\x82\x82\x01\x02\xd8\x54\x44"
                               "1234";
    static const char lines[] =
        "{\"id\":1,\"text\":[\"a\\u00e9\",null],\"x\":{\"y\":-1.5e+3}}\n{\"id\":\"b\"}\n";
    static const char csv[] = "image,text,n\na.png,\"a \"\"b\"\"\",1\nb.png,,-2e3\n\"c\n\",d,\n";
    static const char tsv[] = "image\ttext\na.png\t\"a\tb\"\n\nb.png\tx\n";
    struct buffer b = { 0 };

    if (!freopen("/dev/null", "w", stderr)) /* each damage is told there */
        return 1;
    sweep_one("lines", lines, sizeof lines - 1, 200, BYTES("\0{}[]\",:\\n0-. \r\n\xff"));
    sweep_one("commas", csv, sizeof csv - 1, 200, BYTES("\0,\"\r\n\t;{\xff"));
    sweep_one("tabs", tsv, sizeof tsv - 1, 200, BYTES("\0,\"\r\n\t;{\xff"));
    sweep_one("CBOR", cbor, sizeof cbor - 1, 200,
              BYTES("\0\1\x18\x3f\x5f\x7f\x82\xa1\xbf\xd8\xf7\xff"));
    tar_add(&b, "7.txt", '0', "a dog\n", 6);
    tar_add(&b, "7.json", '0', "{\"a\":1}", 7);
    sweep_one("a tar", b.data, b.size, 300, BYTES("\0\1 08\xff"));
    buffer_free(&b);
    tars();
    return done();
}
