/* SPDX-License-Identifier: MIT
 * json.c - the JSON scanner: what passes, what does not, what is found
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

static void accepts(void)
{
    static const char *const good[] = {
        "{}",
        " { } \t",
        "{\"a\":1}",
        "{\"a\":-0.0e+10,\"b\":[1,2,[]],\"c\":{\"d\":{}}}",
        "{\"a\":12345678901234567890123456789012345678901234567890.5e-9999999}",
        "{\"\":\"\"}",
        "{\"a\":true,\"b\":false,\"c\":null}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"}",
        "{\"a\":\"\\ud800\",\"b\":\"\\udc00\\ud800\"}",
        "{\"a\":\"\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd\xf4\x8f\xbf\xbf\"}",
        "{\"a\" : \r\n [ 1 , 2 ] , \"a\" : 2 }",
    };

    for (int i = 0; i < COUNT(good); i++) {
        error_clear();
        if (!ok(json_check(good[i], strlen(good[i])) == 0, "accepts text %d", i))
            note("%s", error_text());
    }
}

static void refuses(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "", "the text ends early at byte 0" },
        { "[]", "no opening brace at byte 0" },
        { "{\"a\":1", "the text ends early at byte 6" },
        { "{\"a\":1,}", "no name at byte 7" },
        { "{\"a\":[1,]}", "no value at byte 8" },
        { "{\"a\":[1 2]}", "no comma at byte 8" },
        { "{\"a\" 1}", "no colon at byte 5" },
        { "{a:1}", "no name at byte 1" },
        { "{'a':1}", "no name at byte 1" },
        { "{,}", "no name at byte 1" },
        { "{\"a\":01}", "no comma at byte 6" },
        { "{\"a\":+1}", "no value at byte 5" },
        { "{\"a\":.5}", "no value at byte 5" },
        { "{\"a\":1.}", "no digit after the point at byte 7" },
        { "{\"a\":1e}", "no digit in the exponent at byte 7" },
        { "{\"a\":-}", "no value at byte 6" },
        { "{\"a\":NaN}", "no value at byte 5" },
        { "{\"a\":truE}", "no value at byte 5" },
        { "{\"a\":nul", "no value at byte 5" },
        { "{\"a\":\"\t\"}", "a control character in a string at byte 6" },
        { "{\"a\":\"0123456789\n\"}", "a control character in a string at byte 16" },
        { "{\"a\":\"\\x\"}", "no such escape at byte 6" },
        { "{\"a\":\"\\u12g4\"}", "no such escape at byte 6" },
        { "{\"a\":\"\\", "no such escape at byte 6" },
        { "{\"a\":\"\xff\"}", "bad UTF-8 at byte 6" },
        { "{\"a\":\"\xc0\xaf\"}", "bad UTF-8 at byte 6" },
        { "{\"a\":\"\xed\xa0\x80\"}", "bad UTF-8 at byte 6" },
        { "{\"a\":\"\xe2\x82\"}", "bad UTF-8 at byte 6" },
        { "{\"a\":\"\xf4\x90\x80\x80\"}", "bad UTF-8 at byte 6" },
        { "{} {}", "more after the closing brace at byte 3" },
        { "{}}", "more after the closing brace at byte 2" },
        { "{\"a\":1]", "no comma at byte 6" },
        { "{\"a\":\"abc", "the text ends early at byte 9" },
    };
    char wanted[200];

    for (int i = 0; i < COUNT(bad); i++) {
        int result = json_check(bad[i].text, strlen(bad[i].text));

        ok(result == -1, "refuses %d", i);
        snprintf(wanted, sizeof wanted, "not a JSON object: %s", bad[i].why);
        is_text(error_text(), wanted, "and says why");
    }
    is_text(error_code(), "invalid_json", "code");
    ok(json_check("{\"a\":\"\0\"}", 9) == -1, "refuses a NUL in a string");
}

static void depth(int levels, int wanted)
{
    struct buffer b = { 0 };

    buffer_string(&b, "{\"a\":");
    for (int i = 1; i < levels; i++)
        buffer_byte(&b, '[');
    for (int i = 1; i < levels; i++)
        buffer_byte(&b, ']');
    buffer_byte(&b, '}');
    is_long(json_check(b.data, b.size), wanted, "depth");
    buffer_free(&b);
}

/* A quote, backslash or bad byte is seen at every place of a word of eight bytes. */
static void every_place(void)
{
    bool good = true;

    for (int at = 0; at < 24; at++) {
        char text[40] = "{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxx\"}";

        text[6 + at] = '"';
        good &= json_check(text, strlen(text)) == -1;
        text[6 + at] = '\n';
        good &= json_check(text, strlen(text)) == -1;
        text[6 + at] = (char)0x80;
        good &= json_check(text, strlen(text)) == -1;
        text[6 + at] = '\\';
        text[7 + at] = at == 23 ? '"' : 'n';
        good &= json_check(text, strlen(text)) == (at == 23 ? -1 : 0);
    }
    ok(good, "special bytes at every place");
}

