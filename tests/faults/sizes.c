/* SPDX-License-Identifier: MIT
 * sizes.c - many records, long lines, deep nesting, large tars: memory stays within what is said,
 * and time grows no faster than the input
 *
 * Usually small; FAULTS=all takes ten million records, a line of 300 MB, a data: URI of 1 GB.
 */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "tests/faults/run.h"
#include "tests/unit/tarball.h"

struct measured {
    int status;
    long lines, megabytes;
    double seconds;
};
struct size_case {
    const char *name, *words;
    void (*write)(FILE *f, long count);
    long usual, large; /* how many, or how long */
    int status;
    long lines;     /* that leave: 1 for each that came in; -1: one in all */
    long megabytes; /* of memory, at most */
    double copies;  /* .. and so many times the input's bytes, which one record holds at once */
};

static void vectors(FILE *f, long count)
{
    for (long i = 0; i < count; i++)
        fprintf(f,
                "{\"id\":%ld,\"image_embedding\":[%ld,1,2,%ld],\"text_embedding\":[1,0,3,%ld]}\n",
                i, i % 7, i % 5, i % 3);
}

static void nothing(FILE *f, long count)
{
    for (long i = 0; i < count; i++)
        fprintf(f, "{\"id\":%ld,\"text\":[],\"image\":\"/no/such/%ld.jpg\"}\n", i, i % 9);
}

static void repeat(FILE *f, const char *text, long count)
{
    size_t size = strlen(text);
    char block[4096];
    long each = (long)(sizeof block / size);

    for (long i = 0; i < each; i++)
        memcpy(block + (size_t)i * size, text, size);
    for (; count >= each; count -= each)
        fwrite(block, size, (size_t)each, f);
    fwrite(block, size, (size_t)count, f);
}

static void long_line(FILE *f, long count)
{
    fputs("{\"id\":1,\"long\":\"", f);
    repeat(f, "x", count);
    fputs("\",\"sim\":1}\n", f);
}

static void data_uri(FILE *f, long count)
{
    fputs("{\"id\":1,\"image\":\"data:image/png;base64,", f);
    repeat(f, "AAAA", count / 4);
    fputs("\"}\n", f);
}

static void deep(FILE *f, long count)
{
    fputs("{\"a\":", f);
    repeat(f, "[", count);
    repeat(f, "]", count);
    fputs("}\n", f);
}

static void members(FILE *f, long count)
{
    fputs("{\"sim\":1", f);
    for (long i = 0; i < count; i++)
        fprintf(f, ",\"m%ld\":%ld", i, i);
    fputs("}\n", f);
}

static void write_out(FILE *f, struct buffer *b)
{
    fwrite(b->data, 1, b->size, f);
    buffer_clear(b);
}

/* A tar of texts, one a record. */
static void tar(FILE *f, long count)
{
    struct buffer b = { 0 };
    char name[32];

    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%09ld.txt", i);
        tar_add(&b, name, '0', "a dog\n", 6);
        write_out(f, &b);
    }
    tar_end(&b);
    write_out(f, &b);
    buffer_free(&b);
}

static void add_chunk(struct buffer *b, const char *type, const void *data, size_t size)
{
    size_t from = b->size + 4;
    unsigned char number[4];

    for (int i = 0; i < 4; i++)
        buffer_byte(b, (int)(size >> (24 - 8 * i) & 255));
    buffer_add(b, type, 4);
    buffer_add(b, data, size);
    for (int i = 0; i < 4; i++)
        number[i] = (unsigned char)(crc32(0, (const Bytef *)b->data + from, (uInt)(size + 4)) >>
                                    (24 - 8 * i));
    buffer_add(b, number, 4);
}

/* PNGs of 20 MB of RGBA each, and of 20 KB: what they take is known from their headers alone. */
static void pictures(FILE *f, long count)
{
    static const unsigned char head[13] = { 0, 0, 9, 196, 0, 0, 7, 208, 8, 6 }; /* 2500 x 2000 */
    const size_t size = (4 * 2500 + 1) * 2000;
    uLongf packed = compressBound(size);
    unsigned char *rows = xalloc(size, 1), *out = xalloc(packed, 1);
    struct buffer png = { 0 }, b = { 0 };
    char name[32];

    compress(out, &packed, rows, size);
    buffer_add(&png, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(&png, "IHDR", head, sizeof head);
    add_chunk(&png, "IDAT", out, packed);
    add_chunk(&png, "IEND", "", 0);
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%09ld.png", i);
        tar_add(&b, name, '0', png.data, png.size);
        write_out(f, &b);
    }
    tar_end(&b);
    write_out(f, &b);
    buffer_free(&b);
    buffer_free(&png);
    free(rows);
    free(out);
}

