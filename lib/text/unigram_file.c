/* SPDX-License-Identifier: MIT
 * unigram_file.c - T5's pieces from a tokenizer.json
 *
 *     "model"            {"type": "Unigram", "unk_id": 2, "vocab": [["piece", score], ...]},
 *                        or NLLB's {"type": "BPE", "vocab": {"piece": id, ...}, "merges": [...]}
 *     "normalizer"       Precompiled, Strip and Replace of / {2,}/, one or a Sequence
 *     "pre_tokenizer"    WhitespaceSplit and Metaspace, likewise
 *     "added_tokens"     special tokens
 */
#include <math.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/json.h"
#include "text/vocabulary.h"

static int read_map(struct unigram *u, const cJSON *step)
{
    struct buffer b = { 0 };
    int status = base64_read(&b, json_string(step, "precompiled_charsmap", ""));

    if (status == 0 && u->map.count)
        status = fail("two tables of replacements");
    if (status == 0 && b.size)
        status = charsmap_read(&u->map, b.data, b.size);
    buffer_free(&b);
    return status;
}

static int add_step(struct unigram *u, enum unigram_step step)
{
    int i = 0;

    while (i < COUNT(u->steps) && u->steps[i])
        i++;
    if (i == COUNT(u->steps))
        return fail("more steps of normalisation than are known");
    u->steps[i] = step;
    return 0;
}

/* The one replacement that released T5 tokenizers have: runs of spaces. */
static int read_replace(struct unigram *u, const cJSON *step)
{
    const char *by = json_string(step, "content", ""), *end = by + strlen(by);

    if (strcmp(json_string(json_get(step, "pattern"), "Regex", ""), " {2,}") != 0 || !*by)
        return fail("an unknown pattern is replaced");
    u->collapsed = utf8_next(&by, end);
    return by == end ? add_step(u, STEP_COLLAPSE) : fail("spaces become more than one character");
}

/* A step, or a sequence of them. */
static int read_normalizer(struct unigram *u, const cJSON *step, int depth)
{
    const char *type = json_string(step, "type", "");
    const cJSON *list = json_get(step, "normalizers");

    if (!cJSON_IsObject(step))
        return 0;
    if (strcmp(type, "Sequence") == 0 && depth < 4) {
        for (const cJSON *e = list ? list->child : NULL; e; e = e->next)
            if (read_normalizer(u, e, depth + 1) < 0)
                return -1;
        return 0;
    }
    if (strcmp(type, "Precompiled") == 0)
        return read_map(u, step) < 0 ? -1 : add_step(u, STEP_MAP);
    if (strcmp(type, "Replace") == 0)
        return read_replace(u, step);
    if (strcmp(type, "Strip") != 0)
        return fail("unknown normalisation \"%.40s\"", type);
    if (json_bool(step, "strip_left", false) && add_step(u, STEP_STRIP_LEFT) < 0)
        return -1;
    return json_bool(step, "strip_right", false) ? add_step(u, STEP_STRIP_RIGHT) : 0;
}

/* Older files say add_prefix_space where newer ones have prepend_scheme. */
static int read_metaspace(struct unigram *u, const cJSON *step)
{
    const char *scheme = json_string(step, "prepend_scheme", "always");

    if (strcmp(json_string(step, "replacement", ""), "\xe2\x96\x81") != 0)
        return fail("spaces are not marked by U+2581");
    u->prepend = strcmp(scheme, "first") == 0 ? PREPEND_FIRST
                 : strcmp(scheme, "never") == 0 || !json_bool(step, "add_prefix_space", true)
                     ? PREPEND_NEVER
                     : PREPEND_ALWAYS;
    u->split_mark = json_bool(step, "split", true);
    return 0;
}