static void finding(void)
{
    const char *text = "{\"a\":{\"b\":1},\"b\": [2, \"]\"] ,\"x\\u0062\":3,\"a\":\"last\",\"\":4}";
    struct span value;
    struct {
        const char *name, *value;
    } table[] = {
        { "a", "\"last\"" }, { "b", "[2, \"]\"]" }, { "xb", "3" },
        { "", "4" },         { "x\\u0062", NULL },  { "c", NULL },
    };

    for (int i = 0; i < COUNT(table); i++) {
        bool found = json_find(text, strlen(text), table[i].name, &value);
        char *copy = found ? xmemdup(value.data, value.size) : NULL;

        is_text(copy, table[i].value, table[i].name);
        free(copy);
    }
}

static void each(void)
{
    struct span list = { "[1, \"a\" ,{},[2]]", 16 }, name, item;
    struct span object = { "{\"k\":1,\"l\" : [3]}", 17 };
    size_t at = 0;
    int count = 0, size = 0;

    while (json_each(list, &at, &name, &item)) {
        count++;
        size += (int)item.size;
    }
    is_long(count, 4, "items of an array");
    is_long(size, 1 + 3 + 2 + 3, "their bytes");
    at = 0;
    ok(json_each(object, &at, &name, &item) && json_name_is(name, "k", 1), "first member");
    ok(json_each(object, &at, &name, &item) && json_name_is(name, "l", 1) && item.size == 3,
       "second member");
    ok(!json_each(object, &at, &name, &item), "no third");
    at = 0;
    ok(!json_each((struct span){ "[ ]", 3 }, &at, &name, &item), "an empty array has none");
    at = 0;
    ok(!json_each((struct span){ "12", 2 }, &at, &name, &item), "a number has none");
}

static void texts(void)
{
    static const struct {
        const char *json, *text;
    } table[] = {
        { "\"plain\"", "plain" },
        { "\"\"", "" },
        { "\"a\\n\\t\\\"\\\\\\/\\u00e9\\u20ac\"", "a\n\t\"\\/\xc3\xa9\xe2\x82\xac" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\ud800x\"", "\xef\xbf\xbdx" },
        { "\"\\ude00\\ud83d\\u0041\"", "\xef\xbf\xbd\xef\xbf\xbd"
                                       "A" },
        { "\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
        { "\"a\\u0000\xc3\xa9\"", "a\xef\xbf\xbd\xc3\xa9" },
        { "12", NULL },
        { "[]", NULL },
        { "\"", NULL },
    };
    size_t size;
    char *text;

    for (int i = 0; i < COUNT(table); i++) {
        text = json_text((struct span){ table[i].json, strlen(table[i].json) });
        is_text(text, table[i].text, table[i].json);
        free(text);
    }
    text = json_text_sized((struct span){ "\"a\\u0000b\"", 10 }, &size);
    ok(size == 3 && !memcmp(text, "a\0b", 3), "json_text_sized keeps a NUL");
    free(text);
}

static void numbers(void)
{
    float *list;
    long count;
    double x;
    struct {
        const char *json;
        long count;
    } table[] = {
        { "[]", 0 },         { "[ ]", 0 },     { "[1]", 1 },    { "[ 1 , -2.5e-3,\t3 ]", 3 },
        { "[1,]", -1 },      { "[,1]", -1 },   { "[1 2]", -1 }, { "[1,\"2\"]", -1 },
        { "[[1]]", -1 },     { "[null]", -1 }, { "1", -1 },     { "[1,2", -1 },
        { "{\"a\":1}", -1 },
    };

    for (int i = 0; i < COUNT(table); i++) {
        struct span text = { table[i].json, strlen(table[i].json) };
        bool good = json_floats(text, &list, &count);

        is_long(good ? count : -1, table[i].count, table[i].json);
        if (good)
            free(list);
    }
    ok(json_double((struct span){ "12.5e1,", 6 }, &x) && x == 125, "json_double");
    ok(!json_double((struct span){ "12.5e1,", 7 }, &x), "json_double takes the whole");
    ok(!json_double((struct span){ "\"1\"", 3 }, &x), "a string is no number");
}

int main(void)
{
    accepts();
    refuses();
    depth(512, 0);
    depth(513, -1);
    every_place();
    finding();
    each();
    texts();
    numbers();
    return done();
}
