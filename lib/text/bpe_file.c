/* SPDX-License-Identifier: MIT
 * bpe_file.c - the merges and bytes of a byte pair encoding from files
 *
 * A merge is a line "left right" or a pair of strings; both symbols and their sum must be in the
 * vocabulary.  merges.txt may begin with a "#version" line.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/json.h"
#include "text/vocabulary.h"

/* One merge, both symbols and their sum being in the vocabulary. */
static int add_merge(struct tokenizer *t, int rank, const char *left, size_t left_size,
                     const char *right, size_t right_size)
{
    struct buffer both = { 0 };
    int a = vocabulary_find(&t->vocabulary, left, left_size);
    int b = vocabulary_find(&t->vocabulary, right, right_size), sum;

    buffer_add(&both, left, left_size);
    buffer_add(&both, right, right_size);
    sum = vocabulary_find(&t->vocabulary, both.data, both.size);
    buffer_free(&both);
    if (a < 0 || b < 0 || sum < 0)
        return fail("merge %d joins \"%.*s\" and \"%.*s\", which the vocabulary does not have",
                    rank + 1, left_size < 40 ? (int)left_size : 40, left,
                    right_size < 40 ? (int)right_size : 40, right);
    bpe_add(&t->bpe, a, b, rank, sum);
    return 0;
}

/* "left right" to its two symbols. */
int split_merge(const char *line, size_t size, size_t *left_size)
{
    const char *space = memchr(line, ' ', size);
    size_t left = space ? (size_t)(space - line) : 0;

    *left_size = left;
    if (!left || left + 1 == size || memchr(space + 1, ' ', size - left - 1))
        return fail("\"%.*s\" is not a merge of two symbols", size < 80 ? (int)size : 80, line);
    return 0;
}

int add_merge_line(struct tokenizer *t, int rank, const char *line, size_t size)
{
    size_t left;

    if (split_merge(line, size, &left) < 0)
        return -1;
    return add_merge(t, rank, line, left, line + left + 1, size - left - 1);
}

/* merges.txt: the heading begins with '#'. */
int read_merges(struct tokenizer *t, const char *path)
{
    struct buffer b = { 0 };
    const char *at, *line;
    size_t size;
    int rank = 0, status = read_unzipped(&b, path);

    if (status == 0)
        bpe_init(&t->bpe, count_lines(&b));
    for (at = b.data; status == 0 && next_line(&at, b.data + b.size, &line, &size);) {
        if (size == 0 || (rank == 0 && strncmp(line, "#version", 8) == 0))
            continue;
        status = add_merge_line(t, rank++, line, size);
        if (status < 0)
            fail_in(path);
    }
    buffer_free(&b);
    return status;
}

/* The strings of bytes: one letter, and "</w>" at the end of a piece. */
static int byte_id(struct tokenizer *t, int byte, const char *suffix)
{
    struct buffer b = { 0 };
    int id;

    buffer_utf8(&b, bpe_letter(byte));
    buffer_string(&b, suffix);
    id = vocabulary_find(&t->vocabulary, b.data, b.size);
    buffer_free(&b);
    return id < 0 ? fail("the vocabulary has no entry for byte %d%s%s", byte,
                         *suffix ? " with " : "", suffix)
                  : id;
}

int find_bytes(struct tokenizer *t, const char *last)
{
    for (int i = 0; i < 256; i++) {
        t->bpe.single[i] = byte_id(t, i, "");
        t->bpe.last[i] = byte_id(t, i, last);
        if (t->bpe.single[i] < 0 || t->bpe.last[i] < 0)
            return -1;
    }
    return 0;
}

int read_merge_list(struct tokenizer *t, const cJSON *merges)
{
    int rank = 0;

    if (!cJSON_IsArray(merges))
        return fail("no list of merges in it");
    bpe_init(&t->bpe, (size_t)cJSON_GetArraySize(merges));
    for (const cJSON *m = merges->child; m; m = m->next, rank++) {
        const cJSON *left = m->child, *right = left ? left->next : NULL;

        if (cJSON_IsString(m)) {
            if (add_merge_line(t, rank, m->valuestring, strlen(m->valuestring)) < 0)
                return -1;
        } else if (cJSON_IsArray(m) && cJSON_IsString(left) && cJSON_IsString(right)) {
            if (add_merge(t, rank, left->valuestring, strlen(left->valuestring), right->valuestring,
                          strlen(right->valuestring)) < 0)
                return -1;
        } else {
            return fail("merge %d is not two symbols", rank + 1);
        }
    }
    return 0;
}

int read_vocab_and_merges(struct tokenizer *t, const cJSON *vocab, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? xprintf("%.*s", (int)(slash - path + 1), path) : xstrdup("");
    char *merges = xprintf("%smerges.txt", folder);
    int status = read_ids(t, vocab, NULL);

    if (status == 0)
        status = read_merges(t, merges);
    free(folder);
    free(merges);
    return status;
}

int read_bpe_json(struct tokenizer *t, const struct buffer *content, const char *path,
                  int (*whole)(struct tokenizer *t, const cJSON *root))
{
    cJSON *root = json_parse(content->data, content->size);
    int status = -1;

    if (cJSON_IsObject(json_get(root, "model")))
        status = whole(t, root);
    else if (cJSON_IsObject(root))
        status = read_vocab_and_merges(t, root, path);
    else if (root)
        fail("neither a vocabulary nor a tokenizer");
    cJSON_Delete(root);
    return status;
}