/* *marked: a Metaspace was there, which comes last. */
static int read_cutter(struct unigram *u, const cJSON *step, int depth, bool *marked)
{
    const char *type = json_string(step, "type", "");
    const cJSON *list = json_get(step, "pretokenizers");

    if (strcmp(type, "Sequence") == 0 && depth < 4) {
        for (const cJSON *e = list ? list->child : NULL; e; e = e->next)
            if (read_cutter(u, e, depth + 1, marked) < 0)
                return -1;
        return 0;
    }
    if (*marked || (strcmp(type, "WhitespaceSplit") != 0 && strcmp(type, "Metaspace") != 0))
        return fail("texts are not cut as in T5");
    u->split_space = u->split_space || *type == 'W';
    *marked = *type == 'M';
    return *marked ? read_metaspace(u, step) : 0;
}

/* Pieces are numbered in order. What is unknown costs 10 more than the least likely piece, as in
 * sentencepiece. An id far beyond the others would only ask for memory. */
static int read_pieces(struct tokenizer *t, const cJSON *vocab, const cJSON *added)
{
    struct unigram *u = t->unigram;
    int count = cJSON_GetArraySize(vocab), id = 0, entries = count,
        most = largest_id(added, true, &entries);
    double least = INFINITY;

    if (most == -2)
        return -1;
    if (most >= 2 * entries + 1024)
        return fail("%d pieces, but an id %d", entries, most);
    u->pieces = count;
    u->scores = xalloc((size_t)count + 1, sizeof *u->scores);
    vocabulary_init(&t->vocabulary, count > most + 1 ? count : most + 1);
    for (const cJSON *e = vocab->child; e; e = e->next, id++) {
        const cJSON *piece = e->child, *score = piece ? piece->next : NULL;

        if (!cJSON_IsString(piece) || !*piece->valuestring || !cJSON_IsNumber(score) ||
            !isfinite(score->valuedouble))
            return fail("piece %d is not a string and a score", id);
        if (!vocabulary_set(&t->vocabulary, id, piece->valuestring, strlen(piece->valuestring)))
            return fail("piece \"%.40s\" comes twice", piece->valuestring);
        u->scores[id] = score->valuedouble;
        least = score->valuedouble < least ? score->valuedouble : least;
    }
    u->unknown_score = least - 10;
    return add_tokens(t, added);
}

/* Whatever these settings could say besides T5's way is refused: a text cut in another way gives
 * ids that mean something else. */
static int read_merged(struct tokenizer *t, const cJSON *model, const cJSON *added)
{
    if (json_string(model, "continuing_subword_prefix", NULL) ||
        json_string(model, "end_of_word_suffix", NULL) ||
        json_bool(model, "ignore_merges", false) || !json_bool(model, "fuse_unk", false))
        return fail("merges are not used as in NLLB");
    t->unigram->merges = true;
    if (read_ids(t, json_get(model, "vocab"), added) ||
        read_merge_list(t, json_get(model, "merges")))
        return -1;
    t->unknown = tokenizer_id(t, json_string(model, "unk_token", ""));
    return t->unknown < 0 ? fail("no piece stands for what is unknown") : 0;
}

static int read_scored(struct tokenizer *t, const cJSON *model, const cJSON *added)
{
    const cJSON *vocab = json_get(model, "vocab");
    double unknown = json_number(model, "unk_id", -1);

    if (!cJSON_IsArray(vocab))
        return fail("not a unigram model");
    if (!(unknown >= 0 && unknown < cJSON_GetArraySize(vocab) && unknown == (int)unknown))
        return fail("no piece stands for what is unknown");
    t->unknown = (int)unknown;
    return read_pieces(t, vocab, added);
}

