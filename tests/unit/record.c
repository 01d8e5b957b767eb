/* SPDX-License-Identifier: MIT
 * record.c - what a setter changes, and that it changes nothing else
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/random.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

static struct record *of(const char *json)
{
    return record_new(json, strlen(json));
}

static void is_json(struct record *r, const char *wanted, const char *name)
{
    int count = r->fields.count;
    size_t close = r->fields.close;
    struct json_fields fresh = { 0 };
    bool same;

    is_text(r->json.data, wanted, name);
    same = json_index(r->json.data, r->json.size, &fresh) == 0 && fresh.count == count &&
           fresh.close == close &&
           (!count || !memcmp(fresh.list, r->fields.list, (size_t)count * sizeof *fresh.list));
    ok(same, "and the offsets are those of a fresh scan");
    free(fresh.list);
    record_free(r);
}

static void sets(const char *from, const char *name, const char *json, const char *wanted)
{
    struct record *r = of(from);

    record_set_json(r, name, json, strlen(json));
    is_json(r, wanted, from);
}

static void removes(const char *from, const char *name, const char *wanted)
{
    struct record *r = of(from);

    record_remove(r, name);
    is_json(r, wanted, from);
}

static void splicing(void)
{
    sets("{}", "a", "1", "{\"a\":1}");
    sets("{ }", "a", "1", "{ \"a\":1}");
    sets(" {\"x\":1.10 }  ", "a", "1", " {\"x\":1.10 ,\"a\":1}  ");
    sets("{\"id\": 12345678901234567890}", "a", "[]", "{\"id\": 12345678901234567890,\"a\":[]}");
    sets("{\"a\":{\"b\":1},\"c\":2}", "b", "3", "{\"a\":{\"b\":1},\"c\":2,\"b\":3}");
    sets("{\"a\": 1, \"b\" : 22 ,\"c\":3}", "b", "\"xyz\"", "{\"a\": 1, \"b\" : \"xyz\" ,\"c\":3}");
    sets("{\"a\":[1,2,3],\"c\":3}", "a", "0", "{\"a\":0,\"c\":3}");
    sets("{\"a\":1,\"a\":2,\"b\":3}", "a", "9", "{\"a\":1,\"a\":9,\"b\":3}");
    sets("{\"\\u0061\":1,\"b\":3}", "a", "9", "{\"\\u0061\":9,\"b\":3}");
    sets("{\"b\":\"}\"}", "q\"\n", "1", "{\"b\":\"}\",\"q\\\"\\n\":1}");
}

static void removing(void)
{
    removes("{\"a\":1}", "a", "{}");
    removes("{ \"a\":1 }", "a", "{  }");
    removes("{\"a\":1, \"b\":2,\"c\":3}", "a", "{\"b\":2,\"c\":3}");
    removes("{\"a\":1, \"b\":2 , \"c\":3}", "b", "{\"a\":1, \"c\":3}");
    removes("{\"a\":1, \"b\":2 , \"c\":3 }", "c", "{\"a\":1, \"b\":2 }");
    removes("{\"a\":1,\"b\":2,\"a\":3}", "a", "{\"b\":2}");
    removes("{\"a\":1,\"a\":2}", "a", "{}");
    removes("{\"a\":1}", "b", "{\"a\":1}");
    removes("{ \"a\":1 , \"b\":2, \"a\":3 ,\"a\":4 }", "a", "{ \"b\":2 }");
    removes("{\"b\":1,\"a\":2,\"a\":3,\"c\":4}", "a", "{\"b\":1,\"c\":4}");
    removes("{ \"a\":1,\"a\":2 }", "a", "{  }");
}

static void setters(void)
{
    struct record *r = of("{\"x\":0}");
    float list[3] = { 0.1f, -2, 1e-7f };
    double number;
    long count;
    float *got;
    char *text;

    record_set_string(r, "s", "a\"\xff\n");
    record_set_number(r, "x", 0.3f);
    record_set_numbers(r, "v", list, 3);
    record_set_bool(r, "t", true);
    ok(record_number(r, "x", &number) && number == 0.3, "a number comes back");
    ok(!record_number(r, "s", &number), "a string is none");
    got = record_floats(r, "v", &count);
    ok(count == 3 && !memcmp(got, list, sizeof list), "a vector comes back");
    free(got);
    text = record_string(r, "s");
    is_text(text, "a\"\xef\xbf\xbd\n", "a string comes back, bad UTF-8 replaced");
    free(text);
    is_json(r, "{\"x\":0.3,\"s\":\"a\\\"\xef\xbf\xbd\\n\",\"v\":[0.1,-2,1e-7],\"t\":true}",
            "setters");
}

static void members(void)
{
    struct record *r = of("{\"v\":[1],\"b\":2}");
    float list[4] = { 1, 2.5f, -3, 65504 };
    struct span value;
    struct buffer out = { 0 };
    long shape[2] = { 2, 2 }, count;
    float *got;

    record_set_floats(r, "v", list, 1, (long[]){ 4 });
    record_set_halves(r, "m", list, 2, shape);
    record_set_bytes(r, "image", "\xff\xd8\xff\xe0", 4);
    record_set_bytes(r, "empty", "", 0);
    ok(!record_find(r, "v", &value), "a binary member hides the JSON member");
    got = record_floats(r, "m", &count);
    ok(count == 4 && !memcmp(got, list, sizeof list), "halves come back as floats");
    free(got);
    record_write(&out, r, false);
    is_text(out.data,
            "{\"v\":[1,2.5,-3,65504],\"b\":2,\"m\":[[1,2.5],[-3,65504]],"
            "\"image\":\"data:image/jpeg;base64,/9j/4A==\","
            "\"empty\":\"data:application/octet-stream;base64,\"}\n",
            "as a line");
    buffer_clear(&out);
    record_set_json(r, "m", "0", 1);
    record_remove(r, "image");
    record_remove(r, "empty");
    record_set_number(r, "v", 7);
    record_write(&out, r, false);
    is_text(out.data, "{\"v\":7,\"b\":2,\"m\":0}\n", "a JSON value replaces a binary one");
    is_long(r->member_count, 0, "which is gone");
    buffer_free(&out);
    record_free(r);
}

static void base64(void)
{
    static const char *const wanted[] = { "", "AA==", "AAE=", "AAEC", "AAECAw==" };
    char line[80];

    for (size_t n = 0; n < COUNT(wanted); n++) {
        struct record *r = of("{}");
        struct buffer out = { 0 };

        record_set_bytes(r, "b", "\0\1\2\3", n);
        record_write(&out, r, false);
        snprintf(line, sizeof line, "{\"b\":\"data:application/octet-stream;base64,%s\"}\n",
                 wanted[n]);
        is_text(out.data, line, "base64");
        buffer_free(&out);
        record_free(r);
    }
}

static void failing(void)
{
    struct record *r = of("{\"image\":\"a\"}");
    struct buffer out = { 0 };

    record_fail(r, "decode", "truncated", "a\xff: \"end\"");
    ok(r->failed, "failed");
    record_write(&out, r, false);
    is_text(out.data,
            "{\"image\":\"a\",\"error\":{\"stage\":\"decode\",\"code\":\"truncated\","
            "\"message\":\"a\xef\xbf\xbd: \\\"end\\\"\"}}\n",
            "error");
    record_free(r);
    r = of(out.data);
    ok(r->failed, "a record that comes with an error has failed");
    record_free(r);
    r = of("{\"error\":null}");
    ok(!r->failed, "null is no error");
    record_free(r);
    buffer_free(&out);
}

static void hashing(void)
{
    struct record *a = of("{\"a\":1}"), *b = of("{\"a\":1}"), *c = of("{\"a\":2}");
    uint64_t before = record_hash(a);

    ok(before == record_hash(b) && before != record_hash(c), "the hash is the content's");
    record_set_number(a, "x", 1);
    ok(before == record_hash(a), "and stays when fields are added");
    record_set_bytes(b, "m", "x", 1);
    record_seal(b);
    ok(before != record_hash(b), "members that came along count");
    is_long((long)(before >> 1), (long)(hash_bytes("{\"a\":1}", 7, 0) >> 1), "XXH3 of the bytes");
    record_free(a);
    record_free(b);
    record_free(c);
}

/* How a picture may be named, and the path or URI that it comes to. */
static void references(void)
{
    static const char *const cases[][2] = {
        { "\"a.png\"", "a.png" },
        { "\"file:///x/a.png\"", "/x/a.png" },
        { "\"FILE://localhost/x/%61%2Epng\"", "/x/a.png" },
        { "\"file:///100%\"", "/100%" },
        { "\"file:///a%00\"", "/a%00" },
        { "\"file://host/a.png\"", "file://host/a.png" },
        { "\"DATA:image/png;BASE64,AAAA\"", "data:image/png;BASE64,AAAA" },
        { "{\"path\":\"file:///x/a.png\"}", "/x/a.png" },
        { "{\"bytes\":\"AAAA\",\"path\":\"a\"}", "data:application/octet-stream;base64,AAAA" },
        { "{\"bytes\":null}", NULL },
        { "7", NULL },
    };

    for (int i = 0; i < COUNT(cases); i++) {
        char *line = xprintf("{\"image\":%s}", cases[i][0]);
        struct record *r = record_parse(line, strlen(line));
        char *name = record_image_reference(r, &(struct fields){ 0 });

        is_text(name, cases[i][1], line);
        free(name);
        free(line);
        record_free(r);
    }
}

int main(void)
{
    splicing();
    removing();
    setters();
    members();
    base64();
    failing();
    hashing();
    references();
    return done();
}
