/* SPDX-License-Identifier: MIT
 * tokenizer_save.c - a vocabulary becomes files that Hugging Face's tokenizers read
 *
 *     WordPiece   vocab.txt
 *     CLIP        vocab.json, merges.txt
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "text/vocabulary.h"

static int write_into(const char *folder, const char *name, const struct buffer *b)
{
    char *path = path_join(folder, name);
    int status = file_write_atomic(path, b->data ? b->data : "", b->size);

    free(path);
    return status;
}

/* An id without a string is an empty line. */
static int save_lines(const struct tokenizer *t, const char *folder)
{
    struct buffer b = { 0 };
    int status = 0;

    for (int id = 0; id < t->vocabulary.count && !status; id++) {
        int size = 0;
        const char *text = vocabulary_text(&t->vocabulary, id, &size);

        if (text && memchr(text, '\n', (size_t)size))
            status =
                fail_as("unsupported", "token %d has a line break in it: not for vocab.txt", id);
        if (text)
            buffer_add(&b, text, (size_t)size);
        buffer_byte(&b, '\n');
    }
    if (!status)
        status = write_into(folder, "vocab.txt", &b);
    buffer_free(&b);
    return status;
}

static int save_ids(const struct tokenizer *t, const char *folder)
{
    struct buffer b = { 0 };
    int status;

    for (int id = 0; id < t->vocabulary.count; id++) {
        int size = 0;
        const char *text = vocabulary_text(&t->vocabulary, id, &size);

        if (!text)
            continue;
        buffer_string(&b, b.size ? ",\n" : "{\n");
        json_escape(&b, text, (size_t)size);
        buffer_printf(&b, ": %d", id);
    }
    buffer_string(&b, b.size ? "\n}\n" : "{}\n");
    status = write_into(folder, "vocab.json", &b);
    buffer_free(&b);
    return status;
}

static int by_rank(const void *a, const void *b)
{
    return ((const struct bpe_merge *)a)->rank - ((const struct bpe_merge *)b)->rank;
}

static void add_symbol(struct buffer *b, const struct tokenizer *t, uint32_t id, int after)
{
    int size = 0;
    const char *text = vocabulary_text(&t->vocabulary, (int)id, &size);

    buffer_add(b, text, (size_t)size);
    buffer_byte(b, after);
}

static int save_merges(const struct tokenizer *t, const char *folder)
{
    struct bpe_merge *list = xalloc(t->bpe.mask + 1, sizeof *list);
    struct buffer b = { 0 };
    size_t count = 0;
    int status;

    for (size_t i = 0; i <= t->bpe.mask; i++)
        if (t->bpe.merges[i].pair != UINT64_MAX)
            list[count++] = t->bpe.merges[i];
    qsort(list, count, sizeof *list, by_rank);
    buffer_string(&b, "#version: 0.2\n");
    for (size_t i = 0; i < count; i++) {
        add_symbol(&b, t, (uint32_t)(list[i].pair >> 32), ' ');
        add_symbol(&b, t, (uint32_t)list[i].pair, '\n');
    }
    status = write_into(folder, "merges.txt", &b);
    buffer_free(&b);
    free(list);
    return status;
}

int tokenizer_save(const struct tokenizer *t, const char *folder)
{
    if (t->kind == &wordpiece_kind)
        return save_lines(t, folder);
    if (t->kind == &clip_kind)
        return save_ids(t, folder) ? -1 : save_merges(t, folder);
    return fail_as("unsupported", "a tokenizer of this kind is only copied, not written");
}
