/* SPDX-License-Identifier: MIT
 * tokenizer.c - the tokenizer that belongs to a model
 */
#include <stdlib.h>
#include "checkpoint/model.h"

static const char *const files[] = { "tokenizer.json", "vocab.json",
                                     "vocab.txt",      "bpe_simple_vocab_16e6.txt.gz",
                                     "spiece.model",   "bpe_simple_vocab_16e6.txt" };

/* Newer folders of BLIP-2 have a token for images behind the words, which no text needs. */
static const char image_token[] = "<image>";

char *model_tokenizer_path(const struct model *m)
{
    const char *folders[] = { m->tokenizer_folder ? m->tokenizer_folder : m->folder, m->folder };

    for (int k = 0; k < COUNT(folders); k++)
        for (int i = 0; i < COUNT(files); i++) {
            char *path = path_join(folders[k], files[i]);
            bool there = path_exists(path);

            free(path);
            if (there)
                return xstrdup(folders[k]);
        }
    return NULL;
}

/* BLIP's authors add two tokens behind the vocabulary, BLIP-2's the first of them, so that a text
 * may spell them; one that was saved with a model has them already. */
static struct tokenizer *open_bert(const struct model *m, const char *path)
{
    struct tokenizer *t = tokenizer_bert(path, m->clean);
    int lacks = t && m->clean != CLEAN_HF ? m->vocabulary - tokenizer_size(t) : 0;

    if (t && tokenizer_id(t, "[DEC]") == m->vocabulary - 2)
        lacks = 2;
    if (lacks == 1 || lacks == 2)
        tokenizer_add(t, "[DEC]");
    if (lacks == 2)
        tokenizer_add(t, "[ENC]");
    if (t && m->unended)
        tokenizer_frame(t, tokenizer_id(t, "[CLS]"), -1);
    return t;
}

struct tokenizer *model_tokenizer(const struct model *m, const char *path)
{
    struct tokenizer *t = m->pieces ? m->pieces(path, m->clean)
                          : m->bert ? open_bert(m, path)
                                    : tokenizer_clip(path, m->clean);

    if (t && tokenizer_size(t) > m->vocabulary && tokenizer_id(t, image_token) != m->vocabulary) {
        fail("%s: %d tokens, but the model knows %d", path, tokenizer_size(t), m->vocabulary);
        tokenizer_close(t);
        return NULL;
    }
    return t;
}

int model_check_ids(const struct model *m, const int *ids, const int *counts, int texts)
{
    for (int i = 0; i < texts; ids += counts[i++]) {
        if (counts[i] < 1 || counts[i] > m->context)
            return fail("a text of %d tokens; the model takes 1 to %d", counts[i], m->context);
        for (int k = 0; k < counts[i]; k++)
            if (ids[k] < 0 || ids[k] >= m->vocabulary)
                return fail("token id %d; the model knows %d", ids[k], m->vocabulary);
    }
    return 0;
}
