/* SPDX-License-Identifier: MIT
 * wordpiece.c - BERT's tokenizer against the originals
 *
 * With arguments VOCABULARY CLEANING (python, hf) it is a filter for larger comparisons instead:
 * texts in, each behind its length (32 bits, little-endian); lines of ids out, a second line with
 * their text.
 */
#include <stdlib.h>
#include "base/buffer.h"
#include "base/error.h"
#include "image/image.h"
#include "text/text.h"
#include "tests/unit/texts.h"

static void print_text(const struct tokenizer *t, const struct token_ids *ids)
{
    char *text = tokenizer_decode(t, ids->ids, ids->count);

    puts(text);
    free(text);
}

static void test_golden(const char *path, enum text_clean clean, const char *name)
{
    struct tokenizer *t = tokenizer_bert(path, clean);

    if (ok(t != NULL, "%s opens", path))
        is_golden(encode_ids, t, clean == CLEAN_HF ? GOLDEN_BERT_HF : GOLDEN_BERT_PYTHON, name);
    else
        note("%s", error_text());
    tokenizer_close(t);
}

static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\ndog\n##s\n'\ns\n.\n#\n##\nx\n##x\n\n,\n";

static struct tokenizer *open_text(const char *content, enum text_clean clean)
{
    char path[] = "/tmp/vlm-wordpiece-XXXXXX";
    int fd = mkstemp(path);
    struct tokenizer *t = NULL;

    if (fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content))
        t = tokenizer_bert(path, clean);
    close(fd);
    unlink(path);
    return t;
}

static void test_frame(void)
{
    struct tokenizer *t = open_text(vocabulary, CLEAN_HF);
    int ids[] = { 2, 4, 5, 6, 7, 8, 9, 15, 4, 3, 0, -1, 99, 14 };
    char *text;

    if (!ok(t != NULL, "a vocabulary with an empty line opens"))
        return;
    is_long(tokenizer_size(t), 16, "ids");
    is_ids(t, "", 9, "2 3", false);
    is_ids(t, "A Dogs' D\xc3\xb3g.", 9, "2 4 5 6 7 5 9 3", false);
    is_ids(t, "a dogs' dog.", 8, "2 4 5 6 7 5 9 3", false);
    is_ids(t, "a dogs' dog.", 7, "2 4 5 6 7 5 3", true);
    is_ids(t, "a doga a", 9, "2 4 1 4 3", false);
    is_ids(t, "##a #", 9, "2 10 10 4 10 3", false);
    is_ids(t, "a[SEP]a [sep]", 12, "2 4 3 4 1 1 1 3", false);
    text = tokenizer_decode(t, ids, COUNT(ids));
    is_text(text, "a dogs's., a", "decoding joins pieces and punctuation");
    free(text);
    is_long(tokenizer_add(t, "[DEC]"), 16, "a new special token");
    is_long(tokenizer_add(t, "[DEC]"), 16, "the same again");
    is_long(tokenizer_add(t, "[SEP]"), 3, "one that was there");
    is_ids(t, "a[DEC]a", 9, "2 4 16 4 3", false);
    tokenizer_frame(t, 16, tokenizer_id(t, "[SEP]"));
    is_ids(t, "a a", 9, "16 4 4 3", false);
    tokenizer_frame(t, tokenizer_id(t, "[CLS]"), -1);
    is_ids(t, "a a", 3, "2 4 4", false);
    is_ids(t, "a a", 2, "2 4", true);
    tokenizer_close(t);
}

/* Where ideographs begin and end, as far as Unicode 15 has assigned them: each is a word. */
static void test_ideographs(void)
{
    static const struct {
        uint32_t code;
        bool alone, alone_python;
    } edges[] = {
        { 0x33ff, 0, 0 },  { 0x3400, 1, 1 },  { 0x4dbf, 1, 1 },  { 0x4dc0, 0, 0 },
        { 0x4e00, 1, 1 },  { 0x9fff, 1, 1 },  { 0xa000, 0, 0 },  { 0xf900, 1, 1 },
        { 0xfad9, 1, 1 },  { 0xfb00, 0, 0 },  { 0x20000, 1, 1 }, { 0x2a6df, 1, 1 },
        { 0x2a700, 1, 1 }, { 0x2b739, 1, 1 }, { 0x2b740, 1, 1 }, { 0x2b81d, 1, 1 },
        { 0x2b820, 0, 1 }, { 0x2b91f, 0, 1 }, { 0x2b920, 1, 1 }, { 0x2cea1, 1, 1 },
        { 0x2f800, 1, 1 }, { 0x2fa1d, 1, 1 }, { 0x30000, 0, 0 },
    };
    struct tokenizer *t = open_text(vocabulary, CLEAN_HF);
    struct tokenizer *python = open_text(vocabulary, CLEAN_OPENAI);

    for (int i = 0; i < COUNT(edges); i++) {
        struct buffer b = { 0 };

        buffer_byte(&b, 'x');
        buffer_utf8(&b, edges[i].code);
        buffer_string(&b, "x");
        is_ids(t, b.data, 9, edges[i].alone ? "2 12 1 12 3" : "2 1 3", false);
        is_ids(python, b.data, 9, edges[i].alone_python ? "2 12 1 12 3" : "2 1 3", false);
        buffer_free(&b);
    }
    tokenizer_close(t);
    tokenizer_close(python);
}

