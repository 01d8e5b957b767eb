/* SPDX-License-Identifier: MIT
 * inside.h - what the files of the caption metrics share
 */
#ifndef EVAL_INSIDE_H
#define EVAL_INSIDE_H

#include "eval/eval.h"

enum { ORDERS = 4 };

struct gram {
    uint32_t id;
    int count;
};
struct text {
    int length; /* words */
    uint32_t *words;
    struct gram *grams; /* sorted by id */
    int count;
};
struct image {
    struct text caption, *references;
    int count;
};
struct known { /* an n-gram of any text */
    int order, frequency;
    long last_image; /* counted in frequency; from 1 */
};
struct caption_set {
    bool tokenized;
    struct names names; /* n-grams, as words with a space between two */
    struct known *known;
    long known_room;
    struct image *images;
    long count, room, references;
    double matched[ORDERS], tried[ORDERS], length, reference_length, rouge;
    struct arena arena; /* all texts */
};

/* simplify.c */
void text_simplify(struct buffer *b, const char *text, size_t size);

/* caption.c */
int text_count(const struct text *t, uint32_t id); /* how often t has this n-gram */

/* bleu.c, rouge.c, cider.c: add() takes the image that s->count counts last */
void bleu_add(struct caption_set *s, const struct image *m);
void bleu_measure(const struct caption_set *s, double bleu[static ORDERS]); /* NAN: no image */
double rouge_l(const struct image *m);
void cider_add(struct caption_set *s, const struct image *m);
double cider_measure(const struct caption_set *s); /* NAN: no image */

#endif
