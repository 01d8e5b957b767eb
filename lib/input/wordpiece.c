/* SPDX-License-Identifier: MIT
 * wordpiece.c - BERT's uncased WordPiece
 *
 *     clean     drop U+0000, U+FFFD and control characters; every space becomes
 * one split     at spaces, around CJK ideographs, and every punctuation
 * character by itself fold      lower case, no accents (NFD without Mn) pieces
 * the longest known beginning, then the longest known "##..", and so on; [UNK]
 * for a word of more than 100 characters or with a part that is not known
 *
 * Python's tokenizer, which the originals use, folds a word by str.lower(),
 * then takes the accents off; Hugging Face's takes them off first and lowers
 * character by character.  They differ in a final sigma and a few rarities;
 * CLEAN_HF chooses the second. Source: huggingface/transformers
 * models/bert/tokenization_bert.py; huggingface/tokenizers normalizers/bert.rs,
 * models/wordpiece/mod.rs.
 */
#include "base/json.h"
#include "input/text.h"
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 100 }; /* characters of a word */

static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b820 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool is_punctuation(uint32_t c)
{
    if (c < 128)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    return code_class(c) == CODE_PUNCTUATION;
}

static bool is_dropped(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    return c == 0 || c == 0xfffd || code_class(c) == CODE_OTHER;
}

/* Where Python's str.split() and Rust's is_whitespace agree with White_Space.
 */
static void clean(struct codes *out, const uint32_t *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t c = text[i];

        if (is_dropped(c))
            continue;
        if (code_is_space(c)) {
            codes_add(out, ' ');
        } else if (is_ideograph(c)) {
            codes_add(out, ' ');
            codes_add(out, c);
            codes_add(out, ' ');
        } else {
            codes_add(out, c);
        }
    }
}

static void drop_marks(struct codes *c)
{
    size_t kept = 0;

    codes_nfd(c, 0);
    for (size_t i = 0; i < c->count; i++)
        if (!code_is_nonspacing(c->at[i]))
            c->at[kept++] = c->at[i];
    c->count = kept;
}

/* The longest piece of word[at ..] that is known; 0 if none. */
static size_t longest(const struct tokenizer *t, const struct codes *word, size_t at, int *id)
{
    struct buffer b = { 0 };
    size_t end = word->count;

    for (; end > at; end--) {
        buffer_clear(&b);
        if (at)
            buffer_string(&b, "##");
        codes_to_utf8(&b, word->at + at, end - at);
        *id = vocabulary_find(&t->vocabulary, b.data, b.size);
        if (*id >= 0)
            break;
    }
    buffer_free(&b);
    return end > at ? end - at : 0;
}

static void add_word(const struct tokenizer *t, const struct codes *word, struct id_list *out)
{
    size_t first = out->count, at = 0, length = 1;
    int id;

    if (!word->count)
        return;
    if (word->count > LONGEST)
        length = 0;
    for (; at < word->count && length; at += length)
        if ((length = longest(t, word, at, &id)))
            id_add(out, id);
    if (!length) {
        out->count = first;
        id_add(out, t->unknown);
    }
}

/* A word without spaces: punctuation stands alone. */
static void add_folded(const struct tokenizer *t, const struct codes *folded, struct codes *word,
                       struct id_list *out)
{
    word->count = 0;
    for (size_t i = 0; i < folded->count; i++) {
        bool alone = is_punctuation(folded->at[i]), space = code_is_space(folded->at[i]);

        if (alone || space) {
            add_word(t, word, out);
            word->count = 0;
        }
        if (space)
            continue;
        codes_add(word, folded->at[i]);
        if (alone) {
            add_word(t, word, out);
            word->count = 0;
        }
    }
    add_word(t, word, out);
}

static void add_plain(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                      struct id_list *out)
{
    struct codes raw = { 0 }, text_codes = { 0 }, word = { 0 }, piece = { 0 };
    size_t at = 0;

    codes_from_utf8(&raw, text, size);
    clean(&text_codes, raw.at, raw.count);
    while (at < text_codes.count && out->count <= enough) {
        size_t end = at;

        while (end < text_codes.count && text_codes.at[end] != ' ')
            end++;
        word.count = 0;
        codes_add_all(&word, text_codes.at + at, end - at);
        if (t->clean == CLEAN_HF)
            drop_marks(&word);
        codes_lower(&word, t->clean != CLEAN_HF);
        if (t->clean != CLEAN_HF)
            drop_marks(&word);
        add_folded(t, &word, &piece, out);
        at = end + 1;
    }
    codes_free(&raw);
    codes_free(&text_codes);
    codes_free(&word);
    codes_free(&piece);
}

/* The first special token in the text, spelt as it is; NULL: none. */
static const char *find_special(const struct tokenizer *t, const char *text, size_t size,
                                const struct special_token **which)
{
    const char *at = memchr(text, '[', size);

    for (; at; at = memchr(at + 1, '[', size - (size_t)(at + 1 - text))) {
        for (int i = 0; i < t->special_count; i++) {
            size_t length = strlen(t->specials[i].text);

            if (length <= size - (size_t)(at - text) && !memcmp(at, t->specials[i].text, length)) {
                *which = &t->specials[i];
                return at;
            }
        }
    }
    return NULL;
}

