/* SPDX-License-Identifier: MIT
 * tar_write.c - records as a shard: names, bytes, keys, and back through the reader
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/base.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

static const struct fields usual = { 0 };

static struct record *of(const char *json)
{
    return record_new(json, strlen(json));
}

/* The names, sizes and types of the members, "NAME SIZE\n"; frees nothing. */
static void list_members(const struct buffer *b, struct buffer *out)
{
    for (size_t at = 0; at + 512 <= b->size && b->data[at];) {
        const char *h = b->data + at;
        size_t size = strtoul(h + 124, NULL, 8);

        buffer_printf(out, "%.100s %zu%s\n", h, size, h[156] == 'x' ? " pax" : "");
        at += 512 + (size + 511) / 512 * 512;
    }
}

/* The records of an archive as lines. */
static void read_back(const struct buffer *b, struct buffer *out)
{
    char path[] = "/tmp/vlm-tar-write-XXXXXX", *list[] = { path };
    struct record *record;
    struct reader *r;
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, b->data, b->size) != (ssize_t)b->size)
        note("no file");
    close(fd);
    r = reader_open(list, 1, NULL);
    while ((record = reader_next(r, NULL))) {
        record_write(out, record, RECORD_JSON);
        record_free(record);
    }
    reader_close(r);
    unlink(path);
}

static void write_all(struct buffer *out, struct record *list[], int count)
{
    struct tar_writer *w = tar_writer_open(&usual);

    for (int i = 0; i < count; i++) {
        tar_write_record(w, out, list[i]);
        record_free(list[i]);
    }
    tar_write_end(w, out);
    tar_writer_close(w);
}

static void members(void)
{
    struct record *list[3] = { of("{\"id\":7,\"text\":\"a dog\"}"),
                               of("{\"__key__\":\"d/0\",\"n\":1}"),
                               of("{\"v\":[1],\"image\":\"data:image/png;base64,iVBORw0KGgo=\"}") };
    struct buffer out = { 0 }, names = { 0 }, back = { 0 };
    float vector[2] = { 1, 2.5f };

    record_set_bytes(list[0], "image", "\xff\xd8\xff\xe0", 4);
    record_set_bytes(list[0], "mask.png", "m", 1);
    record_set_floats(list[1], "w", vector, 1, (long[]){ 2 });
    write_all(&out, list, 3);
    list_members(&out, &names);
    is_text(names.data,
            "7.jpg 4\n7.mask.png 1\n7.json 23\n7.txt 5\n"
            "d/0.json 35\n"
            "000000002.png 8\n000000002.json 9\n",
            "members");
    ok(out.size % 512 == 0 && !memcmp(out.data + out.size - 1024, (char[1024]){ 0 }, 1024),
       "two blocks of zeros at the end");
    read_back(&out, &back);
    is_text(
        back.data,
        "{\"id\":7,\"text\":\"a "
        "dog\",\"__key__\":\"7\",\"image\":\"data:image/jpeg;base64,/9j/4A==\","
        "\"mask.png\":\"data:application/octet-stream;base64,bQ==\"}\n"
        "{\"__key__\":\"d/0\",\"n\":1,\"w\":[1,2.5]}\n"
        "{\"v\":[1],\"__key__\":\"000000002\",\"image\":\"data:image/png;base64,iVBORw0KGgo=\"}\n",
        "... read back");
    buffer_free(&out);
    buffer_free(&names);
    buffer_free(&back);
}

static void keys(void)
{
    char long_key[200];
    struct record *list[6];
    struct buffer out = { 0 }, back = { 0 }, wanted = { 0 }, json = { 0 };

    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = 0;
    buffer_printf(&json, "{\"__key__\":\"%s\"}", long_key);
    list[0] = of("{\"__key__\":\"a\"}");
    list[1] = of("{\"__key__\":\"a\",\"n\":1}");
    list[2] = of("{\"__key__\":\"../../a\"}");
    list[3] = of("{\"id\":\"x/y.z\"}");
    list[4] = of(json.data);
    list[5] = of("{\"image\":\"no/such/file.v2.jpg\"}");
    write_all(&out, list, 6);
    read_back(&out, &back);
    buffer_printf(&wanted,
                  "{\"__key__\":\"a\"}\n{\"__key__\":\"a\",\"n\":1}\n{\"__key__\":\"../../a\"}\n"
                  "{\"id\":\"x/y.z\",\"__key__\":\"x_y_z\"}\n{\"__key__\":\"%s\"}\n"
                  "{\"image\":\"no/such/file.v2.jpg\",\"__key__\":\"file\"}\n",
                  long_key);
    is_text(back.data, wanted.data, "keys stay in the records, and none is apart");
    buffer_clear(&json);
    list_members(&out, &json);
    buffer_clear(&wanted);
    buffer_printf(&wanted,
                  "a.json 15\na_1.json 21\n__/__/a.json 21\nx_y_z.json 14\nPaxHeader 214 pax\n"
                  "%.100s 213\nfile.json 31\n",
                  long_key);
    is_text(json.data, wanted.data, "names of the members");
    buffer_free(&out);
    buffer_free(&back);
    buffer_free(&wanted);
    buffer_free(&json);
}

int main(void)
{
    members();
    keys();
    return done();
}
