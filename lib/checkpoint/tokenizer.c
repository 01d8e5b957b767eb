/* SPDX-License-Identifier: MIT
 * tokenizer.c - the tokenizer that belongs to a model: found beside it, opened, written beside it
 *
 * What Hugging Face's libraries wrote is copied; what the originals read (vocab.txt of BERT,
 * bpe_simple_vocab_16e6.txt) is written anew, so that those libraries read it too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/save_parts.h"

/* --- finding and opening --- */

static const char *const files[] = { "tokenizer.json", "vocab.json",
                                     "vocab.txt",      "bpe_simple_vocab_16e6.txt.gz",
                                     "spiece.model",   "bpe_simple_vocab_16e6.txt" };

/* Newer folders of BLIP-2 have a token for images behind the words, which no text needs. */
static const char image_token[] = "<image>";

static bool has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = path_exists(path);

    free(path);
    return there;
}

/* The authors' own files come without a vocabulary: their code carries it.  A model of another
 * number of ids was made with another one. */
static char *installed(const struct model *m)
{
    const struct tokenizer_kind *kind = m->reading.kind;

    for (int i = 0; kind->installed && kind->installed_ids[i]; i++)
        if (kind->installed_ids[i] == m->reading.vocabulary)
            return model_vocabulary(kind->installed);
    return NULL;
}

char *model_tokenizer_path(const struct model *m)
{
    const char *folders[] = { m->tokenizer_folder ? m->tokenizer_folder : m->folder, m->folder };

    for (int k = 0; k < COUNT(folders); k++)
        for (int i = 0; i < COUNT(files); i++)
            if (has(folders[k], files[i]))
                return xstrdup(folders[k]);
    return installed(m);
}

static struct tokenizer *open_clip(const struct model *m, const char *path)
{
    return tokenizer_clip(path, m->reading.clean);
}

static struct tokenizer *open_opt(const struct model *m, const char *path)
{
    return tokenizer_opt(path, m->reading.clean);
}

static struct tokenizer *open_t5(const struct model *m, const char *path)
{
    return tokenizer_t5(path, m->reading.clean);
}

static struct tokenizer *open_siglip(const struct model *m, const char *path)
{
    return tokenizer_siglip(path, m->reading.clean);
}

static struct tokenizer *open_xlm(const struct model *m, const char *path)
{
    return tokenizer_xlm(path, m->reading.clean);
}

static struct tokenizer *open_nllb(const struct model *m, const char *path)
{
    return tokenizer_nllb(path, m->reading.clean);
}

/* GPT-2's pieces in BERT's frame. */
static struct tokenizer *open_roberta(const struct model *m, const char *path)
{
    struct tokenizer *t = tokenizer_opt(path, m->reading.clean);
    int begin = t ? tokenizer_id(t, "<s>") : -1;

    if (t && begin < 0) {
        fail("%s: <s> is missing", path);
        tokenizer_close(t);
        return NULL;
    }
    if (t)
        tokenizer_frame(t, begin, tokenizer_id(t, "</s>"));
    return t;
}

/* BLIP's authors add two tokens behind the vocabulary, BLIP-2's the first of them, so that a text
 * may spell them; one that was saved with a model has them already. */
static struct tokenizer *open_bert(const struct model *m, const char *path)
{
    const struct text_side *r = &m->reading;
    struct tokenizer *t = tokenizer_bert(path, r->clean);
    int lacks = t && r->clean != CLEAN_HF ? r->vocabulary - tokenizer_size(t) : 0;

    if (t && tokenizer_id(t, "[DEC]") == r->vocabulary - 2)
        lacks = 2;
    if (lacks == 1 || lacks == 2)
        tokenizer_add(t, "[DEC]");
    if (lacks == 2)
        tokenizer_add(t, "[ENC]");
    if (t && r->no_end)
        tokenizer_frame(t, tokenizer_id(t, "[CLS]"), -1);
    return t;
}

struct tokenizer *model_tokenizer(const struct model *m, const char *path)
{
    const int known = m->reading.vocabulary;
    struct tokenizer *t = m->reading.kind->open(m, path);