static void encode(const struct tokenizer *t, const char *text, size_t size, size_t enough,
                   struct id_list *out)
{
    const struct special_token *special = NULL;
    const char *at;

    enough += t->begin >= 0;
    while (size && (at = find_special(t, text, size, &special))) {
        size_t used = (size_t)(at - text) + strlen(special->text);

        add_plain(t, text, (size_t)(at - text), enough, out);
        id_add(out, special->id);
        text += used;
        size -= used;
    }
    add_plain(t, text, size, enough, out);
}

static void replace_all(struct buffer *b, const char *what, const char *by)
{
    size_t length = strlen(what);
    char *at = b->data;

    while (at && (at = strstr(at, what))) {
        size_t offset = (size_t)(at - b->data);

        buffer_replace(b, offset, length, by, strlen(by));
        at = b->data + offset + strlen(by);
    }
}

/* Hugging Face's clean_up_tokenization, in its order. */
static void decode(const struct tokenizer *t, const int *ids, int count, struct buffer *out)
{
    static const char *const rules[][2] = {
        { " ##", "" },   { " .", "." },     { " ?", "?" },     { " !", "!" },
        { " ,", "," },   { " ' ", "'" },    { " n't", "n't" }, { " 'm", "'m" },
        { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    struct buffer b = { 0 };

    for (int i = 0; i < count; i++) {
        int size;
        const char *piece = vocabulary_text(&t->vocabulary, ids[i], &size);

        if (!piece || tokenizer_special(t, ids[i]))
            continue;
        if (b.size)
            buffer_byte(&b, ' ');
        buffer_add(&b, piece, (size_t)size);
    }
    for (int i = 0; i < COUNT(rules) && b.size; i++)
        replace_all(&b, rules[i][0], rules[i][1]);
    buffer_add(out, b.data, b.size);
    buffer_free(&b);
}

static const struct tokenizer_kind wordpiece_kind = { encode, decode };

/* --- files --- */

static int read_lines(struct tokenizer *t, const char *path)
{
    struct buffer b = { 0 };
    int count = 0, bad = 0;

    if (file_read(&b, path))
        return -1;
    for (size_t i = 0; i < b.size; i++)
        count += b.data[i] == '\n';
    count += b.size && b.data[b.size - 1] != '\n';
    vocabulary_init(&t->vocabulary, count);
    for (char *line = b.data, *end = b.data + b.size; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((stop ? stop : end) - line);

        if (size && line[size - 1] == '\r')
            size--;
        bad += !vocabulary_set(&t->vocabulary, t->vocabulary.count - count--, line, size);
        line = stop ? stop + 1 : end;
    }
    buffer_free(&b);
    return bad ? fail("%s: %d entries occur twice", path, bad) : 0;
}

static int read_json(struct tokenizer *t, const char *path)
{
    cJSON *root = json_read(path);
    const cJSON *model = json_get(root, "model"), *vocab = json_get(model, "vocab"), *entry;
    int count = 0, status = 0;

    if (!root)
        return -1;
    if (!cJSON_IsObject(vocab) || strcmp(json_string(model, "type", "WordPiece"), "WordPiece"))
        status = fail("%s: is not a WordPiece tokenizer", path);
    cJSON_ArrayForEach(entry, (cJSON *)(uintptr_t)(status ? NULL : vocab))
    {
        if (!cJSON_IsNumber(entry) || entry->valuedouble < 0 || entry->valuedouble > 1 << 24)
            status = fail("%s: \"%s\" has no id", path, entry->string);
        else if (entry->valueint >= count)
            count = entry->valueint + 1;
    }
    if (!status)
        vocabulary_init(&t->vocabulary, count);
    cJSON_ArrayForEach(entry, (cJSON *)(uintptr_t)(status ? NULL : vocab))
    {
        if (!vocabulary_set(&t->vocabulary, entry->valueint, entry->string, strlen(entry->string)))
            status = fail("%s: \"%s\" occurs twice", path, entry->string);
    }
    cJSON_Delete(root);
    return status;
}

static int find_frame(struct tokenizer *t, const char *path)
{
    static const char *const specials[] = { "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]" };

    for (int i = 0; i < COUNT(specials); i++)
        if (tokenizer_id(t, specials[i]) >= 0)
            tokenizer_add_special(t, specials[i], tokenizer_id(t, specials[i]), false);
    t->begin = tokenizer_id(t, "[CLS]");
    t->end = tokenizer_id(t, "[SEP]");
    t->unknown = tokenizer_id(t, "[UNK]");
    if (t->begin < 0 || t->end < 0 || t->unknown < 0)
        return fail("%s: is not BERT's vocabulary: [CLS], [SEP] and [UNK] belong to it", path);
    return 0;
}

struct tokenizer *tokenizer_bert(const char *path, enum text_clean clean)
{
    static const char *const names[] = { "tokenizer.json", "vocab.txt", NULL };
    struct tokenizer *t = xalloc(1, sizeof *t);
    char *file = vocabulary_path(path, names);
    size_t length = file ? strlen(file) : 0;
    bool json = length > 5 && !strcmp(file + length - 5, ".json");

    t->kind = &wordpiece_kind;
    t->clean = clean;
    if (file && (json ? read_json(t, file) : read_lines(t, file)) == 0 &&
        find_frame(t, file) == 0) {
        free(file);
        return t;
    }
    free(file);
    tokenizer_close(t);
    return NULL;
}
