/* SPDX-License-Identifier: MIT
 * bpe.c - CLIP's tokenizer against the originals
 *
 * With arguments VOCABULARY CLEANING (openai, open_clip, hf) it is a filter for larger comparisons
 * instead: texts in, each behind its length (32 bits, little-endian); lines of ids out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "input/input.h"
#include "tests/unit/tap.h"

static enum text_clean clean_named(const char *name)
{
    return strcmp(name, "hf") == 0          ? CLEAN_HF
           : strcmp(name, "open_clip") == 0 ? CLEAN_OPEN_CLIP
                                            : CLEAN_OPENAI;
}

static void print_ids(const struct tokenizer *t, const char *text, size_t size)
{
    struct token_ids ids;

    tokenizer_encode(t, text, size, 1 << 24, &ids);
    for (int i = 0; i < ids.count; i++)
        printf("%s%d", i ? " " : "", ids.ids[i]);
    putchar('\n');
    free(ids.ids);
}

static int filter(const char *path, const char *clean)
{
    struct tokenizer *t = tokenizer_clip(path, clean_named(clean));
    unsigned char head[4];
    struct buffer b = { 0 };

    if (!t) {
        warn("%s", error_text());
        return 1;
    }
    while (fread(head, 1, 4, stdin) == 4) {
        size_t size = head[0] | head[1] << 8 | head[2] << 16 | (size_t)head[3] << 24;

        buffer_clear(&b);
        buffer_reserve(&b, size);
        if (fread(b.data, 1, size, stdin) != size)
            return 1;
        print_ids(t, b.data, size);
    }
    buffer_free(&b);
    tokenizer_close(t);
    return 0;
}

static uint32_t hash_ids(const struct token_ids *ids)
{
    uint32_t hash = 2166136261u;

    for (int i = 0; i < ids->count; i++)
        for (int shift = 0; shift < 32; shift += 8)
            hash = (hash ^ ((uint32_t)ids->ids[i] >> shift & 0xff)) * 16777619u;
    return hash;
}

/* Ids of one text against a hash; shows the text and the ids where they differ, unless `quiet`. */
static bool same(const struct tokenizer *t, const char *text, uint32_t size, uint32_t hash,
                 bool quiet)
{
    struct token_ids ids;
    struct buffer shown = { 0 };
    bool good;

    tokenizer_encode(t, text, size, 1 << 24, &ids);
    good = hash_ids(&ids) == hash;
    for (uint32_t i = 0; !good && !quiet && i < size; i++)
        buffer_printf(&shown, text[i] > ' ' && text[i] < 127 ? "%c" : "\\x%02x",
                      (unsigned char)text[i]);
    for (int i = 0; !good && !quiet && i < ids.count; i++)
        buffer_printf(&shown, " %d", ids.ids[i]);
    if (!good && !quiet)
        note("%s", shown.data);
    buffer_free(&shown);
    free(ids.ids);
    return good;
}

/* 2,000 mixed lines; made by tests/golden/make_tokenizers.py with the originals. */
static void test_golden(const char *path, enum text_clean clean)
{
    struct tokenizer *t = tokenizer_clip(path, clean);
    gzFile file = gzopen("tests/golden/tokenizer/texts.gz", "rb");
    uint32_t size, hashes[2];
    int lines = 0, bad = 0;
    struct buffer b = { 0 };

    if (!ok(t && file, "%s opens", path)) {
        note("%s", error_text());
        return;
    }
    while (gzread(file, &size, 4) == 4) {
        buffer_clear(&b);
        buffer_reserve(&b, size);
        gzread(file, b.data, size);
        gzread(file, hashes, 8);
        bad += !same(t, b.data, size, hashes[clean == CLEAN_HF], bad >= 3);
        lines++;
    }
    ok(lines == 2000 && bad == 0, "%s, %s cleaning: %d of %d lines differ", path,
       clean == CLEAN_HF ? "Hugging Face's" : "OpenAI's", bad, lines);
    gzclose(file);
    buffer_free(&b);
    tokenizer_close(t);
}

static void is_ids(const struct tokenizer *t, const char *text, int limit, const char *wanted,
                   bool truncated)
{
    struct token_ids ids;
    struct buffer b = { 0 };

    tokenizer_encode(t, text, strlen(text), limit, &ids);
    for (int i = 0; i < ids.count; i++)
        buffer_printf(&b, "%s%d", i ? " " : "", ids.ids[i]);
    is_text(b.data, wanted, text);
    ok(ids.truncated == truncated, "\"%s\" in %d ids is%s cut", text, limit,
       truncated ? "" : " not");
    buffer_free(&b);
    free(ids.ids);
}

