/* SPDX-License-Identifier: MIT
 * tokenizer.c - fuzz target: the first byte says what the others are
 *
 *     'c' 'h'   a text for CLIP's tokenizer, OpenAI's or Hugging Face's cleaning
 *     'b' 'p'   a text for BERT's, as Hugging Face or Python
 *     't' 'u'   a text for T5's, as Hugging Face or sentencepiece
 *     'C' 'B'   a vocabulary file for either, then used
 *     'O' 'T'   the same for OPT and T5
 *     'q'       a caption to clean
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "image/image.h"
#include "text/text.h"

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

static struct tokenizer *open_kind(int kind, const char *path, enum text_clean clean)
{
    switch (kind) {
    case 'C':
        return tokenizer_clip(path, clean);
    case 'B':
        return tokenizer_bert(path, clean);
    case 'O':
        return tokenizer_opt(path, clean);
    default:
        return tokenizer_t5(path, clean);
    }
}

/* A vocabulary from memory; NULL if it is refused. */
static struct tokenizer *open_bytes(int kind, enum text_clean clean, const void *data, size_t size)
{
    int fd = memfd_create("vocabulary", 0);
    char path[64];
    struct tokenizer *t;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    t = open_kind(kind, path, clean);
    close(fd);
    assert(t || *error_text());
    return t;
}

/* Pieces: <unk>, </s>, U+2581, a, "a b" with U+2581 between */
#define MARK "\xe2\x96\x81"
static const char clip[] = "heading\na b\nab c\nt h\nth e</w>\na n\nan d</w>\n! !\n";
static const char bert[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\n##s\ndog\n'\n.\n#\n##\nx\n##x\n";
static const char json[] =
    "{\"added_tokens\":[{\"id\":1,\"content\":\"</s>\",\"lstrip\":true,\"rstrip\":true},"
    "{\"id\":5,\"content\":\"<x>\",\"normalized\":true}],\"model\":{\"unk_id\":0,\"vocab\":"
    "[[\"<unk>\",0],[\"</s>\",0],[\"" MARK "\",-1],[\"a\",-2],[\"" MARK "a\",-2.5]]},"
    "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"" MARK
    "\"},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\"}}";
static const char spiece[] = "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x08\x0a\x04</s>\x18\x03"
                             "\x0a\x0a\x0a\x03" MARK "\x15\0\0\x80\xbf"
                             "\x0a\x08\x0a\x01"
                             "a\x15\0\0\0\xc0"
                             "\x0a\x0b\x0a\x04" MARK "a\x15\0\0\0\xc0";

/* Small ones for texts, opened once and kept. */
static const struct tokenizer *known(int kind)
{
    static const struct {
        int kind, family;
        enum text_clean clean;
        const char *data;
        size_t size;
    } kinds[] = {
        { 'c', 'C', CLEAN_OPENAI, clip, sizeof clip - 1 },
        { 'h', 'C', CLEAN_HF, clip, sizeof clip - 1 },
        { 'b', 'B', CLEAN_HF, bert, sizeof bert - 1 },
        { 'p', 'B', CLEAN_OPENAI, bert, sizeof bert - 1 },
        { 't', 'T', CLEAN_HF, json, sizeof json - 1 },
        { 'u', 'T', CLEAN_OPENAI, spiece, sizeof spiece - 1 },
    };
    static struct tokenizer *list[COUNT(kinds)];
    int i = 0;

    while (i < COUNT(kinds) && kinds[i].kind != kind)
        i++;
    if (i == COUNT(kinds))
        return NULL;
    if (!list[i])
        list[i] = open_bytes(kinds[i].family, kinds[i].clean, kinds[i].data, kinds[i].size);
    assert(list[i]);
    return list[i];
}

static void open_file(int kind, const uint8_t *data, size_t size)
{
    struct tokenizer *t = open_bytes(kind, kind == 'O' ? CLEAN_OPENAI : CLEAN_HF, data, size);

    if (t)
        use(t, (const char *)data, size < 4096 ? size : 4096);
    tokenizer_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int kind = size ? data[0] : 0;
    const char *text = (const char *)data + 1;
    struct buffer b = { 0 };

    if (known(kind))
        use(known(kind), text, size - 1);
    else if (kind && strchr("CBOT", kind))
        open_file(kind, data + 1, size - 1);
    else if (kind == 'q')
        for (enum caption_style style = CAPTION_ALBEF; style <= QUESTION_BLIP; style++)
            clean_caption(&b, text, size - 1, style, 3);
    buffer_free(&b);
    return 0;
}
