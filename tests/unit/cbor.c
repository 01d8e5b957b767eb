/* SPDX-License-Identifier: MIT
 * cbor.c - records in a CBOR sequence: written, read, refused
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

/* As RFC 8742 and RFC 8746 spell it, byte for byte. */
static void layout(void)
{
    static const char wanted[] = "\xa4\x64json\x68{\"a\": 1}"
                                 "\x61v\xd8\x55\x48\0\0\x80\x3f\0\0\0\xc0"
                                 "\x61m\xd8\x28\x82\x82\x02\x01\xd8\x54\x44\0\x3c\0\xc0"
                                 "\x65image\x43\xff\xd8\xff";
    struct record *r = record_new("{\"a\": 1}", 8);
    float list[2] = { 1, -2 };
    struct buffer out = { 0 };

    record_set_floats(r, "v", list, 1, (long[]){ 2 });
    record_set_halves(r, "m", list, 2, (long[]){ 2, 1 });
    record_set_bytes(r, "image", "\xff\xd8\xff", 3);
    record_write(&out, r, true);
    ok(out.size == sizeof wanted - 1 && !memcmp(out.data, wanted, out.size), "layout");
    buffer_free(&out);
    record_free(r);
}

static struct record *read_whole(const char *bytes, size_t size)
{
    size_t used;
    struct record *r = cbor_read_record(bytes, size, &used);

    if (r && used != size)
        note("used %zu of %zu", used, size);
    return r;
}

static void back(void)
{
    struct record *r = record_new("{\"v\":[9],\"id\":12345678901234567890}", 35), *s;
    struct buffer out = { 0 }, again = { 0 }, line = { 0 };
    float list[600];
    long count;
    float *got;

    for (int i = 0; i < COUNT(list); i++)
        list[i] = (float)i / 7;
    record_set_floats(r, "v", list, 1, (long[]){ COUNT(list) });
    record_set_halves(r, "m", list, 3, (long[]){ 20, 3, 10 });
    record_set_bytes(r, "nothing", "", 0);
    record_write(&out, r, true);
    s = read_whole(out.data, out.size);
    ok(s != NULL, "a record comes back");
    is_text(s->json.data, "{\"id\":12345678901234567890}", "its JSON, without what is binary");
    got = record_floats(s, "v", &count);
    ok(count == COUNT(list) && !memcmp(got, list, sizeof list), "its vector");
    free(got);
    is_long(record_member(s, "m")->shape[2], 10, "its matrix");
    is_long((long)record_member(s, "nothing")->size, 0, "its empty bytes");
    record_write(&again, s, true);
    ok(again.size == out.size && !memcmp(again.data, out.data, out.size),
       "bytes are the same again");
    for (size_t i = 0; i < out.size; i++) {
        size_t used = 1;
        struct record *part = cbor_read_record(out.data, i, &used);

        if (part || used || strcmp(error_code(), "truncated") != 0) {
            ok(false, "cut at %zu", i);
            break;
        }
    }
    record_write(&line, s, false);
    ok(!strncmp(line.data, "{\"id\":12345678901234567890,\"v\":[0,0.14285715,", 45), "as a line");
    buffer_free(&out);
    buffer_free(&again);
    buffer_free(&line);
    record_free(r);
    record_free(s);
}

static void accepts(const char *bytes, size_t size, const char *json, const char *name)
{
    struct record *r = read_whole(bytes, size);

    if (!r)
        note("%s", error_text());
    is_text(r ? r->json.data : NULL, json, name);
    record_free(r);
}

static void refuses(const char *bytes, size_t size, const char *code, size_t wanted,
                    const char *name)
{
    size_t used = 99;
    struct record *r = cbor_read_record(bytes, size, &used);

    ok(!r, "%s", name);
    is_text(error_code(), code, "its code");
    is_long((long)used, (long)wanted, "bytes passed over");
    record_free(r);
}

#define ACCEPTS(bytes, json, name)       accepts(bytes, sizeof(bytes) - 1, json, name)
#define REFUSES(bytes, code, used, name) refuses(bytes, sizeof(bytes) - 1, code, used, name)

