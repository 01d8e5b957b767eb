/* SPDX-License-Identifier: MIT
 * siglip_text.c - SigLIP's texts: what is done to them, and Gemma's tokenizer; and NLLB's
 *
 * The cleaned texts are those of open_clip's canonicalize_text and of transformers'
 * SiglipTokenizer.
 */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "tests/unit/tap.h"
#include "text/vocabulary.h"

static const struct {
    enum text_clean clean;
    const char *text, *cleaned;
} cleaned[] = {
    { CLEAN_CANONICAL, "A photo_of -- a DOG!!", "a photo of a dog" },
    { CLEAN_CANONICAL_HF, "A photo_of -- a DOG!!", "a photoof a dog" },
    { CLEAN_CANONICAL_HF, "\u039f\u0394\u039f\u03a3!\u0391", "\u03bf\u03b4\u03bf\u03c2\u03b1" },
    { CLEAN_CANONICAL, "\u039f\u0394\u039f\u03a3!\u0391", "\u03bf\u03b4\u03bf\u03c3\u03b1" },
    { CLEAN_LOWER, "A photo_of -- a DOG!!", "a photo_of -- a dog!!" },
    { CLEAN_CANONICAL, "  tab\tnew\nline\x1c.", "tab new line" },
    { CLEAN_CANONICAL, "it's \"5\" o'clock", "its 5 oclock" },
    { CLEAN_CANONICAL, "\xc3\x89t\xc3\xa9 \xe2\x80\x94 \xce\xa3\xce\x91\xce\xa3",
      "\xc3\xa9t\xc3\xa9 \xe2\x80\x94 \xcf\x83\xce\xb1\xcf\x82" },
    { CLEAN_CANONICAL, "!?", "" },
    { CLEAN_OPEN_SPACES, "&FFLLIG; &FFLIG; &NAPOS; &SZLIG; &EACUTE; &FILIG; &filig;",
      "FFL FF 'N SS \xc3\x89 FI fi" },
    { CLEAN_CANONICAL, "", "" },
};

static void test_cleaning(void)
{
    for (int i = 0; i < COUNT(cleaned); i++) {
        struct codes codes = { 0 };
        struct buffer b = { 0 };

        codes_from_utf8(&codes, cleaned[i].text, strlen(cleaned[i].text));
        clean_text(&codes, cleaned[i].clean);
        codes_to_utf8(&b, codes.at, codes.count);
        is_text(b.data ? b.data : "", cleaned[i].cleaned, cleaned[i].text);
        buffer_free(&b);
        codes_free(&codes);
    }
}

static void compare(const struct tokenizer *t, const cJSON *line)
{
    const char *text = json_string(line, "text", "");
    const cJSON *wanted = json_get(line, "ids");
    struct token_ids got;
    bool same;

    tokenizer_encode(t, text, strlen(text), 64, &got);
    same = got.count == cJSON_GetArraySize(wanted);
    for (int i = 0; same && i < got.count; i++)
        same = got.ids[i] == cJSON_GetArrayItem(wanted, i)->valueint;
    if (!ok(same, "ids of \"%s\"", text))
        for (int i = 0; i < got.count; i++)
            note("%d", got.ids[i]);
    free(got.ids);
}

/* Closes t.  `again`: what these ids are as text, the frame aside. */
static void test(struct tokenizer *t, const char *file, const int ids[3], const char *again)
{
    struct buffer b = { 0 };
    char *text;

    if (!ok(t && file_read(&b, file) == 0, "opens")) {
        note("%s", error_text());
        return;
    }
    for (char *at = b.data, *end; (end = strchr(at, '\n')); at = end + 1) {
        cJSON *line = json_parse(at, (size_t)(end - at));

        compare(t, line);
        cJSON_Delete(line);
    }
    text = tokenizer_decode(t, ids, 3);
    is_text(text, again, "decodes");
    free(text);
    buffer_free(&b);
    tokenizer_close(t);
}

int main(void)
{
    test_cleaning();
    test(tokenizer_siglip("tests/golden/siglip/hf", CLEAN_LOWER), "tests/golden/siglip/gemma.jsonl",
         (int[]){ 311, 290, 1 }, "a photo of a cat");
    test(tokenizer_siglip("tests/golden/tokenizer/t5/spiece.model", CLEAN_CANONICAL_HF),
         "tests/golden/siglip/spiece.jsonl", (int[]){ 4, 223, 1 }, "a dog");
    test(tokenizer_nllb("tests/golden/open_clip/nllb", CLEAN_HF),
         "tests/golden/open_clip/nllb.jsonl", (int[]){ 2, 2, 2 }, "");
    return done();
}