static const struct size_case cases[] = {
    { "vlm-filter, many records", "vlm-filter -k id>=0", vectors, 20000, 10000000, 0, 1, 64, 0 },
    { "vlm-sim, many records", "vlm-sim", vectors, 20000, 10000000, 0, 1, 64, 0 },
    { "vlm-embed, many bad records", "vlm-embed -q -m @/clip/hf-vit", nothing, 2000, 1000000, 0, 1,
      128, 0 },
    { "vlm-itm, many bad records", "vlm-itm -q -m @/blip/hf-itm", nothing, 2000, 1000000, 0, 1, 128,
      0 },
    { "vlm-caption, many bad records", "vlm-caption -q -m @/blip/hf-caption", nothing, 2000,
      1000000, 0, 1, 128, 0 },
    { "vlm-filter, a tar", "vlm-filter -k has(text)", tar, 2000, 1000000, 0, 1, 64, 0 },
    /* eight at once would take 160 MB; within 41 MB it is one at a time */
    { "vlm-embed, large pictures on many threads",
      "vlm-embed --image -j8 --memory 41 -m @/clip/hf-vit", pictures, 16, 1000, 0, 1, 80, 0 },
    { "vlm-page, large pictures on many threads", "vlm-page -j8 --memory 41", pictures, 16, 1000, 0,
      0, 80, 0 },
    { "vlm-filter, a long line", "vlm-filter -k sim>0", long_line, 3000000, 300000000, 0, -1, 64,
      6 },
    { "vlm-embed, a long data: URI", "vlm-embed -q -m @/clip/hf-vit", data_uri, 4000000, 1000000000,
      0, -1, 128, 6 },
    { "vlm-filter, deep nesting", "vlm-filter -q --errors pass -k sim>0", deep, 100000, 100000, 0,
      -1, 64, 6 },
    { "vlm-sim, deep nesting", "vlm-sim -q", deep, 100000, 100000, 0, -1, 64, 6 },
    { "vlm-filter, many members", "vlm-filter -k sim>0", members, 200000, 1000000, 0, -1, 64, 20 },
};

/* In the child: the command, standard input from the pipe, standard output to `out`. */
static _Noreturn void execute(const char *words, int in, int out)
{
    char *list[16], *copy = xstrdup(words);
    int count = 0;

    for (char *w = strtok(copy, " "); w && count < COUNT(list) - 1; w = strtok(NULL, " "))
        list[count++] = *w == '@' ? xprintf("%s%s", faults_golden, w + 1) : w;
    list[count] = NULL;
    dup2(in, 0);
    dup2(out, 1);
    alarm(3600);
    execv(path_join(faults_commands, list[0]), list);
    _exit(127);
}

static void feed(const struct size_case *c, long count, int fd)
{
    FILE *f = fdopen(fd, "w");

    signal(SIGPIPE, SIG_DFL);
    c->write(f, count);
    fclose(f);
    _exit(0);
}

static struct measured measure(const struct size_case *c, long count)
{
    struct measured m = { 0 };
    int in[2], out[2], status;
    struct rusage usage;
    char block[65536];
    pid_t writer, pid;
    ssize_t got;

    fflush(stdout);
    if (pipe(in) || pipe(out))
        exit(1);
    writer = fork();
    if (!writer) {
        close(in[0]);
        close(out[0]);
        close(out[1]);
        feed(c, count, in[1]);
    }
    close(in[1]);
    pid = fork();
    if (!pid) {
        close(out[0]);
        execute(c->words, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    while ((got = read(out[0], block, sizeof block)) > 0)
        for (const char *p = block; (p = memchr(p, '\n', (size_t)(block + got - p))); p++)
            m.lines++;
    close(out[0]);
    wait4(pid, &status, 0, &usage);
    waitpid(writer, NULL, 0);
    m.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    m.megabytes = usage.ru_maxrss / 1024;
    m.seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return m;
}

static void test(const struct size_case *c, bool large)
{
    long count = large ? c->large : c->usual;
    struct measured part = measure(c, count / 4), m = measure(c, count);
    long lines = c->lines > 0 ? count : -c->lines;
    double bound = (double)c->megabytes + c->copies * (double)count / 1e6;

    note("%s: %ld take %.2f s, %ld MB", c->name, count, m.seconds, m.megabytes);
    is_long(m.status, c->status, c->name);
    if (c->lines)
        is_long(m.lines, lines, "... what leaves");
    ok((double)m.megabytes <= bound, "... in at most %.0f MB", bound);
    /* four times the input: at most eight times the work, or it is quadratic */
    ok(m.seconds < 8 * part.seconds + 0.25,
       "... in time that grows as the input does: %.2f, %.2f s", part.seconds, m.seconds);
}

int main(void)
{
    const char *all = getenv("FAULTS");

    if (!faults_begin(true))
        return 0;
    for (int i = 0; i < COUNT(cases); i++)
        test(&cases[i], all && !strcmp(all, "all"));
    return faults_end();
}
