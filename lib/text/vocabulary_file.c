/* SPDX-License-Identifier: MIT
 * vocabulary_file.c - files that hold vocabularies: found in a model's folder, unzipped
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "text/vocabulary.h"

/* Bytes of any tokenizer's file, unzipped. */
enum { LARGEST = 256 << 20, MOST_IDS = 1 << 24 };

char *vocabulary_path(const char *path, const char *const *names)
{
    char *file = NULL;

    if (!path_is_folder(path))
        return xstrdup(path);
    for (; *names && !file; names++) {
        file = path_join(path, *names);
        if (!path_exists(file)) {
            free(file);
            file = NULL;
        }
    }
    if (!file)
        fail_as("not_found", "%s: no tokenizer here", path);
    return file;
}

/* Appends what gzip's members in `from` hold.  Z_STREAM_END if that is all of them. */
static int unzip(struct buffer *b, const struct buffer *from)
{
    enum { STEP = 1 << 16, GZIP = 16 + MAX_WBITS };
    z_stream s = { .next_in = (Bytef *)from->data, .avail_in = (uInt)from->size };
    int result = inflateInit2(&s, GZIP);

    while (result == Z_OK && b->size < LARGEST) {
        buffer_reserve(b, STEP);
        s.next_out = (Bytef *)b->data + b->size;
        s.avail_out = STEP;
        result = inflate(&s, Z_NO_FLUSH);
        b->size += STEP - s.avail_out;
        if (result == Z_STREAM_END && s.avail_in) /* another member */
            result = inflateReset(&s);
    }
    inflateEnd(&s);
    return result;
}

int read_unzipped(struct buffer *b, const char *path)
{
    struct buffer file = { 0 };
    bool zipped;
    int result = Z_STREAM_END;

    if (file_read(&file, path))
        return -1;
    zipped = file.size > 1 && !memcmp(file.data, "\x1f\x8b", 2);
    if (file.size < LARGEST && zipped)
        result = unzip(b, &file);
    else
        buffer_add(b, file.data, file.size);
    buffer_free(&file);
    buffer_add(b, "", 0);
    if (b->size >= LARGEST)
        return fail_as("too_large", "%s: larger than any vocabulary", path);
    if (result != Z_STREAM_END)
        return fail_as("truncated", "%s: cannot be read or unzipped to its end", path);
    return 0;
}

bool next_line(const char **at, const char *end, const char **line, size_t *size)
{
    const char *stop;

    if (*at >= end)
        return false;
    stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *size = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : end;
    if (*size && (*line)[*size - 1] == '\r')
        --*size;
    return true;
}

size_t count_lines(const struct buffer *b)
{
    size_t lines = 1;

    for (size_t i = 0; i < b->size; i++)
        lines += b->data[i] == '\n';
    return lines;
}

int largest_id(const cJSON *list, bool tokens, int *entries)
{
    int most = -1;

    for (const cJSON *e = list ? list->child : NULL; e; e = e->next, ++*entries) {
        const char *text = tokens ? json_string(e, "content", "") : e->string;
        double id = tokens ? json_number(e, "id", -1) : cJSON_IsNumber(e) ? e->valuedouble : -1;

        if (!*text || !(id >= 0 && id < MOST_IDS && id == (int)id)) {
            fail("\"%.40s\" is empty or has no valid id", text);
            return -2;
        }
        most = id > most ? (int)id : most;
    }
    return most;
}

int add_tokens(struct tokenizer *t, const cJSON *list)
{
    for (const cJSON *e = list ? list->child : NULL; e; e = e->next) {
        const char *text = json_string(e, "content", "");
        int id = (int)json_number(e, "id", 0);
        struct special_token *special;

        if (!vocabulary_set(&t->vocabulary, id, text, strlen(text)) && tokenizer_id(t, text) != id)
            return fail("\"%.40s\" is to be %d, which is something else", text, id);
        if (json_bool(e, "single_word", false))
            return fail_as("unsupported", "\"%.40s\" counts only as a word of its own", text);
        special = tokenizer_add_special(t, text, id, json_bool(e, "normalized", false));
        special->strip_left = json_bool(e, "lstrip", false);
        special->strip_right = json_bool(e, "rstrip", false);
    }
    return 0;
}

/* Ids may leave gaps, but not run away. */
int read_ids(struct tokenizer *t, const cJSON *object, const cJSON *added)
{
    int entries = 0, most, most_added;

    if (!cJSON_IsObject(object))
        return fail("no vocabulary in it");
    most = largest_id(object, false, &entries);
    most_added = largest_id(added, true, &entries);
    if (most == -2 || most_added == -2)
        return -1;
    most = most > most_added ? most : most_added;
    if (most >= 2 * entries + 1024)
        return fail("%d strings, but an id %d", entries, most);
    vocabulary_init(&t->vocabulary, most + 1);
    for (const cJSON *e = object->child; e; e = e->next)
        if (!vocabulary_set(&t->vocabulary, e->valueint, e->string, strlen(e->string)))
            return fail("\"%.40s\" or its id %d comes twice", e->string, e->valueint);
    return add_tokens(t, added);
}
