/* SPDX-License-Identifier: MIT
 * cider.c - CIDEr-D, mean over images
 *
 * g(x) has tf * log(N / df) for each n-gram; df counts the images that have it in their references,
 * N all images; l is a text's length; sigma = 6.  Mean over references and over n = 1..4.
 * Source: arXiv 1411.5726.
 *
 *     CIDEr_n = 10 exp(-(l_c - l_r)^2 / 2 sigma^2) min(g(c), g(r)) . g(r) / (|g(c)| |g(r)|)
 */
#include <math.h>
#include <string.h>
#include "eval/inside.h"

void cider_add(struct caption_set *s, const struct image *m)
{
    for (int i = 0; i < m->count; i++) {
        for (int k = 0; k < m->references[i].count; k++) {
            struct known *n = &s->known[m->references[i].grams[k].id];

            n->frequency += n->last_image != s->count;
            n->last_image = s->count;
        }
    }
}

static double rarity(const struct caption_set *s, uint32_t id)
{
    int frequency = s->known[id].frequency;

    return log((double)s->count) - log(frequency > 1 ? frequency : 1);
}

static void lengths(const struct caption_set *s, const struct text *t, double norm[static ORDERS])
{
    memset(norm, 0, ORDERS * sizeof *norm);
    for (int i = 0; i < t->count; i++) {
        double weight = t->grams[i].count * rarity(s, t->grams[i].id);

        norm[s->known[t->grams[i].id].order - 1] += weight * weight;
    }
    for (int k = 0; k < ORDERS; k++)
        norm[k] = sqrt(norm[k]);
}

static double similarity(const struct caption_set *s, const struct text *c, const struct text *r,
                         const double norm[static ORDERS])
{
    double dot[ORDERS] = { 0 }, other[ORDERS], sum = 0;
    /* The toolkit's length is that of bigrams: none and one word are alike. */
    double difference = (c->length ? c->length - 1 : 0) - (r->length ? r->length - 1 : 0);

    lengths(s, r, other);
    for (int i = 0; i < c->count; i++) {
        double weight = rarity(s, c->grams[i].id);
        int count = text_count(r, c->grams[i].id);
        int least = count < c->grams[i].count ? count : c->grams[i].count;

        dot[s->known[c->grams[i].id].order - 1] += least * weight * count * weight;
    }
    for (int k = 0; k < ORDERS; k++)
        sum += norm[k] > 0 && other[k] > 0 ? dot[k] / (norm[k] * other[k]) : 0;
    return sum / ORDERS * exp(-difference * difference / (2 * 6.0 * 6.0));
}

static double cider(const struct caption_set *s, const struct image *m)
{
    double norm[ORDERS], sum = 0;

    lengths(s, &m->caption, norm);
    for (int i = 0; i < m->count; i++)
        sum += similarity(s, &m->caption, &m->references[i], norm);
    return 10 * sum / m->count;
}

double cider_measure(const struct caption_set *s)
{
    double sum = 0;

    for (long i = 0; i < s->count; i++)
        sum += cider(s, &s->images[i]);
    return s->count ? sum / (double)s->count : NAN;
}
