/* SPDX-License-Identifier: MIT
 * reader.c - whatever comes in, as records: formats, operands, bad lines, ends
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

static char folder[] = "/tmp/vlm-reader-XXXXXX";

static bool is_image(const void *head, size_t size)
{
    return size >= 4 && !memcmp(head, "IMG!", 4);
}

static char *path_of(const char *name)
{
    return path_join(folder, name);
}

static char *put(const char *name, const char *data, size_t size)
{
    char *path = path_of(name);

    if (file_write_atomic(path, data, size))
        note("%s", error_text());
    return path;
}

/* All records as "LINE TEXT\n". */
static void collect(struct reader *r, struct buffer *out)
{
    struct record *record;
    bool wait;

    buffer_clear(out);
    while ((record = reader_next(r, &wait))) {
        buffer_printf(out, "%ld ", record->line);
        record_write(out, record, false);
        record_free(record);
    }
    buffer_add(out, "", 0);
}

/* The records of `data` on standard input; returns reader_failed. */
static int from_stdin(const char *data, size_t size, const struct reader_options *o,
                      struct buffer *out)
{
    char *path = put("stdin", data, size);
    struct reader *r;
    int failed;

    if (!freopen(path, "rb", stdin))
        note("cannot open %s", path);
    r = reader_open(NULL, 0, o);
    collect(r, out);
    failed = reader_failed(r);
    reader_close(r);
    unlink(path);
    free(path);
    return failed;
}

static void reads(const char *data, size_t size, const struct reader_options *o, const char *wanted,
                  int failed, const char *name)
{
    struct buffer out = { 0 };

    is_long(from_stdin(data, size, o, &out), failed, name);
    is_text(out.data, wanted, "its records");
    buffer_free(&out);
}

#define READS(text, wanted, failed, name)                                                          \
    reads(text, sizeof(text) - 1, &(struct reader_options){ .is_image = is_image }, wanted,        \
          failed, name)

static void lines(void)
{
    READS("", "", 0, "an empty input");
    READS(" \n\n\r\n", "", 0, "blank lines");
    READS("{\"a\":1}\n\n {\"b\":2} \r\n{\"c\":3}", "1 {\"a\":1}\n3  {\"b\":2} \n4 {\"c\":3}\n", 0,
          "blank lines, CRLF, no last newline");
    READS("{\"a\":1}\n[2]\n{\"b\":\"\xff\"}\n{\"c\":3}\n",
          "1 {\"a\":1}\n"
          "2 {\"error\":{\"stage\":\"read\",\"code\":\"invalid_json\",\"message\":\"not a JSON "
          "object: no opening brace at byte 0\",\"line\":2},\"raw\":\"[2]\"}\n"
          "3 {\"error\":{\"stage\":\"read\",\"code\":\"invalid_json\",\"message\":\"not a JSON "
          "object: bad UTF-8 at byte 6\",\"line\":3},\"raw\":\"{\\\"b\\\":\\\"\\udcff\\\"}\"}\n"
          "4 {\"c\":3}\n",
          0, "bad lines");
    READS("\xef\xbb\xbf{\"a\":1}\n", "", 4, "a byte order mark");
    READS("BZh91AY&SY", "", 4, "compressed input");
    READS("[\n {\"a\":1}]", "", 4, "a JSON array");
    READS("some\x01\x02\x03\x04", "", 4, "binary rubbish");
    READS("PAR1\x15\x04\x15", "", 4, "another");
}

static void damaged(void)
{
    READS("x{\"a\":1}\n{\"a\":2}\n",
          "1 {\"error\":{\"stage\":\"read\",\"code\":\"invalid_json\",\"message\":\"not a JSON "
          "object: no opening brace at byte 0\",\"line\":1},\"raw\":\"x{\\\"a\\\":1}\"}\n"
          "2 {\"a\":2}\n",
          0, "a damaged byte at the start");
    READS("\x01{\"a\":1}\n{\"a\":2}\n",
          "1 {\"error\":{\"stage\":\"read\",\"code\":\"invalid_json\",\"message\":\"not a JSON "
          "object: no opening brace at byte 0\",\"line\":1},\"raw\":\"\\u0001{\\\"a\\\":1}\"}\n"
          "2 {\"a\":2}\n",
          0, "... that is no text");
    READS("[{\"a\":1},\n{\"a\":2}\n]\n", "", 4, "a JSON array over lines");
    READS("{\n  \"a\": 1\n}\n", "", 4, "JSON over several lines");
    READS("\xff\xfe{\0", "", 4, "UTF-16");
}

