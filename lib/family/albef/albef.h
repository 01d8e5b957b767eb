/* SPDX-License-Identifier: MIT
 * albef.h - ALBEF: an image tower and one BERT, whose first half reads the text and whose second
 * half looks at the image
 *
 *     text encoder        layers 0 .. fusion - 1, text alone                 itc
 *     multimodal encoder  layers fusion .., text states that look at image   itm, masked words
 *     decoder             VQA: answers, looks at the multimodal states
 *
 * arXiv 2107.07651; salesforce/ALBEF models/; salesforce/LAVIS lavis/models/albef_models/.  A
 * checkpoint has the heads of its task; what it lacks has no parameters.
 */
#ifndef ALBEF_ALBEF_H
#define ALBEF_ALBEF_H

#include "base/core.h"
#include "nn/bert.h"
#include "nn/nn.h"
#include "nn/vit.h"

static const float albef_first_temperature = 0.07f; /* of a new model */

struct albef_config {
    struct vit_config vision;
    struct bert_config text;    /* fusion begins at cross_from; head: predicts masked words */
    struct bert_config decoder; /* layers 0: none */
    long embedding;             /* of the contrastive space, 256; 0: no projections */
    bool match;                 /* the ITM head */
    int classes;                /* visual entailment 3, NLVR2 2; 0: no such head */
    int images;                 /* that a text looks at: 1, or NLVR2's 2 */
    bool lavis;                 /* texts end with [SEP], token types are not added */
};

struct albef {
    struct albef_config config;
    struct vit vision;
    struct bert encoder, decoder;
    struct linear vision_projection, text_projection, match_head;
    struct linear class_hidden, class_out; /* relu between */
    struct tensor *temperature;            /* of ITC; NULL: not in the file */
    int mask_id;                           /* learning: the id that hides a word; 0: not known */
};

void albef_init(struct albef *m, const struct albef_config *config);
void albef_params(struct albef *m, struct params *p);
void albef_close(struct albef *m);

/* pixels [n, 3, size, size] -> [n * tokens, width] */
struct tensor *albef_image(struct tape *t, struct albef *m, struct tensor *pixels);
/* The contrastive space, not normalised: [n, embedding] */
struct tensor *albef_image_embedding(struct tape *t, struct albef *m, struct tensor *image,
                                     int images);
struct tensor *albef_text_embedding(struct tape *t, struct albef *m, const int *ids,
                                    const struct spans *texts);
/* The text half alone: [rows, width]; and the embedding of such states */
struct tensor *albef_text(struct tape *t, struct albef *m, const int *ids,
                          const struct spans *texts);
struct tensor *albef_states_embedding(struct tape *t, struct albef *m, struct tensor *states,
                                      const struct spans *texts);
/* Texts and what they look at. */
struct albef_pairs {
    const int *ids;
    struct tensor *states; /* in place of ids: what albef_text() gave, perhaps written over; NULL */
    const struct spans *texts;
    struct tensor *image, *other; /* [images * tokens, width]; other: NLVR2's second pictures */
    const struct spans *images;
    const int *image_of;      /* [texts]; NULL: text i looks at image i */
    struct bert_watch *watch; /* NULL */
};
/* Multimodal states of all rows, or [CLS] alone: [texts, width] */
struct tensor *albef_states(struct tape *t, struct albef *m, const struct albef_pairs *p,
                            bool first_only);
/* ITM logits [texts, 2], or those of the classes, of the states of [CLS] */
struct tensor *albef_match(struct tape *t, struct albef *m, struct tensor *first);

#endif
