/* SPDX-License-Identifier: MIT
 * tokenizer.c - fuzz target: the first byte says what the others are
 *
 *     'c' 'h'   a text for CLIP's tokenizer, OpenAI's or Hugging Face's cleaning
 *     'b' 'p'   a text for BERT's, as Hugging Face or Python
 *     'C' 'B'   a vocabulary file for either, then used
 *     'q'       a caption to clean
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "input/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct tokenizer *t, const char *text, size_t size)
{
    for (int limit = 2; limit < 1000; limit *= 8) {
        struct token_ids ids;
        char *back;

        tokenizer_encode(t, text, size, limit, &ids);
        assert(ids.count <= limit);
        for (int i = 0; i < ids.count; i++)
            assert(ids.ids[i] >= 0 && ids.ids[i] < tokenizer_size(t));
        back = tokenizer_decode(t, ids.ids, ids.count);
        free(back);
        free(ids.ids);
    }
}

/* A vocabulary from memory; NULL if it is refused. */
static struct tokenizer *open_bytes(bool clip, enum text_clean clean, const void *data, size_t size)
{
    int fd = memfd_create("vocabulary", 0);
    char path[64];
    struct tokenizer *t;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    t = clip ? tokenizer_clip(path, clean) : tokenizer_bert(path, clean);
    close(fd);
    assert(t || *error_text());
    return t;
}

/* Small ones for texts, opened once and kept. */
static const struct tokenizer *known(int kind)
{
    static const char clip[] = "heading\na b\nab c\nt h\nth e</w>\na n\nan d</w>\n! !\n";
    static const char bert[] =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\n##s\ndog\n'\n.\n#\n##\nx\n##x\n";
    static const char kinds[] = "chbp";
    static struct tokenizer *list[4];
    int i = (int)(strchr(kinds, kind) - kinds);

    if (!list[i])
        list[i] = open_bytes(i < 2, i == 0 || i == 3 ? CLEAN_OPENAI : CLEAN_HF, i < 2 ? clip : bert,
                             i < 2 ? sizeof clip - 1 : sizeof bert - 1);
    assert(list[i]);
    return list[i];
}

static void open_file(bool clip, const uint8_t *data, size_t size)
{
    struct tokenizer *t = open_bytes(clip, CLEAN_HF, data, size);

    if (t)
        use(t, (const char *)data, size < 4096 ? size : 4096);
    tokenizer_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int kind = size ? data[0] : 0;
    const char *text = (const char *)data + 1;
    struct buffer b = { 0 };

    if (kind == 'c' || kind == 'h' || kind == 'b' || kind == 'p')
        use(known(kind), text, size - 1);
    else if (kind == 'C' || kind == 'B')
        open_file(kind == 'C', data + 1, size - 1);
    else if (kind == 'q')
        for (enum caption_style style = CAPTION_ALBEF; style <= QUESTION_BLIP; style++)
            clean_caption(&b, text, size - 1, style, 3);
    buffer_free(&b);
    return 0;
}