static void items(void)
{
    ACCEPTS("\xa1\x64json\x62{}", "{}", "the least");
    ACCEPTS("\xd9\xd9\xf7\xa1\x64json\x62{}", "{}", "self-described");
    ACCEPTS("\xbf\x64json\x62{}\x61x\x41y\xff", "{}", "a map without a count");
    ACCEPTS("\xa2\x61x\x41y\x64json\x62{}", "{}", "json last");
    ACCEPTS("\xa1\x64json\x78\x02{}", "{}", "a longer head than needed");
    ACCEPTS("\xa1\x64json\x63{\n}", "{ }", "a newline in it");
    REFUSES("", "truncated", 0, "nothing");
    REFUSES("\xa1", "truncated", 0, "a map's head");
    REFUSES("\xbf\x64json\x62{}", "truncated", 0, "a map without an end");
    REFUSES("\xff", "invalid", 0, "a break");
    REFUSES("\x1c", "invalid", 0, "a reserved head");
    REFUSES("\x01", "not_a_record", 1, "a number");
    REFUSES("\xa0", "not_a_record", 1, "an empty map");
    REFUSES("\xa1\x01\x02", "not_a_record", 3, "a key that is a number");
    REFUSES("\xa1\x64json\x42{}", "not_a_record", 9, "json as bytes");
    REFUSES("\xa1\x64json\x62[]", "invalid_json", 9, "json that is no object");
    REFUSES("\xa2\x64json\x62{}\x61x\xf6", "not_a_record", 12, "a member that is null");
    REFUSES("\xa2\x64json\x62{}\x61x\xd8\x55\x43zzz", "not_a_record", 17, "three bytes of floats");
    REFUSES("\xa2\x64json\x62{}\x61x\xd8\x28\x82\x82\x02\x02\xd8\x55\x44zzzz", "not_a_record", 24,
            "a shape that does not fit");
    REFUSES(
        "\xa2\x64json\x62{}\x61x\xd8\x28\x82\x82\x1a\x7f\xff\xff\xff\x1a\x7f\xff\xff\xff\xd8\x55"
        "\x44zzzz",
        "not_a_record", 32, "a huge shape");
    REFUSES("\xa2\x64json\x62{}\x61x\xd8\x28\x82\x82\x00\x05\xd8\x55\x40", "not_a_record", 20,
            "a matrix without rows");
    REFUSES("\xa2\x64json\x62{}\x61x\xd8\x28\x82\x82\x1a\x7f\xff\xff\xff\x00\xd8\x54\x40",
            "not_a_record", 24, "rows without numbers");
    REFUSES("\xa2\x64json\x62{}\x61x\xd8\x28\x82\x81\x00\xd8\x55\x40", "not_a_record", 19,
            "a shape of one dimension, 0");
    ACCEPTS("\xa2\x64json\x62{}\x61x\xd8\x55\x40", "{}", "a vector without numbers");
    REFUSES("\xa2\x64json\x62{}\x61x\x5f\x41x\xff", "not_a_record", 15, "bytes in chunks");
    REFUSES("\x5b\x10\0\0\0\0\0\0\0", "truncated", 0, "2^60 bytes are claimed");
    REFUSES("\x9b\x10\0\0\0\0\0\0\0", "truncated", 0, "2^60 items are claimed");
    REFUSES("\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "too_large", 0, "2^64 - 1 bytes are claimed");
    REFUSES("\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "too_large", 0, "2^64 - 1 pairs are claimed");
}

/* A vector that is spelt as it would be written is a typed array; its place in the record stays. */
static void vectors(void)
{
    static const char json[] =
        "{\"a\":1,\"image_embedding\":[[1,0.5],[-2,1e-7]],\"text_embedding\":"
        "[1.0,2],\"z\":[1,2]}";
    struct record *r = record_parse(json, sizeof json - 1), *s;
    struct buffer out = { 0 }, again = { 0 }, line = { 0 };

    record_write(&out, r, RECORD_CBOR);
    s = read_whole(out.data, out.size);
    is_text(s->json.data,
            "{\"a\":1,\"image_embedding\":null,\"text_embedding\":[1.0,2],\"z\":[1,2]}",
            "a vector leaves its place in the text; another spelling stays");
    is_long(s->member_count, 1, "one typed array");
    is_long(s->members[0].rank, 2, "... a matrix");
    record_write(&line, s, RECORD_JSON);
    ok(line.size == sizeof json && !memcmp(line.data, json, sizeof json - 1),
       "the line comes back");
    record_write(&again, s, RECORD_CBOR);
    ok(again.size == out.size && !memcmp(again.data, out.data, out.size), "the same bytes again");
    buffer_free(&out);
    buffer_free(&again);
    buffer_free(&line);
    record_free(r);
    record_free(s);
}

static void nested(void)
{
    char deep[40];

    memset(deep, 0x81, sizeof deep);
    refuses(deep, sizeof deep, "invalid", 0, "deeper than any record");
}

int main(void)
{
    layout();
    back();
    items();
    vectors();
    nested();
    return done();
}
