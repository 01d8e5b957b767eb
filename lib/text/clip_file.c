/* SPDX-License-Identifier: MIT
 * clip_file.c - CLIP's vocabulary from its files
 *
 *     bpe_simple_vocab_16e6.txt(.gz)   a heading, then a merge a line: "left right".  Ids: 256
 *                                      bytes, 256 bytes that end a piece, the merges, begin, end
 *     vocab.json + merges.txt          {"string": id, ...}; merges as above
 *     tokenizer.json                   both under "model", special tokens under "added_tokens"
 *
 * A symbol that ends a piece is spelt with "</w>" behind it.  The bytes are in the order 33-126,
 * 161-172, 174-255 and then the others.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "text/vocabulary.h"

enum { MOST_MERGES = 49152 - 256 - 2 };
static const char *const begin_names[] = { "<|startoftext|>", "<start_of_text>" };
static const char *const end_names[] = { "<|endoftext|>", "<end_of_text>" };

static int find_frame(struct tokenizer *t)
{
    for (int i = 0; i < COUNT(begin_names); i++) {
        t->begin = tokenizer_id(t, begin_names[i]);
        t->end = tokenizer_id(t, end_names[i]);
        if (t->begin >= 0 && t->end >= 0)
            return 0;
    }
    return fail("the vocabulary has no %s and %s", begin_names[0], end_names[0]);
}

/* Only Hugging Face's files have special tokens of their own; the others know two. */
static void set_specials(struct tokenizer *t)
{
    int names = t->clean == CLEAN_OPEN_CLIP || tokenizer_id(t, begin_names[0]) < 0;

    if (t->clean == CLEAN_HF && t->special_count > 0)
        return;
    tokenizer_drop_specials(t);
    tokenizer_add_special(t, begin_names[names], t->begin, false);
    tokenizer_add_special(t, end_names[names], t->end, false);
}

/* bpe_simple_vocab_16e6.txt: ids follow from the order. */
static void add_bytes(struct tokenizer *t)
{
    struct buffer b = { 0 };
    int id = 0;

    for (int pass = 0; pass < 4; pass++) {
        for (int byte = 0; byte < 256; byte++) {
            if ((bpe_letter(byte) < 256) != (pass % 2 == 0))
                continue;
            buffer_clear(&b);
            buffer_utf8(&b, bpe_letter(byte));
            buffer_string(&b, pass < 2 ? "" : "</w>");
            vocabulary_set(&t->vocabulary, id++, b.data, b.size);
        }
    }
    buffer_free(&b);
}

static int read_ordered_merges(struct tokenizer *t, const char *at, const char *end, int merges)
{
    const char *line = at;
    size_t size, left;
    struct buffer both = { 0 };
    int status = 0;

    for (int rank = 0; status == 0 && rank < merges && next_line(&at, end, &line, &size); rank++) {
        status = split_merge(line, size, &left);
        if (status < 0)
            break;
        buffer_clear(&both);
        buffer_add(&both, line, left);
        buffer_add(&both, line + left + 1, size - left - 1);
        if (!vocabulary_set(&t->vocabulary, 512 + rank, both.data, both.size))
            status = fail("merge %d makes \"%.40s\" a second time", rank + 1, both.data);
        else
            status = add_merge_line(t, rank, line, size);
    }
    buffer_free(&both);
    return status;
}

static int read_ordered(struct tokenizer *t, const struct buffer *b)
{
    const char *at = b->data, *end = b->data + b->size, *line;
    size_t size, lines = count_lines(b) - (b->size && end[-1] == '\n');
    int merges = lines - 1 < MOST_MERGES ? (int)lines - 1 : MOST_MERGES;

    if (lines < 2)
        return fail("no merges");
    next_line(&at, end, &line, &size); /* the heading */
    t->splits_frame = true;            /* as Hugging Face's tokenizer made of these merges */
    vocabulary_init(&t->vocabulary, 512 + merges + 2);
    bpe_init(&t->bpe, (size_t)merges);
    add_bytes(t);
    vocabulary_set(&t->vocabulary, 512 + merges, begin_names[0], strlen(begin_names[0]));
    vocabulary_set(&t->vocabulary, 512 + merges + 1, end_names[0], strlen(end_names[0]));
    return read_ordered_merges(t, at, end, merges);
}

/* Whether the pattern that splits texts names the special tokens. */
static bool pattern_has_frame(const cJSON *root)
{
    const cJSON *list = json_get(json_get(root, "pre_tokenizer"), "pretokenizers");

    for (const cJSON *e = list ? list->child : NULL; e; e = e->next) {
        const char *pattern = json_string(json_get(e, "pattern"), "Regex", "");

        if (strstr(pattern, "endoftext") || strstr(pattern, "end_of_text"))
            return true;
    }
    return false;
}

static int read_tokenizer_json(struct tokenizer *t, const cJSON *root)
{
    const cJSON *model = json_get(root, "model"), *vocab = json_get(model, "vocab");
    const cJSON *merges = json_get(model, "merges");

    if (!cJSON_IsObject(vocab) || !cJSON_IsArray(merges))
        return fail("not a byte pair encoding (it is \"%s\")",
                    json_string(model, "type", "no model"));
    if (strcmp(json_string(model, "end_of_word_suffix", ""), "</w>") != 0)
        return fail("not CLIP's byte pair encoding: words do not end in </w>");
    t->splits_frame = pattern_has_frame(root);
    if (read_ids(t, vocab, json_get(root, "added_tokens")) < 0)
        return -1;
    return read_merge_list(t, merges);
}

static int read_clip(struct tokenizer *t, const char *path)
{
    struct buffer b = { 0 };
    int status = read_unzipped(&b, path);

    if (status == 0) {
        t->splits_frame = b.size && b.data[0] == '{'; /* unless a tokenizer.json says otherwise */
        status =
            t->splits_frame ? read_bpe_json(t, &b, path, read_tokenizer_json) : read_ordered(t, &b);
        if (status == 0 && (find_bytes(t, "</w>") < 0 || find_frame(t) < 0))
            status = -1;
        if (status < 0)
            fail_in(path);
    }
    if (status == 0)
        set_specials(t);
    buffer_free(&b);
    return status;
}

struct tokenizer *tokenizer_clip(const char *path, enum text_clean clean)
{
    static const char *const names[] = { "tokenizer.json", "vocab.json",
                                         "bpe_simple_vocab_16e6.txt.gz",
                                         "bpe_simple_vocab_16e6.txt", NULL };

    return tokenizer_open(path, names, &clip_kind, clean, read_clip);
}
