/* SPDX-License-Identifier: MIT
 * labels.c - lines of a file, and vectors of texts that were given as options or lines
 *
 * With several templates a label's vector is the mean of its sentences' vectors, each of length 1,
 * again of length 1: CLIP's prompt ensembling.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/json.h"
#include "cli/cli.h"

enum { AT_ONCE = 64 }; /* texts computed at once */

/* What keeps a line from being a text; NULL: nothing. */
static const char *no_text(const char *line, size_t size)
{
    if (size >= 2 && (!memcmp(line, "\xff\xfe", 2) || !memcmp(line, "\xfe\xff", 2)))
        return "UTF-16; iconv -f UTF-16 -t UTF-8 makes texts of it";
    if (memchr(line, 0, size))
        return "a NUL among its letters";
    if (memchr(line, '\r', size))
        return "carriage returns part its lines; tr '\\r' '\\n' makes lines of them";
    return utf8_is_valid(line, size) ? NULL : "not UTF-8";
}

/* The lines of a file that is in memory. */
static int add_lines(const char *path, const struct buffer *file, struct option_list *list)
{
    const char *at = file->data, *end = at + file->size, *wrong;
    long number = 0;

    if (file->size >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
        at += 3; /* a byte order mark, as Windows' editors write it */
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at)), *next;
        size_t n = (size_t)((stop ? stop : end) - at);

        number++;
        next = at + n + (stop != NULL);
        n -= n && at[n - 1] == '\r';
        wrong = no_text(at, n);
        if (wrong)
            return fail("%s:%ld: %s", path, number, wrong);
        if (n) {
            list->items = xresize(list->items, (size_t)list->count + 1, sizeof *list->items);
            list->items[list->count++] = xmemdup(at, n);
        }
        at = next;
    }
    return list->count ? 0 : fail("%s: no lines", path);
}

int lines_read(const char *path, struct option_list *list)
{
    struct buffer file = { 0 };
    int status = file_read(&file, path);

    if (!status)
        status = add_lines(path, &file, list);
    buffer_free(&file);
    return status;
}

static char *filled(const char *template, const char *label)
{
    const char *hole = strstr(template, "{}");

    if (!hole)
        return xstrdup(template);
    return xprintf("%.*s%s%s", (int)(hole - template), template, label, hole + 2);
}

struct some { /* texts on their way through the model, at most AT_ONCE */
    int *ids, counts[AT_ONCE], texts;
    size_t total;
    float *vectors; /* [AT_ONCE, width] */
};

static int add_text(struct some *s, const struct vlm *m, const char *text)
{
    int *ids, count;
    bool cut;

    if (vlm_read_text(m, text, strlen(text), &ids, &count, &cut))
        return -1;
    if (cut)
        warn("cut to the model's limit: %s", text);
    s->ids = xresize(s->ids, s->total + (size_t)count, sizeof *ids);
    memcpy(s->ids + s->total, ids, (size_t)count * sizeof *ids);
    s->total += (size_t)count;
    s->counts[s->texts++] = count;
    free(ids);
    return 0;
}

/* Adds each vector to its label's sum: text i is of label i / each. */
static int add_vectors(struct some *s, struct vlm *m, long first, int each, float *sums)
{
    long width = vlm_width(m);

    if (vlm_embed_texts(m, s->ids, s->counts, s->texts, true, s->vectors))
        return -1;
    for (int i = 0; i < s->texts; i++)
        for (long k = 0; k < width; k++)
            sums[(first + i) / each * width + k] += s->vectors[i * width + k];
    s->texts = 0;
    s->total = 0;
    return 0;
}

float *labels_embed(struct vlm *m, const struct option_list *labels,
                    const struct option_list *templates)
{
    static const char *plain[] = { "{}" };
    const struct option_list one = { plain, 1 },
                             *t = templates && templates->count ? templates : &one;
    long width = vlm_width(m), texts = (long)labels->count * t->count;
    float *all = xalloc((size_t)labels->count * (size_t)width, sizeof *all);
    struct some s = { .vectors = xalloc(AT_ONCE * (size_t)width, sizeof(float)) };
    int result = 0;

    for (long i = 0; i < texts && !result; i++) {
        char *text = filled(t->items[i % t->count], labels->items[i / t->count]);

        result = add_text(&s, m, text);
        if (!result && (s.texts == AT_ONCE || i + 1 == texts))
            result = add_vectors(&s, m, i + 1 - s.texts, t->count, all);
        free(text);
    }
    for (int i = 0; i < labels->count && !result; i++)
        if (!vector_unit(all + i * width, width))
            result = fail("the vector of %s is zero or not finite", labels->items[i]);
    free(s.ids);
    free(s.vectors);
    if (!result)
        return all;
    free(all);
    return NULL;
}

static void set_lists(struct record *r, const struct option_list *labels, const struct top *likely)
{
    struct buffer names = { 0 }, probs = { 0 };

    for (int i = 0; i < likely->count; i++) {
        const char *name = labels->items[likely->heap[i].index];
        char number[24];

        float_format(likely->heap[i].score, number);
        buffer_printf(&probs, "%c%s", i ? ',' : '[', number);
        buffer_byte(&names, i ? ',' : '[');
        json_escape(&names, name, strlen(name));
    }
    buffer_byte(&names, ']');
    buffer_byte(&probs, ']');
    record_set_json(r, "labels", names.data, names.size);
    record_set_json(r, "probs", probs.data, probs.size);
    buffer_free(&names);
    buffer_free(&probs);
}

/* prob = softmax(scale x cosine) over all labels, or sigmoid(scale x cosine + bias) of each */
static double probability(const struct labels_rule *how, double cosine, double most, double sum)
{
    if (how->sigmoid)
        return 1 / (1 + exp(-((double)how->scale * cosine + (double)how->bias)));
    return exp((double)how->scale * (cosine - most)) / sum;
}

void labels_mark(struct record *r, const struct option_list *labels, const float *cosines,
                 const struct labels_rule *how, int top)
{
    double sum = 0, most = -2;
    struct top likely;

    for (int i = 0; i < labels->count; i++)
        most = fmax(most, (double)cosines[i]);
    for (int i = 0; i < labels->count; i++)
        sum += exp((double)how->scale * ((double)cosines[i] - most));
    top_open(&likely, top);
    for (int i = 0; i < labels->count; i++) {
        double prob = probability(how, (double)cosines[i], most, sum);

        top_add(&likely, (struct ranked){ (float)prob, (uint64_t)i, NULL });
    }
    top_sort(&likely);
    record_set_string(r, "label", labels->items[likely.heap[0].index]);
    record_set_number(r, "prob", likely.heap[0].score);
    if (top > 1)
        set_lists(r, labels, &likely);
    top_free(&likely);
}
