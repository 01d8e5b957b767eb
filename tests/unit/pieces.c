/* SPDX-License-Identifier: MIT
 * pieces.c - the tokenizers of OPT and T5 against the originals
 *
 * With arguments KIND (opt, t5, xlm, siglip) VOCABULARY CLEANING (python, hf, or what open_clip
 * does before them: spaces, canonical) it is a filter for larger comparisons instead: texts in,
 * each behind its length (32 bits, little-endian); lines of ids out, a second line with their text,
 * quoted.
 */
#include <stdlib.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "image/image.h"
#include "text/text.h"
#include "tests/unit/texts.h"

static struct tokenizer *open_kind(bool opt, const char *path, enum text_clean clean)
{
    return opt ? tokenizer_opt(path, clean) : tokenizer_t5(path, clean);
}

/* What a filter's arguments name; NULL after fail(). */
static struct tokenizer *open_named(const char *kind, const char *path, const char *cleaning)
{
    static const struct {
        const char *name;
        struct tokenizer *(*open)(const char *path, enum text_clean clean);
    } kinds[] = { { "opt", tokenizer_opt },
                  { "t5", tokenizer_t5 },
                  { "xlm", tokenizer_xlm },
                  { "nllb", tokenizer_nllb },
                  { "siglip", tokenizer_siglip } };
    static const struct {
        const char *name;
        enum text_clean clean;
    } cleanings[] = { { "python", CLEAN_OPENAI },      { "hf", CLEAN_HF },
                      { "lower", CLEAN_LOWER },        { "letters", CLEAN_CANONICAL_HF },
                      { "spaces", CLEAN_OPEN_SPACES }, { "canonical", CLEAN_OPEN_CANONICAL } };

    for (int i = 0; i < COUNT(kinds); i++)
        for (int k = 0; k < COUNT(cleanings); k++)
            if (!strcmp(kind, kinds[i].name) && !strcmp(cleaning, cleanings[k].name))
                return kinds[i].open(path, cleanings[k].clean);
    fail("%s %s: no such tokenizer", kind, cleaning);
    return NULL;
}

static void print_text(const struct tokenizer *t, const struct token_ids *ids)
{
    char *text = tokenizer_decode(t, ids->ids, ids->count);
    struct buffer quoted = { 0 };

    json_escape(&quoted, text, strlen(text));
    puts(quoted.data);
    buffer_free(&quoted);
    free(text);
}

static void decode(const void *tokenizer, const char *text, size_t size, struct buffer *out)
{
    struct token_ids ids;
    char *back;

    tokenizer_encode(tokenizer, text, size, MANY_IDS, &ids);
    back = tokenizer_decode(tokenizer, ids.ids, ids.count);
    buffer_string(out, back);
    free(back);
    free(ids.ids);
}

static void test_golden(bool opt, const char *path, enum text_clean clean, enum golden column,
                        enum golden text)
{
    struct tokenizer *t = open_kind(opt, path, clean);

    if (ok(t != NULL, "%s opens", path)) {
        is_golden(encode_ids, t, column, path);
        is_golden(decode, t, text, "decoded");
    } else {
        note("%s", error_text());
    }
    tokenizer_close(t);
}

static void is_decoded(const struct tokenizer *t, const int *ids, int count, const char *wanted)
{
    char *text = tokenizer_decode(t, ids, count);

    is_text(text, wanted, wanted);
    free(text);
}

/* Ids of bytes are 4 + their place in the alphabet: '!' is 4. */
static void test_opt(void)
{
    struct tokenizer *t = tokenizer_opt("tests/golden/tokenizer/opt", CLEAN_OPENAI);
    int ids[] = { 2, 4 + 'a' - '!', 1, 4 + 'b' - '!', 5000, -1, 2 };

    is_long(tokenizer_id(t, "</s>"), 2, "</s>");
    is_ids(t, "", 8, "2", false);
    is_ids(t, "Z!", 8, "2 61 4", false);
    is_ids(t, "Z!", 2, "2 61", true);
    is_ids(t, "Z</s><pad>!<s>", 12, "2 61 2 1 4 31 86 33", false);
    is_decoded(t, ids, COUNT(ids), "ab");
    tokenizer_close(t);
}

static void test_t5(void)
{
    struct tokenizer *t = tokenizer_t5("tests/golden/tokenizer/t5.json", CLEAN_HF);
    struct tokenizer *s = tokenizer_t5("tests/golden/tokenizer/t5/spiece.model", CLEAN_HF);

    is_ids(t, "", 8, "1", false);
    is_ids(s, "", 8, "1", false);
    is_ids(s, " \t ", 8, "1", false);
    is_ids(t, "</s>", 8, "1 1", false);
    is_ids(t, " <extra_id_0> ", 8, "609 1", false);
    is_ids(t, " <extra_id_9> <pad>", 8, "600 0 1", false);
    is_ids(t, " <extra_id_9> <pad>", 2, "600 1", true);
    tokenizer_close(t);
    tokenizer_close(s);
}

static void test_long(bool opt, const char *path)
{
    static const char *const parts[] = { "x",  " ",    "a ",           "\xcc\x96\xcc\x81",
                                         "'l", "</s ", "\xe4\xb8\x80", "\xe2\x96\x81" };
    struct tokenizer *t = open_kind(opt, path, CLEAN_OPENAI);

    for (int i = 0; i < COUNT(parts); i++) {
        struct buffer b = { 0 };
        struct token_ids ids;

        while (b.size < 1 << 20)
            buffer_string(&b, parts[i]);
        tokenizer_encode(t, b.data, b.size, 35, &ids);
        free(ids.ids);
        buffer_free(&b);
    }
    ok(true, "%s: %d megabytes of one piece each", path, COUNT(parts));
    tokenizer_close(t);
}

