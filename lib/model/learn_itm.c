/* SPDX-License-Identifier: MIT
 * learn_itm.c - which text is put beside which image for matching
 *
 * Negatives are hard: an image or text is drawn the more often the more similar it is.  Source:
 * salesforce/BLIP models/blip_pretrain.py.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "model/learn.h"

static bool differ(const struct pairs *b, int i, int j)
{
    return i != j && (!b->group || b->group[i] == NO_GROUP || b->group[i] != b->group[j]);
}

/* softmax over the batch, a floor, and nothing for the own group; returns the sum */
static double weigh(double *weight, const float *z, const struct pairs *b, int i, float floor)
{
    double most = -INFINITY, all = 0, sum = 0;

    for (int j = 0; j < b->count; j++)
        most = fmax(most, (double)z[j]);
    for (int j = 0; j < b->count; j++)
        all += weight[j] = exp(z[j] - most);
    for (int j = 0; j < b->count; j++) {
        weight[j] = differ(b, i, j) ? weight[j] / all + (double)floor : 0;
        sum += weight[j];
    }
    return sum;
}

const int *draw_negatives(struct tape *t, const struct tensor *logits, const struct pairs *b,
                          const struct lesson *l, float floor)
{
    int *chosen = tape_alloc(t, (size_t)b->count * sizeof *chosen);
    double *weight = tape_alloc(t, (size_t)b->count * sizeof *weight);

    assert(l->draw && rows(logits) == b->count && width(logits) >= b->count);
    for (int i = 0; i < b->count; i++) {
        double left = l->draw(l->draw_self);

        left *= weigh(weight, logits->data + i * logits->stride, b, i, floor);
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
