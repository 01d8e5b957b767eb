/* SPDX-License-Identifier: MIT
 * unicode.c - code points and their properties: utf8proc's tables, normal forms in linear time
 *
 * utf8proc 2.8 knows Unicode 15.0.  Programs with newer tables may treat characters assigned since
 * then differently.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "text/vocabulary.h"

/* Even for none: places in a list are computed, which NULL has not. */
void codes_reserve(struct codes *c, size_t more)
{
    size_t capacity = c->capacity ? c->capacity : 64;

    if (c->at && c->capacity - c->count >= more)
        return;
    while (capacity - c->count < more)
        capacity *= 2;
    c->at = xresize(c->at, capacity, sizeof *c->at);
    c->capacity = capacity;
}

void codes_add(struct codes *c, uint32_t code)
{
    codes_reserve(c, 1);
    c->at[c->count++] = code;
}

void codes_add_all(struct codes *c, const uint32_t *at, size_t count)
{
    codes_reserve(c, count);
    if (count)
        memcpy(c->at + c->count, at, count * sizeof *at);
    c->count += count;
}

void codes_from_utf8(struct codes *c, const char *text, size_t size)
{
    const char *end = size ? text + size : text; /* an empty text may be NULL */

    codes_reserve(c, size);
    while (text < end)
        c->at[c->count++] =
            (unsigned char)*text < 0x80 ? (unsigned char)*text++ : utf8_next(&text, end);
}

void codes_to_utf8(struct buffer *b, const uint32_t *at, size_t count)
{
    buffer_reserve(b, 4 * count);
    for (size_t i = 0; i < count; i++) {
        if (at[i] < 0x80)
            b->data[b->size++] = (char)at[i];
        else
            buffer_utf8(b, at[i]);
    }
    b->data[b->size] = 0;
}

void codes_swap(struct codes *a, struct codes *b)
{
    struct codes old = *a;

    *a = *b;
    *b = old;
}

bool codes_equal(const struct codes *a, const struct codes *b)
{
    return a->count == b->count && (!a->count || !memcmp(a->at, b->at, a->count * sizeof *a->at));
}

void codes_free(struct codes *c)
{
    free(c->at);
    *c = (struct codes){ 0 };
}

int code_class(uint32_t code)
{
    if (code < 0x80 && (code | 0x20) - 'a' < 26)
        return CODE_LETTER;
    return utf8proc_category_string((utf8proc_int32_t)code)[0];
}

bool code_is_decimal(uint32_t code)
{
    if (code < 0x80)
        return code - '0' < 10;
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_ND;
}

bool code_is_nonspacing(uint32_t code)
{
    return code >= 0x300 && utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_MN;
}

bool code_is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

uint32_t code_lower(uint32_t code)
{
    if (code < 0x80)
        return code - 'A' < 26 ? code + 32 : code;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
}

uint32_t code_upper(uint32_t code)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)code);
}

/* Case_Ignorable: marks, modifiers, formats, and the word-internal punctuation of UAX 29. */
static bool is_case_ignorable(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return code == '\'' || code == '.' || code == ':' || code == 0xb7 || code == 0x387 ||
               code == 0x55f || code == 0x5f4 || code == 0x2018 || code == 0x2019 ||
               code == 0x2024 || code == 0x2027 || code == 0xfe13 || code == 0xfe52 ||
               code == 0xfe55 || code == 0xff07 || code == 0xff0e || code == 0xff1a;
    }
}

/* Cased, without those that are ignorable too. */
static bool is_cased(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
        return true;
    default:
        return code == 0xaa || code == 0xba || (code >= 0x2160 && code <= 0x217f) ||
               (code >= 0x24b6 && code <= 0x24e9) || (code >= 0x1f130 && code <= 0x1f149) ||
               (code >= 0x1f150 && code <= 0x1f169) || (code >= 0x1f170 && code <= 0x1f189);
    }
}

/* Behind a cased letter and not before one; ignorable characters between do not count.  Each run
 * of those is looked at by the sigmas beside it only, so the time stays linear. */
