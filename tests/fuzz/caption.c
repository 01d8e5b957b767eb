/* SPDX-License-Identifier: MIT
 * caption.c - any lines as captions: words are apart by one space, and metrics in their bounds
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "eval/eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const char *text, size_t size)
{
    struct buffer b = { 0 };

    words_split(&b, text, size);
    buffer_add(&b, "", 0);
    if (strlen(b.data) != b.size || strstr(b.data, "  ") || *b.data == ' ' ||
        (b.size && b.data[b.size - 1] == ' '))
        abort();
    buffer_free(&b);
}

static bool within(double x, double most)
{
    return x >= 0 && x <= most * (1 + 1e-9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct caption_set *sets[] = { caption_open(false), caption_open(true) };
    char *text = xmemdup(data, size), *rest = text, *line;
    const char *lines[2] = { 0 };

    check_words((const char *)data, size);
    while (size < 4096 && (line = strtok_r(rest, "\n", &rest))) {
        for (int i = 0; lines[1] && i < COUNT(sets); i++)
            caption_add(sets[i], line, lines, 2);
        lines[0] = lines[1];
        lines[1] = line;
        if (!lines[0])
            lines[0] = line;
    }
    for (int i = 0; i < COUNT(sets); i++) {
        struct caption_scores s = caption_measure(sets[i]);

        if (s.images && !(within(s.bleu[0], 1) && within(s.bleu[3], 1) && within(s.rouge_l, 1) &&
                          within(s.cider_d, 10)))
            abort();
        caption_close(sets[i]);
    }
    free(text);
    return 0;
}