static int read_root(struct tokenizer *t, const cJSON *root, bool merges)
{
    const cJSON *model = json_get(root, "model"), *added = json_get(root, "added_tokens");
    const char *type = json_string(model, "type", "Unigram");
    bool marked = false;

    if (strcmp(type, merges ? "BPE" : "Unigram") != 0)
        return fail("not a %s model (it is \"%s\")", merges ? "BPE" : "unigram", type);
    if (json_bool(model, "byte_fallback", false))
        return fail("unknown characters as bytes are not known");
    if (read_normalizer(t->unigram, json_get(root, "normalizer"), 0) < 0 ||
        read_cutter(t->unigram, json_get(root, "pre_tokenizer"), 0, &marked) < 0)
        return -1;
    if (!marked)
        return fail("texts are not cut as in T5");
    return merges ? read_merged(t, model, added) : read_scored(t, model, added);
}

int read_unigram_json(struct tokenizer *t, const struct buffer *b, bool merges)
{
    cJSON *root = json_parse(b->data, b->size);
    int status = root ? read_root(t, root, merges) : -1;

    cJSON_Delete(root);
    return status;
}

/* White space beside them goes. */
static int siglip_specials(struct tokenizer *t)
{
    static const char *const names[] = { "</s>", "<unk>" };

    tokenizer_drop_specials(t);
    for (int i = 0; i < COUNT(names); i++) {
        int id = tokenizer_id(t, names[i]);
        struct special_token *s;

        if (id < 0)
            return fail("%s is missing", names[i]);
        s = tokenizer_add_special(t, names[i], id, false);
        s->strip_left = s->strip_right = true;
    }
    t->ends_once = true;
    return 0;
}

/* A .json of huggingface/tokenizers, or sentencepiece's own file: by the first byte. */
static int read_file(struct tokenizer *t, const char *path, bool merges)
{
    struct buffer b = { 0 };
    int status = read_unzipped(&b, path);

    t->unigram = xalloc(1, sizeof *t->unigram);
    if (status == 0) {
        status = b.size && b.data[0] == '{' ? read_unigram_json(t, &b, merges) : read_spiece(t, &b);
        t->begin = -1;
        t->end = status == 0 ? tokenizer_id(t, "</s>") : -1;
        if (status == 0 && t->end < 0)
            status = fail("</s> is missing");
        if (status < 0)
            fail_in(path);
    }
    if (status == 0 && t->unigram->sentencepiece && t->clean == CLEAN_CANONICAL_HF) {
        status = siglip_specials(t);
    } else if (status == 0) {
        tokenizer_add(t, "</s>");
        if (tokenizer_id(t, "<pad>") >= 0)
            tokenizer_add(t, "<pad>");
    }
    buffer_free(&b);
    return status;
}

static int read_t5(struct tokenizer *t, const char *path)
{
    return read_file(t, path, false);
}

struct tokenizer *tokenizer_t5(const char *path, enum text_clean clean)
{
    static const char *const t5[] = { "tokenizer.json", "spiece.model", NULL };
    static const char *const siglip[] = { "spiece.model", "tokenizer.json", NULL };

    return tokenizer_open(path, clean_is_siglip(clean) ? siglip : t5, &unigram_kind, clean,
                          read_t5);
}

static int read_xlm(struct tokenizer *t, const char *path)
{
    if (read_t5(t, path) < 0)
        return -1;
    t->begin = tokenizer_id(t, "<s>");
    return t->begin < 0 ? fail("%s: <s> is missing", path) : 0;
}

struct tokenizer *tokenizer_xlm(const char *path, enum text_clean clean)
{
    static const char *const names[] = { "tokenizer.json", NULL };

    return tokenizer_open(path, names, &unigram_kind, clean, read_xlm);
}

static int read_nllb(struct tokenizer *t, const char *path)
{
    if (read_file(t, path, true) < 0)
        return -1;
    t->begin = tokenizer_id(t, "eng_Latn");
    return t->begin < 0 ? fail("%s: the language eng_Latn is missing", path) : 0;
}

struct tokenizer *tokenizer_nllb(const char *path, enum text_clean clean)
{
    static const char *const names[] = { "tokenizer.json", NULL };

    return tokenizer_open(path, names, &unigram_kind, clean, read_nllb);
}