static void test_frame(void)
{
    struct tokenizer *t = tokenizer_clip("tests/golden/tokenizer/clip.txt", CLEAN_OPENAI);
    struct tokenizer *o = tokenizer_clip("tests/golden/tokenizer/clip.txt", CLEAN_OPEN_CLIP);
    int ids[] = { 1112, 64, 65 + 256, 0 + 256, 126, 98 + 256, 1113, -1, 5000 };
    char *text;

    is_long(tokenizer_size(t), 1114, "ids");
    is_long(tokenizer_id(t, "<|startoftext|>"), 1112, "the first special id");
    is_long(tokenizer_id(t, "<|none|>"), -1, "no such token");
    is_ids(t, "", 77, "1112 1113", false);
    is_ids(t, "z! z! z!", 8, "1112 345 256 345 256 345 256 1113", false);
    is_ids(t, "z! z! z!", 7, "1112 345 256 345 256 345 1113", true);
    is_ids(t, "z! z! z!", 2, "1112 1113", true);
    is_ids(t, "z<|ENDOFTEXT|>z", 77, "1112 345 1113 345 1113", false);
    is_ids(o, "z<end_of_text>z", 77, "1112 345 1113 345 1113", false);
    text = tokenizer_decode(t, ids, COUNT(ids));
    is_text(text, "ab ! \u00a5", "decoding skips special ids and ids that are none");
    free(text);
    text = tokenizer_decode(t, NULL, 0);
    is_text(text, "", "decoding nothing");
    free(text);
    tokenizer_close(t);
    tokenizer_close(o);
}

/* A single word of a megabyte, entities in entities, marks without end: all must come back. */
static void test_long(void)
{
    static const char *const parts[] = {
        "a",    "&amp;",         "amp;",         "\xcc\x96\xcc\x81",
        "'",    "\xce\xa3'",     "\x1b[1;",      "&#",
        "\xff", "<|startoftext", "\xea\xb0\x80", "&CounterClock"
    };
    struct tokenizer *t = tokenizer_clip("tests/golden/tokenizer/clip.txt", CLEAN_OPENAI);
    struct tokenizer *h = tokenizer_clip("tests/golden/tokenizer/clip.json", CLEAN_HF);

    for (int i = 0; i < COUNT(parts); i++) {
        struct buffer b = { 0 };
        struct token_ids ids;

        buffer_string(&b, i == 2 ? "&" : "");
        while (b.size < 1 << 20)
            buffer_string(&b, parts[i]);
        tokenizer_encode(t, b.data, b.size, 77, &ids);
        free(ids.ids);
        tokenizer_encode(h, b.data, b.size, 77, &ids);
        free(ids.ids);
        buffer_free(&b);
    }
    ok(true, "%d megabytes of one piece each", COUNT(parts));
    tokenizer_close(t);
    tokenizer_close(h);
}

static void refuses(const char *content, const char *reason)
{
    char path[] = "/tmp/vlm-bpe-XXXXXX";
    int fd = mkstemp(path);
    struct tokenizer *t;

    if (fd < 0 || write(fd, content, strlen(content)) < 0) {
        ok(false, "a temporary file");
        return;
    }
    close(fd);
    t = tokenizer_clip(path, CLEAN_HF);
    ok(!t && strstr(error_text(), reason), "refuses: %s", reason);
    if (!t && !strstr(error_text(), reason))
        note("%s", error_text());
    tokenizer_close(t);
    unlink(path);
}

static void test_refusals(void)
{
    refuses("", "no merges");
    refuses("heading\n", "no merges");
    refuses("heading\nab\n", "\"ab\" is not a merge of two symbols");
    refuses("heading\na b c\n", "not a merge");
    refuses("heading\na zz\n", "which the vocabulary does not have");
    refuses("heading\na b\na b\n", "a second time");
    refuses("{", "not valid JSON");
    refuses("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", "it is \"WordPiece\"");
    refuses("{\"model\":{\"vocab\":{},\"merges\":[]}}", "do not end in </w>");
    refuses("{\"model\":{\"end_of_word_suffix\":\"</w>\",\"vocab\":{},\"merges\":[]}}",
            "no entry for byte 0");
    refuses("{\"model\":{\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
            "no valid id");
    refuses("{\"model\":{\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":9999999},\"merges\":[]}}",
            "1 strings, but an id 9999999");
    refuses(
        "{\"model\":{\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}}",
        "comes twice");
    refuses("{\"model\":{\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":1},\"merges\":[3]}}",
            "merge 1 is not two symbols");
    refuses("\x1f\x8b\x08\x01\x01\x01\x01\x01\x01\x01", "cannot be read or unzipped");
    ok(!tokenizer_clip("tests/unit", CLEAN_HF) && strstr(error_text(), "no tokenizer here"),
       "refuses a folder without one");
    ok(!tokenizer_clip("tests/none", CLEAN_HF) && strstr(error_text(), "No such file"),
       "refuses what is not there");
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return filter(argv[1], argv[2]);
    test_golden("tests/golden/tokenizer/clip.txt", CLEAN_OPENAI);
    test_golden("tests/golden/tokenizer/clip.json", CLEAN_OPENAI);
    test_golden("tests/golden/tokenizer/clip", CLEAN_OPENAI);
    test_golden("tests/golden/tokenizer/clip", CLEAN_HF);
    test_frame();
    test_long();
    test_refusals();
    return done();
}
