/* SPDX-License-Identifier: MIT
 * bleu.c - BLEU-1 to BLEU-4 over the whole set
 *
 * p_k is the share of the captions' k-grams that occur in the image's references, each counted at
 * most as often as in one of them; c is the captions' length, r that of the references closest to
 * them (of two, the shorter).  Source: Papineni and others, 2002.
 *
 *     BLEU-n = exp(min(0, 1 - r/c)) * (p_1 ... p_n)^(1/n)
 */
#include <math.h>
#include <stdlib.h>
#include "eval/inside.h"

static int closest_length(const struct image *m)
{
    int best = m->references[0].length;

    for (int i = 1; i < m->count; i++) {
        int length = m->references[i].length;
        int near = abs(best - m->caption.length), nearer = abs(length - m->caption.length);

        if (nearer < near || (nearer == near && length < best))
            best = length;
    }
    return best;
}

void bleu_add(struct caption_set *s, const struct image *m)
{
    const struct text *c = &m->caption;

    for (int i = 0; i < c->count; i++) {
        int most = 0;

        for (int k = 0; k < m->count; k++) {
            int count = text_count(&m->references[k], c->grams[i].id);

            most = count > most ? count : most;
        }
        s->matched[s->known[c->grams[i].id].order - 1] +=
            most < c->grams[i].count ? most : c->grams[i].count;
    }
    for (int k = 0; k < ORDERS; k++)
        s->tried[k] += c->length > k ? c->length - k : 0;
    s->length += c->length;
    s->reference_length += closest_length(m);
}

/* The toolkit's small numbers, which keep an empty set of captions from 0/0. */
void bleu_measure(const struct caption_set *s, double bleu[static ORDERS])
{
    const double tiny = 1e-15, small = 1e-9;
    double ratio = (s->length + tiny) / (s->reference_length + small), product = 1;

    for (int k = 0; k < ORDERS; k++) {
        product *= (s->matched[k] + tiny) / (s->tried[k] + small);
        bleu[k] = pow(product, 1.0 / (k + 1)) * (ratio < 1 ? exp(1 - 1 / ratio) : 1);
        if (!s->count)
            bleu[k] = NAN;
    }
}