static void not_numbers(void)
{
    READS("{\"a\":NaN,\"b\":[-Infinity,\"NaN \\\" NaN\"],\"c\":Infinity}\n",
          "1 {\"a\":null,\"b\":[null,\"NaN \\\" NaN\"],\"c\":null}\n", 0, "NaN is null");
    READS("{\"a\":NaNa}\n",
          "1 {\"error\":{\"stage\":\"read\",\"code\":\"invalid_json\",\"message\":\"not a JSON "
          "object: no value at byte 5\",\"line\":1},\"raw\":\"{\\\"a\\\":NaNa}\"}\n",
          0, "... not as a part of a word");
}

/* A header of many columns, the first of which is the picture's. */
static void wide_table(int columns, int status)
{
    struct buffer text = { 0 };

    for (int i = 0; i < columns; i++)
        buffer_printf(&text, "%s%d", i ? "," : "image,", i);
    buffer_byte(&text, '\n');
    reads(text.data, text.size, &(struct reader_options){ .is_image = is_image }, "", status,
          "a wide table");
    buffer_free(&text);
}

static void tables(void)
{
    struct reader_options csv = { .from = format_named("csv") };

    READS("image,text,sim\r\na.jpg,\"a \"\"dog\"\",\nasleep\",0.50\r\n\nb.jpg,7,\n",
          "2 {\"image\":\"a.jpg\",\"text\":\"a \\\"dog\\\",\\nasleep\",\"sim\":0.50}\n"
          "4 {\"image\":\"b.jpg\",\"text\":\"7\",\"sim\":null}\n",
          0, "a comma-separated table");
    READS("\xef\xbb\xbf"
          "filepath\ttitle\nx.png\t\"so\" he said\nx.png\t\"a \"\"b\"\"\"",
          "2 {\"filepath\":\"x.png\",\"title\":\"\\\"so\\\" he said\"}\n"
          "3 {\"filepath\":\"x.png\",\"title\":\"a \\\"b\\\"\"}\n",
          0, "a tab-separated table with a byte order mark");
    READS(
        "id,text\n1,a,b\n01,c\n",
        "2 {\"error\":{\"stage\":\"read\",\"code\":\"invalid\",\"message\":\"a row of 3 cells "
        "under a header of 2\",\"line\":2},\"raw\":\"1,a,b\"}\n3 {\"id\":\"01\",\"text\":\"c\"}\n",
        0, "a row of another length");
    READS("a,b\nc,d\n", "1 {\"image\":\"a,b\"}\n2 {\"image\":\"c,d\"}\n", 0,
          "names with a comma are no table");
    reads("a,b\n1,x\n", 8, &csv, "2 {\"a\":1,\"b\":\"x\"}\n", 0, "--from=csv");
    reads("a,a\n1,x\n", 8, &csv, "", 4, "a name twice");
    ok(strstr(error_text(), "two columns have the same name") != NULL, "... says why: %s",
       error_text());
    READS("image,text,text\na.jpg,b,c\n", "", 4, "... is no list of names either");
    wide_table(999, 0);
    wide_table(1000, 4);
    ok(strstr(error_text(), "more columns than a thousand") != NULL, "... says why: %s",
       error_text());
    reads("image;text\na.jpg;b\n", 19, &csv, "", 4, "--from=csv: commas that part nothing");
    READS(",image,text\n0,a.jpg,a dog\n",
          "2 {\"Unnamed: 0\":0,\"image\":\"a.jpg\",\"text\":\"a dog\"}\n", 0,
          "a column without a name, as pandas writes it");
    READS("image,text\na.jpg,the 5\" pipe\nb.jpg,\"a \"\"5\"\"\r\n pipe\"\r\nc.jpg,\"a\"b\n",
          "2 {\"image\":\"a.jpg\",\"text\":\"the 5\\\" pipe\"}\n"
          "3 {\"image\":\"b.jpg\",\"text\":\"a \\\"5\\\"\\u000d\\n pipe\"}\n"
          "4 {\"image\":\"c.jpg\",\"text\":\"\\\"a\\\"b\"}\n",
          0, "quotes in the middle of a cell");
    csv.max_record = 20;
    reads("a,b\n1,x\n2,\"0123456789012345678901234567890\n3,y\n", 46, &csv,
          "2 {\"a\":1,\"b\":\"x\"}\n3 {\"error\":{\"stage\":\"read\",\"code\":\"too_large\","
          "\"message\":\"longer than the limit\",\"line\":3}}\n",
          1, "a quote without its end");
}

