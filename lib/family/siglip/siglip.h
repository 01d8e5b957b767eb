/* SPDX-License-Identifier: MIT
 * siglip.h - SigLIP: two towers in one space, a probability for each pair alone (arXiv 2303.15343)
 *
 * SigLIP 2 (arXiv 2502.14786) of fixed resolution is the same with another vocabulary; where its
 * pictures keep their shape (NaFlex), the tower has one row for each of a picture's squares.
 */
#ifndef SIGLIP_SIGLIP_H
#define SIGLIP_SIGLIP_H

#include "base/json.h"
#include "checkpoint/layout.h"
#include "nn/pool_head.h"
#include "nn/text.h"
#include "nn/vit.h"

struct siglip_config {
    long embedding; /* width of the common space, which is the image tower's */
    bool has_vision, has_text;
    struct vit_config vit;
    int squares; /* places of its table of positions, where pictures keep their shape; else 0 */
    struct text_config text;
};
struct siglip {
    struct siglip_config config;
    struct vit vit;
    struct pool_head pool;
    struct text text;
    struct linear text_head;                 /* [embedding, text width], with bias */
    struct tensor *logit_scale, *logit_bias; /* scalars; the scale's logarithm */
};

/* forward.c */
void siglip_init(struct siglip *m, const struct siglip_config *config);
void siglip_params(struct siglip *m, struct params *p);
void siglip_close(struct siglip *m);
/* pixels: [n, 3, size, size] -> behind the last layer: [n, tokens, width] */
struct tensor *siglip_features(struct tape *t, struct siglip *m, struct tensor *pixels);
/* Embeddings, not normalised: [n, embedding].  Texts as in nn/text.h. */
struct tensor *siglip_image(struct tape *t, struct siglip *m, struct tensor *pixels);
struct tensor *siglip_image_of(struct tape *t, struct siglip *m, struct tensor *features);
struct tensor *siglip_text(struct tape *t, struct siglip *m, const int *ids, const int *counts,
                           int texts);

/* layout.c */
extern const struct layout siglip_layout_hf, siglip_layout_big_vision;

/* config.c - 0, or -1 after fail() */
bool siglip_is_hf(const char *model_type, bool shapes); /* a name of one of the two kinds */
int siglip_config_hf(const cJSON *root, struct siglip_config *c);
bool siglip_is_big_vision(const struct weights *w);
int siglip_config_big_vision(const struct weights *w, struct siglip_config *c);
struct model;
struct tokenizer;
cJSON *siglip_save_config(const struct model *m, const struct tokenizer *t,
                          const struct layout **layout);

#endif
