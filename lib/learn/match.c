/* SPDX-License-Identifier: MIT
 * match.c - which text is put beside which image for matching
 *
 * Negatives are hard: an image or text is drawn the more often the more similar it is.  Source:
 * salesforce/BLIP models/blip_pretrain.py, where a text that stands in the batch twice can be its
 * own negative; here it cannot.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "learn/learn.h"

/* softmax over the batch, a floor, and nothing for pairs that are alike; `easy` of it evenly.
 * Returns the sum. */
static double weigh(double *weight, const float *z, const bool *alike, int count,
                    const struct loss_options *l, float floor)
{
    double most = -INFINITY, all = 0, sum = 0, easy = (double)l->easy;
    int others = 0;

    for (int j = 0; j < count; j++)
        most = fmax(most, (double)z[j]);
    for (int j = 0; j < count; j++)
        all += weight[j] = exp(z[j] - most);
    for (int j = 0; j < count; j++) {
        weight[j] = alike[j] ? 0 : weight[j] / all + (double)floor;
        sum += weight[j];
        others += !alike[j];
    }
    for (int j = 0; easy > 0 && sum > 0 && j < count; j++)
        weight[j] = alike[j] ? 0 : (1 - easy) * weight[j] + easy * sum / others;
    return sum;
}

/* One draw a row; -1 where every other pair of the batch is alike. */
const int *draw_negatives(struct tape *t, const struct tensor *logits, const struct pairs *b,
                          const struct loss_options *l, float floor)
{
    int *chosen = tape_alloc(t, (size_t)b->count * sizeof *chosen);
    double *weight = tape_alloc(t, (size_t)b->count * sizeof *weight);
    const bool *alike = pairs_alike(t, b);

    assert(l->draw && rows(logits) == b->count && width(logits) >= b->count);
    for (int i = 0; i < b->count; i++, alike += b->count) {
        double left = l->draw(l->draw_self);

        left *= weigh(weight, logits->data + i * logits->stride, alike, b->count, l, floor);
        chosen[i] = -1;
        for (int j = 0; j < b->count && (left >= 0 || chosen[i] < 0); j++)
            if (weight[j] > 0) {
                chosen[i] = j;
                left -= weight[j];
            }
    }
    return chosen;
}

struct match {
    int text, image, target;
};

/* Each pair, each text with a wrong image, each image with a wrong text: as in ALBEF, up to three
 * times the batch. */
static int list_matches(struct match *list, const struct pairs *b, const int *image_of_text,
                        const int *text_of_image)
{
    int count = 0;

    for (int i = 0; i < b->count; i++)
        list[count++] = (struct match){ i, i, 1 };
    for (int i = 0; i < b->count; i++)
        if (image_of_text[i] >= 0)
            list[count++] = (struct match){ i, image_of_text[i], 0 };
    for (int i = 0; i < b->count; i++)
        if (text_of_image[i] >= 0)
            list[count++] = (struct match){ text_of_image[i], i, 0 };
    return count;
}

/* By image, in the order they came: neighbours read an image's keys together. */
static void sort_matches(struct match *to, const struct match *from, int count, int images)
{
    for (int image = 0; image < images; image++)
        for (int i = 0; i < count; i++)
            if (from[i].image == image)
                *to++ = from[i];
}

static int *ints(struct tape *t, int count)
{
    return tape_alloc(t, ((size_t)count + 1) * sizeof(int));
}

/* Ids are copied, because a text that looks at an image may begin otherwise than one that does not.
 */
struct matches pair_matches(struct tape *t, const struct pairs *b, const int *image_of_text,
                            const int *text_of_image, int begin)
{
    struct match *listed = tape_alloc(t, 3 * (size_t)b->count * sizeof *listed);
    struct match *list = tape_alloc(t, 3 * (size_t)b->count * sizeof *list);
    const int *start = spans_of(t, b->count, b->counts)->start;
    struct matches m = { .count = list_matches(listed, b, image_of_text, text_of_image) };
    int *lengths = ints(t, m.count);

    sort_matches(list, listed, m.count, b->count);
    m.text = ints(t, m.count);
    m.image_of = ints(t, m.count);
    m.target = ints(t, m.count);
    for (int i = 0; i < m.count; i++) {
        lengths[i] = b->counts[list[i].text];
        m.text[i] = list[i].text;
        m.image_of[i] = list[i].image;
        m.target[i] = list[i].target;
    }
    m.texts = spans_of(t, m.count, lengths);
    m.ids = ints(t, m.texts->start[m.count]);
    for (int i = 0; i < m.count; i++) {
        int *ids = m.ids + m.texts->start[i];

        memcpy(ids, b->ids + start[list[i].text], (size_t)lengths[i] * sizeof *ids);
        if (begin >= 0)
            ids[0] = begin;
    }
    return m;
}