static void packed(void)
{
    static const char two[] = /* what gzip -n makes of {"a":1} and a newline */
        "\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\x56\x4a\x54\xb2\x32\xac\xe5\x02\0\x46\xa3\xe8\x74\x08\0\0"
        "\0";
    struct buffer b = { 0 };

    for (int i = 0; i < 2; i++)
        buffer_add(&b, two, sizeof two - 1);
    buffer_add(&b, "\0\0\0", 3);
    reads(b.data, b.size, &(struct reader_options){ 0 }, "1 {\"a\":1}\n2 {\"a\":1}\n", 0, "gzip");
    reads(b.data, sizeof two - 6, &(struct reader_options){ 0 }, "1 {\"a\":1}\n", 1,
          "... cut short");
    b.data[14] ^= 0x55;
    reads(b.data, b.size, &(struct reader_options){ 0 }, "", 1, "... damaged");
    buffer_free(&b);
}

static void names(void)
{
    struct reader_options list = { .from = format_named("names") };

    READS("a.jpg\n\nb c.png \r\n[x] \"y\".jpg",
          "1 {\"image\":\"a.jpg\"}\n3 {\"image\":\"b c.png \"}\n"
          "4 {\"image\":\"[x] \\\"y\\\".jpg\"}\n",
          0, "names");
    READS("a.jpg\0b.jpg\0", "", 4, "NULs without -0");
    reads("a\nb.jpg\0b.jpg\0", 14, &(struct reader_options){ .null = true },
          "1 {\"image\":\"a\\nb.jpg\"}\n2 {\"image\":\"b.jpg\"}\n", 0, "-0");
    reads("{\"a\":1}\n", 8, &(struct reader_options){ .null = true }, "1 {\"a\":1}\n", 0,
          "-0 does not hide JSONL");
    reads("{\"a\":1}\n", 8, &list, "1 {\"image\":\"{\\\"a\\\":1}\"}\n", 0, "--from=names");
    reads("\357\273\277a.png\r\nb.png\n", 16, &list,
          "1 {\"image\":\"a.png\"}\n2 {\"image\":\"b.png\"}\n", 0,
          "names behind a byte order mark");
}

static void bad_bytes_in_names(void)
{
    char *list = put("list", "x\xff.jpg\n", 7);
    struct reader *r =
        reader_open(&list, 1, &(struct reader_options){ .from = format_named("names") });
    struct record *record = reader_next(r, NULL);
    char *name;

    is_text(record->json.data, "{\"image\":\"x\\udcff.jpg\"}", "a name that is not UTF-8");
    name = record_image_reference(record, &(struct fields){ 0 });
    is_text(name, "x\xff.jpg", "leads back to its bytes");
    free(name);
    record_free(record);
    reader_close(r);
    free(list);
}

static void limits(void)
{
    struct reader_options o = { .max_record = 20 };
    struct buffer long_line = { 0 };

    buffer_string(&long_line, "{\"a\":1}\n{\"b\":\"");
    for (int i = 0; i < 1000000; i++)
        buffer_byte(&long_line, 'x');
    buffer_string(&long_line, "\"}\n{\"c\":\"012345678901\"}\n{\"d\":\"01234567890\"}\n");
    reads(long_line.data, long_line.size, &o,
          "1 {\"a\":1}\n"
          "2 {\"error\":{\"stage\":\"read\",\"code\":\"too_large\",\"message\":\"longer than the "
          "limit of 20 bytes\",\"line\":2}}\n"
          "3 {\"c\":\"012345678901\"}\n4 {\"d\":\"01234567890\"}\n",
          0, "lines beyond the limit");
    buffer_free(&long_line);
}

