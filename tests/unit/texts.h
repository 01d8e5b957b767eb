/* SPDX-License-Identifier: MIT
 * texts.h - 2,000 mixed lines and what the originals make of them; see
 * tests/golden/make_tokenizers.py and make_pieces.py.  And the same tests as filters, for larger
 * comparisons: texts in, each behind its length (32 bits, little-endian).
 */
#ifndef TEXTS_H
#define TEXTS_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/error.h"
#include "image/image.h"
#include "text/text.h"
#include "tests/unit/tap.h"

enum golden { /* columns of hashes in texts.gz */
              GOLDEN_CLIP_OPENAI,
              GOLDEN_CLIP_HF,
              GOLDEN_BERT_PYTHON,
              GOLDEN_BERT_HF,
              GOLDEN_CAPTION_ALBEF,
              GOLDEN_CAPTION_BLIP,
              GOLDEN_QUESTION_ALBEF,
              GOLDEN_QUESTION_BLIP,
              GOLDEN_COUNT,
              /* in pieces.gz */
              GOLDEN_OPT = GOLDEN_COUNT,
              GOLDEN_OPT_TEXT,
              GOLDEN_T5_LIBRARY,
              GOLDEN_T5_LIBRARY_TEXT,
              GOLDEN_T5_HUB,
              GOLDEN_T5_HUB_TEXT,
              GOLDEN_T5_NEWER,
              GOLDEN_T5_NEWER_TEXT,
              GOLDEN_ALL
};

/* Adds what is hashed: ids as 32 bits, or a text.  */
typedef void (*text_function)(const void *subject, const char *text, size_t size,
                              struct buffer *out);

static inline uint16_t hash_of(const struct buffer *b)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < b->size; i++)
        hash = (hash ^ (unsigned char)b->data[i]) * 16777619u;
    return (uint16_t)(hash ^ hash >> 16);
}

static inline void show(const struct buffer *text, const struct buffer *got)
{
    struct buffer b = { 0 };

    for (size_t i = 0; i < text->size; i++)
        buffer_printf(&b, text->data[i] > ' ' && text->data[i] < 127 ? "%c" : "\\x%02x",
                      (unsigned char)text->data[i]);
    note("%s", b.data);
    buffer_clear(&b);
    for (size_t i = 0; i < got->size; i++)
        buffer_printf(&b, " %02x", (unsigned char)got->data[i]);
    note("gave %s", b.data);
    buffer_free(&b);
}

/* One test: every line gives what is hashed in the column.  Shows the first three that do not. */
static inline void is_golden(text_function function, const void *subject, enum golden column,
                             const char *name)
{
    gzFile file = gzopen("tests/golden/tokenizer/texts.gz", "rb");
    gzFile more = gzopen("tests/golden/tokenizer/pieces.gz", "rb");
    uint32_t size;
    uint16_t hashes[GOLDEN_ALL];
    int lines = 0, bad = 0;
    struct buffer text = { 0 }, got = { 0 };

    while (file && gzread(file, &size, sizeof size) == sizeof size) {
        buffer_clear(&text);
        buffer_clear(&got);
        buffer_reserve(&text, size);
        text.size = (size_t)gzread(file, text.data, size);
        gzread(file, hashes, GOLDEN_COUNT * sizeof *hashes);
        gzread(more, hashes + GOLDEN_COUNT, (GOLDEN_ALL - GOLDEN_COUNT) * sizeof *hashes);
        function(subject, text.data, text.size, &got);
        lines++;
        if (hash_of(&got) != hashes[column] && ++bad <= 3)
            show(&text, &got);
    }
    ok(lines == 2000 && bad == 0, "%s: %d of %d lines differ", name, bad, lines);
    if (file)
        gzclose(file);
    if (more)
        gzclose(more);
    buffer_free(&text);
    buffer_free(&got);
}

/* The next text of a filter's standard input; false at its end. */
static inline bool next_text(struct buffer *text)
{
    unsigned char head[4];
    size_t size;

    if (fread(head, 1, 4, stdin) != 4)
        return false;
    size = head[0] | head[1] << 8 | head[2] << 16 | (size_t)head[3] << 24;
    buffer_clear(text);
    buffer_reserve(text, size);
    text->size = fread(text->data, 1, size, stdin);
    return text->size == size;
}

enum { MANY_IDS = 1 << 24 }; /* more than any text has */

/* A text_function: the ids of a text, whatever their count; the subject is a tokenizer. */
static inline void encode_ids(const void *tokenizer, const char *text, size_t size,
                              struct buffer *out)
{
    struct token_ids ids;

    tokenizer_encode(tokenizer, text, size, MANY_IDS, &ids);
    buffer_add(out, ids.ids, (size_t)ids.count * sizeof *ids.ids);
    free(ids.ids);
}

/* "1112 64 1113" */
static inline void list_ids(struct buffer *b, const struct token_ids *ids)
{
    buffer_string(b, "");
    for (int i = 0; i < ids->count; i++)
        buffer_printf(b, "%s%d", i ? " " : "", ids->ids[i]);
}

/* Of a text in at most `limit` ids. */
static inline void is_ids(const struct tokenizer *t, const char *text, int limit,
                          const char *wanted, bool truncated)
{
    struct token_ids ids;
    struct buffer b = { 0 };

    tokenizer_encode(t, text, strlen(text), limit, &ids);
    list_ids(&b, &ids);
    is_text(b.data, wanted, text);
    ok(ids.truncated == truncated, "\"%s\" in %d ids is%s cut", text, limit,
       truncated ? "" : " not");
    buffer_free(&b);
    free(ids.ids);
}

/* A test as a filter: a line of ids for every text, and what `more` prints besides (NULL: nothing).
 * Closes t; NULL comes after fail(). */
static inline int filter_texts(struct tokenizer *t,
                               void (*more)(const struct tokenizer *t, const struct token_ids *ids))
{
    struct buffer text = { 0 }, line = { 0 };
    struct token_ids ids;

    if (!t) {
        warn("%s", error_text());
        return 1;
    }
    while (next_text(&text)) {
        tokenizer_encode(t, text.data, text.size, MANY_IDS, &ids);
        buffer_clear(&line);
        list_ids(&line, &ids);
        puts(line.data);
        if (more)
            more(t, &ids);
        free(ids.ids);
    }
    buffer_free(&text);
    buffer_free(&line);
    tokenizer_close(t);
    return 0;
}

/* `open` must refuse a file of this content for this reason. */
static inline void is_refused(void *(*open)(const char *path), void (*close_it)(void *),
                              const char *content, const char *reason)
{
    char path[] = "/tmp/vlm-tokenizer-XXXXXX";
    int fd = mkstemp(path);
    void *opened;

    if (fd < 0 || write(fd, content, strlen(content)) < 0) {
        ok(false, "a temporary file");
        return;
    }
    close(fd);
    error_clear();
    opened = open(path);
    if (!ok(!opened && strstr(error_text(), reason), "refuses: %s", reason))
        note("%s", error_text());
    if (opened)
        close_it(opened);
    unlink(path);
}

#endif
