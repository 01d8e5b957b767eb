/* SPDX-License-Identifier: MIT
 * caption.c - captions and questions as the training scripts of ALBEF and BLIP clean them
 *
 *               lower   deleted                 becomes a space     runs of spaces, ends   words
 *     caption   yes     ALBEF ,.'!?"()*#:;~     ALBEF - /           one space, trimmed     cut
 *                                               BLIP .!"()*#:;~
 *     question  yes     ALBEF ,.'!?"()*#:;~     ALBEF - /           end trimmed            cut
 *                       BLIP .!"()*#:;~
 *
 * In ALBEF's captions <person> becomes person.  White space is what Python takes for it; a single
 * tab or newline inside stays.  Words are counted at spaces: two in a row have an empty one
 * between.
 */
#include <string.h>
#include "base/buffer.h"
#include "text/vocabulary.h"

static bool is_python_space(uint32_t c)
{
    return code_is_space(c) || (c >= 0x1c && c <= 0x1f);
}

static bool is_one_of(uint32_t c, const char *list)
{
    return c && c < 0x80 && strchr(list, (int)c);
}

static void replace_punctuation(struct codes *text, enum caption_style style)
{
    bool albef = style == CAPTION_ALBEF || style == QUESTION_ALBEF;
    const char *list = albef ? ",.'!?\"()*#:;~" : ".!\"()*#:;~";
    size_t kept = 0;

    for (size_t i = 0; i < text->count; i++) {
        uint32_t c = text->at[i];

        if (is_one_of(c, list)) {
            if (style == CAPTION_BLIP)
                text->at[kept++] = ' ';
        } else {
            text->at[kept++] = albef && (c == '-' || c == '/') ? ' ' : c;
        }
    }
    text->count = kept;
}

static void bare_persons(struct codes *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < text->count; i++) {
        size_t n = codes_begin_with(text->at + i, text->count - i, "<person>");

        if (n == 0) {
            text->at[kept++] = text->at[i];
            continue;
        }
        memmove(text->at + kept, text->at + i + 1, (n - 2) * sizeof *text->at);
        kept += n - 2;
        i += n - 1;
    }
    text->count = kept;
}

static void collapse(struct codes *text)
{
    size_t kept = 0, i = 0;

    while (i < text->count) {
        size_t end = i;

        while (end < text->count && is_python_space(text->at[end]))
            end++;
        if (end > i + 1)
            text->at[kept++] = ' ';
        else
            text->at[kept++] = text->at[i];
        i = end > i ? end : i + 1;
    }
    while (kept > 0 && text->at[kept - 1] == '\n')
        kept--;
    text->count = kept;
}

/* Where the word behind the last one allowed begins, without the space before it. */
static size_t cut(const uint32_t *text, size_t count, int words)
{
    for (size_t i = 0; i < count; i++)
        if (text[i] == ' ' && --words == 0)
            return i;
    return count;
}

void clean_caption(struct buffer *out, const char *text, size_t size, enum caption_style style,
                   int words)
{
    bool caption = style == CAPTION_ALBEF || style == CAPTION_BLIP;
    struct codes codes = { 0 };
    size_t first = 0;

    codes_from_utf8(&codes, text, size);
    codes_lower(&codes, true);
    replace_punctuation(&codes, style);
    if (style == CAPTION_ALBEF)
        bare_persons(&codes);
    if (caption)
        collapse(&codes);
    while (codes.count > 0 && codes.at[codes.count - 1] == ' ')
        codes.count--;
    while (caption && first < codes.count && codes.at[first] == ' ')
        first++;
    codes_to_utf8(out, codes.at + first, cut(codes.at + first, codes.count - first, words));
    codes_free(&codes);
}
