/* SPDX-License-Identifier: MIT
 * stream.c - records and floats a second, on one thread
 *
 *     build/tests/bench/stream
 *
 * Processor time counts, so that other processes do little harm.  A pass reads every record, asks
 * for what a filter would, and writes it again; "vectors" have two of 512 floats each.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "stream/stream.h"

enum { WIDTH = 512, FLOATS = 1000000 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void numbers(void)
{
    float *list = xresize(NULL, FLOATS, sizeof *list), value;
    char *text = xresize(NULL, FLOATS, 24), *end = text;
    const char *at = text;
    struct random r = { 1 };
    double start, middle;

    for (long i = 0; i < FLOATS; i++)
        list[i] = 0.05f * random_normal(&r);
    start = now();
    for (long i = 0; i < FLOATS; i++) {
        end += float_format(list[i], end);
        *end++ = ',';
    }
    middle = now();
    while (at < end && float_parse(&at, end, &value))
        at++;
    printf("floats      format %6.1f M/s   parse %6.1f M/s\n", FLOATS / (middle - start) / 1e6,
           FLOATS / (now() - middle) / 1e6);
    free(list);
    free(text);
}

static void ask(const struct record *r, bool vectors)
{
    static const char *const names[] = { "image_embedding", "text_embedding" };
    struct span value;
    long count;

    record_find(r, "image", &value);
    record_find(r, "text", &value);
    for (int i = 0; vectors && i < COUNT(names); i++)
        free(record_floats(r, names[i], &count));
}

static void pass(const char *name, const struct buffer *in, bool vectors, bool binary)
{
    int fd = memfd_create("bench", MFD_CLOEXEC);
    struct reader_options o = { 0 };
    struct buffer out = { 0 };
    struct record *record;
    struct reader *r;
    bool wait;
    long count = 0;
    double start;

    if (fd < 0 || write(fd, in->data, in->size) != (ssize_t)in->size || lseek(fd, 0, SEEK_SET) ||
        dup2(fd, STDIN_FILENO) < 0)
        exit(1);
    close(fd);
    start = now();
    r = reader_open(NULL, 0, &o);
    for (; (record = reader_next(r, &wait)); count++) {
        ask(record, vectors);
        record_set_number(record, "itm", 0.123f);
        if (out.size > 1 << 16)
            buffer_clear(&out);
        record_write(&out, record, binary);
        record_free(record);
    }
    reader_close(r);
    start = now() - start;
    printf("%-10s %8.0f records/s   %6.0f MB/s\n", name, (double)count / start,
           (double)in->size / start / 1e6);
    buffer_free(&out);
}

/* Records with two vectors, or with a string of `size` bytes. */
static void make(struct buffer *b, int count, bool vectors, size_t size, bool binary)
{
    struct random random = { 2 };
    float list[WIDTH];
    char *filler = xresize(NULL, size + 1, 1);

    memset(filler, 'x', size);
    filler[size] = 0;
    buffer_clear(b);
    for (int i = 0; i < count; i++) {
        struct record *r = record_new("{}", 2);

        record_set_number(r, "id", (float)i);
        record_set_string(r, "image", "images/0000001.jpg");
        record_set_string(r, "text", filler);
        for (int k = 0; vectors && k < 2; k++) {
            for (int j = 0; j < WIDTH; j++)
                list[j] = 0.05f * random_normal(&random);
            record_set_floats(r, k ? "text_embedding" : "image_embedding", list, 1,
                              (long[]){ WIDTH });
        }
        record_write(b, r, binary);
        record_free(r);
    }
    free(filler);
}

int main(void)
{
    struct buffer b = { 0 };

    numbers();
    make(&b, 200000, false, 40, false);
    pass("short", &b, false, false);
    make(&b, 1000, false, 100000, false);
    pass("long", &b, false, false);
    make(&b, 5000, true, 40, false);
    pass("vectors", &b, true, false);
    make(&b, 5000, true, 40, true);
    pass("binary", &b, true, true);
    buffer_free(&b);
    return 0;
}
