/* SPDX-License-Identifier: MIT
 * sniff.c - which format a source is in, by its first bytes alone
 *
 * The formats are asked in their order; the first that says yes has it.  What none of them knows is
 * looked up among the foreign kinds, so that the message can say what would help.  No more is read
 * than the answer takes: a line typed at a terminal is answered at once.
 *
 * One byte never decides that an input is no stream of records: objects further down are seen too.
 */
#include <string.h>
#include "base/error.h"
#include "base/picture.h"
#include "stream/format.h"

static struct span head(const struct stream_source *s)
{
    return (struct span){ source_data(s), s->size < HEAD ? s->size : HEAD };
}

bool head_is_image(const struct stream_source *s)
{
    enum picture_type known = picture_of(source_data(s), s->size);

    if (s->options->is_image && s->options->is_image(source_data(s), s->size))
        return true;
    return known != PICTURE_NONE && !picture_formats[known].is_read; /* its decoder says so */
}

struct span head_line(const struct stream_source *s)
{
    struct span h = head(s);
    const char *end = memchr(h.data, '\n', h.size);

    h.size = end ? (size_t)(end - h.data) : h.size;
    h.size -= h.size && h.data[h.size - 1] == '\r';
    return h;
}

bool head_is_text(const struct stream_source *s, bool null)
{
    struct span h = head(s);

    for (size_t i = 0; i < h.size; i++)
        if ((unsigned char)h.data[i] < ' ' && (h.data[i] ? !strchr("\t\n\r", h.data[i]) : !null))
            return false;
    return true;
}

static bool is_object(struct span line)
{
    while (line.size && line.data[line.size - 1] && strchr(" \t\r", line.data[line.size - 1]))
        line.size--;
    return line.size > 1 && line.data[0] == '{' && line.data[line.size - 1] == '}';
}

/* Also behind a damaged beginning: then it ends as an object does. */
bool head_has_objects(const struct stream_source *s)
{
    struct span h = head(s), first = head_line(s);
    const char *at = h.data, *end = h.data + h.size, *brace;

    for (const char *next; at < end; at = next + 1) {
        next = memchr(at, '\n', (size_t)(end - at));
        if (!next)
            break;
        if (is_object((struct span){ at, (size_t)(next - at) }))
            return true;
    }
    brace = memchr(first.data, '{', first.size);
    return brace && first.size - (size_t)(brace - first.data) > 1 && brace[1] == '"' &&
           is_object((struct span){ brace, first.size - (size_t)(brace - first.data) });
}

/* Kinds of files that are known and hold no records as they are. */
static const struct {
    const char *magic;
    size_t at, size;
    const char *what;
} foreign[] = {
    { "\xef\xbb\xbf", 0, 3, "starts with a byte order mark, which no record does" },
    { "\xff\xfe", 0, 2, "UTF-16; iconv -f UTF-16 -t UTF-8 makes UTF-8 of it" },
    { "\xfe\xff", 0, 2, "UTF-16; iconv -f UTF-16 -t UTF-8 makes UTF-8 of it" },
    { "\x1f\x8b", 0, 2, "compressed in a way that is not known; unpack it first" },
    { "\x28\xb5\x2f\xfd", 0, 4, "compressed; unpack it first: zstd -dc" },
    { "BZh", 0, 3, "compressed; unpack it first: bzip2 -dc" },
    { "\xfd\x37zXZ", 0, 5, "compressed; unpack it first: xz -dc" },
    { "PK\3\4", 0, 4, "a zip archive; unpack it first" },
    { "PAR1\x15", 0, 5, "a Parquet table; duckdb makes lines of it, see vlm-stream(5)" },
    { "\x89HDF", 0, 4, "an HDF5 file, which is not read here" },
    { "\x93NUMPY", 0, 6, "a NumPy array, which holds no records" },
    { "%PDF-", 0, 5, "a PDF file, which is not read here" },
    { "ustar", 257, 5, "a tar archive whose first header is damaged: its sum is wrong" },
};

static bool is_array(struct span h)
{
    const char *at = json_space(h.data, h.data + h.size), *end = h.data + h.size;

    return at < end && *at == '[' && (at = json_space(at + 1, end)) < end && *at == '{';
}

/* "{" alone on its line, and a member on the next */
static bool is_spread(const struct stream_source *s)
{
    struct span h = head(s), first = head_line(s);
    const char *at = json_space(h.data, h.data + h.size), *end = h.data + h.size;

    if (at == end || *at != '{' || at >= first.data + first.size)
        return false;
    at++;
    while (at < end && (*at == ' ' || *at == '\r'))
        at++;
    return at < end && *at == '\n' && (at = json_space(at, end)) < end && *at == '"';
}

const char *head_foreign(const struct stream_source *s)
{
    struct span h = head(s);

    for (int i = 0; i < COUNT(foreign); i++)
        if (h.size >= foreign[i].at + foreign[i].size &&
            !memcmp(h.data + foreign[i].at, foreign[i].magic, foreign[i].size))
            return foreign[i].what;
    if (is_array(h))
        return "a JSON array; records are one object a line (jq -c '.[]' makes them)";
    return is_spread(s) ? "JSON over several lines; records are one object a line (jq -c . makes "
                          "them)"
                        : NULL;
}

static const struct format *unknown(struct stream_source *s, const char *why)
{
    s->failed = 4;
    fail_as("unknown_format", "%s: %s", s->name, why);
    return NULL;
}

const struct format *sniff(struct stream_source *s, const struct format *const *formats, int count)
{
    const char *kind;

    for (;;) {
        bool more = !s->size;

        for (int i = 0; i < count && s->size; i++) {
            enum answer a = formats[i]->knows(s);

            if (a == YES)
                return formats[i];
            more |= a == MORE;
        }
        if (!more || head_is_whole(s))
            break;
        if (source_fill(s) < 0)
            return NULL;
    }
    if (!s->size)
        return &format_jsonl; /* of no lines */
    if ((kind = head_foreign(s)))
        return unknown(s, kind);
    if (s->path)
        return NULL;
    return unknown(s, memchr(source_data(s), 0, s->size) && !s->options->null
                          ? "names separated by NUL need -0"
                          : "neither JSONL, CBOR, tar nor a list of names");
}
