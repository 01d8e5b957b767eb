/* SPDX-License-Identifier: MIT
 * base.c - errors, memory, bytes, hashes, random numbers, short floats, JSON reads
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/base.h"
#include "base/json.h"
#include "tests/unit/tap.h"

static void printable(const char *line, const char *wanted, const char *name)
{
    char *copy = xstrdup(line);

    make_printable(copy, "");
    is_text(copy, wanted, name);
    free(copy);
}

static void errors(void)
{
    char path[6000];

    is_long(fail("no tensor %s", "x"), -1, "fail returns -1");
    is_text(error_text(), "no tensor x", "fail keeps the sentence");
    is_text(error_code(), "invalid", "fail's code");
    fail_as("truncated", "a: %s", error_text());
    is_text(error_text(), "a: no tensor x", "an old sentence may be part of the new one");
    is_text(error_code(), "truncated", "fail_as keeps the code");
    fail_in("b");
    is_text(error_text(), "b: a: no tensor x", "fail_in says where");
    is_text(error_code(), "truncated", "... and keeps the code");
    fail_as(error_code(), "again");
    is_text(error_code(), "truncated", "the code may be an argument too");
    fail_as("", "without a word");
    is_text(error_code(), "invalid", "a code is never empty");
    memset(path, '/', sizeof path - 1);
    path[sizeof path - 1] = 0;
    errno = ENOENT;
    fail_errno("%s", path);
    ok(strlen(error_text()) < 4096 && strstr(error_text(), "/: No such file"),
       "a long name does not hide the reason");
    error_clear();
    is_text(error_text(), "", "error_clear");
    printable("a\033[2J\x7f\tb", "a?[2J??b", "controls");
    printable("\xc2\x9b"
              "2J\xe2\x80\xae\xe2\x81\xa6\xd8\x9c",
              "?2J???", "C1 controls and directions");
    printable("\x9b\xc3\xa9\xef\xbf\xbd\xf0\x9f\x98\x80", "?\xc3\xa9\xef\xbf\xbd\xf0\x9f\x98\x80",
              "a byte that is no UTF-8; letters stay");
}

/* Blocks keep their contents while the arena grows and is rewound in any pattern. */
static void arenas(void)
{
    struct arena a = { 0 };
    struct random r = { 7 };
    struct arena_mark marks[40];
    unsigned char *blocks[40];
    size_t sizes[40];
    int depth = 0, bad = 0, misaligned = 0;

    for (int step = 0; step < 4000; step++) {
        if (depth < 40 && random_below(&r, 3)) {
            sizes[depth] = random_below(&r, 8) ? random_below(&r, 5000) : random_below(&r, 9 << 20);
            marks[depth] = arena_mark(&a);
            blocks[depth] = arena_alloc(&a, sizes[depth]);
            misaligned += (uintptr_t)blocks[depth] % 64 != 0;
            if (sizes[depth]) {
                blocks[depth][0] = (unsigned char)depth;
                blocks[depth][sizes[depth] - 1] = (unsigned char)depth;
            }
            depth++;
        } else if (depth) {
            int to = (int)random_below(&r, (uint64_t)depth);

            for (int i = 0; i < depth; i++)
                bad += sizes[i] && (blocks[i][0] != i || blocks[i][sizes[i] - 1] != i);
            arena_rewind(&a, marks[to]);
            depth = to;
        }
    }
    is_long(bad, 0, "arena: no block is written over");
    is_long(misaligned, 0, "arena: blocks are aligned to 64 bytes");
    ok(a.peak > 0, "arena: peak is counted");
    arena_free(&a);
    arena_free(&a);
}

