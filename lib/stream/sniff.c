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

/* DuckDB reads tables of many kinds; what it writes is read here. */
#define DUCKDB " makes lines of it: duckdb -c \"COPY (FROM 'FILE') TO '/dev/stdout' (FORMAT json)\""

/* Kinds of files that are known and hold no records as they are, and what helps. */
struct kind {
    const char *magic;
    size_t at, size;
    const char *what;
};
static const struct kind foreign[] = {
    { "\xef\xbb\xbf", 0, 3,
      "starts with a byte order mark, which no record does; this takes it away: tail -c +4 FILE" },
    { "\xff\xfe", 0, 2, "UTF-16; iconv -f UTF-16 -t UTF-8 makes UTF-8 of it" },
    { "\xfe\xff", 0, 2, "UTF-16; iconv -f UTF-16 -t UTF-8 makes UTF-8 of it" },
    { "\x1f\x8b", 0, 2, "compressed more than once; unpack it first: gzip -dc FILE" },
    { "\x28\xb5\x2f\xfd", 0, 4, "compressed; unpack it first: zstd -dc FILE" },
    { "BZh", 0, 3, "compressed; unpack it first: bzip2 -dc FILE" },
    { "\xfd\x37zXZ", 0, 5, "compressed; unpack it first: xz -dc FILE" },
    { "\x04\x22\x4d\x18", 0, 4, "compressed; unpack it first: lz4 -dc FILE" },
    { "PK\3\4", 0, 4, "a zip archive; unpack it first: unzip FILE -d FOLDER" },
    { "PK\5\6", 0, 4, "a zip archive without files" },
    { "Rar!\x1a\7", 0, 6, "a RAR archive; unpack it first: unrar x FILE" },
    { "7z\xbc\xaf\x27\x1c", 0, 6, "a 7z archive; unpack it first: 7z x FILE" },
    { "PAR1\x15", 0, 5, "a Parquet table; this" DUCKDB },
    { "ARROW1", 0, 6, "an Arrow table, which is not read here; pyarrow writes Parquet of it" },
    { "SQLite format 3", 0, 16,
      "a database; sqlite3 -csv -header FILE 'SELECT ..' makes CSV of it" },
    { "\x89HDF", 0, 4, "an HDF5 file, which is not read here" },
    { "\x93NUMPY", 0, 6, "a NumPy array, which holds no records" },
    { "\x80\2}", 0, 3, "a Python pickle, which is not read here" },
    { "\x80\4\x95", 0, 3, "a Python pickle, which is not read here" },
    { "\x80\5\x95", 0, 3, "a Python pickle, which is not read here" },
    { "ustar", 257, 5, "a tar archive whose first header is damaged: its sum is wrong" },
};
/* As an operand each of these is a picture that cannot be read, and leaves as a record. */
static const struct kind single[] = {
    { "%PDF-", 0, 5, "a PDF file; pdftoppm -png FILE PAGE makes pictures of it" },
    { "ftyp", 4, 4, "a film; ffmpeg -i FILE -vf fps=1 %05d.png makes pictures of it" },
    { "<!DOCTYPE", 0, 9, "a page of the web, not what it shows" },
    { "<html", 0, 5, "a page of the web, not what it shows" },
    { "\x1a\x45\xdf\xa3", 0, 4, "a film; ffmpeg -i FILE -vf fps=1 %05d.png makes pictures of it" },
    { "<?xml", 0, 5, "XML; a drawing (SVG) becomes a picture by: rsvg-convert FILE -o OUT.png" },
    { "<svg", 0, 4, "a drawing; rsvg-convert FILE -o OUT.png makes a picture of it" },
};

/* An array of objects, of texts, of lists, or of nothing; a name that begins with a bracket goes on
 * otherwise. */
static bool is_array(struct span h)
{
    const char *at = json_space(h.data, h.data + h.size), *end = h.data + h.size, *in;

    if (at == end || *at != '[')
        return false;
    in = json_space(at + 1, end);
    if (in == end)
        return false;
    if (*in == ']')
        return json_space(in + 1, end) == end;
    if (*in == '[')
        in = json_space(in + 1, end);
    return in < end && (*in == '{' || *in == '"');
}

/* An object that goes on in the next line: the first one ends where another line must follow, and
 * the next does not begin an object of its own. */
static bool is_spread(const struct stream_source *s)
{
    struct span h = head(s), first = head_line(s);
    const char *end = h.data + h.size, *at = json_space(h.data, end), *last, *next;

    if (at == end || *at != '{' || at >= first.data + first.size)
        return false;
    last = first.data + first.size - 1;
    while (last > at && (*last == ' ' || *last == '\t' || *last == '\r'))
        last--;
    next = json_space(last + 1, end);
    if (!strchr("{[,:", *last) || next == end || next < first.data + first.size)
        return false;
    return *last == '{' || *last == ',' ? *next == '"' : !head_has_objects(s);
}

/* A text whose lines end as on old Macintoshes is one line to all that follows. */
static bool has_bare_returns(const struct stream_source *s)
{
    struct span h = head(s);
    const char *r = memchr(h.data, '\r', h.size);

    return r && !memchr(h.data, '\n', h.size) && (r + 1 < h.data + h.size || s->end) &&
           head_is_text(s, false);
}

static const char *foreign_text(const struct stream_source *s)
{
    if (is_array(head(s)))
        return "a JSON array; records are one object a line (jq -c '.[]' makes them)";
    if (is_spread(s))
        return "JSON over several lines; records are one object a line (jq -c . makes them)";
    if (has_bare_returns(s))
        return "its lines end in carriage returns; tr '\\r' '\\n' makes lines of them";
    if (head_is_table(s, ';') || head_is_table(s, '|'))
        return "a table that neither commas nor tabs part; this" DUCKDB;
    return NULL;
}

static const char *look_up(const struct stream_source *s, const struct kind *kinds, int count)
{
    struct span h = head(s);

    for (int i = 0; i < count; i++)
        if (h.size >= kinds[i].at + kinds[i].size &&
            !memcmp(h.data + kinds[i].at, kinds[i].magic, kinds[i].size))
            return kinds[i].what;
    return NULL;
}

static const char *single_kind(const struct stream_source *s)
{
    return look_up(s, single, COUNT(single));
}

const char *head_foreign(const struct stream_source *s)
{
    const char *kind = look_up(s, foreign, COUNT(foreign));

    kind = kind ? kind : single_kind(s);
    return kind ? kind : foreign_text(s);
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
            enum answer a = formats[i]->knows ? formats[i]->knows(s) : NO;

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
    kind = head_foreign(s);
    if (s->path && (!kind || single_kind(s)))
        return NULL;
    if (kind)
        return unknown(s, kind);
    return unknown(s, memchr(source_data(s), 0, s->size) && !s->options->null
                          ? "names separated by NUL need -0"
                          : "neither JSONL, CBOR, tar nor a list of names");
}
