/* SPDX-License-Identifier: MIT
 * gpt2.c - GPT-2's tokenizer as OPT has it: a text is split into pieces, each is encoded alone
 *
 * A piece is the first of these that matches; together they leave nothing out:
 *
 *     's 't 're 've 'm 'll 'd   [space] letters   [space] numbers   [space] others, no white space
 *     white space but its last character, if something follows   white space
 *
 * Files: tokenizer.json, or vocab.json {"string": id, ...} + merges.txt.  Source: openai/gpt-2
 * src/encoder.py; huggingface/tokenizers pre_tokenizers/byte_level.rs.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "text/vocabulary.h"

struct splitter {
    const struct tokenizer *t;
    struct buffer piece;
    struct bpe_work work;
    struct id_list *out;
    size_t enough; /* stop when there are more ids than that */
};

enum kind { LETTER, NUMBER, SPACE, OTHER };

static enum kind kind_of(uint32_t c)
{
    int class = code_class(c);

    return class == CODE_LETTER   ? LETTER
           : class == CODE_NUMBER ? NUMBER
           : code_is_space(c)     ? SPACE
                                  : OTHER;
}

/* The length of "'s" and its like; 0: none. */
static size_t contraction(const uint32_t *at, size_t count)
{
    static const char *const list[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    size_t n = 0;

    for (int i = 0; at[0] == '\'' && i < COUNT(list) && n == 0; i++)
        n = codes_begin_with(at, count, list[i]);
    return n;
}

/* A contraction; or a space and letters, digits or others in a row; or white space, of which the
 * last one is left to the word behind it. */
static size_t piece_length(const uint32_t *at, size_t count)
{
    size_t n = contraction(at, count), first = at[0] == ' ' && count > 1;
    enum kind kind = kind_of(at[first]);

    if (n)
        return n;
    if (kind == SPACE)
        first = 0;
    for (n = first + 1; n < count && kind_of(at[n]) == kind;)
        n++;
    return kind == SPACE && n > 1 && n < count ? n - 1 : n;
}

/* Every byte of a text is in a piece, white space too. */
static void split(void *splitter, const uint32_t *at, size_t count)
{
    struct splitter *s = splitter;

    for (size_t n; count && s->out->count <= s->enough; at += n, count -= n) {
        n = piece_length(at, count);
        buffer_clear(&s->piece);
        codes_to_utf8(&s->piece, at, n);
        bpe_encode(&s->t->bpe, &s->work, s->piece.data, s->piece.size, s->out);
    }
}

/* Nothing is normalised, but tokens marked for that come second. */
static void cut_normalized(void *splitter, const uint32_t *at, size_t count)
{
    struct splitter *s = splitter;

    cut_specials(&(struct cutting){ s->t, true, s->out, s->enough, split, s }, at, count);
}

static void encode(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out)
{
    struct splitter s = { .t = t, .out = out, .enough = out->count + enough };
    struct cutting cut = { t, false, out, s.enough, cut_normalized, &s };
    struct codes codes = { 0 };

    codes_from_utf8(&codes, text, size);
    cut_specials(&cut, codes.at, codes.count);
    codes_free(&codes);
    buffer_free(&s.piece);
    bpe_work_free(&s.work);
}

/* The bytes that a piece spells; one that is not spelt in their letters stands for itself. */
static void add_piece(struct buffer *out, const char *piece, int size)
{
    const char *end = piece + size;
    size_t before = out->size;

    for (const char *at = piece; at < end;) {
        int byte = bpe_byte(utf8_next(&at, end));

        if (byte < 0) {
            out->size = before;
            buffer_add(out, piece, (size_t)size);
            return;
        }
        buffer_byte(out, byte);
    }
}

/* Spaces are bytes of the pieces: nothing is put between them. */
static void decode(const struct tokenizer *t, const int *ids, int count, struct buffer *out)
{
    for (int i = 0; i < count; i++) {
        int size;
        const char *piece = vocabulary_text(&t->vocabulary, ids[i], &size);

        if (piece && !tokenizer_special(t, ids[i]))
            add_piece(out, piece, size);
    }
    if (t->clean != CLEAN_HF)
        join_punctuation(out);
}

const struct tokenizer_kind gpt2_kind = { encode, decode };

/* What gpt2.c does is what these settings say; they are checked, not followed. */
static int check_settings(const cJSON *root)
{
    const cJSON *model = json_get(root, "model"), *cut = json_get(root, "pre_tokenizer");
    const char *type = json_string(model, "type", "BPE");

    if (strcmp(type, "BPE") != 0 || !cJSON_IsObject(json_get(model, "vocab")) ||
        !cJSON_IsArray(json_get(model, "merges")))
        return fail("not a byte pair encoding (it is \"%s\")", type);
    if (*json_string(model, "end_of_word_suffix", "") ||
        *json_string(model, "continuing_subword_prefix", "") ||
        json_bool(model, "ignore_merges", false) ||
        strcmp(json_string(cut, "type", ""), "ByteLevel") != 0 ||
        json_bool(cut, "add_prefix_space", true) || !json_bool(cut, "use_regex", true) ||
        cJSON_IsObject(json_get(root, "normalizer")))
        return fail("texts are not cut as in GPT-2");
    return 0;
}

static int read_tokenizer_json(struct tokenizer *t, const cJSON *root)
{
    const cJSON *model = json_get(root, "model");

    if (check_settings(root) < 0 ||
        read_ids(t, json_get(model, "vocab"), json_get(root, "added_tokens")) < 0)
        return -1;
    return read_merge_list(t, json_get(model, "merges"));
}

static int find_frame(struct tokenizer *t)
{
    static const char *const names[] = { "</s>", "<pad>" };

    t->begin = tokenizer_id(t, "</s>");
    t->end = -1;
    if (t->begin < 0)
        return fail("</s> is missing");
    for (int i = 0; i < COUNT(names); i++)
        if (tokenizer_id(t, names[i]) >= 0)
            tokenizer_add(t, names[i]);
    return 0;
}

static int read_opt(struct tokenizer *t, const char *path)
{
    struct buffer b = { 0 };
    int status = read_unzipped(&b, path);

    if (status == 0) {
        status = read_bpe_json(t, &b, path, read_tokenizer_json);
        if (status == 0 && (find_bytes(t, "") < 0 || find_frame(t) < 0))
            status = -1;
        if (status < 0)
            fail_in(path);
    }
    buffer_free(&b);
    return status;
}

struct tokenizer *tokenizer_opt(const char *path, enum text_clean clean)
{
    static const char *const names[] = { "tokenizer.json", "vocab.json", NULL };

    return tokenizer_open(path, names, &gpt2_kind, clean, read_opt);
}