    if (t && tokenizer_size(t) > known && tokenizer_id(t, image_token) != known) {
        fail("%s: %d tokens, but the model knows %d", path, tokenizer_size(t), known);
        tokenizer_close(t);
        return NULL;
    }
    if (t && tokenizer_follow(m, t, path)) {
        tokenizer_close(t);
        return NULL;
    }
    return t;
}

int model_check_ids(const struct model *m, const int *ids, const int *counts, int texts, int most)
{
    if (!most)
        most = m->reading.context;
    for (int i = 0; i < texts; ids += counts[i++]) {
        if (counts[i] < 1 || counts[i] > most)
            return fail("a text of %d tokens; the model takes 1 to %d", counts[i], most);
        for (int k = 0; k < counts[i]; k++)
            if (ids[k] < 0 || ids[k] >= m->reading.vocabulary)
                return fail("token id %d; the model knows %d", ids[k], m->reading.vocabulary);
    }
    return 0;
}

/* --- saving --- */

static const char *const copied[] = {
    "tokenizer.json",          "vocab.json",        "merges.txt",  "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "spiece.model"
};

static int copy_file(const char *from, const char *to_folder, const char *name)
{
    char *to = path_join(to_folder, name);
    struct buffer b = { 0 };
    int status = file_read(&b, from);

    if (!status)
        status = file_write_atomic(to, b.data, b.size);
    buffer_free(&b);
    free(to);
    return status;
}

static int copy_all(const char *from, const char *to)
{
    int status = 0;

    for (int i = 0; i < COUNT(copied) && !status; i++)
        if (has(from, copied[i])) {
            char *path = path_join(from, copied[i]);

            status = copy_file(path, to, copied[i]);
            free(path);
        }
    return status;
}

static void configure_bert(cJSON *o, const struct tokenizer *t)
{
    static const char *const extra[] = { "[ENC]", NULL };

    config_word(o, "tokenizer_class", "BertTokenizer");
    config_flag(o, "do_lower_case", true);
    config_flag(o, "clean_up_tokenization_spaces", true); /* as the originals decode */
    config_word(o, "unk_token", "[UNK]");
    config_word(o, "sep_token", "[SEP]");
    config_word(o, "pad_token", "[PAD]");
    config_word(o, "cls_token", "[CLS]");
    config_word(o, "mask_token", "[MASK]");
    if (tokenizer_id(t, "[DEC]") >= 0)
        config_word(o, "bos_token", "[DEC]");
    if (tokenizer_id(t, "[ENC]") >= 0)
        config_words(o, "additional_special_tokens", extra);
}

static void configure_clip(cJSON *o, const struct tokenizer *t)
{
    bool open = tokenizer_id(t, "<|startoftext|>") < 0;
    const char *end = open ? "<end_of_text>" : "<|endoftext|>";

    config_word(o, "tokenizer_class", "CLIPTokenizer");
    config_word(o, "bos_token", open ? "<start_of_text>" : "<|startoftext|>");
    config_word(o, "eos_token", end);
    config_word(o, "unk_token", end);
    config_word(o, "pad_token", end);
}

/* As Hugging Face's folders of BLIP-2 say it. */
static void configure_opt(cJSON *o, const struct tokenizer *t)
{
    (void)t;
    config_word(o, "tokenizer_class", "GPT2Tokenizer");
    config_flag(o, "add_bos_token", true);
    config_flag(o, "add_prefix_space", false);
    config_word(o, "bos_token", "</s>");
    config_word(o, "eos_token", "</s>");
    config_word(o, "unk_token", "</s>");
    config_word(o, "pad_token", "<pad>");
}

/* T5's <extra_id_0> and on: tokenizer.json has them; spiece.model does not, transformers adds 100.
 */
int tokenizer_extra_ids(const struct tokenizer *t)
{
    enum { USUAL = 100 };
    char name[24];
    int count = 0;

    do
        snprintf(name, sizeof name, "<extra_id_%d>", count);
    while (tokenizer_id(t, name) >= 0 && ++count < 1000);
    return count ? count : USUAL;
}

