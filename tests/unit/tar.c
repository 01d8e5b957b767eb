/* SPDX-License-Identifier: MIT
 * tar.c - WebDataset shards as records: grouping, long names, damage
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"
#include "tests/unit/tarball.h"

static void text(struct buffer *b, const char *name, const char *data)
{
    tar_add(b, name, '0', data, strlen(data));
}

/* The records of an archive as lines; frees the archive. */
static char *lines_of(struct buffer *b, size_t limit, int *failed)
{
    char path[] = "/tmp/vlm-tar-XXXXXX";
    int fd = mkstemp(path);
    char *list[] = { path };
    struct reader *r;
    struct record *record;
    struct buffer out = { 0 };

    if (fd < 0 || close(fd) || (unlink(path), file_write_atomic(path, b->data, b->size)))
        note("%s", error_text());
    r = reader_open(list, 1, &(struct reader_options){ .max_record = limit });
    while ((record = reader_next(r, NULL))) {
        buffer_printf(&out, "%ld ", record->line);
        record_write(&out, record, false);
        record_free(record);
    }
    *failed = reader_failed(r);
    reader_close(r);
    unlink(path);
    buffer_free(b);
    buffer_add(&out, "", 0);
    return out.data;
}

static void is_lines(struct buffer *b, size_t limit, const char *wanted, int wanted_failed,
                     const char *name)
{
    int failed;
    char *got = lines_of(b, limit, &failed);

    is_text(got, wanted, name);
    is_long(failed, wanted_failed, "its status");
    free(got);
}

static void samples(void)
{
    struct buffer b = { 0 };

    tar_add(&b, "shard/", '5', "", 0);
    text(&b, "shard/000.jpg", "\xff\xd8\xff");
    text(&b, "shard/000.txt", "a \"cat\"\n");
    text(&b, "shard/000.json", "{\"id\": 12345678901234567890,\n \"url\":1.10}\n");
    text(&b, "shard/001.v2.PNG", "png");
    text(&b, "shard/001.CLS", "7");
    text(&b, "README", "no sample");
    text(&b, "shard/.hidden", "no sample");
    text(&b, "shard/002.json", "{\"__key__\":\"x\",\"caption\":\"c\"}");
    text(&b, "shard/002.txt", "t");
    text(&b, "shard/002.caption", "ignored");
    text(&b, "other.d/003.caption", "d\r\n");
    tar_add(&b, "other.d/003.gif", '2', "", 0);
    tar_end(&b);
    is_lines(
        &b, 0,
        "2 {\"id\": 12345678901234567890,  \"url\":1.10,\"__key__\":\"shard/000\","
        "\"text\":\"a \\\"cat\\\"\",\"image\":\"data:image/jpeg;base64,/9j/\"}\n"
        "5 {\"__key__\":\"shard/001\",\"v2.png\":\"data:application/octet-stream;base64,cG5n\","
        "\"cls\":\"data:application/octet-stream;base64,Nw==\"}\n"
        "9 {\"__key__\":\"x\",\"caption\":\"c\",\"txt\":\"t\"}\n"
        "12 {\"__key__\":\"other.d/003\",\"caption\":\"d\"}\n",
        0, "samples");
}

static void long_names(void)
{
    struct buffer b = { 0 }, wanted = { 0 };
    char name[301] = "", record[400];
    unsigned char *block;

    memset(name, 'n', 300);
    memcpy(name + 296, ".txt", 4);
    tar_add(&b, "././@LongLink", 'L', name, 301);
    text(&b, "nnn", "gnu");
    name[0] = 'm';
    snprintf(record, sizeof record, "310 path=%s\n", name);
    tar_add(&b, "PaxHeaders/x", 'x', record, 310);
    text(&b, "short", "pax");
    text(&b, "base.txt", "prefix");
    block = (unsigned char *)b.data + b.size - 2 * TAR_BLOCK;
    memcpy(block + 345, "some/folder", 11);
    tar_sum(block);
    tar_end(&b);
    name[296] = 0;
    name[0] = 'n';
    buffer_printf(&wanted, "1 {\"__key__\":\"%s\",\"text\":\"gnu\"}\n", name);
    name[0] = 'm';
    buffer_printf(&wanted, "2 {\"__key__\":\"%s\",\"text\":\"pax\"}\n", name);
    buffer_printf(&wanted, "3 {\"__key__\":\"some/folder/base\",\"text\":\"prefix\"}\n");
    is_lines(&b, 0, wanted.data, 0, "long names");
    buffer_free(&wanted);
}