static void *open_opt(const char *path)
{
    return tokenizer_opt(path, CLEAN_HF);
}

static void *open_t5(const char *path)
{
    return tokenizer_t5(path, CLEAN_HF);
}

static void *open_nllb(const char *path)
{
    return tokenizer_nllb(path, CLEAN_HF);
}

static void close_it(void *tokenizer)
{
    tokenizer_close(tokenizer);
}

static void test_refusals(void)
{
#define BPE "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]"
#define CUT "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"}"
    is_refused(open_opt, close_it, "", "not valid JSON");
    is_refused(open_opt, close_it, "[]", "neither a vocabulary");
    is_refused(open_opt, close_it, BPE "}}", "not cut as in GPT-2");
    is_refused(open_opt, close_it, "{\"model\":{\"type\":\"Unigram\"}}", "it is \"Unigram\"");
    is_refused(open_opt, close_it,
               BPE "},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}",
               "no entry for byte 0");
    is_refused(open_t5, close_it, "", "neither a tokenizer.json nor a spiece.model");
    is_refused(open_t5, close_it, "\x0a\x05\x0a", "neither a tokenizer.json nor");
    is_refused(open_t5, close_it, "\x0a\x03\x0a\x01x", "what is unknown");
    is_refused(open_t5, close_it, "\x0a\x03\x0a\x01x\x0a\x03\x0a\x01x", "piece 1 comes twice");
    is_refused(open_t5, close_it, "\x0a\x05\x0a\x01x\x18\x04", "of a kind that T5 does not have");
    is_refused(open_t5, close_it, "\x0a\x05\x0a\x01x\x18\x02\x12\x02\x18\x02", "not a unigram");
    is_refused(open_t5, close_it, "\x0a\x05\x0a\x01x\x18\x02\x1a\x03\x12\x01x", "is damaged");
    is_refused(open_t5, close_it, "\x0a\x05\x0a\x01x\x18\x02", "</s> is missing");
    is_refused(open_t5, close_it, "{\"model\":{\"type\":\"BPE\"}}", "it is \"BPE\"");
    is_refused(open_t5, close_it, "{\"model\":{\"vocab\":[]}," CUT "}", "what is unknown");
    is_refused(open_t5, close_it, "{\"model\":{\"unk_id\":0,\"vocab\":[[\"a\",0]]}}",
               "not cut as in T5");
    is_refused(open_nllb, close_it, "{\"model\":{\"unk_id\":0,\"vocab\":[]}}", "not a BPE model");
    is_refused(open_nllb, close_it, "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}," CUT "}",
               "not used as in NLLB");
    is_refused(open_nllb, close_it,
               "{\"model\":{\"type\":\"BPE\",\"fuse_unk\":true,\"vocab\":{},\"merges\":[]}," CUT
               "}",
               "what is unknown");
    is_refused(
        open_nllb, close_it,
        "{\"model\":{\"type\":\"BPE\",\"fuse_unk\":true,\"unk_token\":\"?\",\"vocab\":{\"?\":0,"
        "\"</s>\":1},\"merges\":[]}," CUT "}",
        "eng_Latn is missing");
    is_refused(open_t5, close_it, "{\"model\":{\"unk_id\":0,\"vocab\":[[\"a\"]]}," CUT "}",
               "not a string and a score");
    is_refused(open_t5, close_it,
               "{\"model\":{\"unk_id\":0,\"vocab\":[[\"a\",0],[\"a\",1]]}," CUT "}", "comes twice");
    is_refused(
        open_t5, close_it,
        "{\"model\":{\"unk_id\":0,\"vocab\":[[\"a\",0]]},\"normalizer\":{\"type\":\"NFC\"}," CUT
        "}",
        "unknown normalisation \"NFC\"");
    is_refused(open_t5, close_it,
               "{\"model\":{\"unk_id\":0,\"vocab\":[[\"a\",0]]},\"normalizer\":{\"type\":"
               "\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAA\"}," CUT "}",
               "is damaged");
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return filter_texts(open_named(argv[1], argv[2], argv[3]), print_text);
    test_golden(true, "tests/golden/tokenizer/opt", CLEAN_HF, GOLDEN_OPT, GOLDEN_OPT_TEXT);
    test_golden(true, "tests/golden/tokenizer/opt.json", CLEAN_HF, GOLDEN_OPT, GOLDEN_OPT_TEXT);
    test_golden(false, "tests/golden/tokenizer/t5/spiece.model", CLEAN_HF, GOLDEN_T5_LIBRARY,
                GOLDEN_T5_LIBRARY_TEXT);
    test_golden(false, "tests/golden/tokenizer/t5.json", CLEAN_OPENAI, GOLDEN_T5_HUB,
                GOLDEN_T5_HUB_TEXT);
    test_golden(false, "tests/golden/tokenizer/t5", CLEAN_HF, GOLDEN_T5_NEWER,
                GOLDEN_T5_NEWER_TEXT);
    test_opt();
    test_t5();
    test_long(true, "tests/golden/tokenizer/opt");
    test_long(false, "tests/golden/tokenizer/t5.json");
    test_long(false, "tests/golden/tokenizer/t5/spiece.model");
    test_refusals();
    return done();
}