static void configure_t5(cJSON *o, const struct tokenizer *t)
{
    config_word(o, "tokenizer_class", "T5Tokenizer");
    config_whole(o, "extra_ids", tokenizer_extra_ids(t));
    config_word(o, "eos_token", "</s>");
    config_word(o, "unk_token", "<unk>");
    config_word(o, "pad_token", "<pad>");
}

static int write_settings(const struct model *m, const struct tokenizer *t, const char *folder)
{
    const struct tokenizer_kind *kind = m->reading.kind;
    cJSON *o = xcheck(cJSON_CreateObject());
    int status;

    if (kind->configure)
        kind->configure(o, t);
    config_word(o, "processor_class", m->family->processor);
    config_whole(o, "model_max_length", kind->longest ? kind->longest : m->reading.context);
    status = save_json(folder, "tokenizer_config.json", o);
    cJSON_Delete(o);
    return status;
}

/* Settings that somebody put beside a plain vocabulary stay. */
static int save_vocabulary(const struct model *m, const struct tokenizer *t, const char *from,
                           const char *folder)
{
    char *settings = path_is_folder(from) ? path_join(from, "tokenizer_config.json") : NULL;
    int status = tokenizer_save(t, folder) || write_settings(m, t, folder) ? -1 : 0;

    if (!status && settings && path_exists(settings))
        status = copy_file(settings, folder, "tokenizer_config.json");
    free(settings);
    return status;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);

    return length > tail && !strcmp(path + length - tail, ending);
}

int model_save_tokenizer(const struct model *m, const struct tokenizer *t, const char *from,
                         const char *folder)
{
    int status;

    if (path_is_folder(from) &&
        (has(from, "tokenizer.json") || has(from, "vocab.json") || has(from, "spiece.model")))
        status = copy_all(from, folder);
    else if (!path_is_folder(from) && ends_in(from, ".json") && m->reading.kind->one_json)
        status = copy_file(from, folder, "tokenizer.json");
    else if (!path_is_folder(from) && ends_in(from, ".model"))
        status = copy_file(from, folder, "spiece.model");
    else
        return save_vocabulary(m, t, from, folder);
    if (!status && m->reading.kind->needs_settings && !has(folder, "tokenizer_config.json"))
        status = write_settings(m, t, folder);
    return status;
}

/* --- kinds --- */

static const char byte_pairs[] = "tokenizer.json, vocab.json with merges.txt, or spiece.model";

const struct tokenizer_kind tokenizer_kind_clip = {
    .files = "tokenizer.json, vocab.json with merges.txt, or bpe_simple_vocab_16e6.txt.gz",
    .open = open_clip,
    .configure = configure_clip,
    .installed = "bpe_simple_vocab_16e6.txt.gz",
    .installed_ids = { 49408 },
};
const struct tokenizer_kind tokenizer_kind_bert = {
    .files = "tokenizer.json, or vocab.txt of bert-base-uncased",
    .open = open_bert,
    .configure = configure_bert,
    .installed = "bert-base-uncased.txt",
    .installed_ids = { 30522, 30523, 30524 }, /* alone, with [DEC], and with [ENC] */
    .longest = 512,
    .one_json = true,
};
const struct tokenizer_kind tokenizer_kind_opt = {
    .files = byte_pairs,
    .open = open_opt,
    .configure = configure_opt,
    .longest = 512,
    .one_json = true,
    .needs_settings = true,
};
const struct tokenizer_kind tokenizer_kind_t5 = {
    .files = byte_pairs,
    .open = open_t5,
    .configure = configure_t5,
    .longest = 512,
    .one_json = true,
    .needs_settings = true,
};
const struct tokenizer_kind tokenizer_kind_siglip = {
    .files = "spiece.model, or tokenizer.json",
    .open = open_siglip,
};
const struct tokenizer_kind tokenizer_kind_xlm = {
    .files = "tokenizer.json",
    .open = open_xlm,
    .one_json = true,
};
const struct tokenizer_kind tokenizer_kind_nllb = {
    .files = "tokenizer.json",
    .open = open_nllb,
    .one_json = true,
};
const struct tokenizer_kind tokenizer_kind_roberta = {
    .files = "tokenizer.json, or vocab.json with merges.txt",
    .open = open_roberta,
    .one_json = true,
};
