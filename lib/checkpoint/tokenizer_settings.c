/* SPDX-License-Identifier: MIT
 * tokenizer_settings.c - what Hugging Face's folders say of a tokenizer beside its vocabulary
 *
 *     tokenizer_config.json      the longest text, the side that is cut, the special tokens
 *     special_tokens_map.json    special tokens, in older folders
 *     tokenizer.json             how texts are cleaned, cut and framed
 *
 * transformers 5 builds the classes that it knows from the vocabulary alone, and follows
 * tokenizer.json where it knows none.  So do we: there it must say what the text floor does.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/config.h"
#include "checkpoint/model.h"

static const char config_name[] = "tokenizer_config.json";

/* A folder in Hugging Face's tradition: what it says beside the vocabulary counts. */
static bool is_hf(const struct model *m, const char *path)
{
    return m->config && path_is_folder(path) && m->reading.clean != CLEAN_OPENAI &&
           m->reading.clean != CLEAN_OPEN_CLIP && m->reading.clean != CLEAN_CANONICAL;
}

/* NULL: there is none, or it does not count, or after fail(). */
static cJSON *read_config(const struct model *m, const char *path, const char *name)
{
    char *file = is_hf(m, path) ? path_join(path, name) : NULL;
    cJSON *root = file && path_exists(file) ? json_read(file) : NULL;

    free(file);
    return root;
}

int model_context(const struct model *m, const char *path)
{
    cJSON *root = read_config(m, path, config_name);
    double longest = json_number(root, "model_max_length", m->reading.context);

    cJSON_Delete(root);
    return longest >= 2 && longest < m->reading.context ? (int)longest : m->reading.context;
}

static int refuse(const char *path, const char *name, const char *why)
{
    return fail_as("unsupported", "%s/%s: %s", path, name, why);
}

/* --- special tokens --- */

/* The string of a special token, which is one or an object; NULL: none is named. */
static const char *content_of(const cJSON *item)
{
    return cJSON_IsString(item) ? item->valuestring : json_string(item, "content", NULL);
}

/* A string of the vocabulary that is named as special is special; transformers gives one that is
 * none an id that no model knows. */
static int add_special(struct tokenizer *t, const cJSON *item)
{
    const char *text = content_of(item);

    if (!text || !*text)
        return 0;
    if (json_bool(item, "single_word", false))
        return fail("\"%.40s\" counts only as a word of its own", text);
    if (tokenizer_id(t, text) >= 0)
        tokenizer_add(t, text);
    return 0;
}

/* What is put around a text must be what the vocabulary's reader found. */
static int check_frame(const struct tokenizer *t, const cJSON *root, const char *name, int id)
{
    const char *text = content_of(json_get(root, name));

    if (text && id >= 0 && tokenizer_id(t, text) != id)
        return fail("%s \"%.40s\" is not what begins or ends a text here", name, text);
    return 0;
}

static int read_specials(const struct model *m, struct tokenizer *t, const cJSON *root)
{
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token" };
    bool is_bert = m->reading.kind == &tokenizer_kind_bert;
    const cJSON *item, *more = json_get(root, "additional_special_tokens");

    if (check_frame(t, root, is_bert ? "cls_token" : "bos_token", tokenizer_begin(t)) ||
        check_frame(t, root, is_bert ? "sep_token" : "eos_token", tokenizer_end(t)))
        return -1;
    if (!more)
        more = json_get(root, "extra_special_tokens");
    for (int i = 0; i < COUNT(names); i++)
        if (add_special(t, json_get(root, names[i])))
            return -1;
    if (!cJSON_IsArray(more))
        more = NULL;
    cJSON_ArrayForEach(item, more)
    {
        if (add_special(t, item))
            return -1;
    }
    cJSON_ArrayForEach(item, json_get(root, "added_tokens_decoder"))
    {
        const char *text = content_of(item);
        int id = text ? tokenizer_id(t, text) : -1, wanted = atoi(item->string);

        if (text && (id >= 0 ? id != wanted : wanted < tokenizer_size(t)))
            return fail("\"%.40s\" is to be %s, which is something else", text, item->string);
        if (add_special(t, item))
            return -1;
    }
    return 0;
}

/* --- tokenizer.json, where no class stands for what it says --- */