static void apart(void)
{
    struct buffer b = { 0 };

    text(&b, "a.txt", "1");
    text(&b, "b.txt", "2");
    text(&b, "a.json", "{}");
    text(&b, "c.json", "[1]");
    tar_end(&b);
    text(&b, "a.txt", "another archive");
    is_lines(&b, 0,
             "1 {\"__key__\":\"a\",\"text\":\"1\"}\n2 {\"__key__\":\"b\",\"text\":\"2\"}\n"
             "3 {\"__key__\":\"a\",\"error\":{\"stage\":\"read\",\"code\":\"not_adjacent\","
             "\"message\":\"member a.json is apart from the others of its sample\"}}\n"
             "4 {\"__key__\":\"c\",\"error\":{\"stage\":\"read\",\"code\":\"invalid_json\","
             "\"message\":\"c.json: not a JSON object: no opening brace at byte 0\"}}\n"
             "5 {\"__key__\":\"a\",\"text\":\"another archive\"}\n",
             0, "members apart, a .json that is no object, archives one after the other");
}

static void large(void)
{
    struct buffer b = { 0 };
    char data[3000];

    memset(data, 'x', sizeof data);
    tar_add(&b, "a.jpg", '0', data, sizeof data);
    text(&b, "a.txt", "1");
    text(&b, "b.txt", "2");
    tar_end(&b);
    is_lines(&b, 2000,
             "1 {\"__key__\":\"a\",\"text\":\"1\",\"error\":{\"stage\":\"read\","
             "\"code\":\"too_large\",\"message\":\"longer than the limit for a record\"}}\n"
             "3 {\"__key__\":\"b\",\"text\":\"2\"}\n",
             0, "a member beyond the limit");
}