/* Blocks of all sizes come and go in any order and never overlap. */
static void pages(void)
{
    enum { BLOCKS = 30 };
    struct random r = { 11 };
    unsigned char *blocks[BLOCKS] = { NULL };
    size_t sizes[BLOCKS];
    int bad = 0, misaligned = 0;

    for (int step = 0; step < 3000; step++) {
        int i = (int)random_below(&r, BLOCKS);

        if (blocks[i])
            bad += blocks[i][0] != i || blocks[i][sizes[i] - 1] != i;
        pages_free(blocks[i]);
        blocks[i] = NULL;
        if (random_below(&r, 4)) {
            sizes[i] = 1 + random_below(&r, random_below(&r, 20) ? 4 << 20 : 70 << 20);
            blocks[i] = pages_alloc(sizes[i]);
            misaligned += (uintptr_t)blocks[i] % 64 != 0;
            blocks[i][0] = blocks[i][sizes[i] - 1] = (unsigned char)i;
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        pages_free(blocks[i]);
    is_long(bad, 0, "pages: no block is written over");
    is_long(misaligned, 0, "pages: blocks are aligned to 64 bytes");
}

static void buffers(void)
{
    struct buffer b = { 0 };

    buffer_string(&b, "hello");
    buffer_printf(&b, " %d", 42);
    is_text(b.data, "hello 42", "buffer_printf appends");
    buffer_replace(&b, 5, 1, "----", 4);
    is_text(b.data, "hello----42", "buffer_replace grows");
    buffer_replace(&b, 0, 9, "", 0);
    is_text(b.data, "42", "buffer_replace shrinks");
    buffer_substitute(&b, "4", "aa");
    buffer_string(&b, "xaaa");
    buffer_substitute(&b, "aa", "b");
    is_text(b.data, "b2xba", "buffer_substitute, from left to right");
    buffer_clear(&b);
    ok(base64_read(&b, "aGVs\nbG8 -_==") == 0, "base64 of both alphabets");
    is_text(b.data, "hello>", "its bytes");
    ok(base64_read(&b, "a*") < 0, "what is not base64 is refused");
    buffer_free(&b);
}

static void utf8_is(const char *bytes, const uint32_t *codes, int count, const char *name)
{
    const char *end = bytes + strlen(bytes);
    int i = 0, bad = 0;

    for (; bytes < end; i++)
        bad += i >= count || utf8_next(&bytes, end) != codes[i];
    ok(!bad && i == count, "utf8: %s", name);
}

static void texts(void)
{
    struct buffer b = { 0 };

    utf8_is("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", (uint32_t[]){ 'a', 0xe9, 0x20ac, 0x1f642 }, 4,
            "one to four bytes");
    utf8_is("\xc0\x80", (uint32_t[]){ 0xfffd, 0xfffd }, 2, "overlong");
    utf8_is("\xed\xa0\x80", (uint32_t[]){ 0xfffd, 0xfffd, 0xfffd }, 3, "surrogate");
    utf8_is("\xf4\x90\x80\x80", (uint32_t[]){ 0xfffd, 0xfffd, 0xfffd, 0xfffd }, 4, "too large");
    utf8_is("\xe2\x82"
            "a",
            (uint32_t[]){ 0xfffd, 'a' }, 2, "cut short");
    for (uint32_t code = 1; code < 0x110000; code += code < 0x3000 ? 1 : 977) {
        const char *s;

        if (code >= 0xd800 && code < 0xe000)
            continue;
        buffer_clear(&b);
        buffer_utf8(&b, code);
        s = b.data;
        if (utf8_next(&s, b.data + b.size) != code || s != b.data + b.size) {
            ok(false, "utf8: U+%04X there and back", code);
            break;
        }
    }
    buffer_clear(&b);
    json_escape(&b, "a\"\\\n\x01\xff", 6);
    is_text(b.data, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\"", "json_escape");
    buffer_free(&b);
}

/* Every f16 there and back; every rounding against the nearest of all by plain comparison. */
static void short_floats(void)
{
    struct random r = { 3 };
    int bad = 0;

    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = half_to_float((uint16_t)h);

        if (isnan(f))
            bad += !isnan(half_to_float(float_to_half(f)));
        else
            bad += float_to_half(f) != h;
    }
    is_long(bad, 0, "f16: all 65536 there and back");
    bad = 0;
    for (int i = 0; i < 200000; i++) {
        float f = (float)ldexp(random_uniform(&r) - 0.5, (int)random_below(&r, 48) - 30);
        uint16_t h = float_to_half(f);
        double d = fabs((double)half_to_float(h) - f);
        double up = fabs((double)half_to_float((uint16_t)(h + 1)) - f);
        double down = h & 0x7fff ? fabs((double)half_to_float((uint16_t)(h - 1)) - f) : d;

        if (fabsf(f) < 65504)
            bad += d > up || d > down || ((d == up || d == down) && d != 0 && (h & 1));
    }
    is_long(bad, 0, "f16: rounds to nearest, ties to even");
    is_long(float_to_half(65520.f), 0x7c00, "f16: 65520 is infinite");
    is_long(float_to_bfloat(1.00390625f), 0x3f80, "bf16: a tie goes to even");
    is_long(float_to_bfloat(1.01171875f), 0x3f82, "bf16: a tie goes to even, upwards");
    ok(isnan(bfloat_to_float(float_to_bfloat(NAN))), "bf16: NaN stays NaN");
}

static void numbers(void)
{
    struct random r = { 1 };
    double sum = 0, square = 0;
    long below[5] = { 0 };

    is_long((long)(random_next(&(struct random){ 0 }) >> 32), 0xe220a839, "splitmix64's first");
    for (int i = 0; i < 100000; i++) {
        float x = random_normal(&r);

        sum += x;
        square += (double)x * x;
        below[random_below(&r, 5)]++;
    }
    ok(fabs(sum / 1e5) < 0.02 && fabs(square / 1e5 - 1) < 0.03,
       "random_normal: mean 0, variance 1");
    ok(below[0] > 19000 && below[4] > 19000, "random_below covers its range");
    ok(hash_bytes("abc", 3, 0) == 0x78af5f94892f3950u, "hash_bytes is XXH3 with 64 bits");
}

static void files(void)
{
    char path[] = "/tmp/vlm-base-XXXXXX";
    struct buffer b = { 0 };
    struct file f;
    cJSON *json;

    close(mkstemp(path));
    is_long(file_map(&f, path), 0, "an empty file is mapped");
    is_long((long)f.size, 0, "... to nothing");
    file_unmap(&f);
    is_long(file_write_atomic(path, "{\"a\": 1.5, \"b\": \"x\"} \n", 22), 0, "file_write_atomic");
    is_long(file_read(&b, path), 0, "file_read");
    json = json_read(path);
    ok(json_number(json, "a", 0) == 1.5, "json_number");
    is_text(json_string(json, "b", NULL), "x", "json_string");
    is_text(json_string(json, "c", "otherwise"), "otherwise", "json_string of what is not there");
    cJSON_Delete(json);
    ok(!json_parse("{} x", 4), "json_parse refuses what follows the value");
    unlink(path);
    is_long(file_map(&f, path), -1, "a missing file");
    is_text(error_code(), "not_found", "... has its code");
    buffer_free(&b);
    char *joined = path_join("a/", "b"), *absolute = path_join("a", "/b");
    is_text(joined, "a/b", "path_join");
    is_text(absolute, "/b", "path_join keeps an absolute path");
    free(joined);
    free(absolute);
}

int main(void)
{
    errors();
    arenas();
    pages();
    buffers();
    texts();
    short_floats();
    numbers();
    files();
    return done();
}
