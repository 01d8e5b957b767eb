/* SPDX-License-Identifier: MIT
 * gemma.c - SigLIP's tokenizers: T5's pieces, or Gemma's byte pair encoding over characters
 *
 * Gemma: the text is one piece, in which U+2581 stands for a space.  Each character is a symbol of
 * the vocabulary, or where there is none its UTF-8 bytes are, as <0xE2>; then neighbours are
 * merged. Source: huggingface/tokenizers models/bpe with byte_fallback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/vocabulary.h"

enum { SPACE_MARK = 0x2581 };

struct gemma {
    const struct tokenizer *t;
    struct id_list *out;
    struct bpe_work work;
    struct id_list symbols;
};

static void add_bytes(struct gemma *g, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char name[8];
        int id;

        snprintf(name, sizeof name, "<0x%02X>", (unsigned)(unsigned char)text[i]);
        id = tokenizer_id(g->t, name);
        id_add(&g->symbols, id >= 0 ? id : g->t->unknown);
    }
}

static void encode_rest(void *self, const uint32_t *text, size_t count)
{
    struct gemma *g = self;
    struct buffer one = { 0 };

    g->symbols.count = 0;
    for (size_t i = 0; i < count; i++) {
        int id;

        buffer_clear(&one);
        buffer_utf8(&one, text[i] == ' ' ? SPACE_MARK : text[i]);
        id = vocabulary_find(&g->t->vocabulary, one.data, one.size);
        if (id >= 0)
            id_add(&g->symbols, id);
        else
            add_bytes(g, one.data, one.size);
    }
    bpe_join(&g->t->bpe, &g->work, g->symbols.ids, g->symbols.count, g->out);
    buffer_free(&one);
}

static void encode(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out)
{
    struct gemma g = { .t = t, .out = out };
    const struct cutting cut = {
        .tokenizer = t, .out = out, .enough = out->count + enough, .rest = encode_rest, .self = &g
    };
    struct codes codes = { 0 };

    codes_from_utf8(&codes, text, size);
    if (clean_is_siglip(t->clean))
        clean_text(&codes, t->clean);
    cut_specials(&cut, codes.at, codes.count);
    codes_free(&codes);
    bpe_work_free(&g.work);
    free(g.symbols.ids);
}

static int byte_of(const char *text, int size)
{
    char *end;
    long byte;

    if (size != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    byte = strtol(text + 3, &end, 16);
    return end == text + 5 ? (int)byte : -1;
}

static void decode(const struct tokenizer *t, const int *ids, int count, struct buffer *out)
{
    for (int i = 0; i < count; i++) {
        int size, byte;
        const char *text = vocabulary_text(&t->vocabulary, ids[i], &size);

        if (!text || tokenizer_special(t, ids[i]))
            continue;
        byte = byte_of(text, size);
        if (byte >= 0)
            buffer_byte(out, byte);
        else
            buffer_add(out, text, (size_t)size);
    }
    buffer_substitute(out, "\xe2\x96\x81", " ");
}

const struct tokenizer_kind gemma_kind = { .encode = encode, .decode = decode };

static int read_json(struct tokenizer *t, const cJSON *root)
{
    const cJSON *model = json_get(root, "model");

    if (strcmp(json_string(model, "type", "BPE"), "BPE") != 0 ||
        !json_bool(model, "byte_fallback", false))
        return fail("not Gemma's byte pair encoding (it is \"%s\")",
                    json_string(model, "type", "no model"));
    if (read_ids(t, json_get(model, "vocab"), json_get(root, "added_tokens")) ||
        read_merge_list(t, json_get(model, "merges")))
        return -1;
    t->begin = -1;
    t->end = tokenizer_id(t, "<eos>");
    t->unknown = tokenizer_id(t, "<unk>");
    if (t->end < 0 || t->unknown < 0)
        return fail("<eos> or <unk> is missing");
    return 0;
}

static int read_gemma(struct tokenizer *t, const char *path)
{
    struct buffer b = { 0 };
    cJSON *root = file_read(&b, path) == 0 ? json_parse(b.data, b.size) : NULL;
    int status = root ? read_json(t, root) : -1;

    cJSON_Delete(root);
    buffer_free(&b);
    return status ? fail_in(path) : 0;
}

static bool is_gemma(const char *path)
{
    struct buffer b = { 0 };
    char *file = path_is_folder(path) ? path_join(path, "tokenizer.json") : xstrdup(path);
    bool is = path_exists(file) && file_read(&b, file) == 0 && b.size && b.data[0] == '{' &&
              strstr(b.data, "\"byte_fallback\"") && !strstr(b.data, "\"Unigram\"");

    buffer_free(&b);
    free(file);
    return is;
}

struct tokenizer *tokenizer_siglip(const char *path, enum text_clean clean)
{
    static const char *const json[] = { "tokenizer.json", NULL };

    if (is_gemma(path))
        return tokenizer_open(path, json, &gemma_kind, clean, read_gemma);
    return tokenizer_t5(path, clean);
}