static void damage(void)
{
    struct buffer b = { 0 };

    text(&b, "a.txt", "1");
    text(&b, "b.txt", "2");
    b.size -= TAR_BLOCK;
    is_lines(&b, 0,
             "1 {\"__key__\":\"a\",\"text\":\"1\"}\n"
             "2 {\"__key__\":\"b\",\"error\":{\"stage\":\"read\",\"code\":\"truncated\","
             "\"message\":\"the archive ends within member 2\"}}\n",
             1, "cut within a member");
    text(&b, "a.txt", "1");
    text(&b, "b.txt", "2");
    b.data[2 * TAR_BLOCK] ^= 1;
    is_lines(&b, 0,
             "1 {\"__key__\":\"a\",\"text\":\"1\",\"error\":{\"stage\":\"read\","
             "\"code\":\"corrupt\",\"message\":\"the header behind member 1 is none: its sum is "
             "wrong\"}}\n",
             1, "a wrong sum");
    text(&b, "a.txt", "1");
    text(&b, "b.txt", "2");
    memcpy(b.data + 2 * TAR_BLOCK + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
    tar_sum((unsigned char *)b.data + 2 * TAR_BLOCK);
    is_lines(&b, 0,
             "1 {\"__key__\":\"a\",\"text\":\"1\",\"error\":{\"stage\":\"read\","
             "\"code\":\"corrupt\",\"message\":\"the size of member 2 is no number\"}}\n",
             1, "a size beyond 64 bits");
    text(&b, "a.txt", "1");
    memcpy(b.data + 124, "\x80\0\0\0\0\0\0\0\0\0\0\1", 12);
    tar_sum((unsigned char *)b.data);
    is_lines(&b, 0, "1 {\"__key__\":\"a\",\"text\":\"1\"}\n", 0, "a size in base 256");
    text(&b, "a.txt", "1");
    memcpy(b.data + 124, "\x80\0\0\0\0\1\0\0\0\0\0\0", 12);
    tar_sum((unsigned char *)b.data);
    is_lines(&b, 0,
             "1 {\"__key__\":\"a\",\"error\":{\"stage\":\"read\",\"code\":\"too_large\","
             "\"message\":\"longer than the limit for a record\"}}\n",
             1, "a terabyte is claimed");
}

/* A member is found again in the file. */
static void places(void)
{
    char path[] = "/tmp/vlm-tar-XXXXXX", *list[] = { path };
    int fd = mkstemp(path);
    struct buffer b = { 0 }, again = { 0 };
    struct record *record;
    struct member *m;
    struct reader *r;

    text(&b, "a.txt", "one");
    tar_add(&b, "b.jpg", '0', "\xff\xd8\xff picture", 11);
    text(&b, "b.txt", "two");
    tar_end(&b);
    if (fd < 0 || close(fd) || (unlink(path), file_write_atomic(path, b.data, b.size)))
        note("%s", error_text());
    r = reader_open(list, 1, NULL);
    record_free(reader_next(r, NULL));
    record = reader_next(r, NULL);
    m = record ? record_member(record, "image") : NULL;
    ok(m && !file_read_part(&again, path, m->at, m->size) && again.size == 11 &&
           !memcmp(again.data, m->data, 11),
       "a member's place");
    ok(file_read_part(&again, path, (long long)b.size - 2, 3) < 0 && again.size == 11,
       "a part beyond the end: %s", error_text());
    record_free(record);
    reader_close(r);
    unlink(path);
    buffer_free(&b);
    buffer_free(&again);
}

/* Names with more than one dot, and what stands beside a .json that says the same. */
static void endings(void)
{
    struct buffer b = { 0 };

    text(&b, "s.input.jpg", "\xff\xd8\xff");
    text(&b, "s.output.txt", "a dog\n");
    text(&b, "s.mask.TXT", "\xff");
    text(&b, "IMG_2024.01.05.jpg", "\xff\xd8\xff");
    text(&b, "IMG_2024.01.06.jpg", "\xff\xd8\xff");
    text(&b, "t.json", "{\"text\":\"a cat\"}");
    text(&b, "t.txt", "a cat");
    is_lines(&b, 0,
             "1 {\"__key__\":\"s\",\"output.txt\":\"a dog\",\"input.jpg\":\"data:image/jpeg;base64,"
             "/9j/\",\"mask.txt\":\"data:application/octet-stream;base64,/w==\"}\n"
             "4 {\"__key__\":\"IMG_2024.01.05\",\"image\":\"data:image/jpeg;base64,/9j/\"}\n"
             "5 {\"__key__\":\"IMG_2024.01.06\",\"image\":\"data:image/jpeg;base64,/9j/\"}\n"
             "6 {\"text\":\"a cat\",\"__key__\":\"t\"}\n",
             0, "endings");
    text(&b, "0.txt", "a");
    text(&b, "0.txt", "b");
    is_lines(
        &b, 0,
        "1 {\"__key__\":\"0\",\"text\":\"a\"}\n"
        "2 {\"__key__\":\"0\",\"text\":\"b\",\"error\":{\"stage\":\"read\",\"code\":"
        "\"not_adjacent\",\"message\":\"member 0.txt is apart from the others of its sample\"}}\n",
        0, "a second sample of the same key");
}

static void of_nothing(void)
{
    struct buffer b = { 0 };
    char zeros[2048] = "";

    buffer_add(&b, zeros, sizeof zeros);
    is_lines(&b, 0, "", 0, "an archive of nothing");
    text(&b, "0.txt", "a");
    memset(b.data + 257, 0, 255); /* as before POSIX: no "ustar", no owner */
    tar_sum((unsigned char *)b.data);
    is_lines(&b, 0, "1 {\"__key__\":\"0\",\"text\":\"a\"}\n", 0, "a header of the old kind");
}

int main(void)
{
    endings();
    of_nothing();
    places();
    samples();
    long_names();
    apart();
    large();
    damage();
    return done();
}
