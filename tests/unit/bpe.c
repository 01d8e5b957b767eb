/* SPDX-License-Identifier: MIT
 * bpe.c - CLIP's tokenizer against the originals
 *
 * With arguments VOCABULARY CLEANING (openai, open_clip, hf) it is a filter for larger comparisons
 * instead: texts in, each behind its length (32 bits, little-endian); lines of ids out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "image/image.h"
#include "text/text.h"
#include "text/vocabulary.h"
#include "tests/unit/texts.h"

static enum text_clean clean_named(const char *name)
{
    return strcmp(name, "hf") == 0          ? CLEAN_HF
           : strcmp(name, "open_clip") == 0 ? CLEAN_OPEN_CLIP
                                            : CLEAN_OPENAI;
}

static void test_golden(const char *path, enum text_clean clean, const char *name)
{
    struct tokenizer *t = tokenizer_clip(path, clean);

    if (ok(t != NULL, "%s opens", path))
        is_golden(encode_ids, t, clean == CLEAN_HF ? GOLDEN_CLIP_HF : GOLDEN_CLIP_OPENAI, name);
    else
        note("%s", error_text());
    tokenizer_close(t);
}

/* GPT-2's alphabet: what prints stands for itself, the other bytes for U+0100 and on, in order. */
static void test_alphabet(void)
{
    uint32_t next = 256;
    int wrong = 0;

    for (int byte = 0; byte < 256; byte++) {
        bool prints =
            (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
        uint32_t letter = prints ? (uint32_t)byte : next++;

        wrong += bpe_letter(byte) != letter || bpe_byte(letter) != byte;
        wrong += !prints && bpe_byte((uint32_t)byte) != -1;
    }
    is_long(wrong, 0, "the letters of all bytes, and back");
    is_long(bpe_byte(next), -1, "a letter of no byte");
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

/* What ftfy 6.3 makes of text that was decoded in a wrong encoding, or only looks like it. */
static void test_mojibake(void)
{
    static const struct {
        const char *text, *meant;
    } cases[] = {
        { "cafÃ©", "café" },
        { "donâ€™t", "don't" },
        { "donâ\xc2\x80\xc2\x99t", "don't" },
        { "â€œquotedâ€\xc2\x9d", "\"quoted\"" },
        { "â€œ lost â€�", "\" lost �" },
        { "Ã  la carte", "à la carte" },
        { "voilÃ le travail", "voilà le travail" },
        { "fÃ cil", "fà cil" },
        { "Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет" },
        { "РїСЂРёРІРµС‚", "привет" },
        { "β€™", "'" },
        { "ā€“", "–" },
        { "caf├⌐", "café" },
        { "caf√©", "café" },
        { "Å\xc2\x81Ã³dÅº", "Łódź" },
        { "ÃƒÂ©", "é" },
        { "then ï¬\xc2\x81 and cafÃ© 日本", "then fi and café 日本" },
        { "&Atilde;&copy;", "é" },
        { "ØªØ±Ø¬Ù…Ø©", "ترجمة" },
        { "a\xc2\x80"
          "b",
          "a€b" },
        { "í\u00a0½í¸\xc2\x8d", "😍" },
        { "À\xc2\x80"
          "a",
          "a" },
        { "Â a", "\u00a0a" },
        { "å\xc2\x85¶ä»–", "å…¶ä»–" },
        { "ÂŁ5", "ÂŁ5" },
        { "à quel point", "à quel point" },
        { "naïve €5", "naïve €5" },
    };
    struct tokenizer *t = tokenizer_clip("tests/golden/tokenizer/clip.txt", CLEAN_OPENAI);

    for (int i = 0; i < COUNT(cases); i++) {
        struct buffer got = { 0 }, wanted = { 0 };

        encode_ids(t, cases[i].text, strlen(cases[i].text), &got);
        encode_ids(t, cases[i].meant, strlen(cases[i].meant), &wanted);
        ok(got.size == wanted.size && !memcmp(got.data, wanted.data, got.size), "%s is %s",
           cases[i].text, cases[i].meant);
        buffer_free(&got);
        buffer_free(&wanted);
    }
    tokenizer_close(t);
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

static void *open_hf(const char *path)
{
    return tokenizer_clip(path, CLEAN_HF);
}

static void close_it(void *tokenizer)
{
    tokenizer_close(tokenizer);
}

static void refuses(const char *content, const char *reason)
{
    is_refused(open_hf, close_it, content, reason);
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
        return filter_texts(tokenizer_clip(argv[1], clean_named(argv[2])), NULL);
    test_golden("tests/golden/tokenizer/clip.txt", CLEAN_OPENAI, "OpenAI's file and cleaning");
    test_golden("tests/golden/tokenizer/clip.json", CLEAN_OPENAI,
                "tokenizer.json, OpenAI's cleaning");
    test_golden("tests/golden/tokenizer/clip", CLEAN_HF, "vocab.json, Hugging Face's cleaning");
    test_alphabet();
    test_frame();
    test_mojibake();
    test_long();
    test_refusals();
    return done();
}
