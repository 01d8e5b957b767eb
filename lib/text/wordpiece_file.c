/* SPDX-License-Identifier: MIT
 * wordpiece_file.c - BERT's vocabulary from its files
 *
 *     vocab.txt        one string a line, ids count the lines
 *     tokenizer.json   the same as a map under "model", special tokens under "added_tokens"
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/vocabulary.h"

/* An empty line takes an id, but is no string. */
static int read_lines(struct tokenizer *t, const struct buffer *b)
{
    const char *at = b->data, *line;
    size_t size, lines = count_lines(b) - (b->size == 0 || b->data[b->size - 1] == '\n');
    int id = 0;

    vocabulary_init(&t->vocabulary, (int)lines);
    for (; next_line(&at, b->data + b->size, &line, &size); id++)
        if (size && !vocabulary_set(&t->vocabulary, id, line, size))
            return fail("line %d: \"%.*s\" comes a second time", id + 1, size < 40 ? (int)size : 40,
                        line);
    return 0;
}

/* What wordpiece.c does is what these settings say; they are checked, not followed. */
static int check_settings(const cJSON *root)
{
    const cJSON *model = json_get(root, "model"), *normalizer = json_get(root, "normalizer");
    const char *type = json_string(model, "type", "WordPiece");

    if (strcmp(type, "WordPiece") != 0 || !cJSON_IsObject(json_get(model, "vocab")))
        return fail("not a WordPiece vocabulary (it is \"%s\")", type);
    if (strcmp(json_string(model, "continuing_subword_prefix", "##"), "##") != 0 ||
        json_number(model, "max_input_chars_per_word", 100) != 100)
        return fail("words are not cut as in BERT");
    if (!json_bool(normalizer, "lowercase", true) ||
        !json_bool(normalizer, "strip_accents", true) ||
        !json_bool(normalizer, "handle_chinese_chars", true))
        return fail("texts are not folded as in BERT's uncased models");
    return 0;
}

static int read_json(struct tokenizer *t, const struct buffer *b)
{
    cJSON *root = json_parse(b->data, b->size);
    int status = -1;

    if (root && check_settings(root) == 0)
        status =
            read_ids(t, json_get(json_get(root, "model"), "vocab"), json_get(root, "added_tokens"));
    cJSON_Delete(root);
    return status;
}

static int find_frame(struct tokenizer *t)
{
    static const char *const names[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };

    t->begin = tokenizer_id(t, "[CLS]");
    t->end = tokenizer_id(t, "[SEP]");
    t->unknown = tokenizer_id(t, "[UNK]");
    if (t->begin < 0 || t->end < 0 || t->unknown < 0)
        return fail("[CLS], [SEP] or [UNK] is missing");
    for (int i = 0; i < COUNT(names); i++)
        if (tokenizer_id(t, names[i]) >= 0)
            tokenizer_add(t, names[i]);
    return 0;
}

static int read_bert(struct tokenizer *t, const char *path)
{
    struct buffer b = { 0 };
    int status = read_unzipped(&b, path);

    if (status == 0) {
        status = b.size && b.data[0] == '{' ? read_json(t, &b) : read_lines(t, &b);
        if (status == 0)
            status = find_frame(t);
        if (status < 0)
            fail_in(path);
    }
    buffer_free(&b);
    return status;
}

/* In Hugging Face's libraries these win over the vocabulary's own file. */
static int check_beside(const char *folder)
{
    char *path = path_join(folder, "tokenizer_config.json");
    cJSON *root = path_exists(path) ? json_read(path) : NULL;
    int status = path_exists(path) && !root ? -1 : 0;

    if (!json_bool(root, "do_lower_case", true) || !json_bool(root, "strip_accents", true) ||
        !json_bool(root, "tokenize_chinese_chars", true))
        status =
            fail_as("unsupported", "%s: texts are not folded as in BERT's uncased models", path);
    cJSON_Delete(root);
    free(path);
    return status;
}

struct tokenizer *tokenizer_bert(const char *path, enum text_clean clean)
{
    static const char *const names[] = { "tokenizer.json", "vocab.txt", NULL };

    if (path_is_folder(path) && check_beside(path))
        return NULL;
    return tokenizer_open(path, names, &wordpiece_kind, clean, read_bert);
}
