/* SPDX-License-Identifier: MIT
 * save_tokenizer.c - the tokenizer's files into a model's folder
 *
 * What Hugging Face's libraries wrote is copied; what the originals read (vocab.txt of BERT,
 * bpe_simple_vocab_16e6.txt) is written anew, so that those libraries read it too.
 */
#include <stdlib.h>
#include <string.h>
#include "checkpoint/save_parts.h"

static const char *const copied[] = {
    "tokenizer.json",          "vocab.json",        "merges.txt",  "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "spiece.model"
};

static bool has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = path_exists(path);

    free(path);
    return there;
}

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

/* Texts shorter than that are cut by the models themselves. */
static int longest(const struct model *m)
{
    return m->bert ? 512 : m->context;
}

static void set_bert(cJSON *o, const struct tokenizer *t)
{
    static const char *const extra[] = { "[ENC]", NULL };

    config_word(o, "tokenizer_class", "BertTokenizer");
    config_word(o, "processor_class", "BlipProcessor");
    config_flag(o, "do_lower_case", true);
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

static void set_clip(cJSON *o, const struct tokenizer *t)
{
    bool open = tokenizer_id(t, "<|startoftext|>") < 0;
    const char *end = open ? "<end_of_text>" : "<|endoftext|>";

    config_word(o, "tokenizer_class", "CLIPTokenizer");
    config_word(o, "processor_class", "CLIPProcessor");
    config_word(o, "bos_token", open ? "<start_of_text>" : "<|startoftext|>");
    config_word(o, "eos_token", end);
    config_word(o, "unk_token", end);
    config_word(o, "pad_token", end);
}

static int write_all(const struct model *m, const struct tokenizer *t, const char *folder)
{
    cJSON *o = cJSON_CreateObject();
    int status;

    if (m->bert)
        set_bert(o, t);
    else
        set_clip(o, t);
    config_whole(o, "model_max_length", longest(m));
    status = tokenizer_save(t, folder) || save_json(folder, "tokenizer_config.json", o) ? -1 : 0;
    cJSON_Delete(o);
    return status;
}

/* Settings that somebody put beside a plain vocabulary stay. */
static int save_vocabulary(const struct model *m, const struct tokenizer *t, const char *from,
                           const char *folder)
{
    char *settings = path_is_folder(from) ? path_join(from, "tokenizer_config.json") : NULL;
    int status = write_all(m, t, folder);

    if (!status && settings && path_exists(settings))
        status = copy_file(settings, folder, "tokenizer_config.json");
    free(settings);
    return status;
}

static bool is_json(const char *path)
{
    size_t length = strlen(path);

    return length > 5 && !strcmp(path + length - 5, ".json");
}

int save_tokenizer(const struct model *m, const struct tokenizer *t, const char *from,
                   const char *folder)
{
    if (path_is_folder(from) && (has(from, "tokenizer.json") || has(from, "vocab.json")))
        return copy_all(from, folder);
    if (!path_is_folder(from) && is_json(from) && m->bert)
        return copy_file(from, folder, "tokenizer.json");
    return save_vocabulary(m, t, from, folder);
}