static bool is_known_class(const char *name)
{
    static const char *const known[] = { "CLIPTokenizer",  "BertTokenizer",   "GPT2Tokenizer",
                                         "T5Tokenizer",    "SiglipTokenizer", "Siglip2Tokenizer",
                                         "GemmaTokenizer", "BlipTokenizer" };

    for (int i = 0; i < COUNT(known); i++) {
        size_t size = strlen(known[i]);

        if (!strncmp(name, known[i], size) && (!name[size] || !strcmp(name + size, "Fast")))
            return true;
    }
    return false;
}

/* Whether a step, or one of a sequence of them, is of this type. */
static const cJSON *find_step(const cJSON *step, const char *list, const char *type)
{
    const cJSON *one, *steps = json_get(step, list);

    if (!strcmp(json_string(step, "type", ""), type))
        return step;
    cJSON_ArrayForEach(one, steps)
    {
        if (!strcmp(json_string(one, "type", ""), type))
            return one;
    }
    return NULL;
}

static int steps_of(const cJSON *step, const char *list)
{
    const cJSON *steps = json_get(step, list);

    return steps ? cJSON_GetArraySize(steps) : cJSON_IsObject(step);
}

/* CLIP: NFC, spaces, lower case; words; begin and end.  BERT: its own of each. */
static bool says_usual(const struct model *m, const cJSON *root)
{
    const cJSON *clean = json_get(root, "normalizer"), *cut = json_get(root, "pre_tokenizer");
    bool framed = cJSON_IsObject(json_get(root, "post_processor"));

    if (m->reading.kind == &tokenizer_kind_clip)
        return framed && find_step(clean, "normalizers", "NFC") &&
               find_step(clean, "normalizers", "Replace") &&
               find_step(clean, "normalizers", "Lowercase") &&
               steps_of(clean, "normalizers") == 3 && find_step(cut, "pretokenizers", "Split") &&
               find_step(cut, "pretokenizers", "ByteLevel") && steps_of(cut, "pretokenizers") == 2;
    if (m->reading.kind == &tokenizer_kind_bert)
        return framed && find_step(clean, "", "BertNormalizer") &&
               json_bool(clean, "clean_text", true) && find_step(cut, "", "BertPreTokenizer") &&
               !strcmp(json_string(json_get(root, "model"), "unk_token", "[UNK]"), "[UNK]");
    return framed;
}

static int check_pipeline(const struct model *m, const char *path)
{
    cJSON *root = read_config(m, path, "tokenizer.json");
    int status = 0;

    if (root && (!says_usual(m, root) || json_number(json_get(root, "model"), "dropout", 0) != 0))
        status = refuse(path, "tokenizer.json",
                        "texts are not cleaned, cut and framed as this "
                        "model's tokenizer does");
    cJSON_Delete(root);
    return status;
}

/* transformers' processors cut texts where tokenizer.json says; its tokenizers, called by
 * themselves, where model_max_length does.  A folder in which the two differ means one of them. */
static int check_truncation(const struct model *m, const char *path)
{
    cJSON *root = read_config(m, path, "tokenizer.json");
    double most = json_number(json_get(root, "truncation"), "max_length", m->reading.context);
    int status = 0;

    if (root && is_hf(m, path) && most < m->reading.context)
        status = refuse(path, "tokenizer.json",
                        "truncation: max_length is smaller than what the model takes: processors "
                        "would cut texts there, tokenizers would not; remove it, or set "
                        "model_max_length");
    cJSON_Delete(root);
    return status;
}

/* --- together --- */

/* transformers 5 joins apostrophes only where the folder asks for it. */
static void read_joining(const struct model *m, struct tokenizer *t, const char *path)
{
    cJSON *root = read_config(m, path, config_name);

    if (is_hf(m, path))
        tokenizer_keep_apart(t, !json_bool(root, "clean_up_tokenization_spaces", false));
    cJSON_Delete(root);
}

int tokenizer_follow(const struct model *m, struct tokenizer *t, const char *path)
{
    static const char *const names[] = { "special_tokens_map.json", config_name };
    int status = 0;

    read_joining(m, t, path);

    for (int i = 0; i < COUNT(names) && !status; i++) {
        cJSON *root = read_config(m, path, names[i]);

        if (root && read_specials(m, t, root)) {
            char *file = path_join(path, names[i]);

            status = fail_in(file);
            free(file);
        } else if (!strcmp(json_string(root, "truncation_side", "right"), "left")) {
            status = refuse(path, names[i], "long texts are cut at their beginning");
        } else if (i && root &&
                   !is_known_class(json_string(root, "tokenizer_class", "CLIPTokenizer"))) {
            status = check_pipeline(m, path);
        }
        cJSON_Delete(root);
    }
    return status ? status : check_truncation(m, path);
}
