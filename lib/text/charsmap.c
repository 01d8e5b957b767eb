/* SPDX-License-Identifier: MIT
 * charsmap.c - sentencepiece's table of replacements (NFKC and more), "precompiled charsmap"
 *
 *     u32 size, little-endian     bytes of the trie
 *     u32 units[size / 4]         a double array: each unit is a node
 *     strings                     replacements, each ending in a NUL
 *
 * From the node at `at`, byte c leads to the node at (at ^ offset(at)) ^ c, if that has the label
 * c; where a unit says so a string ends there, and the unit at its offset has the place of its
 * replacement.  Sources: google/sentencepiece src/normalizer.cc (and darts_clone's darts.h);
 * huggingface/tokenizers normalizers/precompiled.rs.
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/vocabulary.h"

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
enum { MARK = sizeof space_mark - 1 };

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

int charsmap_read(struct charsmap *m, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    size_t trie = size >= 4 ? at[0] | at[1] << 8 | at[2] << 16 | (size_t)at[3] << 24 : 0;

    if (trie < 4 || trie % 4 || trie > size - 4)
        return fail("the table of replacements is damaged");
    m->count = trie / 4;
    m->units = xalloc(m->count, sizeof *m->units);
    for (size_t i = 0; i < m->count; i++) {
        at += 4;
        m->units[i] = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    }
    buffer_add(&m->strings, at + 4, size - 4 - trie); /* a NUL is behind them in any case */
    return 0;
}

void charsmap_free(struct charsmap *m)
{
    free(m->units);
    buffer_free(&m->strings);
    *m = (struct charsmap){ 0 };
}

/* The replacement of the shortest or longest beginning of a text that has one, and the length of
 * that beginning; NULL: none. */
static const char *replacement(const struct charsmap *m, bool longest, const char *text,
                               size_t size, size_t *length)
{
    size_t at = m->count ? offset_of(m->units[0]) : 0;
    const char *found = NULL;

    for (size_t i = 0; i < size && (longest || !found); i++) {
        unsigned char c = (unsigned char)text[i];
        uint32_t unit;

        at ^= c;
        if (at >= m->count || (!c && !longest))
            break;
        unit = m->units[at];
        if ((unit & (1u << 31 | 0xff)) != c)
            break;
        at ^= offset_of(unit);
        if (unit >> 8 & 1 && at < m->count && (m->units[at] & 0x7fffffff) < m->strings.size) {
            found = m->strings.data + (m->units[at] & 0x7fffffff);
            *length = i + 1;
        }
    }
    return found;
}

/* What the text begins with once it is replaced, and how much of the text that was. */
static const char *normal_prefix(const struct charsmap *m, const char *text, size_t size,
                                 size_t *length, size_t *used)
{
    const char *found = replacement(m, true, text, size, used), *at = text;

    if (found) {
        *length = strlen(found);
        return found;
    }
    utf8_next(&at, text + size);
    *length = *used = (size_t)(at - text);
    return text;
}

static void add_marked(struct buffer *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ')
            buffer_add(out, space_mark, MARK);
        else
            buffer_byte(out, text[i]);
}

void charsmap_prefixes(const struct charsmap *m, const struct spacing *s, struct buffer *out,
                       const char *text, size_t size)
{
    const char *end = text + size;
    bool after_space = s->remove_extra, begun = false;
    size_t start = out->size;

    while (text < end) {
        size_t length, used;
        const char *normal = normal_prefix(m, text, (size_t)(end - text), &length, &used);

        text += used;
        if (!begun && s->remove_extra && length == 1 && *normal == ' ')
            continue;
        if (!begun && s->dummy_prefix)
            buffer_add(out, space_mark, MARK);
        begun = true;
        for (; after_space && length && *normal == ' '; length--)
            normal++;
        add_marked(out, normal, length);
        if (length)
            after_space = normal[length - 1] == ' ';
        after_space = after_space && s->remove_extra;
    }
    while (s->remove_extra && out->size - start >= MARK &&
           !memcmp(out->data + out->size - MARK, space_mark, MARK))
        out->size -= MARK;
}

static void add_replaced(const struct charsmap *m, struct codes *out, const uint32_t *text,
                         size_t count, struct buffer *spelt)
{
    const char *found;
    size_t length;

    buffer_clear(spelt);
    codes_to_utf8(spelt, text, count);
    found = spelt->size < 6 ? replacement(m, false, spelt->data, spelt->size, &length) : NULL;
    if (found)
        codes_from_utf8(out, found, strlen(found));
    else if (count == 1)
        codes_add(out, *text);
    else
        for (size_t i = 0; i < count; i++)
            add_replaced(m, out, text + i, 1, spelt);
}

void charsmap_clusters(const struct charsmap *m, struct codes *out, const uint32_t *text,
                       size_t count)
{
    struct buffer spelt = { 0 };

    for (size_t i = 0, end; i < count; i = end) {
        end = cluster_end(text, count, i);
        add_replaced(m, out, text + i, end - i, &spelt);
    }
    buffer_free(&spelt);
}