static void test_long(void)
{
    static const char *const parts[] = {
        "x", "[SEP", "a ", "\xcc\x96\xcc\x81", "\xe4\xb8\x80", "."
    };
    struct tokenizer *t = open_text(vocabulary, CLEAN_HF);
    char word[102];

    memset(word, 'x', 101);
    word[101] = 0;
    is_ids(t, word, 4, "2 1 3", false);
    word[100] = 0;
    is_ids(t, word, 4, "2 12 13 3", true);
    for (int i = 0; i < COUNT(parts); i++) {
        struct buffer b = { 0 };
        struct token_ids ids;

        while (b.size < 1 << 20)
            buffer_string(&b, parts[i]);
        tokenizer_encode(t, b.data, b.size, 35, &ids);
        free(ids.ids);
        buffer_free(&b);
    }
    ok(true, "%d megabytes of one piece each", COUNT(parts));
    tokenizer_close(t);
}

static void *open_python(const char *path)
{
    return tokenizer_bert(path, CLEAN_OPENAI);
}

static void close_it(void *tokenizer)
{
    tokenizer_close(tokenizer);
}

static void refuses(const char *content, const char *reason)
{
    is_refused(open_python, close_it, content, reason);
}

static void test_refusals(void)
{
    refuses("", "[CLS], [SEP] or [UNK] is missing");
    refuses("[CLS]\n[SEP]\n", "is missing");
    refuses("[CLS]\n[SEP]\n[CLS]\n", "line 3: \"[CLS]\" comes a second time");
    refuses("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "it is \"BPE\"");
    refuses("{\"model\":{\"vocab\":{\"a\":0.5}}}", "no valid id");
    refuses("{\"model\":{\"vocab\":{}},\"normalizer\":{\"lowercase\":false}}", "uncased");
    refuses("{\"model\":{\"vocab\":{},\"max_input_chars_per_word\":9}}", "not cut as in BERT");
}

static void clean(const void *subject, const char *text, size_t size, struct buffer *out)
{
    const enum caption_style *style = subject;
    bool question = *style == QUESTION_ALBEF || *style == QUESTION_BLIP;

    clean_caption(out, text, size, *style, question ? 5 : 30);
}

static void is_caption(const char *text, enum caption_style style, int words, const char *wanted)
{
    struct buffer b = { 0 };

    clean_caption(&b, text, strlen(text), style, words);
    is_text(b.data, wanted, text);
    buffer_free(&b);
}

static void test_captions(void)
{
    static const enum caption_style styles[] = { CAPTION_ALBEF, CAPTION_BLIP, QUESTION_ALBEF,
                                                 QUESTION_BLIP };
    static const char *const names[] = { "ALBEF's captions", "BLIP's captions", "ALBEF's questions",
                                         "BLIP's questions" };

    for (int i = 0; i < COUNT(styles); i++)
        is_golden(clean, &styles[i], GOLDEN_CAPTION_ALBEF + i, names[i]);
    is_caption(" A dog's well-known,  wet/dry <person>!\n", CAPTION_ALBEF, 30,
               "a dogs well known wet dry person");
    is_caption(" A dog's well-known,  wet/dry <person>!\n", CAPTION_BLIP, 30,
               "a dog's well-known, wet/dry <person>");
    is_caption("one two  three four", CAPTION_BLIP, 3, "one two three");
    is_caption("Is it (really) so? ", QUESTION_ALBEF, 9, "is it really so");
    is_caption("Is it (really) so? ", QUESTION_BLIP, 3, "is it really");
    is_caption("", CAPTION_BLIP, 3, "");
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return filter_texts(
            tokenizer_bert(argv[1], strcmp(argv[2], "hf") ? CLEAN_OPENAI : CLEAN_HF), print_text);
    test_golden("tests/golden/tokenizer/bert", CLEAN_OPENAI, "as in Python");
    test_golden("tests/golden/tokenizer/bert", CLEAN_HF, "as Hugging Face's");
    test_golden("tests/golden/tokenizer/bert.json", CLEAN_HF, "as Hugging Face's, tokenizer.json");
    test_frame();
    test_ideographs();
    test_long();
    test_refusals();
    test_captions();
    return done();
}
