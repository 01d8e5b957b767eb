/* SPDX-License-Identifier: MIT
 * growth.c - the time for a record grows as its bytes do, whatever they are
 *
 * Each piece of work is done for n and for 8 n, by processor time, the least of three.  What grows
 * with the square takes 64 times as long; twice the 8 times of a straight line are allowed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/base.h"
#include "stream/stream.h"
#include "tests/unit/tap.h"

enum { TIMES = 8 };

static double seconds(void (*work)(int n), int n)
{
    double least = 1e9;

    for (int i = 0; i < 3; i++) {
        clock_t start = clock();

        work(n);
        least = (double)(clock() - start) < least ? (double)(clock() - start) : least;
    }
    return least / CLOCKS_PER_SEC;
}

static void grows(void (*work)(int n), int n, const char *name)
{
    double one = seconds(work, n), many = seconds(work, TIMES * n);

    if (!ok(many < 2 * TIMES * one + 0.02, "%s", name))
        note("%g s for %d, %g s for %d", one, n, many, TIMES * n);
}

/* {"NAME0":1,...}: n members */
static struct record *wide(int n, const char *format)
{
    struct buffer b = { 0 };
    struct record *r;

    for (int i = 0; i < n; i++) {
        buffer_byte(&b, i ? ',' : '{');
        buffer_printf(&b, format, i);
    }
    buffer_byte(&b, '}');
    r = record_parse(b.data, b.size);
    buffer_free(&b);
    return r;
}

static void written(struct record *r)
{
    struct buffer out = { 0 };

    record_write(&out, r, false);
    buffer_clear(&out);
    record_write(&out, r, true);
    buffer_free(&out);
    record_free(r);
}

static void fields_and_members(int n)
{
    struct record *r = wide(n, "\"f%d\":1");
    char name[20];

    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "f%d", i);
        record_set_bytes(r, name, "x", 1);
    }
    written(r);
}

static void equal_names(int n)
{
    struct record *r = wide(n, "\"f\":%d");

    record_remove(r, "f");
    written(r);
}

static void nan_values(int n)
{
    written(wide(n, "\"f%d\":NaN"));
}

static void escapes(int n)
{
    struct record *r = wide(n, "\"\\u0066%d\":\"\\u00e9\"");
    struct span value;

    record_find(r, "none", &value);
    written(r);
}

static void texts(int n)
{
    struct record *r = record_new("{}", 2);
    struct buffer b = { 0 };
    struct texts t;

    for (int i = 0; i < n; i++)
        buffer_string(&b, i ? ",\"a\"" : "[\"a\"");
    buffer_byte(&b, ']');
    record_set_json(r, "text", b.data, b.size);
    if (record_texts(r, &(struct fields){ 0 }, &t) > 0)
        texts_free(&t);
    buffer_free(&b);
    record_free(r);
}

static void numbers(int n)
{
    struct record *r = record_new("{}", 2);
    struct buffer b = { 0 };
    long count;

    for (int i = 0; i < n; i++)
        buffer_string(&b, i ? ",0.1" : "[0.1");
    buffer_byte(&b, ']');
    record_set_json(r, "v", b.data, b.size);
    free(record_floats(r, "v", &count));
    buffer_free(&b);
    record_free(r);
}

static void limits(void)
{
    struct record *r = wide(1, "\"a\":%d"), *back;
    struct buffer b = { 0 };
    struct texts t;
    size_t used;
    char name[20];

    for (int i = 0; i <= RECORD_MEMBERS; i++) {
        snprintf(name, sizeof name, "m%d", i);
        record_set_bytes(r, name, "x", 1);
    }
    record_write(&b, r, true);
    back = cbor_read_record(b.data, b.size, &used);
    ok(!back && used == b.size, "more members than a record may have");
    is_text(error_code(), "too_large", "... its code");
    buffer_clear(&b);
    for (int i = 0; i <= RECORD_TEXTS; i++)
        buffer_string(&b, i ? ",\"a\"" : "[\"a\"");
    buffer_byte(&b, ']');
    record_set_json(r, "text", b.data, b.size);
    is_long(record_texts(r, &(struct fields){ 0 }, &t), -1, "more texts than a record may have");
    is_text(error_code(), "too_large", "... its code");
    buffer_free(&b);
    record_free(r);
}

int main(void)
{
    grows(fields_and_members, 4000, "fields beside members");
    grows(equal_names, 10000, "members of one name");
    grows(nan_values, 10000, "NaN");
    grows(escapes, 10000, "escaped names");
    grows(texts, 1000, "texts");
    grows(numbers, 10000, "numbers");
    limits();
    return done();
}