static bool ends_word(const uint32_t *at, size_t count, size_t i)
{
    size_t before = i, after = i + 1;

    while (before > 0 && is_case_ignorable(at[before - 1]))
        before--;
    if (before == 0 || !is_cased(at[before - 1]))
        return false;
    while (after < count && is_case_ignorable(at[after]))
        after++;
    return after == count || !is_cased(at[after]);
}

void codes_lower(struct codes *c, bool final_sigma)
{
    struct codes out = { 0 };
    size_t same = 0;

    while (same < c->count && c->at[same] != 0x130 && c->at[same] != 0x3a3) {
        c->at[same] = code_lower(c->at[same]);
        same++;
    }
    if (same == c->count)
        return;
    codes_add_all(&out, c->at, same);
    for (size_t i = same; i < c->count; i++) {
        if (c->at[i] == 0x3a3 && final_sigma && ends_word(c->at, c->count, i)) {
            codes_add(&out, 0x3c2);
        } else if (c->at[i] == 0x130) {
            codes_add(&out, 'i');
            codes_add(&out, 0x307);
        } else {
            codes_add(&out, code_lower(c->at[i]));
        }
    }
    codes_free(c);
    *c = out;
}

/* Sorts a run of marks by combining class; a bucket a class, so that equals keep their order. */
static void sort_marks(uint32_t *at, size_t count)
{
    size_t start[257] = { 0 };
    uint32_t *sorted = xalloc(count, sizeof *sorted);

    for (size_t i = 0; i < count; i++)
        start[utf8proc_get_property((utf8proc_int32_t)at[i])->combining_class + 1]++;
    for (int i = 1; i < 257; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < count; i++)
        sorted[start[utf8proc_get_property((utf8proc_int32_t)at[i])->combining_class]++] = at[i];
    memcpy(at, sorted, count * sizeof *at);
    free(sorted);
}

static void decompose(struct codes *c, uint32_t code, utf8proc_option_t options)
{
    utf8proc_int32_t parts[32]; /* the longest known has 18 */
    int boundary = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)code, parts, COUNT(parts), options, &boundary);

    if (n < 1 || n > COUNT(parts)) { /* no decomposition known */
        codes_add(c, code);
        return;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        codes_add(c, (uint32_t)parts[i]);
}

/* Canonical order: utf8proc's own way of sorting is quadratic in the length of a run of marks. */
static void order_marks(uint32_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t end = i;
        int class = 0;
        bool sorted = true;

        for (; end < count; end++) {
            int next = utf8proc_get_property((utf8proc_int32_t)at[end])->combining_class;

            if (next == 0)
                break;
            sorted = sorted && next >= class;
            class = next;
        }
        if (!sorted)
            sort_marks(at + i, end - i);
        i = end;
    }
}

void codes_nfd(struct codes *c, size_t from)
{
    struct codes out = { 0 };
    size_t i = from;

    while (i < c->count && c->at[i] < 0xc0)
        i++;
    if (i == c->count)
        return;
    codes_add_all(&out, c->at, i);
    for (; i < c->count; i++)
        decompose(&out, c->at[i], UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    order_marks(out.at + from, out.count - from);
    codes_free(c);
    *c = out;
}

void codes_nfc(struct codes *c, size_t from)
{
    size_t i = from;

    while (i < c->count && c->at[i] < 0x300) /* all of these are composed, and none is a mark */
        i++;
    if (i == c->count)
        return;
    codes_nfd(c, from);
    c->count = from + (size_t)utf8proc_normalize_utf32((utf8proc_int32_t *)c->at + from,
                                                       (utf8proc_ssize_t)(c->count - from),
                                                       UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

void codes_add_nfkd(struct codes *c, uint32_t code)
{
    decompose(c, code, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
}

size_t cluster_end(const uint32_t *text, size_t count, size_t from)
{
    utf8proc_int32_t state = 0;

    for (from++; from < count; from++) {
        if (text[from - 1] < 0x80 && text[from] < 0x80) {
            if (text[from - 1] != '\r' || text[from] != '\n')
                break;
        } else if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)text[from - 1],
                                                    (utf8proc_int32_t)text[from], &state)) {
            break;
        }
    }
    return from;
}