static void operands(void)
{
    char *list[] = { put("a.jpg", "IMG! and more", 13),
                     put("b.jsonl", "{\"b\":1}\n{\"b\":2}", 15),
                     path_of("none.jpg"),
                     put("text.jpg", "no image\n", 9),
                     folder,
                     put("empty", "", 0),
                     put("c.jsonl", "{\"c\":1}\n", 8) };
    struct reader *r =
        reader_open(list, COUNT(list), &(struct reader_options){ .is_image = is_image });
    struct buffer out = { 0 };
    long long total, read;
    char wanted[2000];

    snprintf(
        wanted, sizeof wanted,
        "0 {\"image\":\"%s/a.jpg\"}\n1 {\"b\":1}\n2 {\"b\":2}\n"
        "0 {\"image\":\"%s/none.jpg\",\"error\":{\"stage\":\"read\",\"code\":\"not_found\","
        "\"message\":\"%s/none.jpg: No such file or directory\"}}\n"
        "0 {\"image\":\"%s/text.jpg\",\"error\":{\"stage\":\"read\",\"code\":\"unknown_format\","
        "\"message\":\"%s/text.jpg: a text without records; as a list of names it needs "
        "--from=names\"}}\n"
        "0 {\"image\":\"%s\",\"error\":{\"stage\":\"read\",\"code\":\"io\","
        "\"message\":\"%s: a folder; what is in it: find %s -type f | %s\"}}\n"
        "1 {\"c\":1}\n",
        folder, folder, folder, folder, folder, folder, folder, folder, program_name);
    collect(r, &out);
    is_text(out.data, wanted, "operands");
    is_long(reader_failed(r), 0, "none of them is a failure");
    read = reader_bytes(r, &total);
    is_long((long)total, 13 + 15 + 9 + 8, "bytes in all");
    is_long((long)read, (long)total, "all of them were read");
    reader_close(r);
    for (int i = 0; i < COUNT(list); i++) {
        if (list[i] == folder)
            continue;
        unlink(list[i]);
        free(list[i]);
    }
    buffer_free(&out);
}

/* Up to the record that came last, not what was read ahead. */
static void bytes_so_far(void)
{
    char *list[] = { put("one.jsonl", "{\"a\":1}\n{\"b\":22}\n{\"c\":3}\n", 25),
                     put("two.jpg", "IMG! and more", 13) };
    static const long ends[] = { 8, 17, 25, 38 };
    struct reader *r =
        reader_open(list, COUNT(list), &(struct reader_options){ .is_image = is_image });
    struct record *record;

    for (int i = 0; i < COUNT(ends) && (record = reader_next(r, NULL)); i++) {
        is_long((long)reader_bytes(r, NULL), ends[i], "bytes up to a record");
        record_free(record);
    }
    reader_close(r);
    for (int i = 0; i < COUNT(list); i++) {
        unlink(list[i]);
        free(list[i]);
    }
}

static void of_files(void)
{
    char *one = put("one.jsonl", "{\"a\":1}\n", 8), *two = put("two.csv", "id,text\n1,b\n", 12);
    char *names = xprintf("%s\n\n%s", one, two), *list = put("list", names, strlen(names));
    struct reader *r =
        reader_open(&list, 1, &(struct reader_options){ .from = format_named("list") });
    struct buffer out = { 0 };

    collect(r, &out);
    is_text(out.data, "1 {\"a\":1}\n2 {\"id\":1,\"text\":\"b\"}\n", "a list of files");
    reader_close(r);
    unlink(list);
    r = reader_open(&list, 1, &(struct reader_options){ .from = format_named("list") });
    ok(!reader_next(r, NULL) && reader_failed(r) == 1, "a list that is not there");
    reader_close(r);
    buffer_free(&out);
    free(names);
    free(one);
    free(two);
    free(list);
}

static void image_in_band(void)
{
    int ends[2];
    struct reader *r;
    struct record *record;
    struct member *m;

    if (pipe(ends) || dup2(ends[0], STDIN_FILENO) < 0 || write(ends[1], "IMG!1234", 8) != 8)
        note("no pipe");
    close(ends[0]);
    close(ends[1]);
    r = reader_open(NULL, 0, &(struct reader_options){ .is_image = is_image });
    record = reader_next(r, NULL);
    is_text(record ? record->json.data : NULL, "{\"image\":\"-\"}", "an image on standard input");
    m = record ? record_member(record, "image") : NULL;
    ok(m && m->size == 8 && !memcmp(m->data, "IMG!1234", 8), "travels in the record");
    is_text(record ? record->source : NULL, "stdin", "its source");
    record_free(record);
    ok(!reader_next(r, NULL), "and is the only one");
    reader_close(r);
}

