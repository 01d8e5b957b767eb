/* SPDX-License-Identifier: MIT
 * sniff.c - which format a source is in, by its first bytes alone
 *
 *     tar     "ustar" at 257 and a header sum that is right
 *     CBOR    d9 d9 f7, or a map head with a text string's head behind it
 *     JSONL   { is the first byte that is no white space; an empty source is one of no lines
 *     image   whatever the caller knows as one
 *     names   a first line of text; NUL-separated only on request
 *
 * No more is read than the answer takes: a line typed at a terminal is answered at once.
 */
#include <string.h>
#include "stream/inside.h"

enum { HEAD = 4096, BLOCK = 512 };

static bool is_cbor(const unsigned char *head, size_t size)
{
    /* bytes of the count behind a map head */
    size_t at = 1, more = head[0] >= 0xb8 && head[0] <= 0xbb ? 1u << (head[0] - 0xb8) : 0;

    if (size >= 3 && !memcmp(head, "\xd9\xd9\xf7", 3))
        return true;
    at += more;
    return head[0] >= 0xa0 && head[0] <= 0xbf && size > at && head[at] >= 0x60 && head[at] < 0x80;
}

static enum format unknown(struct source *s, const char *why)
{
    s->failed = 4;
    fail_as("unknown_format", "%s: %s", s->name, why);
    return FORMAT_ANY;
}

static bool starts(const struct source *s, const char *with, size_t size)
{
    return s->size >= size && !memcmp(source_data(s), with, size);
}

/* Paths, or nothing that is known: then with a word of help. */
static enum format names_or(struct source *s, const char *first, bool null)
{
    const char *end = source_data(s) + (s->size < HEAD ? s->size : HEAD), *next = first + 1;
    bool zero = false, control = false;

    while (next < end && (*next == ' ' || *next == '\n' || *next == '\r' || *next == '\t'))
        next++;
    if (*first == '[' && next < end && *next == '{')
        return unknown(s, "a JSON array; records are one object a line (jq -c '.[]' makes them)");
    if (starts(s, "\x1f\x8b", 2) || starts(s, "\x28\xb5\x2f\xfd", 4) || starts(s, "BZh", 3) ||
        starts(s,
               "\xfd"
               "7zXZ",
               5))
        return unknown(s, "compressed; unpack it first");
    for (const char *c = source_data(s); c < end; c++) {
        zero |= !*c;
        control |= *c && (unsigned char)*c < ' ' && !strchr("\t\n\r", *c);
    }
    if (control || (zero && !null))
        return unknown(s, zero && !control ? "names separated by NUL need -0"
                                           : "neither JSONL, CBOR, tar nor a list of names");
    return FORMAT_NAMES;
}

/* FORMAT_ANY, and s->failed still 0: more bytes are needed. */
static enum format guess(struct source *s, const struct reader_options *o, bool operand)
{
    const char *head = source_data(s), *first = head, *end = head + s->size;
    bool final = s->end || s->size >= HEAD, line = memchr(head, '\n', s->size);

    if (s->size >= BLOCK && tar_is_header(head))
        return FORMAT_TAR;
    if (is_cbor((const unsigned char *)head, s->size))
        return FORMAT_CBOR;
    if (starts(s, "\xef\xbb\xbf", 3))
        return unknown(s, "starts with a byte order mark, which no record does");
    while (first < end && (*first == ' ' || *first == '\n' || *first == '\r' || *first == '\t'))
        first++;
    if (first == end)
        return final ? FORMAT_JSONL : FORMAT_ANY;
    if (*first == '{')
        return final || line || s->size >= BLOCK ? FORMAT_JSONL : FORMAT_ANY;
    if (o->is_image && o->is_image(head, s->size))
        return FORMAT_IMAGE;
    if (operand)
        return final ? FORMAT_IMAGE : FORMAT_ANY;
    if (final || (o->null ? memchr(head, 0, s->size) != NULL : line))
        return names_or(s, first, o->null);
    return FORMAT_ANY;
}

enum format sniff(struct source *s, const struct reader_options *o, bool operand)
{
    if (o->from != FORMAT_ANY)
        return o->from;
    for (;;) {
        enum format f = s->size ? guess(s, o, operand) : FORMAT_ANY;

        if (f != FORMAT_ANY || s->failed)
            return f;
        if (s->end)
            return FORMAT_JSONL; /* empty */
        if (source_fill(s) < 0)
            return FORMAT_ANY;
    }
}