/* A reader says that it would wait when no whole record is left, and only then. */
static void waiting(void)
{
    int ends[2];
    struct reader *r;
    bool wait;
    struct {
        const char *text;
        bool wait[3];
        int records;
    } steps[] = {
        { "{\"a\":1}\n", { true }, 1 },
        { "{\"a\":1}\n{\"a\":2}\n{\"a\"", { false, true }, 2 },
        { ":3}\n\n  \n", { true }, 1 },
        { "{\"a\":4}\n\n{\"a\":5}\n", { false, true }, 2 },
    };

    if (pipe(ends) || dup2(ends[0], STDIN_FILENO) < 0)
        note("no pipe");
    close(ends[0]);
    r = reader_open(NULL, 0, NULL);
    for (int i = 0; i < COUNT(steps); i++) {
        if (write(ends[1], steps[i].text, strlen(steps[i].text)) < 0)
            note("no write");
        for (int k = 0; k < steps[i].records; k++) {
            struct record *record = reader_next(r, &wait);

            ok(record && wait == steps[i].wait[k], "step %d, record %d: %s", i, k,
               steps[i].wait[k] ? "would wait" : "would not wait");
            record_free(record);
        }
    }
    close(ends[1]);
    ok(!reader_next(r, &wait) && !wait, "the end");
    reader_close(r);
}

static void hashes(void)
{
    char *list[] = { put("h1", "{\"a\":1}\nbad\nbad\n{\"a\":1}\r\n", 26), NULL };
    struct reader *r = reader_open(list, 1, NULL);
    uint64_t hash[4] = { 0 };
    struct record *record;

    for (int i = 0; i < 4 && (record = reader_next(r, NULL)); i++) {
        hash[i] = record_hash(record);
        ok(record->index == (uint64_t)i, "index %d", i);
        record_free(record);
    }
    ok(hash[0] && hash[0] == hash[3], "the hash does not know the place");
    ok(hash[1] && hash[1] == hash[2], "nor does that of a bad line");
    reader_close(r);
    free(list[0]);
}

static bool lies_at(const char *path, long long at, const void *data, size_t size)
{
    struct buffer b = { 0 };
    bool same = at >= 0 && !file_read_part(&b, path, at, size) && !memcmp(b.data, data, size);

    buffer_free(&b);
    return same;
}

/* What a record came from is found again in the file. */
static void places(void)
{
    struct buffer items = { 0 };
    struct record *made = record_parse("{\"n\":1}", 7), *record;
    struct reader *r;
    char *list[2];

    record_write(&items, made, true);
    record_set_bytes(made, "image", "IMG!picture", 11);
    record_write(&items, made, true);
    list[0] = put("p1", "\n{\"a\":1}\r\n\n {\"b\":2}", 19);
    list[1] = put("p2", items.data, items.size);
    r = reader_open(list, 2, NULL);
    for (int i = 0; i < 2; i++) {
        record = reader_next(r, NULL);
        ok(lies_at(list[0], record->at, record->json.data, record->json.size), "line %d", i);
        record_free(record);
    }
    record_free(reader_next(r, NULL));
    record = reader_next(r, NULL);
    ok(record->at == -1 && lies_at(list[1], record->members[0].at, "IMG!picture", 11), "a member");
    record_free(record);
    reader_close(r);
    if (!freopen(list[1], "rb", stdin))
        note("cannot open %s", list[1]);
    r = reader_open(NULL, 0, NULL);
    record_free(reader_next(r, NULL));
    record = reader_next(r, NULL);
    ok(record->members[0].at == -1, "what came through standard input has no place");
    record_free(record);
    reader_close(r);
    record_free(made);
    buffer_free(&items);
    free(list[0]);
    free(list[1]);
}

int main(void)
{
    char *command;

    if (!mkdtemp(folder))
        return 1;
    lines();
    damaged();
    not_numbers();
    tables();
    packed();
    names();
    bad_bytes_in_names();
    limits();
    operands();
    bytes_so_far();
    of_files();
    image_in_band();
    waiting();
    hashes();
    places();
    is_text(stream_formats[format_named("cbor")], "cbor", "format_named");
    is_long((int)format_named("xml"), -1, "no such format");
    command = xprintf("rm -rf %s", folder);
    ok(system(command) == 0, "cleaned up");
    free(command);
    return done();
}
